//! Access tokens, presented to the server itself: forged, bent, of another kind. `verifier/tests/attacks.rs` has the
//! same for services.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use heirloom::domain::audience::Audience;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::row::attacks;
use crate::signer::{Signer, changed};
use crate::victim::each_once;

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A good access token of somebody's that opens userinfo.
async fn good(app: &TestApp) -> String {
    let name = app.somebody().await;
    let body = json!({ "username": name, "password": PASSWORD, "scope": "openid profile" });
    let token = app.post("/login", &body).await.tokens().access;
    assert_eq!(app.shown(&token).await, "200");
    token
}

/// The token with another header, and this signature.
fn headed(token: &str, header: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", encode(header), token.split('.').nth(1).unwrap())
}

async fn each(app: &TestApp, tokens: impl IntoIterator<Item = String>) -> String {
    let mut back = Vec::new();
    for token in tokens {
        back.push(app.shown(&token).await);
    }
    each_once(back)
}

/// The server's own signature under claims that it would not write.
fn signed_by_server(app: &TestApp, claims: &str) -> String {
    let issuer: Audience = app.core.issuer.as_str().parse().unwrap();
    app.core.keys.sign(&[issuer], claims, app.clock.now()).unwrap()
}

/// The public keys that the server publishes.
async fn published(app: &TestApp) -> Vec<Value> {
    let jwks = app.send(app.http.get(app.at("/.well-known/jwks.json"))).await;
    jwks.json["keys"].as_array().unwrap().clone()
}

attacks! {
    "no signature, by every spelling of none", "RFC 8725 §3.1, CVE-2015-9235", "401 invalid_token" => |app| {
        let good = good(app).await;
        let signature = good.rsplit('.').next().unwrap().to_owned();
        let names = ["none", "None", "NONE", "nOnE", "nonE", "", " none", "null"];
        let kid = jwt_header(&good)["kid"].clone();
        each(app, names.iter().flat_map(|alg| {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid });
            [headed(&good, &header, ""), headed(&good, &header, &signature)]
        })).await
    }
    "the public key as a shared secret", "RFC 8725 §2.1, CVE-2016-10555", "401 invalid_token" => |app| {
        let good = good(app).await;
        let mut tokens = Vec::new();
        for key in published(app).await {
            let point = ["x", "y", "n"].iter().filter_map(|name| key[name].as_str());
            let raw: Vec<u8> = point.flat_map(|text| URL_SAFE_NO_PAD.decode(text).unwrap()).collect();
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&raw));
            for secret in [key.to_string().into_bytes(), raw, pem.into_bytes()] {
                for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                    let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": key["kid"] });
                    let message = headed(&good, &header, "");
                    let message = message.trim_end_matches('.');
                    let secret = EncodingKey::from_secret(&secret).unwrap();
                    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, algorithm).unwrap();
                    tokens.push(format!("{message}.{signature}"));
                }
            }
        }
        each(app, tokens).await
    }
    "zeros, ones, the order of the curve, a DER form", "CVE-2022-21449, RFC 7518 §3.4", "401 invalid_token" => |app| {
        let good = good(app).await;
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let order: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&order[at * 2..at * 2 + 2], 16).unwrap()).collect();
        let (zero, one) = (vec![0_u8; 32], [vec![0_u8; 31], vec![1]].concat());
        let (head, real) = good.rsplit_once('.').unwrap();
        let real = URL_SAFE_NO_PAD.decode(real).unwrap();
        let (r, s) = real.split_at(real.len() / 2);
        let der = |value: &[u8]| [&[2, 33, 0][..], value].concat();
        let der = [&[0x30, 70][..], &der(r), &der(s)].concat();
        let mut signatures = vec![der, Vec::new(), real[1..].to_vec(), [&real[..], &[0]].concat(), [&[0][..], &real].concat()];
        for (r, s) in [(&zero, &zero), (&one, &one), (&order, &order), (&order, &zero), (&zero, &order), (&one, &zero)] {
            signatures.push([r.as_slice(), s].concat());
        }
        each(app, signatures.iter().map(|it| format!("{head}.{}", URL_SAFE_NO_PAD.encode(it)))).await
    }
    "a time that is a text, an array, endless, negative, none", "RFC 7519 §4.1.4", "401 invalid_token" => |app| {
        let good = good(app).await;
        let claims = changed(&claims(&good), &json!({}));
        let now = app.clock.now().timestamp();
        let whole = claims.to_string();
        let exp = format!("\"exp\":{}", claims["exp"]);
        assert!(whole.contains(&exp));
        assert_eq!(app.shown(&signed_by_server(app, &whole)).await, "200", "as it is");
        let times = [
            format!("\"exp\":\"{}\"", now + 600), format!("\"exp\":[{}]", now + 600), "\"exp\":1e400".to_owned(), "\"exp\":-1".to_owned(),
            "\"exp\":null".to_owned(), "\"exp\":{}".to_owned(), "\"exp\":true".to_owned(), format!("\"exp\":{now}"), "\"x\":1".to_owned(),
            format!("\"exp\":{}", now - 1), "\"exp\":0".to_owned(),
        ];
        each(app, times.iter().map(|time| signed_by_server(app, &whole.replace(&exp, time)))).await
    }
    "not yet good, of another issuer, for another service", "ASVS 9.2.1, 9.2.3, RFC 9068 §4", "401 invalid_token" => |app| {
        let good = claims(&good(app).await);
        let now = app.clock.now().timestamp();
        let changes = [
            json!({ "nbf": now + 600 }), json!({ "iss": "https://evil.example" }), json!({ "iss": [app.core.issuer.as_str()] }),
            json!({ "iss": null }), json!({ "aud": "https://api.example" }), json!({ "aud": [] }), json!({ "aud": null }),
            json!({ "aud": format!("{}/", app.core.issuer.as_str()) }), json!({ "sub": null }), json!({ "sub": 7 }),
        ];
        each(app, changes.iter().map(|it| signed_by_server(app, &changed(&good, it).to_string()))).await
    }
    "a kid that is a path, a statement, a URL, a list", "RFC 8725 §3.10, CWE-22", "401 invalid_token" => |app| {
        let good = good(app).await;
        let signature = good.rsplit('.').next().unwrap().to_owned();
        let kids = [
            json!("../../../../dev/null"), json!("/dev/null"), json!("' UNION SELECT 'x"), json!("https://evil.example/key"),
            json!(["a"]), json!({}), json!(""), json!(7), json!("x".repeat(8000)), json!("\u{0}"), Value::Null,
        ];
        let empty = EncodingKey::from_secret(b"\0").unwrap();
        each(app, kids.iter().flat_map(|kid| {
            let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
            let hmac = headed(&good, &json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }), "");
            let hmac = hmac.trim_end_matches('.').to_owned();
            let made = jsonwebtoken::crypto::sign(hmac.as_bytes(), &empty, Algorithm::HS256).unwrap();
            [headed(&good, &header, &signature), format!("{hmac}.{made}")]
        })).await
    }
    "a key that the token brings along: jwk, jku, x5u, x5c", "RFC 8725 §3.10, ASVS 9.1.3, CVE-2018-0114", "401 invalid_token; fetched: 0" => |app| {
        let good = good(app).await;
        let remote = crate::remote::Remote::start().await;
        let own = Signer::new(Algorithm::ES256, "own");
        remote.give(&own.jwks(), "");
        let kid = jwt_header(&good)["kid"].clone();
        let places = [
            json!({ "jwk": own.public() }), json!({ "jku": remote.at("/jwks") }), json!({ "x5u": remote.at("/x") }),
            json!({ "x5c": ["AAAA"] }), json!({ "jwk": own.public(), "jku": remote.at("/jwks"), "kid": "own" }),
        ];
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
        let back = each(app, places.iter().map(|place| own.sign_raw(&changed(&header, place), &claims(&good)))).await;
        format!("{back}; fetched: {}", remote.asked().len())
    }
    "an extension that must be understood, and is not", "RFC 7515 §4.1.11", "401 invalid_token" => |app| {
        let good = good(app).await;
        let (kid, signature) = (jwt_header(&good)["kid"].clone(), good.rsplit('.').next().unwrap().to_owned());
        let crits = [json!(["b64"]), json!(["exp"]), json!([]), json!("exp"), json!(["http://evil.example/x"]), json!([""])];
        each(app, crits.iter().map(|crit| {
            headed(&good, &json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, "crit": crit, "b64": false }), &signature)
        })).await
    }
    "thousands of dots, no dot, white space, another alphabet", "CVE-2025-30204, CWE-400", "401 invalid_token" => |app| {
        let good = good(app).await;
        let tokens = [
            ".".repeat(60_000), "..".to_owned(), "x".to_owned(), "a.b.c".to_owned(), format!("{good}.x"), format!(".{good}"), format!("{good}."),
            good.replacen('.', "..", 1), good.replace('.', ","), "=.=.=".to_owned(), "e30.e30.e30".to_owned(),
            format!("{good}="), good.replace(['-', '_'], "+"), "A".repeat(60_000),
        ];
        let tokens: Vec<String> = tokens.into_iter().filter(|token| *token != good).collect();
        each(app, tokens).await
    }
    "ID, refresh and logout tokens, answers of introspection and userinfo", "RFC 8725 §3.11, ASVS 9.2.2", "401 invalid_token" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        let code = browser.sign_in(&page, &name).await.code();
        let given = app.exchange(&code, &[]).await;
        let access = claims(given.text("access_token")).to_string();
        let mut tokens = vec![given.text("id_token").to_owned(), given.text("refresh_token").to_owned(), code];
        for typ in ["JWT", "logout+jwt", "token-introspection+jwt", "secevent+jwt", "statuslist+jwt", "dpop+jwt", "oauth-authz-req+jwt", "at+jwt2", ""] {
            tokens.push(app.core.keys.sign_as(typ, &access, app.clock.now()).unwrap());
        }
        each(app, tokens).await
    }
    "a token with one character changed, wherever it is", "ASVS 9.1.1", "401 invalid_token" => |app| {
        let good = good(app).await;
        let forged = (0..good.len()).step_by(7).map(|at| {
            let new = if good.as_bytes()[at] == b'A' { 'Q' } else { 'A' };
            format!("{}{new}{}", &good[..at], &good[at + 1..])
        });
        each(app, forged).await
    }
    "a token after its login's end, at once", "ASVS 7.4.1", "401 invalid_token" => |app| {
        let tokens = app.login_of_somebody().await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        app.get("/sessions", &tokens.access).await.code()
    }
    "a token in the query", "RFC 9700 §4.3.2, RFC 6750 §5.3", "401" => |app| {
        let good = good(app).await;
        app.send(app.http.get(app.at(&format!("/oauth/userinfo?access_token={good}")))).await.status.as_u16().to_string()
    }
    "a token sent twice, in two ways, in a strange header", "RFC 6750 §2", "400, 401" => |app| {
        let good = good(app).await;
        let mut back = Vec::new();
        let userinfo = || app.http.post(app.at("/oauth/userinfo"));
        let twice = form(userinfo().bearer_auth(&good), &[("access_token", &good)]);
        back.push(app.send(twice).await.status.as_u16().to_string());
        let two = userinfo().header("authorization", format!("Bearer {good}")).header("authorization", format!("Bearer {good}x"));
        back.push(app.send(two).await.status.as_u16().to_string());
        for header in [format!("Bearer{good}"), format!("Basic {good}"), format!("Token {good}"), format!("DPoP {good}"), format!("Bearer {good} {good}"), format!("Bearer {good}, Bearer x")] {
            back.push(app.send(userinfo().header("authorization", header)).await.status.as_u16().to_string());
        }
        each_once(back)
    }
    "a status list's token, and a place beside the lists", "Token Status List §11", "401 invalid_token; 404" => |app| {
        let list = app.send(app.http.get(app.at("/status-lists/1")).header("accept", "application/statuslist+jwt")).await;
        assert!([200, 404].contains(&list.status.as_u16()), "{list:?}");
        let as_access = each(app, [app.core.keys.sign_as("statuslist+jwt", "{}", app.clock.now()).unwrap()]).await;
        let mut back = Vec::new();
        for place in ["-1", "0", "99999999999999999999", "1%00", "x", "18446744073709551616", "01"] {
            back.push(app.send(app.http.get(app.at(&format!("/status-lists/{place}")))).await.status.as_u16().to_string());
        }
        format!("{as_access}; {}", each_once(back))
    }
}
