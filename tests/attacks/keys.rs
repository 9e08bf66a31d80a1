//! Logins that are bound to a key (DPoP): without it, with another, with proofs that were made for something else.

use reqwest::Method;
use serde_json::json;

use crate::harness::*;
use crate::prover::{Prover, hash};
use crate::row::attacks;
use crate::signer::changed;
use crate::victim::each_once;

/// A login of somebody's that is bound to the key.
async fn bound(app: &TestApp, key: &Prover) -> Tokens {
    let name = app.somebody().await;
    let body = json!({ "username": name, "password": PASSWORD });
    app.post_proving("/login", key, &body).await.tokens()
}

/// The login still refreshes with the right key.
async fn lives(app: &TestApp, key: &Prover, token: &str) -> String {
    let answer = app.refresh_proving(key, token).await;
    if answer.status == 200 { "lives".to_owned() } else { answer.code() }
}

attacks! {
    "a stolen token without the key, by either face", "RFC 9449 §5, ASVS 10.4.5", "400 invalid_dpop_proof; lives" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        let simple = app.refresh(&tokens.refresh).await.code();
        let standard = app.refresh_form(&[("refresh_token", &tokens.refresh)]).await.code();
        format!("{}; {}", each_once([simple, standard]), lives(app, &key, &tokens.refresh).await)
    }
    "a stolen token with a thief's own key", "RFC 9449 §5", "400 invalid_dpop_proof; lives" => |app| {
        let (key, thief) = (Prover::new(), Prover::new());
        let tokens = bound(app, &key).await;
        let back = app.refresh_proving(&thief, &tokens.refresh).await.code();
        format!("{back}; {}", lives(app, &key, &tokens.refresh).await)
    }
    "a proof that was seen comes again", "RFC 9449 §11.1", "400 invalid_dpop_proof" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        let proof = key.posting(app, "/oauth/token");
        let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", tokens.refresh.as_str())];
        let first = app.form_proving("/oauth/token", &proof, &form).await.tokens();
        let again = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", first.refresh.as_str())];
        app.form_proving("/oauth/token", &proof, &again).await.code()
    }
    "one proof in thirty requests at once", "RFC 9449 §11.1, CWE-367", "1 served" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        let proof = key.posting(app, "/oauth/token");
        let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", tokens.refresh.as_str())];
        let all = futures_util::future::join_all((0..30).map(|_| app.form_proving("/oauth/token", &proof, &form))).await;
        format!("{} served", all.iter().filter(|it| it.status == 200).count())
    }
    "a proof for another method, place, host, time, token", "RFC 9449 §4.3", "400 invalid_dpop_proof; lives" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        let now = app.clock.now().timestamp();
        let good = key.claims(app, "POST", "/oauth/token");
        let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", tokens.refresh.as_str())];
        let mut back = Vec::new();
        for changes in [
            json!({ "htm": "GET" }), json!({ "htm": "post" }), json!({ "htu": format!("{}/oauth/par", app.core.issuer.as_str()) }),
            json!({ "htu": "https://evil.example/oauth/token" }), json!({ "htu": "/oauth/token" }), json!({ "iat": now - 120 }), json!({ "iat": now + 120 }),
            json!({ "iat": "now" }), json!({ "iat": [now] }), json!({ "jti": null }), json!({ "jti": "x".repeat(9000) }), json!({ "htu": null }), json!({ "htm": null }),
        ] {
            let proof = key.changed_proof(&json!({}), &changed(&good, &changes));
            back.push(app.form_proving("/oauth/token", &proof, &form).await.code());
        }
        format!("{}; {}", each_once(back), lives(app, &key, &tokens.refresh).await)
    }
    "a proof unsigned, by a shared secret, with a private key in it, with an extension", "RFC 9449 §4.3, RFC 8725 §3.1", "400 invalid_dpop_proof; lives" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", tokens.refresh.as_str())];
        let mut private = key.jwk();
        private["d"] = json!("AAAA");
        let mut back = Vec::new();
        for header in [
            json!({ "alg": "none" }), json!({ "alg": "HS256" }), json!({ "alg": "RS256" }), json!({ "typ": "JWT" }), json!({ "typ": null }), json!({ "jwk": private }),
            json!({ "jwk": null }), json!({ "jwk": { "kty": "oct", "k": "AAAA" } }), json!({ "jwk": Prover::new().jwk() }), json!({ "crit": ["x"], "x": 1 }),
            json!({ "jwk": { "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" } }), json!({ "jwk": "x" }),
        ] {
            let proof = key.changed_proof(&header, &key.claims(app, "POST", "/oauth/token"));
            back.push(app.form_proving("/oauth/token", &proof, &form).await.code());
        }
        for proof in ["", "x", "..", &".".repeat(4000), "e30.e30."] {
            back.push(app.form_proving("/oauth/token", proof, &form).await.code());
        }
        format!("{}; {}", each_once(back), lives(app, &key, &tokens.refresh).await)
    }
    "two proofs in one request", "RFC 9449 §4.3 (1)", "400 invalid_dpop_proof" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        let form = [("grant_type", "refresh_token"), ("client_id", "heirloom"), ("refresh_token", tokens.refresh.as_str())];
        let request = app.http.post(app.at("/oauth/token"));
        let request = request.header("dpop", key.posting(app, "/oauth/token")).header("dpop", key.posting(app, "/oauth/token"));
        app.send(crate::harness::form(request, &form)).await.code()
    }
    "a bound access token as a bearer token", "RFC 9449 §7.2", "401 invalid_token" => |app| {
        let key = Prover::new();
        let tokens = bound(app, &key).await;
        app.get("/sessions", &tokens.access).await.code()
    }
    "a bound access token with a thief's key, or a proof for another token", "RFC 9449 §7.1", "401 invalid_dpop_proof, 401 invalid_token" => |app| {
        let (key, thief) = (Prover::new(), Prover::new());
        let (tokens, other) = (bound(app, &key).await, bound(app, &key).await);
        let of_thief = app.send(app.holding(&thief, Method::GET, "/sessions", &tokens.access)).await.code();
        let claims = changed(&key.claims(app, "GET", "/sessions"), &json!({ "ath": hash(&other.access) }));
        let proof = key.changed_proof(&json!({}), &claims);
        let request = app.http.get(app.at("/sessions")).header("authorization", format!("DPoP {}", tokens.access)).header("dpop", proof);
        each_once([of_thief, app.send(request).await.code()])
    }
    "a spent token of a bound login, with its key", "RFC 9700 §4.14.2", "401 invalid_grant; owner: 401 invalid_grant" => |app| {
        let key = Prover::new();
        let first = bound(app, &key).await;
        let second = app.refresh_proving(&key, &first.refresh).await.tokens();
        let third = app.refresh_proving(&key, &second.refresh).await.tokens();
        let thief = app.refresh_proving(&key, &first.refresh).await.code();
        format!("{thief}; owner: {}", app.refresh_proving(&key, &third.refresh).await.code())
    }
}
