//! What is no token of ours is refused exactly, and harms nobody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::*;

/// Everything that could be presented instead of a genuine token.
async fn forgeries(app: &TestApp) -> Vec<String> {
    let (one, other) = (app.ana_logged_in().await, app.log_in("ana").await);
    app.add_client("other", |_| ()).await;
    let foreign = app.log_in_with("other", "ana").await;
    let bytes = |tokens: &Tokens| URL_SAFE_NO_PAD.decode(&tokens.refresh[5..]).unwrap();
    let written = |bytes: &[u8]| format!("hrt1_{}", URL_SAFE_NO_PAD.encode(bytes));
    let (mut anothers_mac, mut zeroth, mut later) = (bytes(&one), bytes(&one), bytes(&one));
    anothers_mac[40..].copy_from_slice(&bytes(&other)[40..]);
    zeroth[23] = 0;
    later[23] = 2;
    vec![
        "garbage".to_owned(),
        "hrt1_".to_owned(),
        "\0\0\0".to_owned(),
        format!("{}\0", one.refresh),
        one.refresh[..one.refresh.len() - 1].to_owned(),
        format!("{}A", one.refresh),
        format!("{}=", one.refresh),
        format!(" {}", one.refresh),
        one.refresh.replacen("hrt1_", "hrt2_", 1),
        one.refresh.to_uppercase(),
        written(&anothers_mac),
        written(&zeroth),
        written(&later),
        written(&[0; 56]),
        foreign.refresh,
        one.access,
    ]
}

both_stores! {
    async fn the_simple_face_refuses_forgeries_and_ends_nothing(app) {
        for forgery in forgeries(&app).await {
            assert_eq!(app.refresh(&forgery).await.refusal(), INVALID, "{forgery:?}");
            assert_eq!(app.post("/logout", &json!({ "refresh_token": forgery })).await.status, 204);
        }
        assert_eq!(app.refresh("").await.refusal(), INVALID);
        assert_eq!(app.live_families().await, 3);
    }

    async fn the_standard_face_refuses_forgeries_and_ends_nothing(app) {
        for forgery in forgeries(&app).await {
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", &forgery), ("client_id", "heirloom")];
            let answer = app.form("/oauth/token", &refresh).await;
            assert_eq!(answer.refusal(), "400 invalid_grant Invalid refresh token.", "{forgery:?}");
            let is_access_token = forgery.contains('.');
            if !is_access_token {
                let answer = app.form("/oauth/revoke", &[("token", &forgery), ("client_id", "heirloom")]).await;
                assert_eq!(answer.status, 200);
            }
        }
        assert_eq!(app.live_families().await, 3);
    }

    async fn a_mebibyte_is_too_long(app) {
        app.ana_logged_in().await;
        let long = "h".repeat(1 << 20);
        assert_eq!(app.refresh(&long).await.code(), "413 invalid_request");
        let form = [("grant_type", "refresh_token"), ("refresh_token", long.as_str()), ("client_id", "heirloom")];
        assert_eq!(app.form("/oauth/token", &form).await.code(), "413 invalid_request");
        assert_eq!(app.live_families().await, 1);
    }

    async fn what_is_no_request_is_told_so(app) {
        let post = |path: &str| app.http.post(app.at(path));
        for path in ["/login", "/refresh", "/logout"] {
            for body in ["", "{", "[]", "null", "{}", r#"{"username":1,"password":2}"#, r#"{"refresh_token":null}"#] {
                let request = post(path).header("content-type", "application/json").body(body);
                assert_eq!(app.send(request).await.code(), "400 invalid_request", "{path} {body}");
            }
            let twice = r#"{"refresh_token":"a","refresh_token":"b","username":"a","username":"b","password":""}"#;
            let request = post(path).header("content-type", "application/json").body(twice);
            assert_eq!(app.send(request).await.code(), "400 invalid_request");
            let request = post(path).header("content-type", "text/plain").body(r#"{"refresh_token":"a"}"#);
            assert_eq!(app.send(request).await.code(), "400 invalid_request");
        }
    }
}
