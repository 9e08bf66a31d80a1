//! Logouts that reach the apps: behind the browser's back, and by the browser itself.

use std::time::Duration;

use heirloom::domain::client::{Client, ClientMetadata, Origin};
use heirloom::domain::ids::UserId;
use heirloom::domain::outbox::Outbox;
use heirloom::domain::secrets::Password;
use heirloom::service::admin::users::Change;
use heirloom::service::admin::{self, janitor};
use heirloom::service::logout::back_channel::LogoutCourier;
use heirloom::service::messenger::{Errand as _, Messenger};
use heirloom::store::logout_deliveries::{self, DueFor};
use heirloom::store::outbox;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::remote::Remote;

const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const FAILED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn metadata(value: Value) -> ClientMetadata {
    serde_json::from_value(value).unwrap()
}

/// A client of our own that is told at `remote`.
fn told_at(remote: &Remote) -> impl FnOnce(&mut Client) {
    let uri = remote.at("/bye?a=b");
    move |it| {
        it.party = heirloom::domain::client::Party::First;
        it.metadata = metadata(json!({ "backchannel_logout_uri": uri }));
    }
}

impl TestApp {
    async fn with_told_app(&self) -> Remote {
        let remote = Remote::start().await;
        remote.answer(DONE);
        self.with_apps().await;
        self.add_app("told", told_at(&remote)).await;
        remote
    }

    /// The family and ID token that a browser's user gets for an app.
    pub async fn lets_in(&self, browser: &Browser<'_>, client: &str, scope: &str) -> Answer {
        let asked = [("client_id", client), ("scope", scope)];
        let mut seen = browser.authorize(&asked).await;
        if seen.status == 200 {
            seen = browser.sign_in(&seen, "ana").await;
        }
        self.exchange(&seen.code(), &[("client_id", client)]).await
    }

    async fn pending(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM logout_deliveries WHERE state = 'pending'").await
    }

    /// Waits until every delivery is settled: the client knows a moment before the store does.
    async fn settled(&self) {
        for _ in 0..500 {
            if self.pending().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} deliveries are pending", self.pending().await);
    }

    /// One look of a process at what is due; gives how much it delivered.
    async fn deliver_due(&self) -> usize {
        let mut messenger = Messenger::new(LogoutCourier::new(self.core.clone()));
        let begun = messenger.begin_due(self.clock.now()).await.unwrap().begun;
        messenger.all_ended().await;
        begun
    }

    /// Lets what is due be delivered, by this call or by the server itself.
    pub async fn deliver(&self) {
        while self.deliver_due().await > 0 {}
    }
}

/// Waits for the logout tokens that a client was sent.
async fn told(remote: &Remote, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        if remote.asked().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = remote.asked();
    assert_eq!(asked.len(), count, "{asked:?}");
    asked.iter().map(|request| claims(&logout_token(request))).collect()
}

fn logout_token(request: &str) -> String {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    body.strip_prefix("logout_token=").unwrap_or_else(|| panic!("{request}")).to_owned()
}

pub async fn sign_out(browser: &Browser<'_>) -> Seen {
    let page = browser.get("/oauth/logout").await;
    let csrf = page.hidden("csrf");
    browser.post(&page.action(), &[("csrf", &csrf)]).await
}

fn here(settings: &mut heirloom::settings::Settings) {
    settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

both_stores! {
    async fn a_client_is_told_when_its_user_signs_out(app) with here; {
        let remote = app.with_told_app().await;
        let browser = Browser::new(&app);
        let answer = app.lets_in(&browser, "told", "openid").await;
        let id_token = claims(answer.text("id_token"));
        sign_out(&browser).await;
        let [token] = &told(&remote, 1).await[..] else { unreachable!() };
        let now = app.clock.now().timestamp();
        // Back-Channel Logout §2.4.
        assert_eq!(*token, json!({
            "iss": app.url, "sub": id_token["sub"], "aud": "told", "iat": now, "exp": now + 120, "jti": token["jti"],
            "sid": id_token["sid"], "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        }));
        assert!(token["jti"].as_str().unwrap().len() > 30);
        let request = &remote.asked()[0];
        assert!(request.starts_with("POST /bye?a=b HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
        let header = jwt_header(&logout_token(request));
        assert_eq!(header["typ"], "logout+jwt");
        let jwks = app.send(app.http.get(app.at("/.well-known/jwks.json"))).await;
        assert_eq!(jwks.json["keys"][0]["kid"], header["kid"]);
        // A logout token is nothing else.
        let logout_token = logout_token(request);
        assert_eq!(app.get("/oauth/userinfo", &logout_token).await.code(), "401 invalid_token");
        let as_hint = browser.authorize(&[("id_token_hint", &logout_token)]).await;
        assert_eq!(as_hint.error(), "invalid_request");
        app.deliver().await;
        while app.told("logout.delivered client=told") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn logins_end_with_their_sign_in_where_the_client_asks_for_it(app) with here; {
        let remote = app.with_told_app().await;
        let browser = Browser::new(&app);
        let with_it = app.lets_in(&browser, "told", "openid").await.tokens();
        // OIDC Core §11: for when the user is away. §2.7: it goes on, though the client is told.
        app.add_app("away", |it| {
            told_at(&remote)(it);
            it.scopes = "openid offline_access".parse().unwrap();
        }).await;
        let offline = app.lets_in(&browser, "away", "openid offline_access").await.tokens();
        let unasked = app.lets_in(&browser, "app", "openid").await.tokens();
        let elsewhere = Browser::new(&app);
        let other_sign_in = app.lets_in(&elsewhere, "told", "openid").await.tokens();
        sign_out(&browser).await;
        let sids: Vec<Value> = told(&remote, 2).await.iter().map(|token| token["sid"].clone()).collect();
        for tokens in [&with_it, &offline] {
            assert!(sids.contains(&tokens.claims()["sid"]), "{sids:?}");
        }
        assert_eq!(app.refresh_with("told", &with_it.refresh).await.status, 401, "ended");
        assert_eq!(app.live_families().await, 3);
        for (client, tokens) in [("away", &offline), ("app", &unasked), ("told", &other_sign_in)] {
            assert_eq!(app.refresh_with(client, &tokens.refresh).await.status, 200, "{client}");
        }
    }

    async fn a_client_is_told_of_every_end_that_is_not_its_own(app) with here; {
        let remote = app.with_told_app().await;
        let user: UserId = app.lets_in(&Browser::new(&app), "told", "openid").await.tokens().claims()["sub"]
            .as_str().unwrap().parse().unwrap();
        let (core, now) = (&app.core, app.clock.now());
        let mut expected = 1;
        admin::families::end_of_user(core, user, now).await.unwrap();
        for change in [Change::Disable, Change::Password(Password::new(PASSWORD.to_owned()).unwrap())] {
            app.lets_in(&Browser::new(&app), "told", "openid").await.tokens();
            admin::users::change(core, user, change, now).await.unwrap();
            app.change_user(user, Change::Enable).await;
            expected += 1;
        }
        let sid = |answer: &Answer| answer.tokens().claims()["sid"].as_str().unwrap().to_owned();
        let one = sid(&app.lets_in(&Browser::new(&app), "told", "openid").await);
        admin::families::end(core, one.parse().unwrap(), now).await.unwrap();
        let first_party = app.log_in("ana").await;
        let two = sid(&app.lets_in(&Browser::new(&app), "told", "openid").await);
        app.delete(&format!("/sessions/{two}"), &first_party.access).await;
        app.lets_in(&Browser::new(&app), "told", "openid").await.tokens();
        app.delete("/sessions", &first_party.access).await;
        let browser = Browser::new(&app);
        let three = sid(&app.lets_in(&browser, "told", "openid").await);
        let csrf = browser.get("/account").await.hidden("csrf");
        browser.post("/account", &[("csrf", &csrf), ("end", &three)]).await;
        app.lets_in(&Browser::new(&app), "told", "openid").await.tokens();
        browser.post("/account", &[("csrf", &csrf), ("end", "others")]).await;
        app.lets_in(&Browser::new(&app), "told", "openid").await.tokens();
        let form = [("csrf", csrf.as_str()), ("password", PASSWORD), ("new_password", PASSWORD), ("repeated", PASSWORD), ("end_others", "yes")];
        assert!(browser.post("/account/password", &form).await.location().contains("done=password"));
        expected += 6;
        app.deliver().await;
        told(&remote, expected).await;
        app.settled().await;
        // What a client does itself it knows.
        let own = app.lets_in(&browser, "told", "openid").await.tokens();
        app.form("/oauth/revoke", &[("client_id", "told"), ("token", &own.refresh)]).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries").await, i64::try_from(expected).unwrap());
    }

    async fn another_user_in_the_same_browser_ends_the_first_ones_sign_in(app) with here; {
        let remote = app.with_told_app().await;
        app.add_user("ben").await;
        let browser = Browser::new(&app);
        let answer = app.lets_in(&browser, "told", "openid").await;
        let unused = browser.authorize(&[]).await.code();
        let page = browser.authorize(&[("prompt", "login")]).await;
        browser.sign_in(&page, "ben").await.code();
        assert_eq!(told(&remote, 1).await[0]["sid"], claims(answer.text("id_token"))["sid"]);
        assert_eq!(app.exchange(&unused, &[]).await.code(), "400 invalid_grant");
    }

    async fn a_consent_that_is_withdrawn_is_told(app) with here; {
        let remote = app.with_told_app().await;
        app.add_app("theirs", |it| {
            told_at(&remote)(it);
            it.party = heirloom::domain::client::Party::Third;
        }).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "theirs")]).await;
        let consent = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&consent, "allow").await.code();
        app.exchange(&code, &[("client_id", "theirs")]).await.tokens();
        let csrf = browser.get("/account/apps").await.hidden("csrf");
        browser.post("/account/apps", &[("csrf", &csrf), ("withdraw", "theirs")]).await;
        assert_eq!(told(&remote, 1).await[0]["aud"], "theirs");
    }

    async fn a_client_without_refresh_tokens_is_told_long_afterwards(app) with here; {
        let remote = app.with_told_app().await;
        app.add_app("plain", |it| {
            told_at(&remote)(it);
            it.grants = [heirloom::domain::client::GrantType::AuthorizationCode].into();
        }).await;
        let browser = Browser::new(&app);
        let answer = app.lets_in(&browser, "plain", "openid").await;
        assert!(answer.json.get("refresh_token").is_none(), "{answer:?}");
        app.clock.advance(DAY / 2);
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        sign_out(&browser).await;
        assert_eq!(told(&remote, 1).await[0]["sid"], claims(answer.text("id_token"))["sid"]);
    }

    async fn a_client_that_cannot_be_told_is_tried_again_and_then_given_up(app) with here; {
        let remote = app.with_told_app().await;
        remote.answer(FAILED);
        let browser = Browser::new(&app);
        app.lets_in(&browser, "told", "openid").await.tokens();
        sign_out(&browser).await;
        let first = told(&remote, 1).await;
        app.clock.advance(29 * SECOND);
        app.deliver().await;
        told(&remote, 1).await;
        // A redirect is no success: nothing is followed.
        remote.answer("HTTP/1.1 303 See Other\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        app.clock.advance(SECOND);
        app.deliver().await;
        let second = told(&remote, 2).await;
        assert_ne!(first[0]["jti"], second[1]["jti"], "each token is one of its own");
        assert_eq!(second[1]["iat"], app.clock.now().timestamp());
        for tries in 3..=8 {
            app.clock.advance(DAY / 2);
            app.deliver().await;
            told(&remote, tries).await;
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries WHERE state = 'given_up'").await, 1);
        assert_eq!((app.told("logout.undeliverable client=told"), app.told("logout.delivered")), (1, 0));
        app.clock.advance(6 * DAY);
        app.deliver().await;
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        told(&remote, 8).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries").await, 1);
        app.clock.advance(DAY);
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries").await, 0);
    }

    async fn several_processes_tell_once_and_one_that_dies_is_stood_in_for(app) with here; {
        let remote = app.with_told_app().await;
        let browser = Browser::new(&app);
        let answer = app.lets_in(&browser, "told", "openid").await;
        let family = claims(answer.text("id_token"))["sid"].as_str().unwrap().parse().unwrap();
        // Behind the server's back, so that it does not look at once; then everybody does.
        admin::families::end(&app.core, family, app.clock.now()).await.unwrap();
        let looks = (0..8).map(|_| app.deliver_due());
        futures_util::future::join_all(looks).await;
        told(&remote, 1).await;
        app.settled().await;
        // Somebody claims an attempt and is never heard of again.
        app.sql("UPDATE logout_deliveries SET state = 'pending', attempts = 0").await;
        let now = app.clock.now() + DAY;
        let wanted = DueFor { origin: Origin::Operator, except: [" "; 4], limit: 9 };
        let [delivery] = &logout_deliveries::due(&app.core.db, &wanted, now + 30 * DAY).await.unwrap()[..] else { panic!() };
        let claim = async |next_at| outbox::claim(&app.core.db, Outbox::Logouts, delivery.attempt(), next_at).await.unwrap();
        assert!(claim(now + MINUTE).await);
        assert!(!claim(now).await, "claimed");
        app.clock.advance(DAY);
        app.deliver().await;
        told(&remote, 1).await;
        app.clock.advance(MINUTE);
        app.deliver().await;
        told(&remote, 2).await;
    }

    async fn nobody_is_told_at_a_private_address(app) {
        let remote = app.with_told_app().await;
        let browser = Browser::new(&app);
        app.lets_in(&browser, "told", "openid").await.tokens();
        sign_out(&browser).await;
        app.deliver().await;
        app.clock.advance(MINUTE);
        app.deliver().await;
        told(&remote, 0).await;
        assert_eq!(app.pending().await, 1);
    }

    async fn a_client_that_is_gone_or_changed_its_mind_is_not_told(app) with here; {
        let remote = app.with_told_app().await;
        remote.answer(FAILED);
        let browser = Browser::new(&app);
        app.lets_in(&browser, "told", "openid").await.tokens();
        sign_out(&browser).await;
        told(&remote, 1).await;
        admin::clients::remove(&app.core, &"told".parse().unwrap(), 9, app.clock.now()).await.unwrap();
        app.clock.advance(MINUTE);
        app.deliver().await;
        told(&remote, 1).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries WHERE state = 'given_up'").await, 1);
    }

    async fn a_browser_that_signs_out_tells_apps_itself(app) {
        app.with_apps().await;
        app.add_app("framed", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.name = Some("Framed <1>".to_owned());
            it.metadata = metadata(json!({
                "frontchannel_logout_uri": "https://app.example/bye?a=b", "frontchannel_logout_session_required": true,
            }));
        }).await;
        // Front-Channel Logout §2: of the same site as a redirect URI.
        app.add_app("astray", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.metadata = metadata(json!({ "frontchannel_logout_uri": "https://evil.example/bye" }));
        }).await;
        let browser = Browser::new(&app);
        let answer = app.lets_in(&browser, "framed", "openid").await;
        app.lets_in(&browser, "astray", "openid").await.tokens();
        let kept = app.lets_in(&browser, "app", "openid").await.tokens();
        let id_token = answer.text("id_token");
        let logout = format!("/oauth/logout?id_token_hint={id_token}&post_logout_redirect_uri=https://app.example/bye&state=1");
        let page = browser.get(&logout).await;
        assert_eq!(page.status, 200);
        let (sid, iss) = (claims(id_token)["sid"].clone(), form_urlencoded::byte_serialize(app.url.as_bytes()).collect::<String>());
        let frame = format!("https://app.example/bye?a=b&iss={iss}&sid={}", sid.as_str().unwrap());
        let shown = page.body.replace("&#x2f;", "/").replace("&amp;", "&");
        assert!(shown.contains(&format!("<iframe src=\"{frame}\" title=\"Framed &lt;1&gt;\" hidden>")), "{shown}");
        assert_eq!(page.body.matches("<iframe").count(), 1, "{page:?}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("; frame-src https://app.example; "), "{policy}");
        assert!(shown.contains("<a id=\"onward\" href=\"https://app.example/bye?state=1\""), "{shown}");
        assert_eq!(browser.cookie("heirloom-session"), None);
        assert_eq!(browser.get("/assets/onward.js").await.status, 200);
        assert_eq!(app.refresh_with("framed", answer.text("refresh_token")).await.status, 401);
        assert_eq!(app.refresh_with("app", &kept.refresh).await.status, 200);
        // Without such apps the browser goes on at once, and no page may hold frames.
        app.lets_in(&browser, "app", "openid").await.tokens();
        let page = sign_out(&browser).await;
        assert!(!page.header("content-security-policy").contains("frame-src"), "{page:?}");
        let browser = Browser::new(&app);
        app.lets_in(&browser, "framed", "openid").await.tokens();
        let csrf = browser.get("/account").await.hidden("csrf");
        let all = browser.post("/account", &[("csrf", &csrf), ("end", "all"), ("sure", "yes")]).await;
        assert_eq!(all.body.matches("<iframe").count(), 1, "{all:?}");
    }

    async fn discovery_tells_of_logouts(app) {
        let told = app.send(app.http.get(app.at("/.well-known/openid-configuration"))).await;
        for channel in ["backchannel", "frontchannel"] {
            assert_eq!(told.json[format!("{channel}_logout_supported")], true);
            assert_eq!(told.json[format!("{channel}_logout_session_supported")], true);
        }
    }

    async fn an_id_token_of_an_old_key_still_signs_out(app) {
        app.with_apps().await;
        let (browser, later) = (Browser::new(&app), Browser::new(&app));
        let old = app.lets_in(&browser, "app", "openid").await;
        app.lets_in(&later, "app", "openid").await.tokens();
        let logout = format!(
            "/oauth/logout?id_token_hint={}&post_logout_redirect_uri=https://app.example/bye", old.text("id_token")
        );
        let how = app.core.succession;
        app.core.keys.rotate(&app.core.writer, how, app.clock.now()).await.unwrap();
        app.clock.advance(DAY / 2);
        let jwks = app.send(app.http.get(app.at("/.well-known/jwks.json"))).await;
        assert_ne!(jwks.json["keys"][0]["kid"], jwt_header(old.text("id_token"))["kid"], "it is published no more");
        assert_eq!(browser.get(&logout).await.location(), "https://app.example/bye");
        // Once the key is forgotten, nobody knows whose token that was; a person can still say yes, and stays here.
        later.authorize(&[]).await.code();
        app.clock.advance(DAY - MINUTE);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        app.core.keys.reload(&app.core.db).await.unwrap();
        let page = later.get(&logout).await;
        assert!(page.status == 200 && page.body.contains("Sign out?"), "{page:?}");
        let csrf = page.hidden("csrf");
        let done = later.post(&page.action(), &[("csrf", &csrf)]).await;
        assert!(done.status == 200 && done.body.contains("You are signed out"), "{done:?}");
        // Of a key that was withdrawn, nothing is believed.
        let third = Browser::new(&app);
        let stolen = app.lets_in(&third, "app", "openid").await;
        app.core.keys.replace(&app.core.writer, how, app.clock.now()).await.unwrap();
        let page = third.get(&format!("/oauth/logout?id_token_hint={}", stolen.text("id_token"))).await;
        assert!(page.body.contains("Sign out?"), "{page:?}");
    }
}

#[test]
fn logout_uris_are_absolute_web_addresses_without_a_fragment() {
    for (section, member, value) in [
        ("Back-Channel §2.2: absolute", "backchannel_logout_uri", json!("/bye")),
        ("Back-Channel §2.2: no fragment", "backchannel_logout_uri", json!("https://app.example/bye#x")),
        ("Back-Channel §2.2: no fragment", "backchannel_logout_uri", json!("https://app.example/bye#")),
        ("Back-Channel §2.2: http or https", "backchannel_logout_uri", json!("ftp://app.example/bye")),
        ("Back-Channel §2.2: http or https", "backchannel_logout_uri", json!("javascript:alert(1)")),
        ("Back-Channel §2.2: boolean", "backchannel_logout_session_required", json!("yes")),
        ("Front-Channel §2: absolute", "frontchannel_logout_uri", json!("bye")),
        ("Front-Channel §2: no fragment", "frontchannel_logout_uri", json!("https://app.example/bye#x")),
        ("Front-Channel §2: a URL", "frontchannel_logout_uri", json!(["https://app.example/bye"])),
        ("Front-Channel §2: boolean", "frontchannel_logout_session_required", json!(1)),
    ] {
        let read = serde_json::from_value::<ClientMetadata>(json!({ member: value }));
        assert!(read.is_err(), "{section}: {value}");
    }
    let given = json!({
        "backchannel_logout_uri": "https://app.example/bye?a=b", "backchannel_logout_session_required": true,
        "frontchannel_logout_uri": "https://app.example/bye", "frontchannel_logout_session_required": true,
    });
    assert_eq!(serde_json::to_value(metadata(given.clone())).unwrap(), given);
    assert_eq!(serde_json::to_value(ClientMetadata::default()).unwrap(), json!({}));
}
