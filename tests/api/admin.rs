//! What an operator does, and what it does to families.

use heirloom::domain::ids::{ClientId, FamilyId};
use heirloom::domain::refusal::EndReason;
use heirloom::domain::secrets::Password;
use heirloom::service::admin::client_changes::ClientChanges;
use heirloom::service::admin::users::Change;
use heirloom::service::admin::{self, janitor};
use heirloom::store::expired::{self, Expired};
use heirloom::store::families::{self, OfClient};

use crate::harness::*;

both_stores! {
    async fn a_client_keeps_the_redirect_uris_that_it_has_and_gets_no_unfit_ones(app) {
        let (now, id) = (app.clock.now(), "shop".parse().unwrap());
        let uris = |uris: &[&str]| Some(uris.iter().map(|uri| (*uri).to_owned()).collect());
        app.add_client("shop", |it| it.redirect_uris = vec!["http://intranet/cb".to_owned()]).await;
        // It was registered when the rule was another.
        let renamed = ClientChanges { name: Some("Shop".to_owned()), ..ClientChanges::default() };
        let shop = admin::clients::change(&app.core, &id, renamed, now).await.unwrap();
        assert_eq!(shop.redirect_uris, ["http://intranet/cb"]);
        for unfit in ["http://intranet/cb", "https://*.example.com/cb", "data:text/html,x", "https://a b", "https://ä.example"] {
            let sent_back = ClientChanges { redirect_uris: uris(&[unfit]), ..ClientChanges::default() };
            let sent_on = ClientChanges { post_logout_redirect_uris: uris(&[unfit]), ..ClientChanges::default() };
            for changes in [sent_back, sent_on] {
                let refused = admin::clients::change(&app.core, &id, changes, now).await.unwrap_err().to_string();
                assert!(refused.starts_with(unfit), "{refused}");
            }
        }
        let fit = ["https://shop.example/cb", "http://[::1]/cb", "shop:/cb"];
        let changes = ClientChanges { redirect_uris: uris(&fit), ..ClientChanges::default() };
        let shop = admin::clients::change(&app.core, &id, changes, now).await.unwrap();
        assert_eq!(shop.redirect_uris, fit);
    }

    async fn what_ends_a_users_families_ends_all_of_them_and_nobody_elses(app) {
        let ana = app.add_user("ana").await;
        app.add_user("bob").await;
        let mut bob = app.log_in("bob").await;
        let password = || Password::new(PASSWORD.to_owned()).unwrap();
        for change in [Change::Disable, Change::Password(password()), Change::Remove] {
            let restored = matches!(change, Change::Disable);
            let (phone, laptop) = (app.log_in("ana").await, app.log_in("ana").await);
            app.change_user(ana, change).await;
            for tokens in [phone, laptop] {
                assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
                assert_eq!(app.get("/sessions", &tokens.access).await.status, 401);
            }
            if restored {
                app.change_user(ana, Change::Enable).await;
            }
            bob = app.rotate(&bob).await;
        }
        let gone = app.post("/login", &serde_json::json!({ "username": "ana", "password": PASSWORD })).await;
        assert_eq!(gone.status, 401);
        app.add_user("ana").await;
        app.log_in("ana").await;
    }

    async fn new_roles_are_in_the_next_access_token(app) {
        let ana = app.add_user("ana").await;
        let tokens = app.log_in("ana").await;
        assert_eq!(tokens.claims()["roles"], serde_json::json!(["editor"]));
        app.change_user(ana, Change::Roles(vec!["admin".to_owned(), "auditor".to_owned()])).await;
        let next = app.rotate(&tokens).await;
        assert_eq!(next.claims()["roles"], serde_json::json!(["admin", "auditor"]));
        app.change_user(ana, Change::Roles(Vec::new())).await;
        assert_eq!(app.rotate(&next).await.claims()["roles"], serde_json::json!([]));
    }

    async fn a_removed_client_is_refused_once_the_caches_have_turned_over(app) {
        app.add_client("app", |_| ()).await;
        app.add_user("ana").await;
        let mut families = Vec::new();
        for _ in 0..7 {
            families.push(app.log_in_with("app", "ana").await);
        }
        let other = app.log_in("ana").await;
        let id: ClientId = "app".parse().unwrap();
        let ended = admin::clients::remove(&app.core, &id, 3, app.clock.now()).await.unwrap();
        assert_eq!(ended, 7, "in batches of three");
        // A server that still believes in the client lets somebody in: the janitor ends that too.
        let late = app.log_in_with("app", "ana").await;
        app.clock.advance(SECOND * 2);
        assert_eq!(app.refresh_with("app", &late.refresh).await.code(), "401 invalid_client");
        assert_eq!(janitor::tidy(&app.core, 3, app.clock.now()).await.unwrap().ended, 1);
        assert_eq!(app.live_families().await, 1);
        app.rotate(&other).await;
        let again = admin::clients::built_in(app.clock.now());
        let again = heirloom::domain::client::Client { id, ..again };
        assert!(admin::clients::add(&app.core, &again, app.clock.now()).await.is_err(), "an id is never given out twice");
    }

    async fn the_janitor_deletes_what_is_past_its_absolute_lifetime(app) with |settings| settings.events.retention = 365 * DAY; {
        app.add_user("ana").await;
        for _ in 0..7 {
            app.log_in("ana").await;
        }
        app.clock.advance(DAY * 30);
        let young = app.log_in("ana").await;
        // Services give some leeway, and replicas' clocks may differ a little.
        app.clock.advance(DAY * 60 + MINUTE - SECOND);
        assert_eq!(janitor::tidy(&app.core, 2, app.clock.now()).await.unwrap().deleted, 0);
        app.clock.advance(SECOND);
        assert_eq!(janitor::tidy(&app.core, 2, app.clock.now()).await.unwrap().deleted, 7);
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 1);
        assert_eq!(app.refresh(&young.refresh).await.refusal(), EXPIRED, "idle, and still in its row");
    }

    async fn an_operator_can_end_one_login_or_all_of_a_user(app) {
        let ana = app.add_user("ana").await;
        let (one, other) = (app.log_in("ana").await, app.log_in("ana").await);
        let id = one.claims()["sid"].as_str().unwrap().parse().unwrap();
        admin::families::end(&app.core, id, app.clock.now()).await.unwrap();
        assert!(admin::families::end(&app.core, id, app.clock.now()).await.is_err());
        assert_eq!(app.refresh(&one.refresh).await.refusal(), ENDED);
        let ended = admin::families::end_of_user(&app.core, ana, app.clock.now()).await.unwrap();
        assert_eq!(ended, 1);
        assert_eq!(app.refresh(&other.refresh).await.refusal(), ENDED);
    }

    async fn changing_nobody_is_told(app) {
        let nobody = app.add_user("ana").await;
        app.change_user(nobody, Change::Remove).await;
        let changed =
            admin::users::change(&app.core, nobody, Change::Disable, app.clock.now()).await;
        assert!(matches!(changed, Err(heirloom::service::Failure::NotFound)));
    }

    async fn batches_are_bounded(app) {
        app.add_client("app", |_| ()).await;
        app.add_user("ana").await;
        for _ in 0..5 {
            app.log_in_with("app", "ana").await;
        }
        let (db, now) = (&app.core.db, app.clock.now());
        let (client, beginning) = ("app".parse().unwrap(), FamilyId(uuid::Uuid::nil()));
        let all = OfClient { client, reason: EndReason::ClientRemoved, until: now };
        let some = app.core.write(now, async |tx| {
            families::end_some_of_client(tx, &all, beginning, 2, now).await.map(Some)
        });
        let some = some.await.unwrap().unwrap();
        assert_eq!((some.len(), app.live_families().await), (2, 3));
        app.clock.advance(DAY * 90);
        let now = app.clock.now();
        assert_eq!(expired::delete_some(db, Expired::Families, now, 2).await.unwrap(), 2);
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 3);
    }

    async fn what_was_ended_stays_ended_when_its_user_comes_back(app) {
        let ana = app.add_user("ana").await;
        let tokens = app.log_in("ana").await;
        app.change_user(ana, Change::Disable).await;
        app.change_user(ana, Change::Enable).await;
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        app.log_in("ana").await;
    }

    async fn why_a_family_ended_is_kept(app) {
        let ana = app.add_user("ana").await;
        let reasons = async |reason: &str| {
            app.number(&format!("SELECT COUNT(*) FROM families WHERE end_reason = '{reason}'")).await
        };
        let password = || Password::new(PASSWORD.to_owned()).unwrap();
        for (change, reason) in [
            (Change::Password(password()), "password_changed"),
            (Change::Disable, "user_disabled"),
            (Change::Remove, "user_removed"),
        ] {
            app.change_user(ana, Change::Enable).await;
            app.log_in("ana").await;
            app.change_user(ana, change).await;
            assert_eq!(reasons(reason).await, 1, "{reason}");
        }
        assert_eq!(reasons("operator").await, 0);
    }

    async fn roles_that_change_within_the_leeway_make_another_token(app) {
        let ana = app.add_user("ana").await;
        let first = app.log_in("ana").await;
        let second = app.rotate(&first).await;
        app.change_user(ana, Change::Roles(vec!["admin".to_owned()])).await;
        let again = app.rotate(&first).await;
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(again.claims()["roles"], serde_json::json!(["admin"]));
        assert_ne!(again.claims()["jti"], second.claims()["jti"], "other content, another id");
    }
}
