//! The positions of status lists: none is handed out twice, a login writes nothing for its own, a list ends with its
//! tokens.

use std::collections::BTreeSet;

use heirloom::domain::client::{Client, ClientKind, GrantType, TokenExchangePolicy};
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::domain::status_list::{BLOCK, SIZE};
use heirloom::service::admin::{self, janitor};
use heirloom::service::status_lists::places::StatusPlaces;
use heirloom::settings::Settings;
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;
use crate::status_lists::{INTERVAL, place};

fn same_issuer(settings: &mut Settings) {
    settings.issuer = Some("https://login.example.com".parse().unwrap());
}

/// Everything that was ever reserved.
const BLOCKS: &str = "SELECT CAST(SUM(blocks) AS BIGINT) FROM status_lists";

impl TestApp {
    /// Another process on this server's database.
    async fn taken(&self, places: &StatusPlaces, count: usize) -> Vec<(i64, u32)> {
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            let place = places.take(&self.core.writer, self.clock.now()).await.unwrap();
            taken.push((place.list.number(), place.index));
        }
        taken
    }

    async fn tidy(&self) {
        janitor::tidy(&self.core, 100, self.clock.now()).await.unwrap();
    }

    /// As if all but the last block of the first list were handed out.
    async fn fill_first_list(&self) {
        self.sql(&format!("UPDATE status_lists SET blocks = {} WHERE id = 1", SIZE / BLOCK)).await;
    }

    async fn is_served(&self, path: &str) -> bool {
        self.list_with(path, &[]).await.status() == 200
    }
}

both_databases! {
    async fn no_position_is_given_twice_whatever_becomes_of_a_server(store, url) {
        let clock = TestClock::new();
        let mut given = BTreeSet::new();
        for round in 1..=3 {
            let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
            let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
            let _ = one.try_add_user("ana").await;
            for app in [&one, &other] {
                for _ in 0..10 {
                    assert!(given.insert(place(&app.log_in("ana").await.access)));
                }
            }
            assert_eq!(one.number(BLOCKS).await, 2 * round, "what was left of a block is lost");
            stop_one.end().await;
            stop_other.end().await;
        }
    }

    async fn replicas_say_the_same_within_an_interval(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
        let tokens = one.ana_logged_in().await;
        assert!(!one.is_ended(&tokens.access).await && !other.is_ended(&tokens.access).await);
        other.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        clock.advance(INTERVAL);
        assert!(one.is_ended(&tokens.access).await && other.is_ended(&tokens.access).await);
        let tags = [&one, &other].map(async |app| {
            app.list_with("/status-lists/1", &[]).await.headers()["etag"].to_str().unwrap().to_owned()
        });
        let tags = futures_util::future::join_all(tags).await;
        assert_eq!(tags[0], tags[1], "who is sent from one to the other need not fetch it again");
        // The other has not seen yet that there is a second list, and must not refuse its tokens.
        one.fill_first_list().await;
        let (places, now) = (StatusPlaces::default(), clock.now());
        assert_eq!(places.take(&one.core.writer, now).await.unwrap().list.number(), 2);
        assert!(other.is_served("/status-lists/2").await && !other.is_served("/status-lists/3").await);
        stop_one.end().await;
        stop_other.end().await;
    }
}

both_stores! {
    async fn ten_thousand_logins_reserve_ten_blocks(app) {
        let places = StatusPlaces::default();
        let taken = app.taken(&places, 10_000).await;
        assert_eq!(app.number(BLOCKS).await, 10);
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 10_000);
        for (nth, block) in taken.chunks(BLOCK as usize).enumerate() {
            let nth = u32::try_from(nth).unwrap();
            assert!(block.iter().all(|(list, index)| (*list, index / BLOCK) == (1, nth)));
            // In order, one of two would follow the one before it.
            let neighbours = block.windows(2).filter(|pair| pair[0].1.abs_diff(pair[1].1) == 1).count();
            assert!(neighbours < 20, "in random order: {neighbours}");
            let lower = block[..block.len() / 2].iter().filter(|(_, index)| index % BLOCK < BLOCK / 2).count();
            assert!(lower.abs_diff(block.len() / 4) < 80, "in random order: {lower}");
        }
        let again = app.taken(&StatusPlaces::default(), 1).await;
        assert_eq!(again[0].1 / BLOCK, 10);
    }

    async fn many_servers_that_need_a_block_at_once_get_one_each(app) {
        app.taken(&StatusPlaces::default(), 1).await;
        // A block is left of the first list.
        app.sql(&format!("UPDATE status_lists SET blocks = {}", SIZE / BLOCK - 1)).await;
        let servers: Vec<StatusPlaces> = (0..8).map(|_| StatusPlaces::default()).collect();
        let taken = futures_util::future::join_all(servers.iter().map(|places| app.taken(places, 3))).await;
        let blocks: BTreeSet<(i64, u32)> =
            taken.iter().flatten().map(|(list, index)| (*list, index / BLOCK)).collect();
        let expected = std::iter::once((1, SIZE / BLOCK - 1)).chain((0..7).map(|nth| (2, nth)));
        assert_eq!(blocks, expected.collect());
        // Those that need one within one server get one together.
        let places = StatusPlaces::default();
        let taken = futures_util::future::join_all((0..50).map(|_| app.taken(&places, 1))).await;
        let blocks: BTreeSet<_> = taken.iter().flatten().map(|(list, index)| (*list, index / BLOCK)).collect();
        assert_eq!(blocks, [(2, 7)].into());
    }

    async fn the_rest_of_a_block_is_given_out_for_a_day(app) {
        let places = StatusPlaces::default();
        let block = async || app.taken(&places, 1).await[0].1 / BLOCK;
        assert_eq!(block().await, 0);
        app.clock.advance(DAY - SECOND);
        assert_eq!(block().await, 0);
        app.clock.advance(SECOND);
        assert_eq!(block().await, 1);
    }

    async fn a_list_is_retired_with_the_last_token_that_names_it(app) {
        app.add_user("ana").await;
        let short = LifetimeOverrides { absolute_ttl: Some(DAY * 3), idle_ttl: Some(DAY * 2), ..LifetimeOverrides::default() };
        app.add_client("short", |it| it.lifetimes = short).await;
        let (ended, lasting) = (app.log_in("ana").await, app.log_in_with("short", "ana").await);
        app.post("/logout", &json!({ "refresh_token": ended.refresh })).await;
        app.fill_first_list().await;
        app.tidy().await;
        app.clock.advance(DAY * 2);
        app.tidy().await;
        assert!(app.is_served("/status-lists/1").await, "it is the newest");
        let next = app.log_in("ana").await;
        assert_eq!(place(&next.access).0, "/status-lists/2");
        app.clock.advance(DAY + MINUTE - SECOND);
        app.tidy().await;
        assert!(app.is_served("/status-lists/1").await, "a login is left");
        assert_eq!(place(&lasting.access).0, "/status-lists/1");
        app.clock.advance(SECOND);
        app.tidy().await;
        app.clock.advance(INTERVAL);
        assert!(!app.is_served("/status-lists/1").await && app.is_served("/status-lists/2").await);
        assert_eq!(app.get("/status-lists", "").await.json["status_lists"].as_array().unwrap().len(), 1);
        // Its number is not given again.
        app.sql(&format!("UPDATE status_lists SET blocks = {}", SIZE / BLOCK)).await;
        assert_eq!(app.taken(&StatusPlaces::default(), 1).await[0].0, 3);
    }

    async fn a_full_list_waits_for_those_that_hold_its_last_block(app) {
        app.add_user("ana").await;
        app.taken(&StatusPlaces::default(), 1).await;
        app.fill_first_list().await;
        app.taken(&StatusPlaces::default(), 1).await;
        // Nobody has a position of it, and somebody may still be given one.
        app.clock.advance(DAY);
        app.tidy().await;
        assert!(app.is_served("/status-lists/1").await);
        app.clock.advance(MINUTE * 60);
        app.tidy().await;
        app.clock.advance(INTERVAL);
        assert!(!app.is_served("/status-lists/1").await);
        app.sql(&format!("UPDATE status_lists SET blocks = {}", SIZE / BLOCK)).await;
        app.clock.advance(DAY * 2);
        app.tidy().await;
        let next = app.taken(&StatusPlaces::default(), 1).await;
        assert_eq!(next[0].0, 3, "the newest stays, so that its number is not given again");
    }

    async fn an_ended_login_is_told_until_its_last_token_has_expired_by_every_clock(app) {
        app.add_user("ana").await;
        let day = LifetimeOverrides { access_ttl: Some(DAY), ..LifetimeOverrides::default() };
        app.add_client("day", |it| it.lifetimes = day).await;
        let tokens = app.log_in_with("day", "ana").await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh, "client_id": "day" })).await;
        app.clock.advance(DAY + SECOND * 59);
        app.tidy().await;
        assert!(app.is_ended(&tokens.access).await);
        app.clock.advance(SECOND);
        app.tidy().await;
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 0);
        // A login that cannot be refreshed lives as long as its token.
        let brief = LifetimeOverrides {
            access_ttl: Some(MINUTE), idle_ttl: Some(MINUTE), absolute_ttl: Some(MINUTE), leeway: None,
        };
        app.add_client("brief", |it| it.lifetimes = brief).await;
        let tokens = app.log_in_with("brief", "ana").await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh, "client_id": "brief" })).await;
        app.clock.advance(MINUTE + SECOND * 59);
        app.tidy().await;
        assert!(app.is_ended(&tokens.access).await, "services give some leeway");
    }

    async fn an_exchanged_token_names_its_familys_place(app) {
        let secret = app.add_client("service", |it: &mut Client| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.grants = [GrantType::ClientCredentials, GrantType::TokenExchange].into();
            it.scopes = "read".parse().unwrap();
            it.serves = vec!["https://api.example".parse().unwrap()];
            it.metadata.token_exchange = Some(TokenExchangePolicy { audiences: Vec::new(), impersonation: true });
        }).await.unwrap().expose().to_owned();
        app.add_client("front", |it| {
            it.scopes = "read".parse().unwrap();
            it.audiences = vec!["https://api.example".parse().unwrap()];
        }).await;
        app.add_user("ana").await;
        let login =
            json!({ "username": "ana", "password": PASSWORD, "client_id": "front", "resource": "https://api.example" });
        let ana = app.post("/login", &login).await.tokens();
        let client = ("service", secret.as_str());
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
        let of_type = ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
        let answer = app.form_as("/oauth/token", client, &[grant, of_type, ("subject_token", &ana.access)]).await;
        assert_eq!(place(answer.text("access_token")), place(&ana.access));
        let own = app.form_as("/oauth/token", client, &[("grant_type", "client_credentials")]).await;
        assert!(claims(own.text("access_token")).get("status").is_none(), "a client has no login");
        admin::families::end(&app.core, ana.family().parse().unwrap(), app.clock.now()).await.unwrap();
        assert!(app.is_ended(answer.text("access_token")).await);
    }
}
