//! Signing keys and master keys through their lives.

use std::time::Duration;

use heirloom::crypto::master_key::{self, MasterKeys};
use heirloom::domain::signing_algorithm::{SigningAlgorithm, SigningWish};
use heirloom::service::keys::ring::{Keys, KeysUnreadable};
use heirloom::service::keys::succession::Succession;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;

use crate::harness::*;

/// What nobody has said.
pub const ANY: SigningWish = SigningWish { algorithm: None, since: chrono::DateTime::UNIX_EPOCH };

fn succession(algorithm: SigningAlgorithm) -> Succession {
    Succession { algorithm, publish_ahead: MINUTE * 10, default_ttl: MINUTE * 15 }
}

pub async fn published(app: &TestApp) -> Vec<String> {
    let answer = app.send(app.http.get(app.at("/.well-known/jwks.json"))).await;
    answer.json["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

pub fn kid(tokens: &Tokens) -> String {
    let header = tokens.access.split('.').next().unwrap();
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["typ"], "at+jwt");
    header["kid"].as_str().unwrap().to_owned()
}

/// An access token's claims, verified as a resource service does: by the published keys alone.
async fn verified(app: &TestApp, token: &str, algorithm: Algorithm) -> Option<Value> {
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.alg, algorithm);
    let jwks = app.send(app.http.get(app.at("/.well-known/jwks.json"))).await.json;
    let jwks: JwkSet = serde_json::from_value(jwks).unwrap();
    let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[app.core.issuer.as_str()]);
    validation.validate_exp = false;
    Some(jsonwebtoken::decode::<Value>(token, &key, &validation).ok()?.claims)
}

both_stores! {
    async fn the_next_key_is_published_before_it_signs_and_the_old_one_until_its_last_token_expired(app) {
        let tokens = app.ana_logged_in().await;
        let old = kid(&tokens);
        assert_eq!(published(&app).await, [old.clone()]);
        let how = succession(SigningAlgorithm::EdDsa);
        let (new, signs_from) = app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
        assert_eq!(signs_from, app.clock.now() + MINUTE * 10);
        assert_eq!(published(&app).await, [old.clone(), new.clone()]);
        app.clock.advance(MINUTE * 10 - SECOND);
        assert_eq!(kid(&app.log_in("ana").await), old);
        app.clock.advance(SECOND);
        let tokens = app.log_in("ana").await;
        assert_eq!(kid(&tokens), new);
        assert_eq!(app.get("/sessions", &tokens.access).await.status, 200);
        app.clock.advance(MINUTE * 15);
        assert_eq!(published(&app).await, [new.clone(), old.clone()], "a minute more, for clocks that differ");
        app.clock.advance(MINUTE);
        assert_eq!(published(&app).await, [new.clone()]);
        app.clock.advance(DAY * 2);
        app.core.keys.forget_retired(&app.core.db, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM signing_keys").await, 1);
    }

    async fn a_replay_may_be_signed_by_another_key_and_is_the_same_grant(app) {
        let first = app.ana_logged_in().await;
        let how = Succession { publish_ahead: SECOND * 10, ..succession(SigningAlgorithm::Rs256) };
        app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
        let second = app.rotate(&first).await;
        app.clock.advance(SECOND * 20);
        let again = app.rotate(&first).await;
        assert_ne!(kid(&second), kid(&again));
        assert_eq!((second.claims(), &second.refresh), (again.claims(), &again.refresh));
    }

    async fn the_key_that_signs_stands_first_in_the_set(app) {
        app.add_user("ana").await;
        for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
            app.core.keys.rotate(&app.core.writer, succession(algorithm), app.clock.now()).await.unwrap();
            // Published, signing, and with the one before, until that one is gone.
            for pause in [Duration::ZERO, MINUTE * 9, MINUTE, MINUTE * 15, MINUTE * 2] {
                app.clock.advance(pause);
                let signs = kid(&app.log_in("ana").await);
                assert_eq!(published(&app).await[0], signs, "{algorithm:?} {pause:?}");
            }
        }
        app.core.keys.rotate(&app.core.writer, succession(SigningAlgorithm::Rs256), app.clock.now()).await.unwrap();
        assert_eq!(published(&app).await.len(), 2);
    }

    async fn a_client_with_long_tokens_keeps_old_keys_published_longer(app) {
        let how = succession(SigningAlgorithm::Es256);
        app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
        app.add_client("long", |it| it.lifetimes.access_ttl = Some(MINUTE * 120)).await;
        app.core.keys.reload(&app.core.db).await.unwrap();
        app.clock.advance(MINUTE * 10 + MINUTE * 120);
        assert_eq!(published(&app).await.len(), 2);
        app.clock.advance(MINUTE);
        assert_eq!(published(&app).await.len(), 1);
    }

    async fn keys_made_after_a_client_with_long_tokens_stay_published_for_them_too(app) {
        app.add_client("long", |it| it.lifetimes.access_ttl = Some(MINUTE * 120)).await;
        for _ in 0..2 {
            app.core.keys.rotate(&app.core.writer, succession(SigningAlgorithm::Es256), app.clock.now()).await.unwrap();
            app.clock.advance(MINUTE * 10);
        }
        app.clock.advance(MINUTE * 115);
        assert_eq!(published(&app).await.len(), 2, "the first is gone, the second is not");
        app.clock.advance(MINUTE * 6);
        assert_eq!(published(&app).await.len(), 1);
    }

    async fn every_algorithm_signs_what_the_published_key_verifies(app) {
        app.add_user("ana").await;
        for (algorithm, name) in [
            (SigningAlgorithm::EdDsa, Algorithm::EdDSA),
            (SigningAlgorithm::Rs256, Algorithm::RS256),
            (SigningAlgorithm::Es256, Algorithm::ES256),
        ] {
            let how = Succession { publish_ahead: Duration::ZERO, ..succession(algorithm) };
            app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
            let tokens = app.log_in("ana").await;
            assert_eq!(verified(&app, &tokens.access, name).await.unwrap(), tokens.claims());
            let (signed, _) = tokens.access.rsplit_once('.').unwrap();
            assert_eq!(verified(&app, &format!("{signed}.AAAA"), name).await, None);
            assert_eq!(app.get("/sessions", &tokens.access).await.status, 200);
        }
    }

    async fn another_kind_of_jwt_under_our_key_is_no_access_token(app) {
        let claims = app.ana_logged_in().await.claims();
        let stored = heirloom::store::signing_keys::list(&app.core.db).await.unwrap().remove(0);
        let context = format!("heirloom signing key {}", stored.kid);
        let private = MasterKeys::parse(MASTER_KEY).unwrap().open(&context, &stored.private_sealed).unwrap();
        let key = EncodingKey::from_ec_der(&private);
        for (typ, status) in [(Some("at+jwt"), 200), (Some("JWT"), 401), (Some("logout+jwt"), 401), (None, 401)] {
            let mut header = Header::new(Algorithm::ES256);
            (header.typ, header.kid) = (typ.map(ToOwned::to_owned), Some(stored.kid.clone()));
            let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            assert_eq!(app.get("/sessions", &token).await.status, status, "{typ:?}");
        }
    }

    async fn the_first_key_is_of_the_algorithm_in_the_settings(app) with |settings| {
        settings.keys.algorithm = SigningAlgorithm::EdDsa;
    }; {
        let tokens = app.ana_logged_in().await;
        assert!(verified(&app, &tokens.access, Algorithm::EdDSA).await.is_some());
    }

    async fn the_database_never_holds_a_private_key_in_the_open(app) {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
            app.core.keys.rotate(&app.core.writer, succession(algorithm), app.clock.now()).await.unwrap();
        }
        for key in heirloom::store::signing_keys::list(&app.core.db).await.unwrap() {
            // PKCS #8 begins with its version, an integer of 0 or 1, and the algorithm, a sequence.
            let pkcs8 = key.private_sealed.windows(4).any(|bytes| matches!(bytes, [0x02, 0x01, 0 | 1, 0x30]));
            assert!(!pkcs8, "{}", key.algorithm);
        }
    }

    async fn a_leaked_key_that_was_to_sign_later_never_does(app) {
        let tokens = app.ana_logged_in().await;
        let how = succession(SigningAlgorithm::Es256);
        let (pending, signs_from) = app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
        let new = app.core.keys.replace(&app.core.writer, how, app.clock.now()).await.unwrap();
        assert_eq!(published(&app).await, [new.clone()]);
        assert_eq!(app.told(&format!("key.rotated key={pending}")), 1);
        assert_eq!(app.told(&format!("key.replaced key={new}")), 1);
        assert_eq!(kid(&app.rotate(&tokens).await), new);
        app.clock.advance((signs_from - app.clock.now()).to_std().unwrap() + MINUTE);
        assert_ne!(kid(&app.log_in("ana").await), pending);
        assert_eq!(published(&app).await, [new]);
    }

    async fn leaked_signing_keys_are_withdrawn_at_once(app) {
        let tokens = app.ana_logged_in().await;
        let new = app.core.keys.replace(&app.core.writer, succession(SigningAlgorithm::Es256), app.clock.now()).await.unwrap();
        assert_eq!(published(&app).await, [new.clone()]);
        assert_eq!(app.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
        let next = app.rotate(&tokens).await;
        assert_eq!(kid(&next), new);
    }

    async fn the_jwks_can_be_kept(app) {
        let get = || app.http.get(app.at("/.well-known/jwks.json"));
        let answer = app.send(get()).await;
        assert_eq!(answer.header("cache-control"), Some("public, max-age=150"));
        assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
        let etag = answer.header("etag").unwrap();
        for known in [etag.to_owned(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            assert_eq!(app.send(get().header("if-none-match", known)).await.status, 304);
        }
        assert_eq!(app.send(get().header("if-none-match", "\"x\"")).await.status, 200);
        let key = &answer.json["keys"][0];
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"EC".into(), &"sig".into(), &"ES256".into()));
        assert!(key.get("d").is_none(), "the private half stays here");
    }

    async fn a_new_master_key_opens_what_the_old_one_sealed(app) {
        let tokens = app.ana_logged_in().await;
        let old = app.settings.master_key.as_ref().unwrap().expose().to_owned();
        let new = master_key::generate();
        let keys = |text: &str| Keys::new(MasterKeys::parse(text).unwrap());
        let how = succession(SigningAlgorithm::Es256);
        let stranger = keys(&new).prepare(&app.core.writer, how, app.clock.now()).await;
        assert!(matches!(stranger, Err(KeysUnreadable::Sealed { .. })), "{stranger:?}");
        // First added as second, then made first: now what was sealed is sealed anew.
        keys(&format!("{old},{}", *new)).prepare(&app.core.writer, how, app.clock.now()).await.unwrap();
        keys(&format!("{},{old}", *new)).prepare(&app.core.writer, how, app.clock.now()).await.unwrap();
        keys(&new).prepare(&app.core.writer, how, app.clock.now()).await.unwrap();
        assert_eq!(app.told("key.resealed key="), 1, "{:?}", app.events());
        // This server holds the old key only, and goes on with what it read.
        app.rotate(&tokens).await;
    }

    async fn a_dropped_master_key_opens_no_token(app) with |settings| {
        let both = "//////////////////////////////////////////8=,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        settings.master_key = Some(both.to_owned().into());
    }; {
        let fresh = app.ana_logged_in().await;
        let ids: Vec<String> = app.core.keys.master_key_ids().collect();
        let how = succession(SigningAlgorithm::Es256);
        let active = app.core.keys.drop_master(&app.core.writer, &ids[0], how, app.clock.now()).await;
        assert!(matches!(active, Err(KeysUnreadable::StillActive(_))));
        let old = old_token(&app, &fresh);
        let moved_on = app.refresh(&old).await.tokens();
        app.core.keys.drop_master(&app.core.writer, &ids[1], how, app.clock.now()).await.unwrap();
        assert_eq!(app.told(&format!("key.master_dropped key={}", ids[1])), 1);
        assert_eq!(app.refresh(&old).await.refusal(), INVALID);
        app.rotate(&moved_on).await;
    }
}

/// The same token as an older server wrote it, under the second master key.
fn old_token(app: &TestApp, fresh: &Tokens) -> String {
    use heirloom::domain::ids::ClientId;
    use heirloom::domain::refresh_token::RefreshToken;
    let client = ClientId::built_in();
    let token =
        app.core.keys.with_mac_keys(|keys| RefreshToken::open(&fresh.refresh, &client, keys).unwrap());
    app.core.keys.with_mac_keys(|keys| token.encode(&client, keys.nth(1).unwrap()))
}
