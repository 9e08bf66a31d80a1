//! Authorization codes and PKCE: injected, replayed, downgraded, raced.

use futures_util::future::join_all;

use crate::browser::*;
use crate::harness::*;
use crate::row::attacks;
use crate::victim::each_once;

/// A code of somebody's, who signs in in a browser of her own.
async fn code(app: &TestApp, changes: &[(&str, &str)]) -> String {
    let name = app.somebody().await;
    let browser = Browser::new(app);
    let page = browser.authorize(changes).await;
    browser.sign_in(&page, &name).await.code()
}

async fn exchanged(app: &TestApp, code: &str, changes: &[(&str, &str)]) -> String {
    let answer = app.exchange(code, changes).await;
    if answer.status == 200 { "200".to_owned() } else { answer.code() }
}

const OTHER_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX";

attacks! {
    "a code that was used before ends what it gave", "RFC 6749 §4.1.2, ASVS 10.4.2",
        "400 invalid_grant; 401 invalid_grant" => |app| {
        let code = code(app, &[]).await;
        let tokens = app.exchange(&code, &[]).await.tokens();
        app.clock.advance(SECOND * 30);
        let again = exchanged(app, &code, &[]).await;
        format!("{again}; {}", app.refresh_with("app", &tokens.refresh).await.code())
    }
    "twenty exchanges of one code at once", "RFC 6749 §4.1.2", "1 served" => |app| {
        let code = code(app, &[]).await;
        let answers = join_all((0..20).map(|_| app.exchange(&code, &[]))).await;
        format!("{} served", answers.iter().filter(|it| it.status == 200).count())
    }
    "a code after its minute", "ASVS 10.4.3", "400 invalid_grant" => |app| {
        let code = code(app, &[]).await;
        app.clock.advance(MINUTE);
        exchanged(app, &code, &[]).await
    }
    "a stolen code with no verifier, the challenge, an attacker's verifier, a longer one", "RFC 7636 §4.6, RFC 9700 §4.5",
        "400 invalid_grant; the owner: 200" => |app| {
        let code = code(app, &[]).await;
        let long = VERIFIER.repeat(3);
        let mut back = Vec::new();
        for verifier in ["", CHALLENGE, OTHER_VERIFIER, long.as_str(), " ", "\u{0}"] {
            let refused = exchanged(app, &code, &[("code_verifier", verifier)]).await;
            back.push(refused.replace("400 invalid_request", "400 invalid_grant"));
        }
        format!("{}; the owner: {}", each_once(back), exchanged(app, &code, &[]).await)
    }
    "PKCE is left out, or plain, or unknown", "RFC 9700 §2.1.1, RFC 7636 §7.2", "invalid_request" => |app| {
        let browser = Browser::new(app);
        let downgrades: [&[(&str, &str)]; 6] = [
            &[("code_challenge", ""), ("code_challenge_method", "")],
            &[("code_challenge", "")],
            &[("code_challenge_method", "")],
            &[("code_challenge_method", "plain"), ("code_challenge", VERIFIER)],
            &[("code_challenge_method", "s256")],
            &[("code_challenge_method", "S512")],
        ];
        let mut back = Vec::new();
        for changes in downgrades {
            back.push(browser.get(&format!("/oauth/authorize?{}", query(changes))).await.error());
        }
        each_once(back)
    }
    "another client takes a code", "RFC 6749 §4.1.3", "400 invalid_grant; the owner: 200" => |app| {
        let code = code(app, &[]).await;
        let back = exchanged(app, &code, &[("client_id", "other")]).await;
        format!("{back}; the owner: {}", exchanged(app, &code, &[]).await)
    }
    "a code for another redirect URI", "RFC 6749 §4.1.3", "400 invalid_grant; the owner: 200" => |app| {
        let code = code(app, &[]).await;
        let back = exchanged(app, &code, &[("redirect_uri", "https://evil.example/cb")]).await;
        format!("{back}; the owner: {}", exchanged(app, &code, &[]).await)
    }
    "a code by the simple face, or as another grant", "CWE-436", "400 unsupported_grant_type, 400 invalid_request, 401 invalid_grant" => |app| {
        let code = code(app, &[]).await;
        let password = [("grant_type", "password"), ("client_id", "app"), ("username", "ana"), ("password", PASSWORD)];
        let implicit = [("grant_type", "implicit"), ("client_id", "app"), ("code", code.as_str())];
        let none = [("client_id", "app"), ("code", code.as_str())];
        let mut back = vec![app.form("/oauth/token", &password).await.code()];
        assert_eq!(back[0], app.form("/oauth/token", &implicit).await.code());
        back.push(app.form("/oauth/token", &none).await.code());
        back.push(app.state_of(&code).await);
        back.join(", ")
    }
    "a code, guessed or bent", "RFC 6749 §10.10", "400 invalid_grant" => |app| {
        let code = code(app, &[]).await;
        let bent = [
            "x".to_owned(), "0".repeat(43), code.to_uppercase(), code[1..].to_owned(), format!("{code}="),
            format!("{code}A"), format!(" {code}"), format!("{code}'--"), "%".repeat(8000),
        ];
        let mut back = Vec::new();
        for code in bent {
            back.push(exchanged(app, &code, &[]).await);
        }
        each_once(back)
    }
    "a code names the issuer, against mix-up", "RFC 9207 §2", "true" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        let (_, answer) = browser.sign_in(&page, &name).await.answer();
        (answer["iss"] == app.core.issuer.as_str()).to_string()
    }
    "a response type that puts tokens into the browser's history", "ASVS 10.4.4, RFC 9700 §2.1.2", "unsupported_response_type" => |app| {
        let browser = Browser::new(app);
        let mut back = Vec::new();
        for wanted in ["token", "id_token", "id_token token", "code token", "code id_token", "none"] {
            back.push(browser.get(&format!("/oauth/authorize?{}", query(&[("response_type", wanted)]))).await.error());
        }
        each_once(back)
    }
    "a code for a user who was disabled meanwhile", "ASVS 7.4.2", "400 invalid_grant" => |app| {
        let name = app.somebody().await;
        let browser = Browser::new(app);
        let page = browser.authorize(&[]).await;
        let code = browser.sign_in(&page, &name).await.code();
        let user = heirloom::service::admin::users::find(&app.core, &name.parse().unwrap()).await.unwrap().id;
        app.change_user(user, heirloom::service::admin::users::Change::Disable).await;
        exchanged(app, &code, &[]).await
    }
}
