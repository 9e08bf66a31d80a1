//! Refresh tokens: spent, forged, foreign, raced, widened.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::*;
use crate::row::attacks;
use crate::victim::each_once;

attacks! {
    "a thief uses a token that its owner has spent twice over", "RFC 9700 §4.14.2",
        "401 invalid_grant; owner: 401 invalid_grant" => |app| {
        let stolen = app.login_of_somebody().await;
        let owner = app.rotate(&app.rotate(&stolen).await).await;
        let thief = app.state_of(&stolen.refresh).await;
        format!("{thief}; owner: {}", app.state_of(&owner.refresh).await)
    }
    "an owner comes back after a thief has gone on twice", "RFC 9700 §4.14.2",
        "401 invalid_grant; thief: 401 invalid_grant" => |app| {
        let owner = app.login_of_somebody().await;
        let thief = app.rotate(&app.rotate(&owner).await).await;
        let told = app.state_of(&owner.refresh).await;
        format!("{told}; thief: {}", app.state_of(&thief.refresh).await)
    }
    "the access token of a login that reuse has ended", "RFC 9700 §4.14.2", "401 invalid_token" => |app| {
        let stolen = app.login_of_somebody().await;
        let last = app.rotate(&app.rotate(&stolen).await).await;
        app.refresh(&stolen.refresh).await;
        app.get("/sessions", &last.access).await.code()
    }
    "fifty presentations of one token at once", "RFC 9700 §4.14.2", "1 successor" => |app| {
        let tokens = app.login_of_somebody().await;
        let answers = join_all((0..50).map(|_| app.refresh(&tokens.refresh))).await;
        let given = answers.iter().filter(|it| it.status == 200).map(|it| it.text("refresh_token").to_owned());
        let given = each_once(given);
        format!("{} successor", given.split(", ").count())
    }
    "fifty presentations of one token at once, where each works once", "ASVS 10.4.5", "1 served; 401 invalid_grant" => |app| {
        let name = app.somebody().await;
        let tokens = app.log_in_with("strict", &name).await;
        let answers = join_all((0..50).map(|_| app.refresh_with("strict", &tokens.refresh))).await;
        let served = answers.iter().filter(|it| it.status == 200).count();
        app.clock.advance(SECOND);
        format!("{served} served; {}", app.refresh_with("strict", &tokens.refresh).await.code())
    }
    "bytes of another token's MAC, another generation, zeros", "CWE-347", "400 invalid_grant; lives" => |app| {
        let (one, other) = (app.login_of_somebody().await, app.login_of_somebody().await);
        let bytes = |tokens: &Tokens| URL_SAFE_NO_PAD.decode(&tokens.refresh[5..]).unwrap();
        let (mut mac, mut zeroth, mut later) = (bytes(&one), bytes(&one), bytes(&one));
        mac[40..].copy_from_slice(&bytes(&other)[40..]);
        zeroth[23] = 0;
        later[23] = 2;
        let mut back = Vec::new();
        for forged in [mac, zeroth, later, vec![0; 56], vec![0xff; 56]] {
            let token = format!("hrt1_{}", URL_SAFE_NO_PAD.encode(forged));
            back.push(app.refresh_form(&[("refresh_token", &token)]).await.code());
        }
        format!("{}; {}", each_once(back), app.state_of(&one.refresh).await)
    }
    "other spellings of a genuine token", "CWE-180", "400 invalid_grant; lives" => |app| {
        let tokens = app.login_of_somebody().await;
        let token = tokens.refresh.as_str();
        let spellings = [
            format!("{token}="), format!(" {token}"), format!("{token}\n"), format!("{token}A"), token.to_uppercase(),
            token[..token.len() - 1].to_owned(), token[5..].to_owned(), token.replacen("hrt1_", "HRT1_", 1),
            token.replacen("hrt1_", "hrt1__", 1), format!("{token}\u{200b}"),
        ];
        let mut back = Vec::new();
        for spelling in spellings {
            back.push(app.refresh_form(&[("refresh_token", &spelling)]).await.code());
        }
        format!("{}; {}", each_once(back), app.state_of(token).await)
    }
    "another client's token", "RFC 6749 §10.4", "400 invalid_grant; lives" => |app| {
        let tokens = app.login_of_somebody().await;
        let back = app.refresh_form(&[("client_id", "elsewhere"), ("refresh_token", &tokens.refresh)]).await.code();
        format!("{back}; {}", app.state_of(&tokens.refresh).await)
    }
    "more scope than was granted", "RFC 6749 §6", "400 invalid_scope; lives" => |app| {
        let name = app.somebody().await;
        let login = json!({ "username": name, "password": PASSWORD, "scope": "openid" });
        let tokens = app.post("/login", &login).await.tokens();
        let wider = [("refresh_token", tokens.refresh.as_str()), ("scope", "openid email heirloom:users.write")];
        let back = app.refresh_form(&wider).await.code();
        format!("{back}; {}", app.state_of(&tokens.refresh).await)
    }
    "an audience that was not granted", "RFC 8707 §2.2", "400 invalid_target; lives" => |app| {
        let tokens = app.login_of_somebody().await;
        let other = [("refresh_token", tokens.refresh.as_str()), ("resource", "https://elsewhere.example")];
        let back = app.refresh_form(&other).await.code();
        format!("{back}; {}", app.state_of(&tokens.refresh).await)
    }
    "access, ID and foreign tokens in its place", "RFC 8725 §3.11", "400 invalid_grant" => |app| {
        let tokens = app.login_of_somebody().await;
        let mut back = Vec::new();
        for token in [tokens.access.as_str(), "e30.e30.", "", "null", "hrt1_", "hrt2_AAAA"] {
            let changes = [("refresh_token", token)];
            back.push(app.refresh_form(&changes).await.code().replace("400 invalid_request", "400 invalid_grant"));
        }
        each_once(back)
    }
    "two tokens in one request", "RFC 6749 §3.2", "400 invalid_request; lives" => |app| {
        let (one, other) = (app.login_of_somebody().await, app.login_of_somebody().await);
        let both = [("refresh_token", one.refresh.as_str()), ("refresh_token", other.refresh.as_str())];
        let back = app.refresh_form(&both).await.code();
        format!("{back}; {}", app.state_of(&one.refresh).await)
    }
    "a token in the query, where logs keep it", "RFC 6749 §3.2", "400 invalid_request; lives" => |app| {
        let tokens = app.login_of_somebody().await;
        let place = format!("/oauth/token?refresh_token={}", tokens.refresh);
        let back = app.form(&place, &[("grant_type", "refresh_token"), ("client_id", "heirloom")]).await.code();
        format!("{back}; {}", app.state_of(&tokens.refresh).await)
    }
    "a token by GET", "RFC 6749 §3.2", "405; lives" => |app| {
        let tokens = app.login_of_somebody().await;
        let place = format!("/oauth/token?grant_type=refresh_token&client_id=heirloom&refresh_token={}", tokens.refresh);
        let back = app.send(app.http.get(app.at(&place))).await.status.as_u16();
        format!("{back}; {}", app.state_of(&tokens.refresh).await)
    }
    "another client revokes it", "RFC 7009 §2.1", "lives" => |app| {
        let tokens = app.login_of_somebody().await;
        app.form("/oauth/revoke", &[("client_id", "elsewhere"), ("token", &tokens.refresh)]).await;
        app.state_of(&tokens.refresh).await
    }
    "whoever knows a login's id ends it by a made-up token", "CWE-345", "lives" => |app| {
        let tokens = app.login_of_somebody().await;
        let mut forged = URL_SAFE_NO_PAD.decode(&tokens.refresh[5..]).unwrap();
        forged[24..].fill(7);
        let forged = format!("hrt1_{}", URL_SAFE_NO_PAD.encode(forged));
        app.post("/logout", &json!({ "refresh_token": forged })).await;
        app.form("/oauth/revoke", &[("client_id", "heirloom"), ("token", &forged)]).await;
        app.refresh(&forged).await;
        app.state_of(&tokens.refresh).await
    }
    "a token after logout, at each face", "ASVS 7.4.1", "401 invalid_grant, 400 invalid_grant" => |app| {
        let tokens = app.login_of_somebody().await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        let simple = app.state_of(&tokens.refresh).await;
        format!("{simple}, {}", app.refresh_form(&[("refresh_token", &tokens.refresh)]).await.code())
    }
    "a refresh while its login is being ended", "RFC 7009 §2.1", "401 invalid_grant" => |app| {
        let mut back = Vec::new();
        for _ in 0..10 {
            let tokens = app.login_of_somebody().await;
            let logout = json!({ "refresh_token": tokens.refresh });
            let (refreshed, _) = tokio::join!(app.refresh(&tokens.refresh), app.post("/logout", &logout));
            // Whatever it got is worth nothing.
            let last = if refreshed.status == 200 { refreshed.tokens().refresh } else { tokens.refresh };
            back.push(app.state_of(&last).await);
        }
        each_once(back)
    }
    "somebody unknown asks what it is worth", "RFC 7662 §2.1", "401 invalid_client" => |app| {
        let tokens = app.login_of_somebody().await;
        let asks = [("client_id", "heirloom"), ("token", tokens.refresh.as_str())];
        app.form("/oauth/introspect", &asks).await.code()
    }
    "a replay after the leeway, once the successor was used", "RFC 9700 §4.14.2", "401 invalid_grant" => |app| {
        let first = app.login_of_somebody().await;
        app.rotate(&app.rotate(&first).await).await;
        app.clock.advance(MINUTE);
        app.state_of(&first.refresh).await
    }
}
