//! Logouts are told at once, whoever else does not answer.

use std::time::Duration;

use heirloom::domain::client::{Client, Party};
use heirloom::settings::Settings;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::registration::open;
use crate::remote::Remote;

const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Nothing that hangs ends by itself while a test lasts.
fn patient(settings: &mut Settings) {
    open(settings);
    settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    settings.outbound.timeout = MINUTE;
}

fn strangers_too(settings: &mut Settings) {
    patient(settings);
    settings.registration.allowed_networks = settings.outbound.allowed_networks.clone();
}

fn told_at(uri: &str) -> impl FnOnce(&mut Client) + use<> {
    let metadata = json!({ "backchannel_logout_uri": uri });
    move |it| {
        it.party = Party::First;
        it.metadata = serde_json::from_value(metadata).unwrap();
    }
}

async fn asked(remote: &Remote, count: usize) {
    for _ in 0..3000 {
        if remote.asked().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(remote.asked().len(), count);
}

/// A server on an address of its own that takes requests and never answers.
async fn hanging(address: &str) -> Remote {
    let remote = Remote::start_at(&format!("{address}:0")).await;
    remote.answer_and_wait("");
    remote
}

impl TestApp {
    /// So many families of a client that its user will hear the end of.
    async fn families_of(&self, client: &str, count: usize) {
        for _ in 0..count {
            self.log_in_with(client, "ana").await;
        }
    }

    async fn end_all_of(&self, access_token: &str) {
        assert_eq!(self.delete("/sessions", access_token).await.status, 204);
    }
}

both_stores! {
    async fn a_client_that_does_not_answer_keeps_no_other_waiting(app) with patient; {
        app.add_user("ana").await;
        let (slow, quick) = (hanging("127.0.0.1").await, Remote::start_at("127.0.0.2:0").await);
        quick.answer(DONE);
        app.add_client("slow", told_at(&slow.at("/bye"))).await;
        app.add_client("quick", told_at(&quick.at("/bye"))).await;
        let own = app.log_in("ana").await;
        app.families_of("slow", 40).await;
        app.end_all_of(&own.access).await;
        asked(&slow, 8).await;
        // All of these are due later than all of those.
        app.clock.advance(SECOND);
        let own = app.log_in("ana").await;
        app.families_of("quick", 40).await;
        app.end_all_of(&own.access).await;
        asked(&quick, 40).await;
        assert_eq!(slow.asked().len(), 8, "a host has its share of the places");
        // Each is settled by itself.
        for _ in 0..3000 {
            if app.number("SELECT COUNT(*) FROM logout_deliveries WHERE state = 'delivered'").await == 40 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries WHERE state = 'delivered'").await, 40);
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries WHERE state = 'pending'").await, 40);
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries WHERE attempts > 0 AND state = 'pending'").await, 8);
    }

    async fn strangers_that_do_not_answer_keep_no_operators_client_waiting(app) with strangers_too; {
        app.with_apps().await;
        let own = Remote::start_at("127.0.0.9:0").await;
        own.answer(DONE);
        app.add_client("own", told_at(&own.at("/bye"))).await;
        let mut theirs = Vec::new();
        let browser = Browser::new(&app);
        for host in 1..=5 {
            let remote = hanging(&format!("127.0.0.{host}")).await;
            let members = json!({
                "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
                "backchannel_logout_uri": remote.at("/bye"),
            });
            let registered = app.register(&members).await;
            let asks = [("client_id", registered.text("client_id"))];
            for _ in 0..5 {
                let mut page = browser.authorize(&asks).await;
                if page.body.contains("name=\"password\"") {
                    page = browser.sign_in(&page, "ana").await;
                }
                if page.status == 200 {
                    page = browser.decide(&page, "allow").await;
                }
                assert_eq!(app.exchange(&page.code(), &asks).await.status, 200);
            }
            theirs.push(remote);
        }
        let tokens = app.log_in("ana").await;
        app.end_all_of(&tokens.access).await;
        for _ in 0..3000 {
            if theirs.iter().map(|remote| remote.asked().len()).sum::<usize>() == 16 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let seen: Vec<usize> = theirs.iter().map(|remote| remote.asked().len()).collect();
        assert_eq!((seen.iter().sum::<usize>(), seen.iter().max()), (16, Some(&4)), "{seen:?}");
        app.clock.advance(SECOND);
        let tokens = app.log_in("ana").await;
        app.families_of("own", 10).await;
        app.end_all_of(&tokens.access).await;
        asked(&own, 10).await;
    }

    async fn strangers_are_told_of_logouts_at_public_addresses_only(app) with patient; {
        app.with_apps().await;
        let (remote, own) = (Remote::start().await, Remote::start().await);
        remote.answer(DONE);
        own.answer(DONE);
        app.add_client("own", told_at(&own.at("/bye"))).await;
        let members = json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
            "backchannel_logout_uri": remote.at("/bye"),
        });
        let registered = app.register(&members).await;
        assert_eq!(registered.status, 201, "{registered:?}");
        let asks = [("client_id", registered.text("client_id"))];
        let browser = Browser::new(&app);
        let page = browser.authorize(&asks).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        assert_eq!(app.exchange(&code, &asks).await.status, 200);
        app.families_of("own", 1).await;
        let tokens = app.log_in("ana").await;
        app.end_all_of(&tokens.access).await;
        asked(&own, 1).await;
        let tried = "SELECT COUNT(*) FROM logout_deliveries WHERE for_stranger AND attempts = 1 AND state = 'pending'";
        for _ in 0..3000 {
            if app.number(tried).await == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        app.families_of("own", 1).await;
        let tokens = app.log_in("ana").await;
        app.end_all_of(&tokens.access).await;
        asked(&own, 2).await;
        assert_eq!((app.number(tried).await, remote.asked().len()), (1, 0), "it was tried, and nobody was asked");
    }
}
