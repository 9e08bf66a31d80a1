//! Nonces for proofs (RFC 9449 §8, §9): asked for where an operator wants them, the same on every replica, kept
//! nowhere.

use heirloom::domain::client::{GrantType, Party};
use heirloom::settings::Settings;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::prover::*;
use crate::signer::changed;

const NEEDED: &str = "use_dpop_nonce The DPoP proof must have the nonce of the header DPoP-Nonce.";

fn required(settings: &mut Settings) {
    settings.dpop.require_nonce = true;
    settings.dpop.nonce_lifetime = MINUTE;
}

/// A proof with a nonce, or without one.
fn proof(app: &TestApp, key: &Prover, place: &str, nonce: Option<&str>) -> String {
    key.changed_proof(&json!({}), &changed(&key.claims(app, "POST", place), &json!({ "nonce": nonce })))
}

async fn log_in(app: &TestApp, key: &Prover, nonce: Option<&str>) -> Answer {
    let login = json!({ "username": "ana", "password": PASSWORD });
    let request = app.http.post(app.at("/login")).header("dpop", proof(app, key, "/login", nonce));
    app.send(request.json(&login)).await
}

/// The nonce that is asked for.
#[track_caller]
fn asked(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.refusal(), format!("{status} {NEEDED}"));
    answer.header("dpop-nonce").unwrap().to_owned()
}

fn showing(app: &TestApp, key: &Prover, token: &str, nonce: Option<&str>) -> RequestBuilder {
    let claims =
        changed(&key.claims(app, "GET", "/sessions"), &json!({ "ath": hash(token), "nonce": nonce }));
    let request = app.http.request(Method::GET, app.at("/sessions"));
    request
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", key.changed_proof(&json!({}), &claims))
}

both_stores! {
    async fn a_proof_needs_the_nonce_that_is_handed_out(app) with required; {
        app.add_user("ana").await;
        let key = Prover::new();
        let nonce = asked(&log_in(&app, &key, None).await, 400);
        for wrong in ["", "rubbish", &nonce[1..], &nonce.to_lowercase(), &format!("{nonce}=")] {
            assert_eq!(asked(&log_in(&app, &key, Some(wrong)).await, 400), nonce, "{wrong}");
        }
        assert_eq!(app.told("login."), 0, "no password was looked at");
        let answer = log_in(&app, &key, Some(&nonce)).await;
        assert_eq!((answer.text("token_type"), answer.header("dpop-nonce")), ("DPoP", None));
        // Who proves nothing needs none.
        assert_eq!(app.log_in("ana").await.claims()["cnf"], Value::Null);
    }

    async fn a_nonce_is_replaced_in_time_and_good_for_a_while_after(app) with required; {
        app.add_user("ana").await;
        let key = Prover::new();
        let first = asked(&log_in(&app, &key, None).await, 400);
        app.clock.advance(MINUTE);
        let answer = log_in(&app, &key, Some(&first)).await;
        assert_eq!(answer.status, 200, "the one before is good, too");
        let second = answer.header("dpop-nonce").unwrap().to_owned();
        assert_ne!(first, second);
        assert_eq!(log_in(&app, &key, Some(&second)).await.header("dpop-nonce"), None);
        // Replicas' clocks differ a little.
        app.clock.turn_back(MINUTE);
        assert_eq!(log_in(&app, &key, Some(&second)).await.header("dpop-nonce"), Some(first.as_str()));
        app.clock.advance(MINUTE * 2);
        let third = asked(&log_in(&app, &key, Some(&first)).await, 400);
        assert_ne!(third, second);
        assert_eq!(log_in(&app, &key, Some(&third)).await.status, 200);
    }

    async fn a_request_that_lacks_the_nonce_consumes_nothing_wherever_it_goes(app) with required; {
        app.with_apps().await;
        let secret = app.add_web_app("web", |it| {
            it.party = Party::First;
            it.grants.insert(GrantType::ClientCredentials);
        }).await;
        let (key, place) = (Prover::new(), "/oauth/token");
        let code = Browser::new(&app).ana_signs_in(&[]).await;
        let script = app.http.post(app.at(place)).header("origin", "https://app.example");
        let script = script.header("dpop", proof(&app, &key, place, None));
        let refused = app.send(form(script, &code_exchange(&code, &[]))).await;
        let nonce = asked(&refused, 400);
        let read = refused.header("access-control-expose-headers").unwrap();
        assert!(read.split(", ").any(|name| name == "DPoP-Nonce"), "a browser's script can read it: {read}");
        let tokens = app.exchange_proving(&proof(&app, &key, place, Some(&nonce)), &code, &[]).await.tokens();
        let refresh = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", tokens.refresh.as_str())];
        asked(&app.form_proving(place, &proof(&app, &key, place, None), &refresh).await, 400);
        assert_eq!(app.form_proving(place, &proof(&app, &key, place, Some(&nonce)), &refresh).await.tokens().generation(), 2);
        let own = [("grant_type", "client_credentials")];
        asked(&app.form_proving_as(("web", &secret), &proof(&app, &key, place, None), &own).await, 400);
        assert_eq!(app.form_proving_as(("web", &secret), &proof(&app, &key, place, Some(&nonce)), &own).await.status, 200);
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query(&[]).as_bytes()).into_owned().collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        asked(&app.form_proving("/oauth/par", &proof(&app, &key, "/oauth/par", None), &pairs).await, 400);
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0);
        assert_eq!(app.form_proving("/oauth/par", &proof(&app, &key, "/oauth/par", Some(&nonce)), &pairs).await.status, 201);
    }

    async fn a_protected_resource_asks_by_its_challenge_and_hands_out_the_next(app) with required; {
        app.add_user("ana").await;
        let key = Prover::new();
        let nonce = asked(&log_in(&app, &key, None).await, 400);
        let token = log_in(&app, &key, Some(&nonce)).await.tokens().access;
        let refused = app.send(showing(&app, &key, &token, None)).await;
        assert_eq!(asked(&refused, 401), nonce);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("DPoP algs=") && challenge.ends_with(r#"error="use_dpop_nonce""#), "{challenge}");
        assert_eq!(app.send(showing(&app, &key, &token, Some(&nonce))).await.header("dpop-nonce"), None);
        app.clock.advance(MINUTE);
        let answer = app.send(showing(&app, &key, &token, Some(&nonce))).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("dpop-nonce").is_some_and(|next| next != nonce));
    }
}

#[test]
fn replicas_agree_on_nonces_and_other_servers_do_not() {
    crate::database::with_database(Store::Postgres, async |store, url| {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), required).await;
        let issuer = one.core.issuer.as_str().parse().unwrap();
        let same_issuer = |settings: &mut Settings| {
            required(settings);
            settings.issuer = Some(issuer);
        };
        let (two, stop_two) = start(store, &url, clock, same_issuer).await;
        one.add_user("ana").await;
        let key = Prover::new();
        let nonce = asked(&log_in(&one, &key, None).await, 400);
        assert_eq!(asked(&log_in(&two, &key, None).await, 400), nonce);
        assert_eq!(log_in(&two, &key, Some(&nonce)).await.status, 200);
        stop_two.end().await;
        stop_one.end().await;
    });
}
