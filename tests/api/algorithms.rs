//! Keys of several algorithms at once: who is signed for with which, and each with its own succession.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::{Client, Party};
use heirloom::domain::signing_algorithm::{EdDsaName, SigningAlgorithm};
use heirloom::service::admin;
use heirloom::service::keys::key_set::Phase;
use heirloom::store::signing_keys;
use serde_json::{Value, json};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::registration::{open, to_be_changed, web_app};
use crate::signer::changed;

/// An app of whoever runs the server, whose metadata say this.
async fn add_app_with(app: &TestApp, id: &str, metadata: Value) {
    app.add_app(id, |it| {
        it.party = Party::First;
        it.metadata = serde_json::from_value(metadata).unwrap();
    })
    .await;
}

pub async fn change_app(app: &TestApp, id: &str, metadata: Value) -> Client {
    let metadata = metadata.as_object().cloned();
    let changes = admin::client_changes::ClientChanges { metadata, ..Default::default() };
    let id = id.parse().unwrap();
    admin::clients::change(&app.core, &id, changes, app.clock.now()).await.unwrap();
    // What is remembered of clients is two seconds old at most.
    app.clock.advance(SECOND * 2);
    heirloom::store::clients::find(&app.core.db, &id, app.clock.now()).await.unwrap().unwrap()
}

/// The ID token of a sign-in with this client, and the access token beside it.
pub async fn id_token(app: &TestApp, browser: &Browser<'_>, client: &[(&str, &str)]) -> (String, String) {
    let code = browser.authorize(&client[..1]).await.code();
    let answer = app.exchange(&code, client).await;
    (answer.text("id_token").to_owned(), answer.text("access_token").to_owned())
}

pub fn alg(jwt: &str) -> String {
    jwt_header(jwt)["alg"].as_str().unwrap().to_owned()
}

/// A token's `kid` is published, with the algorithm that its header names.
pub async fn is_published(app: &TestApp, jwt: &str) -> bool {
    let header = jwt_header(jwt);
    let jwks = app.get("/.well-known/jwks.json", "").await.json;
    let is_it = |key: &Value| key["kid"] == header["kid"] && key["alg"] == header["alg"];
    jwks["keys"].as_array().unwrap().iter().any(is_it)
}

/// Algorithm and phase of each key, in the order in which they were made.
pub fn phases(app: &TestApp) -> Vec<(&'static str, Phase)> {
    app.core.keys.with_signing_keys(|keys| {
        keys.phases(app.clock.now()).map(|(key, phase)| (key.key.algorithm_name(), phase)).collect()
    })
}

fn half_hash(algorithm: &str, text: &str) -> String {
    let hash = if algorithm == "EdDSA" { &digest::SHA512 } else { &digest::SHA256 };
    let hash = digest::digest(hash, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

both_stores! {
    async fn each_client_gets_the_algorithm_that_it_wants_and_the_access_tokens_that_all_get(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        assert_eq!(phases(&app), [("ES256", Phase::Signing)], "nobody has asked for another one");
        for wanted in ["RS256", "EdDSA", "ES256"] {
            add_app_with(&app, wanted, json!({
                "id_token_signed_response_alg": wanted, "userinfo_signed_response_alg": wanted,
            })).await;
            let (id, access) = id_token(&app, &browser, &[("client_id", wanted)]).await;
            assert_eq!((alg(&id).as_str(), alg(&access).as_str()), (wanted, "ES256"));
            assert_eq!(claims(&id)["at_hash"], half_hash(wanted, &access), "OpenID Connect Core §3.1.3.6");
            assert!(is_published(&app, &id).await);
            let asked = app.http.get(app.at("/oauth/userinfo")).bearer_auth(&access).send().await.unwrap();
            assert_eq!(alg(&asked.text().await.unwrap()), wanted);
        }
        let (id, access) = id_token(&app, &browser, &[("client_id", "app")]).await;
        assert_eq!((alg(&id).as_str(), alg(&access).as_str()), ("ES256", "ES256"), "who says nothing gets the server's");
        assert_eq!(phases(&app).len(), 3, "one key for each");
    }

    async fn a_client_that_was_there_has_what_it_had_until_the_new_key_was_long_published(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        app.clock.advance(MINUTE * 2);
        change_app(&app, "app", json!({ "id_token_signed_response_alg": "EdDSA" })).await;
        let own = [("client_id", "app")];
        assert_eq!(phases(&app), [("ES256", Phase::Signing), ("EdDSA", Phase::Next)]);
        assert_eq!(alg(&id_token(&app, &browser, &own).await.0), "ES256");
        // One that comes after the key cannot know older keys.
        add_app_with(&app, "young", json!({ "id_token_signed_response_alg": "EdDSA" })).await;
        let (id, _) = id_token(&app, &browser, &[("client_id", "young")]).await;
        assert_eq!(alg(&id), "EdDSA");
        assert!(is_published(&app, &id).await);
        app.clock.advance(MINUTE * 10 - SECOND * 3);
        assert_eq!(alg(&id_token(&app, &browser, &own).await.0), "ES256", "a second before");
        app.clock.advance(SECOND);
        assert_eq!(alg(&id_token(&app, &browser, &own).await.0), "EdDSA");
        change_app(&app, "app", json!({ "id_token_signed_response_alg": null })).await;
        assert_eq!(alg(&id_token(&app, &browser, &own).await.0), "ES256", "back with those that say nothing");
    }

    async fn the_rotation_of_one_algorithm_leaves_the_others(app) {
        add_app_with(&app, "fast", json!({ "id_token_signed_response_alg": "EdDSA" })).await;
        app.clock.advance(MINUTE * 10);
        let rotate = async |algorithm| {
            admin::keys::rotate(&app.core, algorithm, None, app.clock.now()).await.unwrap()
        };
        let (_, from) = rotate(Some(SigningAlgorithm::EdDsa)).await;
        assert_eq!(from, app.clock.now() + MINUTE * 10);
        use Phase::{Next, Retiring, Signing};
        assert_eq!(phases(&app), [("ES256", Signing), ("EdDSA", Signing), ("EdDSA", Next)]);
        app.clock.advance(MINUTE * 10);
        assert_eq!(phases(&app), [("ES256", Signing), ("EdDSA", Retiring), ("EdDSA", Signing)]);
        rotate(None).await;
        app.clock.advance(MINUTE * 10);
        let moved_on = [("ES256", Retiring), ("EdDSA", Retiring), ("EdDSA", Signing), ("ES256", Signing)];
        assert_eq!(phases(&app), moved_on);
        app.clock.advance(DAY * 2);
        app.core.keys.forget_retired(&app.core.db, app.clock.now()).await.unwrap();
        app.core.keys.reload(&app.core.db).await.unwrap();
        assert_eq!(phases(&app), [("EdDSA", Signing), ("ES256", Signing)]);
    }

    async fn where_the_server_moves_to_another_algorithm_the_one_that_is_asked_for_stays(app) {
        app.with_apps().await;
        let to = async |algorithm| {
            let how = heirloom::service::keys::succession::Succession { algorithm, ..app.core.succession };
            app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
            app.clock.advance(MINUTE * 30);
        };
        use Phase::{Retired, Signing};
        to(SigningAlgorithm::EdDsa).await;
        assert_eq!(phases(&app), [("ES256", Retired), ("EdDSA", Signing)], "nobody had asked for it");
        add_app_with(&app, "fast", json!({ "id_token_signed_response_alg": "EdDSA" })).await;
        assert_eq!(phases(&app).len(), 2, "its key is there");
        to(SigningAlgorithm::Rs256).await;
        assert_eq!(phases(&app), [("ES256", Retired), ("EdDSA", Signing), ("RS256", Signing)]);
        let jwks = app.get("/.well-known/jwks.json", "").await.json;
        let published: Vec<&Value> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["alg"]).collect();
        assert_eq!(published, ["RS256", "EdDSA"], "what signs for all stands first, though it came later");
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let (id, access) = id_token(&app, &browser, &[("client_id", "fast")]).await;
        assert_eq!((alg(&id).as_str(), alg(&access).as_str()), ("EdDSA", "RS256"));
        // Whoever asks now for what was left behind gets a new key of it.
        add_app_with(&app, "old", json!({ "id_token_signed_response_alg": "ES256" })).await;
        assert_eq!(phases(&app)[3], ("ES256", Phase::Next));
    }

    async fn leaked_keys_are_replaced_in_all_algorithms_or_in_the_one_that_is_named(app) {
        app.with_apps().await;
        for wanted in ["EdDSA", "RS256"] {
            add_app_with(&app, wanted, json!({ "id_token_signed_response_alg": wanted })).await;
        }
        app.clock.advance(MINUTE * 10);
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let one = [("client_id", "EdDSA")];
        let (id, access) = id_token(&app, &browser, &one).await;
        let replace = async |algorithm| {
            admin::keys::replace(&app.core, algorithm, app.clock.now()).await.unwrap()
        };
        use Phase::{Signing, Withdrawn};
        let new = replace(Some(SigningAlgorithm::EdDsa)).await;
        assert_eq!(phases(&app), [("ES256", Signing), ("EdDSA", Withdrawn), ("RS256", Signing), ("EdDSA", Signing)]);
        assert!(is_published(&app, &access).await && !is_published(&app, &id).await);
        assert_eq!(jwt_header(&id_token(&app, &browser, &one).await.0)["kid"], new.as_str());
        app.events();
        let new = replace(None).await;
        let signing: Vec<_> = phases(&app).into_iter().filter(|(_, phase)| *phase == Signing).collect();
        assert_eq!(signing, [("ES256", Signing), ("EdDSA", Signing), ("RS256", Signing)]);
        assert_eq!(phases(&app).len(), 7, "all that were there are withdrawn");
        assert_eq!(app.told("key.replaced"), 4, "one, and then three");
        assert_eq!(app.get("/oauth/userinfo", &access).await.code(), "401 invalid_token");
        let (id, access) = id_token(&app, &browser, &one).await;
        assert_eq!((alg(&id).as_str(), &jwt_header(&access)["kid"]), ("EdDSA", &json!(new)));
        assert!(is_published(&app, &id).await && is_published(&app, &access).await);
    }

    async fn a_client_that_registers_itself_gets_rs256_unless_it_says_otherwise(app) with open; {
        app.add_user("ana").await;
        let silent = app.register(&web_app()).await;
        for name in ["id_token_signed_response_alg", "introspection_signed_response_alg"] {
            assert_eq!(silent.text(name), "RS256", "OpenID Connect Dynamic Client Registration §2, RFC 9701 §6");
        }
        let own = |registered: &Answer| [
            ("client_id".to_owned(), registered.text("client_id").to_owned()),
            ("client_secret".to_owned(), registered.text("client_secret").to_owned()),
        ];
        let sign_in = async |registered: &Answer| {
            let own = own(registered);
            let own = [(own[0].0.as_str(), own[0].1.as_str()), (own[1].0.as_str(), own[1].1.as_str())];
            let browser = Browser::new(&app);
            let page = browser.sign_in(&browser.authorize(&own[..1]).await, "ana").await;
            app.exchange(&browser.decide(&page, "allow").await.code(), &own).await
        };
        let answer = sign_in(&silent).await;
        assert_eq!((alg(answer.text("id_token")).as_str(), alg(answer.text("access_token")).as_str()), ("RS256", "ES256"));
        let own_introspection = own(&silent);
        let request = app.http.post(app.at("/oauth/introspect"));
        let request = request.basic_auth(&own_introspection[0].1, Some(&own_introspection[1].1));
        let request = form(request, &[("token", answer.text("access_token"))]);
        let told = request.header("accept", "application/token-introspection+jwt").send().await.unwrap();
        assert_eq!(alg(&told.text().await.unwrap()), "RS256", "RFC 9701 §6");
        let said = app.register(&changed(&web_app(), &json!({ "id_token_signed_response_alg": "EdDSA" }))).await;
        assert_eq!(said.text("id_token_signed_response_alg"), "EdDSA");
        assert_eq!(alg(sign_in(&said).await.text("id_token")), "EdDSA");
        let back = app.manage("PUT", &said, Some(&to_be_changed(&said, &json!({ "id_token_signed_response_alg": null })))).await;
        assert_eq!(back.text("id_token_signed_response_alg"), "RS256", "RFC 7592 §2.2: as if it had said nothing");
    }

    async fn a_client_that_registered_before_there_was_a_choice_keeps_what_it_has(app) with open; {
        let old = app.register(&web_app()).await;
        // As the version before left it.
        app.sql("UPDATE clients SET metadata = '{}' WHERE self_registered").await;
        app.clock.advance(SECOND * 5);
        let same = app.manage("GET", &old, None).await;
        assert_eq!(same.text("id_token_signed_response_alg"), "ES256");
        let members = to_be_changed(&same, &json!({ "client_name": "Other", "id_token_signed_response_alg": null }));
        let renamed = app.manage("PUT", &old, Some(&members)).await;
        assert_eq!((renamed.status.as_u16(), renamed.text("id_token_signed_response_alg")), (200, "ES256"), "it said nothing, as before");
        let chosen = to_be_changed(&renamed, &json!({ "id_token_signed_response_alg": "EdDSA" }));
        assert_eq!(app.manage("PUT", &renamed, Some(&chosen)).await.text("id_token_signed_response_alg"), "EdDSA");
    }

    async fn the_name_of_eddsa_is_a_setting_and_never_changes_within_a_key(app) with |settings| {
        settings.keys.eddsa_name = EdDsaName::Ed25519;
    }; {
        let told = app.get("/.well-known/openid-configuration", "").await;
        assert_eq!(told.json["id_token_signing_alg_values_supported"], json!(["ES256", "Ed25519", "RS256"]));
        app.with_apps().await;
        add_app_with(&app, "fast", json!({ "id_token_signed_response_alg": "EdDSA" })).await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let (id, access) = id_token(&app, &browser, &[("client_id", "fast")]).await;
        assert_eq!(alg(&id), "Ed25519", "RFC 9864 §2.2");
        assert_eq!(claims(&id)["at_hash"], half_hash("EdDSA", &access));
        assert!(is_published(&app, &id).await);
        // A server that starts with the other name reads the key as it is.
        let master = heirloom::crypto::master_key::MasterKeys::parse(MASTER_KEY).unwrap();
        let other = heirloom::service::keys::ring::Keys::new(master);
        other.reload(&app.core.db).await.unwrap();
        let names = other.names(app.clock.now());
        assert_eq!(names, ["ES256", "Ed25519", "EdDSA", "RS256"]);
        // It is ours when it comes back.
        let hint = [("client_id", "fast"), ("prompt", "none"), ("id_token_hint", id.as_str())];
        browser.authorize(&hint).await.code();
        app.clock.advance(MINUTE * 10);
        let how = heirloom::service::keys::succession::Succession { algorithm: SigningAlgorithm::EdDsa, ..app.core.succession };
        other.rotate_own(&app.core.writer, how, app.clock.now()).await.unwrap();
        app.core.keys.reload(&app.core.db).await.unwrap();
        assert_eq!(phases(&app).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["ES256", "Ed25519", "EdDSA"]);
    }

    async fn what_no_operator_may_say(app) {
        for wrong in ["none", "HS256", "PS256", "es256"] {
            let metadata = json!({ "id_token_signed_response_alg": wrong }).as_object().cloned();
            let said = admin::client_changes::ClientChanges { metadata, ..Default::default() };
            let id = heirloom::domain::ids::ClientId::built_in();
            let refused = admin::clients::change(&app.core, &id, said, app.clock.now()).await.unwrap_err().to_string();
            assert!(refused.starts_with("metadata: unknown variant") && refused.contains("RS256"), "{refused}");
        }
        assert_eq!(phases(&app).len(), 1);
    }
}

both_databases! {
    async fn servers_that_are_asked_for_an_algorithm_together_make_one_key(store, url) {
        let clock = TestClock::new();
        let issuer = |settings: &mut heirloom::settings::Settings| {
            settings.issuer = Some("https://login.example.com".parse().unwrap());
            open(settings);
        };
        let (one, stop_one) = start(store, &url, clock.clone(), issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), issuer).await;
        let wanted = changed(&web_app(), &json!({ "id_token_signed_response_alg": "EdDSA" }));
        let (first, second, third) = tokio::join!(one.register(&wanted), other.register(&wanted), other.register(&wanted));
        for registered in [&first, &second, &third] {
            assert_eq!(registered.status, 201, "{registered:?}");
        }
        let stored = signing_keys::list(&one.core.db).await.unwrap();
        assert_eq!(stored.iter().filter(|key| key.algorithm == "EdDSA").count(), 1);
        assert!(stored.iter().filter(|key| key.algorithm == "RS256").count() <= 1, "made in the background");
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn clients_from_before_the_upgrade_keep_what_their_answers_are_signed_with(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        app.add_app("told", |_| ()).await;
        app.add_app("untold", |_| ()).await;
        // As the version before left them: it signed with the server's algorithm, whatever they named.
        app.sql("UPDATE clients SET metadata = '{\"userinfo_signed_response_alg\":\"PS256\",\"tos_uri\":\"https://a.example\"}' WHERE id = 'told'").await;
        for undone in [
            "DROP TABLE audiences",
            "ALTER TABLE signing_keys DROP COLUMN is_default",
            "ALTER TABLE signing_keys DROP COLUMN is_asked_for",
            "ALTER TABLE signing_keys DROP COLUMN algorithm_name",
            "DELETE FROM _sqlx_migrations WHERE description = 'signing algorithms'",
        ] {
            app.sql(undone).await;
        }
        stop.end().await;
        let (app, stop) = start(store, &url, clock, |_| ()).await;
        let metadata = async |id: &str| {
            let client = heirloom::store::clients::find(&app.core.db, &id.parse().unwrap(), app.clock.now()).await;
            json!(client.unwrap().unwrap().metadata)
        };
        assert_eq!(metadata("told").await, json!({ "userinfo_signed_response_alg": "ES256", "tos_uri": "https://a.example" }));
        assert_eq!(metadata("untold").await, json!({}));
        assert_eq!(phases(&app), [("ES256", Phase::Signing)]);
        stop.end().await;
    }
}
