//! The console: what an administrator sees there, and the way to a stolen laptop's login.

use heirloom::domain::ids::UserId;
use heirloom::service::admin::users::Change;
use heirloom::service::admin::{janitor, usage};
use heirloom::settings::Settings;
use serde_json::json;

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::pages::is_sound;

pub const ADMINISTRATOR: &str = "root";

impl TestApp {
    /// Somebody with the administrators' role.
    pub async fn add_administrator(&self, name: &str) -> UserId {
        let id = self.add_user(name).await;
        self.change_user(id, Change::Roles(vec!["heirloom-admin".to_owned()])).await;
        id
    }

    /// A browser in which an administrator is at the console.
    pub async fn at_the_console(&self) -> Browser<'_> {
        self.add_administrator(ADMINISTRATOR).await;
        let browser = Browser::new(self);
        let seen = browser.comes_to("/admin", ADMINISTRATOR).await;
        assert!(seen.status == 200 && seen.body.contains("<h1>Console</h1>"), "{seen:?}");
        browser
    }

    /// What an administrator made happen of this name.
    pub async fn done_by(&self, user: UserId, event: &str) -> i64 {
        let by = format!("%\"by\":\"user {user}\"%");
        self.number(&format!("SELECT COUNT(*) FROM events WHERE name = '{event}' AND fields LIKE '{by}'"))
            .await
    }

    /// A login on a device of this name.
    pub async fn log_in_on(&self, device: &str, name: &str) -> Tokens {
        let credentials = json!({ "username": name, "password": PASSWORD, "device": device });
        self.post("/login", &credentials).await.tokens()
    }
}

impl Browser<'_> {
    /// Goes somewhere, and signs in on the way.
    pub async fn comes_to(&self, place: &str, name: &str) -> Seen {
        let page = self.follow(self.get(place).await).await;
        self.sign_in(&page, name).await
    }

    /// Follows the link of this text.
    #[track_caller]
    pub fn clicks(&self, page: &Seen, text: &str) -> impl Future<Output = Seen> {
        let place = page.link_of(text);
        async move { self.get(&place).await }
    }

    /// Sends the page's form, and goes where that leads.
    pub async fn sends_on(&self, page: &Seen, typed: &[(&str, &str)]) -> Seen {
        self.follow(self.sends(page, typed).await).await
    }
}

impl Seen {
    /// Where the link of this text leads.
    #[track_caller]
    pub fn link_of(&self, text: &str) -> String {
        let links = self.body.split("<a ").skip(1).filter_map(|link| link.split_once("</a>"));
        let mut found =
            links.filter(|(link, _)| link.split_once('>').is_some_and(|(_, shown)| shown == text));
        let (link, _) = found.next().unwrap_or_else(|| panic!("a link {text} in {self:?}"));
        unescaped(link.split_once("href=\"").unwrap().1.split_once('"').unwrap().0)
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.body.contains(text), "{text} in {self:?}");
    }
}

/// Every place of the console that is only looked at, and those with forms.
async fn places(app: &TestApp) -> Vec<String> {
    let ana = app.ana().await;
    let family = app.log_in("ana").await.family();
    let mut all: Vec<String> = [
        "",
        "?period=hour",
        "?period=week",
        "?period=month",
        "/users",
        "/users/new",
        "/logins",
        "/clients",
        "/clients/new",
        "/clients/new?kind=web",
        "/clients/new?kind=app",
        "/clients/new?kind=service",
        "/clients/app",
        "/clients/app/change",
        "/clients/app/end-logins",
        "/clients/app/remove",
        "/registration-tokens",
        "/registration-tokens/new",
        "/registration-tokens/018f0000-0000-7000-8000-000000000000/remove",
        "/keys",
        "/keys/rotate",
        "/keys/withdraw",
        "/events",
        "/settings",
    ]
    .iter()
    .map(|place| format!("/admin{place}"))
    .collect();
    let of_users = [
        "",
        "/change",
        "/consents",
        "/consents/app",
        "/password",
        "/reset-factors",
        "/disable",
        "/enable",
        "/end-logins",
        "/remove",
    ];
    all.extend(of_users.map(|act| format!("/admin/users/{ana}{act}")));
    all.extend(["", "/end"].map(|act| format!("/admin/logins/{family}{act}")));
    all
}

both_stores! {
    async fn a_stolen_laptops_login_is_ended_in_four_clicks(app) {
        app.add_user("ana").await;
        app.add_user("anders").await;
        let (laptop, phone) = (app.log_in_on("Laptop", "ana").await, app.log_in_on("Phone", "ana").await);
        let root = app.add_administrator(ADMINISTRATOR).await;
        let browser = Browser::new(&app);
        let start = browser.comes_to("/admin", ADMINISTRATOR).await;
        assert_eq!(start.action(), "/admin/users", "the first thing to be seen");
        let found = browser.get(&format!("{}?q=An", start.action())).await;
        found.says("anders");
        let ana = browser.clicks(&found, "ana").await;
        ana.says("Laptop, signed in from");
        ana.says("Phone, signed in from");
        let end = ana.body.split("<li>").find(|entry| entry.contains("Laptop")).unwrap();
        let end = end.split_once("class=\"button\" href=\"").unwrap().1.split_once('"').unwrap().0;
        let question = browser.get(&unescaped(end)).await;
        question.says("End this login?");
        question.says("<dd>Laptop");
        assert_eq!(app.live_families().await, 2, "it asks first");
        let done = browser.sends_on(&question, &[]).await;
        done.says("The login has ended.");
        done.says("Phone, signed in from");
        assert_eq!(app.refresh(&laptop.refresh).await.refusal(), ENDED);
        app.rotate(&phone).await;
        assert_eq!(app.done_by(root, "family.ended").await, 1);
        // A second click.
        assert!(browser.sends_on(&question, &[]).await.body.contains("The login has ended."));
        assert_eq!(app.done_by(root, "family.ended").await, 1);
    }

    async fn every_page_is_sound_and_speaks_german(app) {
        app.with_apps().await;
        let browser = app.at_the_console().await;
        for place in places(&app).await {
            let page = browser.get(&place).await;
            assert_eq!(page.status, 200, "{place}: {page:?}");
            is_sound(&page, &place);
            page.says("/assets/console.css?");
            let separator = if place.contains('?') { '&' } else { '?' };
            let german = browser.get(&format!("{place}{separator}ui_locales=de")).await;
            german.says("<html lang=\"de\">");
            // Whatever it leads to is in German too, and no text is missing.
            for part in german.body.split([' ', '>']) {
                let leads = part.strip_prefix("href=\"").or_else(|| part.strip_prefix("action=\""));
                let leads = leads.and_then(|it| it.strip_suffix('"')).map(unescaped).unwrap_or_default();
                let is_search = ["/admin/users", "/admin/logins", "/admin/clients", "/admin/events"];
                let is_kept = leads.contains("ui_locales=de") || is_search.iter().any(|it| leads == *it);
                assert!(leads.is_empty() || leads.starts_with("/assets/") || is_kept, "{place}: {leads}");
            }
            for page in [page, german] {
                for nothing in ["<h1></h1>", "<h2></h2>", "<button class=\"primary go\"></button>", "></a>", "<dt></dt>", "<p></p>", "></label>"] {
                    assert!(!page.body.contains(nothing), "{place}: {nothing}: {page:?}");
                }
            }
        }
        let style = browser.get("/assets/console.css").await;
        assert_eq!((style.status.as_u16(), style.header("content-type")), (200, "text/css; charset=utf-8"));
        assert!(style.body.starts_with(":root{--accent:") && style.body.contains("nav.console"));
    }

    async fn the_first_look_shows_what_is_counted(app) {
        app.add_user("ana").await;
        let browser = app.at_the_console().await;
        let strict = app.log_in_on("Laptop", "ana").await;
        let second = app.rotate(&strict).await;
        app.rotate(&second).await;
        assert_eq!(app.refresh(&strict.refresh).await.refusal(), REUSED);
        assert_eq!(app.post("/login", &json!({ "username": "ana", "password": "wrong" })).await.status, 401);
        usage::store(&app.core, app.clock.now()).await.unwrap();
        for period in ["hour", "day", "week", "month"] {
            let page = browser.get(&format!("/admin?period={period}")).await;
            assert_eq!(totals(&page), [1, 2, 0, 1, 1, 0], "{period}");
        }
        // What is new is added; what was stored is not stored again.
        app.log_in("ana").await;
        for _ in 0..3 {
            usage::store(&app.core, app.clock.now()).await.unwrap();
        }
        assert_eq!(totals(&browser.get("/admin?period=hour").await), [2, 2, 0, 1, 1, 0]);
        app.clock.advance(MINUTE * 3);
        app.log_in("ana").await;
        usage::store(&app.core, app.clock.now()).await.unwrap();
        let page = browser.get("/admin?period=hour").await;
        assert_eq!(totals(&page)[0], 3);
        page.says("2 at most in two minutes");
        app.clock.advance(MINUTE * 58);
        assert_eq!(totals(&browser.get("/admin?period=hour").await)[0], 1, "the rest is longer ago");
        assert_eq!(totals(&browser.get("/admin").await)[0], 3);
    }

    async fn figures_are_kept_for_a_month(app) {
        app.ana_logged_in().await;
        usage::store(&app.core, app.clock.now()).await.unwrap();
        let kept = async || app.number("SELECT COUNT(*) FROM usage_counts").await;
        assert_eq!(kept().await, 2, "a minute and an hour");
        for (days, left) in [(6, 2), (2, 1), (22, 1), (2, 0)] {
            app.clock.advance(DAY * days);
            janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
            assert_eq!(kept().await, left, "{days} days later");
        }
    }

    async fn what_others_wrote_is_shown_as_text(app) {
        const NASTY: &str = "<script>alert(1)</script>\"'&";
        let user = app.add_user(NASTY).await;
        app.change_user(user, Change::Roles(vec![NASTY.to_owned()])).await;
        app.add_app("na\"<b>/'%2F?#;nasty", |it| {
            it.name = Some(NASTY.to_owned());
            it.redirect_uris = vec!["https://app.example/cb?a='$(reboot)'\"`".to_owned()];
        }).await;
        let family = app.log_in_on(NASTY, NASTY).await.family();
        let browser = app.at_the_console().await;
        for place in ["/users".to_owned(), "/clients".to_owned(), format!("/users/{user}"), format!("/users/{user}/change"),
            format!("/users/{user}/remove"), format!("/logins/{family}"), format!("/logins/{family}/end"), "/logins".to_owned(),
            "/events".to_owned(), "/users?q=%3Cscript%3E".to_owned(), "/logins?user=%3Cscript%3E&client=%22%3E%3Cb%3E&id=%3Cb%3E".to_owned(),
            "/events?name=%3Cb%3E&family=%3Cb%3E".to_owned()] {
            let page = browser.get(&format!("/admin{place}")).await;
            assert_eq!(page.status, 200, "{place}");
            assert!(!page.body.contains("<script>alert") && !page.body.contains("<b>/"), "{place}: {page:?}");
            assert!(!page.body.contains("value=\"\"><b>"), "{place}: {page:?}");
        }
        // An id may have any sign: its page is found by it, and what is pasted is one word for each language.
        let found = browser.get("/admin/clients").await;
        let place = found.body.split("href=\"").find(|it| it.contains("nasty")).unwrap();
        let page = browser.get(&unescaped(place.split_once('"').unwrap().0)).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = unescaped(&page.body).replace("&lt;", "<").replace("&gt;", ">");
        assert!(page.contains(r#"--data-urlencode client_id='na"<b>/'\''%2F?#;nasty'"#), "{page}");
        assert!(page.contains(r#"redirect_uri='https://app.example/cb?a='\''$(reboot)'\''"`'"#), "{page}");
        assert!(page.contains(r#"client_id="na\"<b>/'%2F?#;nasty""#), "{page}");
    }

    async fn settings_are_shown_without_their_secrets(app) with |settings: &mut Settings| {
        settings.mail.password = Some("of the mail server".to_owned().into());
    }; {
        let page = app.at_the_console().await.get("/admin/settings").await;
        for text in ["tokens.access_ttl", "15m", "master_key", "(set)"] {
            page.says(text);
        }
        assert!(!page.body.contains(MASTER_KEY) && !page.body.contains("of the mail server"), "{page:?}");
    }

    async fn the_audit_trail_is_filtered_and_paged(app) {
        app.add_user("ana").await;
        let browser = app.at_the_console().await;
        let mut family = String::new();
        for _ in 0..30 {
            app.clock.advance(SECOND);
            family = app.log_in("ana").await.family();
        }
        let count = |page: &Seen| page.body.matches("<h2><code>login.succeeded</code>").count();
        let first = browser.get("/admin/events?name=login.*&user=ana").await;
        assert_eq!(count(&first), 25);
        let next = browser.clicks(&first, "Show more").await;
        assert_eq!(count(&next), 5);
        assert!(!next.body.contains("Show more"));
        let back = browser.clicks(&next, "Back to the start of the list").await;
        assert_eq!(count(&back), 25);
        let of_one = browser.get(&format!("/admin/events?family={family}")).await;
        assert_eq!(count(&of_one), 1);
        assert!(unescaped(&of_one.body).contains(&format!("/admin/logins/{family}\"")), "{of_one:?}");
        for (query, text) in [("user=nobody", "Nobody has this name."), ("family=x", "This is not the id of a login."), ("name=x", "No event is called so.")] {
            let page = browser.get(&format!("/admin/events?{query}")).await;
            page.says(text);
            page.says("aria-invalid=\"true\"");
        }
    }

    async fn lists_are_read_in_parts(app) {
        let browser = app.at_the_console().await;
        for number in 0..30 {
            app.add_user(&format!("user{number:02}")).await;
            app.add_client(&format!("client{number:02}"), |_| ()).await;
        }
        for (place, name, all) in [("/admin/users?q=user", "user", 30), ("/admin/clients?q=client", "client", 30)] {
            let first = browser.get(place).await;
            let next = browser.clicks(&first, "Show more").await;
            let count = |page: &Seen| page.body.matches(&format!("\">{name}")).count();
            assert_eq!((count(&first), count(&next)), (25, all - 25), "{place}");
        }
        let logins = browser.get("/admin/logins?user=user01").await;
        logins.says("There are no logins.");
        app.log_in("user01").await;
        browser.get("/admin/logins?user=user01").await.says("heirloom</a>");
        browser.get("/admin/logins?client=heirloom").await.says("user01, heirloom</a>");
        browser.get("/admin/logins?user=nobody").await.says("Nobody has this name.");
    }
}

/// The numbers under the headlines.
pub fn totals(page: &Seen) -> Vec<i64> {
    let all = page.body.split("<p class=\"total\">").skip(1);
    all.map(|rest| rest.split_once('<').unwrap().0.parse().unwrap()).collect()
}

both_databases! {
    async fn the_figures_of_all_replicas_are_one(store, url) {
        let clock = TestClock::new();
        let same_issuer = |settings: &mut Settings| settings.issuer = Some("http://login.example.com".parse().unwrap());
        let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
        one.add_user("ana").await;
        for app in [&one, &other] {
            app.log_in("ana").await;
        }
        let (first, second) = tokio::join!(usage::store(&one.core, clock.now()), usage::store(&other.core, clock.now()));
        first.and(second).unwrap();
        let browser = one.at_the_console().await;
        assert_eq!(totals(&browser.get("/admin?period=hour").await)[0], 2);
        // What is counted last is stored when a server stops.
        other.log_in("ana").await;
        stop_other.end().await;
        assert_eq!(totals(&browser.get("/admin?period=hour").await)[0], 3);
        stop_one.end().await;
    }
}
