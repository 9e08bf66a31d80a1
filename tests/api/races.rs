//! Races, by racing.

use std::sync::Arc;

use heirloom::domain::family::{Family, Place, Step};
use heirloom::domain::secrets::Password;
use heirloom::service::admin;
use heirloom::service::admin::users::Change;
use heirloom::store::families;
use serde_json::json;

use crate::harness::*;

/// Presents one token so often at once.
async fn storm(app: &TestApp, client: &str, token: &str, count: usize) -> Vec<Answer> {
    futures_util::future::join_all((0..count).map(|_| app.refresh_with(client, token))).await
}

/// Logins that lose a race count as wrong passwords.
fn many_attempts(settings: &mut heirloom::settings::Settings) {
    settings.limits.account_attempts = 1000;
}

both_stores_both_ways! {
    async fn a_token_presented_a_hundred_times_at_once_rotates_once(app) {
        let mut tokens = app.ana_logged_in().await;
        for generation in 2..=6 {
            let answers = storm(&app, "heirloom", &tokens.refresh, 100).await;
            let got: Vec<Tokens> = answers.iter().map(Answer::tokens).collect();
            assert!(got.iter().all(|it| it.refresh == got[0].refresh && it.claims() == got[0].claims()));
            assert_eq!(app.number("SELECT generation FROM families").await, generation);
            tokens = got[0].clone();
        }
    }

    async fn in_strict_mode_one_at_most_wins(app) {
        app.add_strict_client().await;
        app.add_user("ana").await;
        for _ in 0..5 {
            let tokens = app.log_in_with("strict", "ana").await;
            let answers = storm(&app, "strict", &tokens.refresh, 20).await;
            let won = answers.iter().filter(|answer| answer.status == 200).count();
            assert!(won <= 1, "{won}");
            assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 401), "{answers:?}");
        }
        assert_eq!(app.live_families().await, 0, "each was presented twice");
    }

    async fn after_the_answer_of_a_revocation_nothing_refreshes(app) {
        app.add_user("ana").await;
        for _ in 0..10 {
            let tokens = app.log_in("ana").await;
            let chain = async {
                let mut tokens = tokens.clone();
                for _ in 0..20 {
                    let answer = app.refresh(&tokens.refresh).await;
                    if answer.status != 200 {
                        assert_eq!(answer.refusal(), ENDED);
                        return tokens;
                    }
                    tokens = answer.tokens();
                }
                tokens
            };
            let revoke = async {
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
                assert_eq!(app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await.status, 204);
                assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
            };
            let (last, ()) = tokio::join!(chain, revoke);
            assert_eq!(app.refresh(&last.refresh).await.refusal(), ENDED);
        }
        assert_eq!(app.live_families().await, 0);
    }

    async fn no_login_slips_past_a_disabling(app) with many_attempts; {
        let ana = app.add_user("ana").await;
        let app = Arc::new(app);
        for round in 0..8 {
            let logins = (0..6).map(|_| {
                let app = Arc::clone(&app);
                tokio::spawn(async move {
                    app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.status.as_u16()
                })
            });
            let logins: Vec<_> = logins.collect();
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            app.change_user(ana, Change::Disable).await;
            for login in logins {
                assert!(matches!(login.await.unwrap(), 200 | 401));
            }
            assert_eq!(app.live_families().await, 0, "whoever got in was put out");
            app.change_user(ana, Change::Enable).await;
        }
    }

    async fn no_login_with_the_old_password_slips_past_a_new_one(app) with many_attempts; {
        let ana = app.add_user("ana").await;
        let app = Arc::new(app);
        let mut current = PASSWORD.to_owned();
        for round in 0..8_u64 {
            let logins: Vec<_> = (0..6)
                .map(|_| {
                    let (app, password) = (Arc::clone(&app), current.clone());
                    tokio::spawn(async move { app.post("/login", &json!({ "username": "ana", "password": password })).await })
                })
                .collect();
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            current = format!("{PASSWORD} {round}");
            let change = Change::Password(Password::new(current.clone()).unwrap());
            admin::users::change(&app.core, ana, change, app.clock.now()).await.unwrap();
            for login in logins {
                assert!(matches!(login.await.unwrap().status.as_u16(), 200 | 401));
            }
            assert_eq!(app.live_families().await, 0);
        }
    }

    async fn no_login_slips_past_a_removal(app) with many_attempts; {
        let app = Arc::new(app);
        for round in 0..8 {
            let ana = app.add_user("ana").await;
            let logins: Vec<_> = (0..6)
                .map(|_| {
                    let app = Arc::clone(&app);
                    tokio::spawn(async move {
                        app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.status.as_u16()
                    })
                })
                .collect();
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            app.change_user(ana, Change::Remove).await;
            for login in logins {
                assert!(matches!(login.await.unwrap(), 200 | 401));
            }
            assert_eq!(app.live_families().await, 0, "whoever got in was put out");
        }
    }

    async fn late_tabs_that_come_at_once_agree(app) {
        let mut base = app.ana_logged_in().await;
        for _ in 0..5 {
            app.rotate(&base).await;
            app.clock.advance(DAY);
            let answers = storm(&app, "heirloom", &base.refresh, 30).await;
            let got: Vec<Tokens> = answers.iter().map(Answer::tokens).collect();
            assert_eq!(got[0].generation(), base.generation() + 2, "one successor was skipped, once");
            assert!(got.iter().all(|it| it.refresh == got[0].refresh && it.claims() == got[0].claims()));
            base = got[0].clone();
        }
    }

    async fn clients_ahead_of_a_restored_row_agree(app) {
        let first = app.ana_logged_in().await;
        let third = app.rotate(&app.rotate(&first).await).await;
        app.sql("UPDATE families SET base = NULL, generation = 1").await;
        let answers = storm(&app, "heirloom", &third.refresh, 30).await;
        assert!(answers.iter().all(|answer| answer.tokens().generation() == 4));
        assert_eq!(app.number("SELECT generation FROM families").await, 4);
    }

    async fn new_roles_are_lost_to_no_refresh(app) {
        let ana = app.add_user("ana").await;
        let mut tokens = app.log_in("ana").await;
        for round in 0..10 {
            let role = format!("role-{round}");
            let (answers, ()) = tokio::join!(
                storm(&app, "heirloom", &tokens.refresh, 10),
                app.change_user(ana, Change::Roles(vec![role.clone()])),
            );
            let next = answers[0].tokens();
            assert!(answers.iter().all(|answer| answer.tokens().refresh == next.refresh));
            tokens = app.rotate(&next).await;
            assert_eq!(tokens.claims()["roles"], json!([role]));
        }
    }

    async fn a_theft_seen_by_many_at_once_ends_the_family_for_all(app) {
        app.add_user("ana").await;
        for _ in 0..5 {
            let stolen = app.log_in("ana").await;
            let second = app.rotate(&stolen).await;
            let third = app.rotate(&second).await;
            let (thieves, owner) =
                tokio::join!(storm(&app, "heirloom", &stolen.refresh, 20), app.refresh(&third.refresh));
            assert!(thieves.iter().all(|thief| thief.refusal() == REUSED), "{thieves:?}");
            assert!(owner.status == 200 || owner.refusal() == REUSED);
            assert_eq!(app.live_families().await, 0);
        }
    }

    async fn what_was_decided_about_an_older_row_is_not_written(app) {
        let tokens = app.rotate(&app.ana_logged_in().await).await;
        let (db, now) = (&app.core.db, app.clock.now());
        let read = families::newest(db, Place::NEWEST.id, 1).await.unwrap().remove(0);
        let step = Step { generation: read.generation.next().unwrap(), base: read.base };
        let elsewhen = Family { rotated_at: read.rotated_at - SECOND, ..read.clone() };
        assert!(families::advance(db, &elsewhen, step, now).await.unwrap().is_none());
        let tokens = app.rotate(&tokens).await;
        assert!(families::advance(db, &read, step, now).await.unwrap().is_none(), "it has rotated since");
        let read = families::newest(db, Place::NEWEST.id, 1).await.unwrap().remove(0);
        let step = Step { generation: read.generation.next().unwrap(), base: read.base };
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        assert!(families::advance(db, &read, step, now).await.unwrap().is_none(), "it has ended since");
    }
}
