//! Pairwise subjects (OpenID Connect Core §8): each sector knows a user by another name, and always by the same.

use heirloom::crypto::master_key::{self, MasterKeys};
use heirloom::domain::client::SubjectType;
use heirloom::domain::client::{Client, Party};
use heirloom::service::keys::ring::{Keys, KeysUnreadable};
use heirloom::service::keys::subject_key;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const THERE: &str = "https://there.example/cb";

fn pairwise(redirect_uri: &'static str) -> impl FnOnce(&mut Client) {
    move |it| {
        it.party = Party::First;
        it.redirect_uris = vec![redirect_uri.to_owned()];
        it.metadata.subject_type = Some(SubjectType::Pairwise);
    }
}

/// The code that a signed-in browser gets for a client at its redirect URI.
async fn enters(app: &TestApp, browser: &Browser<'_>, client: &str, uri: &str) -> Answer {
    let code = browser.authorize(&[("client_id", client), ("redirect_uri", uri)]).await.code();
    app.exchange(&code, &[("client_id", client), ("redirect_uri", uri)]).await
}

both_stores! {
    async fn each_sector_knows_a_user_by_a_name_of_its_own(app) {
        app.with_apps().await;
        app.add_app("here", pairwise(REDIRECT_URI)).await;
        app.add_app("beside", pairwise("https://app.example/other")).await;
        app.add_app("there", pairwise(THERE)).await;
        app.add_app("sector", |it| {
            pairwise(THERE)(it);
            it.metadata.sector_identifier_uri = Some("https://app.example/sector.json".to_owned().try_into().unwrap());
        }).await;
        app.add_app("native", pairwise("com.example.app:/cb")).await;
        let browser = Browser::new(&app);
        let public = app.exchange(&browser.ana_signs_in(&[]).await, &[]).await;
        let subject = async |client: &str, uri: &str| {
            let answer = match client {
                "native" => {
                    let page = browser.authorize(&[("client_id", client), ("redirect_uri", uri)]).await;
                    let code = browser.decide(&page, "allow").await.code();
                    app.exchange(&code, &[("client_id", client), ("redirect_uri", uri)]).await
                }
                _ => enters(&app, &browser, client, uri).await,
            };
            claims(answer.text("id_token"))["sub"].clone()
        };
        let here = subject("here", REDIRECT_URI).await;
        assert_eq!(subject("here", REDIRECT_URI).await, here, "always the same");
        assert_eq!(subject("beside", "https://app.example/other").await, here, "the same host");
        assert_eq!(subject("sector", THERE).await, here, "OIDC Core §8.1: the sector identifier's host");
        let all = [here, subject("there", THERE).await, subject("native", "com.example.app:/cb").await, public.tokens().claims()["sub"].clone()];
        for (place, one) in all.iter().enumerate() {
            assert!(all.iter().skip(place + 1).all(|other| other != one), "{all:?}");
        }
    }

    async fn the_name_is_the_same_wherever_the_client_meets_it(app) {
        app.with_apps().await;
        let secret = app.add_web_app("web", pairwise(REDIRECT_URI)).await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[("client_id", "web")]).await;
        let answer = app.exchange(&code, &[("client_id", "web"), ("client_secret", &secret)]).await;
        let (id_token, tokens) = (answer.text("id_token"), answer.tokens());
        let sub = claims(id_token)["sub"].clone();
        let user = heirloom::store::users::find_by_name(&app.core.db, &"ana".parse().unwrap()).await.unwrap().unwrap();
        assert_ne!(sub, json!(user.id));
        assert_eq!(tokens.claims()["sub"], sub);
        assert_eq!(app.get("/oauth/userinfo", &tokens.access).await.json["sub"], sub);
        let client = ("web", secret.as_str());
        for token in [&tokens.access, &tokens.refresh] {
            let seen: Value = app.form_as("/oauth/introspect", client, &[("token", token)]).await.json;
            assert_eq!(seen["sub"], sub);
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let refreshed = app.form_as("/oauth/token", client, &form).await;
        assert_eq!(claims(refreshed.text("id_token"))["sub"], sub);
        // The hint names its user by that name.
        let hinted = [("client_id", "web"), ("prompt", "none"), ("id_token_hint", id_token)];
        browser.authorize(&hinted).await.code();
        app.add_user("ben").await;
        let ben = Browser::new(&app);
        ben.sign_in(&ben.authorize(&[]).await, "ben").await.code();
        assert_eq!(ben.authorize(&hinted).await.error(), "login_required");
        let logout = format!("/oauth/logout?id_token_hint={id_token}&post_logout_redirect_uri=https://app.example/bye");
        assert!(ben.get(&logout).await.body.contains("Sign out?"), "not Ben");
        assert_eq!(browser.get(&logout).await.location(), "https://app.example/bye");
    }

    async fn the_simple_face_knows_its_users_as_before(app) {
        app.add_user("ana").await;
        app.add_client("shy", |it| it.metadata.subject_type = Some(SubjectType::Pairwise)).await;
        let (shy, open) = (app.log_in_with("shy", "ana").await, app.log_in("ana").await);
        assert_ne!(shy.claims()["sub"], open.claims()["sub"]);
        for tokens in [&shy, &open] {
            let sessions = app.get("/sessions", &tokens.access).await;
            assert_eq!(sessions.json["sessions"].as_array().map(Vec::len), Some(2), "{sessions:?}");
        }
        let next = app.refresh_with("shy", &shy.refresh).await.tokens();
        assert_eq!(next.claims()["sub"], shy.claims()["sub"]);
    }

    async fn a_new_master_key_changes_no_name(app) {
        let user = app.add_user("ana").await;
        app.add_client("shy", |it| it.metadata.subject_type = Some(SubjectType::Pairwise)).await;
        let sub = app.log_in_with("shy", "ana").await.claims()["sub"].clone();
        let old = app.settings.master_key.as_ref().unwrap().expose().to_owned();
        let new = master_key::generate();
        let keys = |text: &str| Keys::new(MasterKeys::parse(text).unwrap());
        let known = app.core.client(&"shy".parse().unwrap(), app.clock.now()).await.unwrap().unwrap();
        let stranger = subject_key::load(&keys(&new), &app.core.writer, app.clock.now()).await;
        assert!(matches!(stranger, Err(KeysUnreadable::Secret { .. })), "{stranger:?}");
        for text in [format!("{old},{}", *new), format!("{},{old}", *new), new.to_string()] {
            let loaded = subject_key::load(&keys(&text), &app.core.writer, app.clock.now()).await.unwrap();
            assert_eq!(json!(loaded.subject(&known.client, user)), sub);
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM server_secrets").await, 1);
    }
}
