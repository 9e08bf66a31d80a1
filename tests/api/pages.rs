//! The pages themselves: light, readable by everybody, safe from other sites.

use heirloom::domain::client::{GrantType, Party};
use heirloom::settings::Settings;

use crate::browser::*;
use crate::database::Database;
use crate::folder::Folder;
use crate::harness::*;

const LEADS_AWAY: [&str; 6] =
    ["sign-in", "sign-in refused", "consent", "select account", "form post", "/account/links"];

/// What holds of every page.
#[track_caller]
pub fn is_sound(page: &Seen, what: &str) {
    assert!(page.body.len() < 30 * 1024, "{what}: {} bytes", page.body.len());
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{what}");
    assert_eq!(page.header("cache-control"), "no-store", "{what}");
    assert_eq!(page.header("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(page.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(page.header("x-frame-options"), "DENY", "{what}");
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    // Where an app, or a provider, sends its user on to is its own to know.
    let is_held = policy.contains("form-action 'self'");
    assert_eq!(is_held, !LEADS_AWAY.contains(&what), "{what}: {policy}");
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    for inline in ["<style", " style=", " onclick=", "<script>", "javascript:"] {
        assert!(!page.body.contains(inline), "{what}: {inline}");
    }
    assert_eq!(page.body.matches("rel=\"stylesheet\"").count(), 1, "{what}");
    assert_eq!(page.body.matches("<h1>").count(), 1, "{what}");
    assert_eq!(page.body.matches("<main>").count(), 1, "{what}");
    assert!(page.body.contains("<html lang=\""), "{what}");
    assert!(page.body.contains("width=device-width"), "{what}");
    let fields: usize = ["<input id=", "<textarea id=", "<select id="]
        .map(|field| page.body.matches(field).count())
        .iter()
        .sum();
    assert_eq!(page.body.matches("<label for=").count(), fields, "{what}: every field has a label");
}

both_stores! {
    async fn every_page_is_sound(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let sign_in = browser.authorize(&[("client_id", "other")]).await;
        is_sound(&sign_in, "sign-in");
        assert!(!sign_in.body.contains(" value=\"none") && !sign_in.body.contains("None"), "{sign_in:?}");
        let csrf = sign_in.hidden("csrf");
        let wrong = [("csrf", csrf.as_str()), ("username", "ana"), ("password", "wrong password")];
        let refused = browser.post(&sign_in.action(), &wrong).await;
        is_sound(&refused, "sign-in refused");
        assert!(refused.status == 403 && refused.body.contains("role=\"alert\""), "{refused:?}");
        assert!(refused.body.contains("value=\"ana\"") && !refused.body.contains("wrong password"));
        let consent = browser.sign_in(&sign_in, "ana").await;
        is_sound(&consent, "consent");
        is_sound(&browser.authorize(&[("prompt", "select_account")]).await, "select account");
        is_sound(&browser.authorize(&[("response_mode", "form_post")]).await, "form post");
        is_sound(&Browser::new(&app).get("/sign-in?to=/account").await, "sign-in for the account");
        app.log_in("ana").await;
        browser.decide(&browser.authorize(&[("client_id", "other")]).await, "allow").await;
        for place in ["/account?done=ended", "/account/apps", "/account/activity", "/account/data", "/account/password"] {
            is_sound(&browser.get(place).await, place);
        }
        is_sound(&browser.get("/oauth/logout").await, "sign-out");
        is_sound(&Browser::new(&app).get("/oauth/logout").await, "signed out");
        is_sound(&browser.authorize(&[("client_id", "nobody")]).await, "error");
        device_pages_are_sound(&app, &browser).await;
        let style = browser.get(&asset(&sign_in, "/assets/style.css")).await;
        assert_eq!((style.status.as_u16(), style.header("content-type")), (200, "text/css; charset=utf-8"));
        assert!(style.body.len() < 30 * 1024 && style.header("cache-control").contains("immutable"));
    }

    async fn what_others_wrote_is_shown_as_text(app) {
        app.with_apps().await;
        app.add_app("nasty", |it| it.name = Some("<script>alert(1)</script>\"'&".to_owned())).await;
        let browser = Browser::new(&app);
        let hint = "\"><script>alert(2)</script>";
        let changes = [("client_id", "nasty"), ("login_hint", hint), ("state", hint), ("scope", "openid")];
        let page = browser.authorize(&changes).await;
        assert!(!page.body.contains("<script>"), "{page:?}");
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{page:?}");
        let consent = browser.sign_in(&page, "ana").await;
        assert!(consent.body.contains("decision") && !consent.body.contains("<script>"), "{consent:?}");
        let posted = [("response_mode", "form_post"), ("state", hint)];
        assert!(!browser.authorize(&posted).await.body.contains("<script>alert"));
    }

    async fn a_consent_page_links_to_what_the_app_says_of_itself(app) {
        app.with_apps().await;
        app.add_app("open", |it| {
            it.metadata = serde_json::from_value(serde_json::json!({
                "client_uri": "https://app.example/?a=1&b=2", "tos_uri": "https://app.example/terms",
            })).unwrap();
        }).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "open"), ("scope", "openid")]).await;
        let consent = browser.sign_in(&page, "ana").await;
        for (uri, shown) in [("?a=1&amp;b=2", true), ("app.example&#x2f;terms", true), ("Privacy", false)] {
            assert_eq!(consent.body.contains(uri), shown, "{uri}: {consent:?}");
        }
    }

    async fn a_form_counts_only_in_the_browser_that_it_was_made_for(app) {
        app.with_apps().await;
        let (browser, other) = (Browser::new(&app), Browser::new(&app));
        let page = browser.authorize(&[]).await;
        let good = page.hidden("csrf");
        let theirs = other.authorize(&[]).await.hidden("csrf");
        let place = page.action();
        let form = |csrf| [("csrf", csrf), ("username", "ana"), ("password", PASSWORD)];
        for csrf in ["", "x", theirs.as_str()] {
            assert_eq!(browser.post(&place, &form(csrf)).await.location(), place, "{csrf}");
        }
        assert_eq!(Browser::new(&app).post(&place, &form(&good)).await.status, 403, "without the cookie");
        let elsewhere = Browser::new(&app).with_header("sec-fetch-site", "cross-site");
        elsewhere.set_cookie("heirloom-browser", &browser.cookie("heirloom-browser").unwrap());
        assert_eq!(elsewhere.post(&place, &form(&good)).await.status, 403, "from another site");
        assert_eq!(browser.cookie("heirloom-session"), None);
        // A form from before the sign-in is none after it: somebody else may have signed in.
        let consent = browser.sign_in(&browser.authorize(&[("client_id", "other")]).await, "ana").await;
        let stale = browser.post(&consent.action(), &[("csrf", &good), ("decision", "allow")]).await;
        assert_eq!(stale.location(), consent.action());
        assert_eq!(app.number("SELECT COUNT(*) FROM consents").await, 0);
    }

    async fn a_sign_in_changes_the_cookie(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.set_cookie("heirloom-session", &"A".repeat(43));
        browser.ana_signs_in(&[]).await;
        let first = browser.cookie("heirloom-session").unwrap();
        assert_ne!(first, "A".repeat(43));
        browser.ana_signs_in(&[("prompt", "login")]).await;
        assert_ne!(browser.cookie("heirloom-session").unwrap(), first);
        let thief = Browser::new(&app);
        thief.set_cookie("heirloom-session", &first);
        assert_eq!(thief.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 1);
        app.add_user("ben").await;
        let page = browser.authorize(&[("prompt", "login")]).await;
        browser.sign_in(&page, "ben").await.code();
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 1, "one browser, one session");
    }

    async fn cookies_are_for_this_server_alone(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.get(&format!("/tenant/sign-in?{}", query(&[]))).await;
        assert!(page.action().starts_with("/tenant/sign-in?"), "{page:?}");
        let attributes = "Path=/; HttpOnly; SameSite=Lax; Secure";
        let [cookie] = page.set_cookies()[..] else { panic!("{page:?}") };
        let named = |name: &str| format!("{}=", of_issuer(name, app.core.issuer.as_str()));
        assert!(cookie.starts_with(&named("__Host-heirloom-browser")) && cookie.ends_with(attributes), "{cookie}");
        let csrf = page.hidden("csrf");
        let form = [("csrf", csrf.as_str()), ("username", "ana"), ("password", PASSWORD)];
        let done = browser.post(&page.action(), &form).await;
        assert!(done.location().starts_with("/tenant/oauth/authorize?"), "{done:?}");
        let [cookie] = done.set_cookies()[..] else { panic!("{done:?}") };
        assert!(cookie.starts_with(&named("__Host-heirloom-session")) && cookie.ends_with(attributes), "{cookie}");
        let back = browser.follow(done).await;
        assert_eq!(back.answer().1["iss"], "https://login.example.com/tenant");
    }

    async fn a_consent_page_says_for_how_long_and_that_a_client_registered_itself(app) with crate::registration::open; {
        app.with_apps().await;
        let mut tool = crate::registration::tool();
        tool["scope"] = serde_json::json!("openid offline_access");
        let registered = app.register(&tool).await;
        let redirect_uri = ("redirect_uri", "http://127.0.0.1:1/cb");
        let own = |scope| [("client_id", registered.text("client_id")), redirect_uri, ("scope", scope)];
        let browser = Browser::new(&app);
        let page = browser.authorize(&own("openid offline_access")).await;
        let consent = browser.sign_in(&page, "ana").await.body;
        let itself = "The app registered itself here.";
        assert!(consent.contains(itself), "{consent}");
        assert!(consent.contains("without you for 90 days at most, and for 7 days if it is not used"), "{consent}");
        let once = browser.authorize(&own("openid")).await.body;
        assert!(once.contains(itself) && once.contains("for 15 minutes at most"), "{once}");
        let operators = browser.authorize(&[("client_id", "other"), ("ui_locales", "de")]).await.body;
        assert!(operators.contains("höchstens 90 Tage lang ohne Sie") && !operators.contains("selbst angemeldet"), "{operators}");
    }

    async fn pages_speak_the_readers_language(app) {
        app.with_apps().await;
        let german = Browser::new(&app).with_header("accept-language", "fr, de-CH;q=0.8, en;q=0.5");
        let page = german.authorize(&[]).await;
        assert!(page.body.contains("<html lang=\"de\">") && page.body.contains("Anmelden"), "{page:?}");
        let page = german.authorize(&[("ui_locales", "en")]).await;
        assert!(page.body.contains("<html lang=\"en\">"), "{page:?}");
        let error = german.authorize(&[("client_id", "nobody")]).await;
        assert!(error.body.contains("Das hat nicht geklappt"), "{error:?}");
        // What the address asks for counts where nothing else of it does.
        let error = german.authorize(&[("client_id", "nobody"), ("ui_locales", "en")]).await;
        assert!(error.body.contains("This did not work"), "{error:?}");
        let english = Browser::new(&app);
        english.ana_signs_in(&[]).await;
        for place in ["/device", "/account", "/account/apps", "/account/activity", "/account/data", "/account/password"] {
            let page = english.get(&format!("{place}?ui_locales=de")).await;
            assert!(page.body.contains("<html lang=\"de\">"), "{place}: {page:?}");
        }
    }

    async fn who_types_the_servers_name_finds_the_account(app) {
        assert_eq!(Browser::new(&app).get("/").await.location(), "/account");
    }

    async fn below_a_path_too(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        for place in ["/tenant", "/tenant/"] {
            assert_eq!(Browser::new(&app).get(place).await.location(), "/tenant/account", "{place}");
        }
    }

    async fn the_language_that_was_asked_for_stays(app) {
        app.with_apps().await;
        app.add_app("tv", |it| it.grants = [GrantType::DeviceCode].into()).await;
        let waits = app.form("/oauth/device_authorization", &[("client_id", "tv")]).await;
        let code = waits.text("user_code");
        // Nobody is signed in; the second is the language that we have.
        let browser = Browser::new(&app);
        for place in ["/account", "/account/apps", "/account/password", "/device"] {
            let form = [("csrf", "x")];
            let sent = browser.post(&format!("{place}?ui_locales=fr+de-AT"), &form).await;
            let sign_in = browser.follow(sent).await;
            assert!(sign_in.body.contains("<html lang=\"de\">") && sign_in.body.contains("<h1>Anmelden"), "{place}");
        }
        let sign_in = browser.follow(browser.get("/account?ui_locales=fr+de-AT").await).await;
        let account = browser.sign_in(&sign_in, "ana").await;
        stays_german(&account, "account");
        browser.decide(&browser.authorize(&[("client_id", "other")]).await, "allow").await;
        app.log_in("ana").await;
        let german = async |place: &str| browser.get(&format!("{place}?ui_locales=de")).await;
        for place in ["/account", "/account/apps", "/account/activity", "/account/data", "/account/password", "/device"] {
            stays_german(&german(place).await, place);
        }
        stays_german(&browser.get(&format!("/device?user_code={code}&ui_locales=de")).await, "code shown");
        let press = async |page: &Seen, name: &str, value: &str| {
            let form = [("csrf", page.hidden("csrf")), (name, value.to_owned())];
            let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
            browser.follow(browser.post(&page.action(), &form).await).await
        };
        stays_german(&press(&german("/account").await, "end", "others").await, "signed out elsewhere");
        stays_german(&press(&german("/account/apps").await, "withdraw", "other").await, "access removed");
        stays_german(&press(&german("/account/password").await, "password", "x").await, "password refused");
        let device = german("/device").await;
        stays_german(&browser.enter(&device, "BCDF-GHJK").await, "wrong code");
        let consent = browser.enter(&device, code).await;
        stays_german(&consent, "device consent");
        let done = browser.answer_device(&consent, "deny").await;
        assert!(done.body.contains("<html lang=\"de\">"), "{done:?}");
        let sure = press(&german("/account").await, "end", "all").await;
        stays_german(&sure, "asked whether all end");
        let form = [("csrf", sure.hidden("csrf")), ("sure", sure.hidden("sure")), ("end", "all".to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let gone = browser.post(&sure.action(), &form).await;
        stays_german(&gone, "signed out everywhere");
        assert!(gone.body.contains("Sie sind abgemeldet"), "{gone:?}");
    }

    async fn a_scope_may_have_any_name(app) {
        app.with_apps().await;
        app.add_app("odd", |it| it.scopes = "openid other orders:read".parse().unwrap()).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "odd"), ("scope", "openid other orders:read")]).await;
        let consent = browser.sign_in(&page, "ana").await;
        for text in ["Recognise you", "Use the permission “other”", "Use the permission “orders:read”"] {
            assert!(consent.body.contains(text), "{text}: {consent:?}");
        }
    }
}

/// Whatever the page leads to on this server is in German too.
#[track_caller]
fn stays_german(page: &Seen, what: &str) {
    assert!(page.body.contains("<html lang=\"de\">"), "{what}: {page:?}");
    let places = page.body.split([' ', '>']).filter_map(|part| {
        part.strip_prefix("href=\"").or_else(|| part.strip_prefix("action=\""))?.strip_suffix('"')
    });
    let places: Vec<String> = places.map(unescaped).filter(|place| !place.starts_with("/assets/")).collect();
    assert!(!places.is_empty(), "{what}");
    for place in places {
        assert!(place.contains("ui_locales=de") || place.contains("ui_locales=fr+de-AT"), "{what}: {place}");
    }
}

const BOTH: [Store; 2] = [Store::Sqlite, Store::Postgres];

/// Two issuers on one host, which differ in their paths alone, and two that differ in their ports.
#[test]
fn a_browser_is_signed_in_at_each_issuer_of_a_host_by_itself() {
    for (one, other) in [
        ("https://login.example.com/one", "https://login.example.com/other"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8002"),
    ] {
        run(
            Store::Sqlite,
            |it| it.issuer = Some(one.parse().unwrap()),
            async |app| {
                let database = Database::make(Store::Sqlite).await;
                let at_other = |it: &mut Settings| it.issuer = Some(other.parse().unwrap());
                let (there, stop) = start(Store::Sqlite, &database.url, app.clock.clone(), at_other).await;
                let mut names = Vec::new();
                for (app, issuer) in [(&app, one), (&there, other)] {
                    app.with_apps().await;
                    let browser = Browser::new(app);
                    let base = issuer.strip_prefix("https://login.example.com").unwrap_or_default();
                    let page = browser.get(&format!("{base}/sign-in?{}", query(&[]))).await;
                    let csrf = page.hidden("csrf");
                    let form = [("csrf", csrf.as_str()), ("username", "ana"), ("password", PASSWORD)];
                    let done = browser.post(&page.action(), &form).await;
                    for seen in [page, done] {
                        let [cookie] = seen.set_cookies()[..] else { panic!("{seen:?}") };
                        names.push(cookie.split_once('=').unwrap().0.to_owned());
                    }
                }
                let different: std::collections::BTreeSet<&String> = names.iter().collect();
                assert_eq!(different.len(), 4, "{names:?}");
                stop.end().await;
                database.drop().await;
            },
        );
    }
}

#[test]
fn pages_look_as_their_owner_wants() {
    let folder = Folder::new();
    folder.keep("signed_out.html", "Bye from {{ brand }}.");
    let logo = folder.keep("logo.svg", "<svg/>");
    let change = |settings: &mut Settings| {
        "Acme <3".clone_into(&mut settings.pages.name);
        settings.pages.accent = "#FFCC00".parse().unwrap();
        settings.pages.logo = Some(logo.clone());
        settings.pages.templates = Some(folder.path().to_owned());
    };
    for store in BOTH {
        run(store, change, async |app| {
            app.add_app("app", |it| it.party = Party::First).await;
            let browser = Browser::new(&app);
            assert_eq!(browser.get("/oauth/logout").await.body, "Bye from Acme &lt;3.");
            let page = browser.authorize(&[]).await;
            assert!(page.body.contains("Acme &lt;3"), "{page:?}");
            let style = browser.get(&asset(&page, "/assets/style.css")).await;
            assert!(style.body.starts_with(":root{--accent:#ffcc00;--on-accent:#000000}"), "{style:?}");
            let logo = browser.get(&asset(&page, "/assets/logo")).await;
            assert_eq!((logo.body.as_str(), logo.header("content-type")), ("<svg/>", "image/svg+xml"));
            assert!(logo.header("content-security-policy").contains("sandbox"), "{logo:?}");
        });
    }
}

#[test]
fn pages_say_what_their_owner_says() {
    let folder = Folder::new();
    folder.keep("en.json", r#"{"scope_orders:read": "See your <orders>", "consent_allow": "Go ahead"}"#);
    folder.keep("de.json", r#"{"scope_orders:read": "Ihre Bestellungen sehen"}"#);
    let change = |settings: &mut Settings| settings.pages.templates = Some(folder.path().to_owned());
    for store in BOTH {
        run(store, change, async |app| {
            app.with_apps().await;
            app.add_app("shop", |it| it.scopes = "openid orders:read orders:write".parse().unwrap()).await;
            for (language, texts) in [
                ("en", ["See your &lt;orders&gt;<", "Use the permission “orders:write”", ">Go ahead<"]),
                ("de", ["Ihre Bestellungen sehen<", "Die Berechtigung „orders:write“ nutzen", ">Erlauben<"]),
            ] {
                let browser = Browser::new(&app).with_header("accept-language", language);
                let asked = [("client_id", "shop"), ("scope", "openid orders:read orders:write")];
                let consent = browser.sign_in(&browser.authorize(&asked).await, "ana").await;
                for text in texts {
                    assert!(consent.body.contains(text), "{text}: {consent:?}");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_a_page_or_its_texts_stops_the_start() {
    for (name, content, words) in [
        (
            "fr.json",
            "{}",
            &["pages.templates: ", "fr.json stands in for nothing; there are layout.html", "de.json"][..],
        ),
        ("signin.html", "", &["signin.html stands in for nothing"]),
        ("en.json", "{", &["pages: en.json: it is not a JSON object of texts: EOF"]),
        ("en.json", "[]", &["pages: en.json: it is not a JSON object of texts: "]),
        ("de.json", r#"{"sign_in_title": 1}"#, &["pages: de.json: it is not a JSON object of texts: "]),
        (
            "de.json",
            r#"{"sign_in_titel": ""}"#,
            &["pages: de.json: no page has the text `sign_in_titel`; the text of your own scope"],
        ),
        ("de.json", r#"{"moment": "%Q"}"#, &["pages: de.json: `moment` is not a format of a time"]),
        ("error.html", "{% if %}", &["pages: ", "error.html:1"]),
    ] {
        let folder = Folder::new();
        folder.keep(name, content);
        let change = |settings: &mut Settings| settings.pages.templates = Some(folder.path().to_owned());
        let refused = start_refused("sqlite::memory:", change).await;
        assert!(words.iter().all(|word| refused.contains(word)), "{name} {content}: {refused}");
    }
    let gone = Folder::new().path().to_owned();
    let refused =
        start_refused("sqlite::memory:", |settings| settings.pages.templates = Some(gone.clone())).await;
    assert!(refused.contains(&format!("pages.templates: cannot read {}", gone.display())), "{refused}");
}

async fn device_pages_are_sound(app: &TestApp, browser: &Browser<'_>) {
    app.add_app("tv", |it| it.grants = [GrantType::DeviceCode].into()).await;
    let waits = app.form("/oauth/device_authorization", &[("client_id", "tv")]).await;
    let page = browser.get("/device").await;
    is_sound(&page, "device");
    is_sound(&browser.get("/device?user_code=BCDF-GHJK").await, "device, code shown");
    is_sound(&browser.enter(&page, "BCDF-GHJK").await, "device, wrong code");
    let consent = browser.enter(&page, waits.text("user_code")).await;
    is_sound(&consent, "device consent");
    is_sound(&browser.answer_device(&consent, "allow").await, "device done");
    is_sound(&Browser::new(app).get("/sign-in?to=/device").await, "sign-in for a device");
}

fn asset(page: &Seen, path: &str) -> String {
    let (_, rest) = page.body.split_once(path).unwrap_or_else(|| panic!("{path} in {page:?}"));
    format!("{path}{}", rest.split_once('"').unwrap().0)
}
