//! What happened lately in an account, as its owner reads it.

use std::time::Duration;

use serde_json::json;

use crate::browser::*;
use crate::harness::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PLACE: &str = "/account/activity";

impl Seen {
    /// What the page tells of, in its order.
    fn activity(&self) -> Vec<String> {
        let entries = self.body.split("<li>\n<p>").skip(1).map(|rest| rest.split_once("</p>").unwrap().0);
        entries.map(unescaped).collect()
    }

    /// Where the list goes on.
    fn older(&self) -> Option<String> {
        let (before, _) = self.body.split_once("\" rel=\"next\"")?;
        Some(unescaped(before.rsplit_once("href=\"").unwrap().1))
    }
}

impl TestApp {
    /// Someone tries a wrong password at an app.
    async fn mistypes(&self, name: &str) {
        let wrong = json!({ "username": name, "password": "not the password" });
        assert_eq!(self.post("/login", &wrong).await.status, 401);
    }

    async fn seen_by(&self, name: &str) -> Seen {
        self.core.writer.store_counts(self.clock.now()).await.unwrap();
        let browser = Browser::new(self);
        let sign_in = browser.follow(browser.get(PLACE).await).await;
        browser.sign_in(&sign_in, name).await
    }
}

both_stores! {
    async fn an_owner_reads_what_happened_in_plain_words(app) {
        app.with_apps().await;
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        assert_eq!(browser.get(PLACE).await.location(), "/sign-in?to=/account/activity");
        assert_eq!(browser.post(PLACE, &[]).await.status, 405);
        // What is counted stands at the beginning of its minute.
        app.clock.advance(MINUTE);
        for _ in 0..3 {
            app.mistypes("ana").await;
        }
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        app.clock.advance(MINUTE);
        let stolen = app.log_in("ana").await;
        app.clock.advance(SECOND);
        app.rotate(&app.rotate(&stolen).await).await;
        app.clock.advance(MINUTE);
        assert_eq!(app.refresh(&stolen.refresh).await.refusal(), REUSED);
        app.clock.advance(MINUTE);
        let ended = app.log_in("ana").await.family().parse().unwrap();
        app.clock.advance(SECOND);
        heirloom::service::admin::families::end(&app.core, ended, app.clock.now()).await.unwrap();
        app.clock.advance(MINUTE);
        let consent = browser.sign_in(&browser.authorize(&[("client_id", "other")]).await, "ana").await;
        app.clock.advance(SECOND);
        browser.decide(&consent, "allow").await.code();
        let page = browser.get(PLACE).await;
        assert_eq!(page.activity(), [
            "Gave Other & Sons access",
            "Signed in in a browser",
            "heirloom was signed out by an administrator",
            "Signed in to heirloom",
            "heirloom was signed out for your safety: a token of this login was used twice, so someone else may have a copy",
            "Signed in to heirloom",
            "Wrong password for heirloom: not signed in <span class=\"badge\">3 times within a minute</span>",
            "The account was created",
        ]);
        for text in ["Firefox on Linux", "from the address 127.0.0.1", "more than 90 days ago is not kept"] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        let now = app.clock.now();
        assert!(page.body.contains(&now.format("%-d %b %Y, %H:%M UTC").to_string()), "{page:?}");
        let german = browser.get(&format!("{PLACE}?ui_locales=de")).await;
        assert_eq!(german.activity()[..3], [
            "Other & Sons Zugriff erlaubt",
            "In einem Browser angemeldet",
            "heirloom wurde von der Verwaltung abgemeldet",
        ]);
        for text in ["Firefox auf Linux", "von der Adresse 127.0.0.1", "mehr als 90 Tage zurückliegt"] {
            assert!(german.body.contains(text), "{text}: {german:?}");
        }
        assert!(german.body.contains(&now.format("%d.%m.%Y, %H:%M UTC").to_string()), "{german:?}");
    }

    async fn nobody_reads_what_happened_to_others(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        app.clock.advance(MINUTE);
        app.mistypes("ben").await;
        app.mistypes("nobody").await;
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        app.clock.advance(SECOND);
        app.log_in("ben").await;
        app.clock.advance(MINUTE);
        let bens = app.seen_by("ben").await;
        app.log_in("ben").await;
        let anas = app.seen_by("ana").await;
        assert_eq!(anas.activity(), ["Signed in in a browser", "The account was created"]);
        let of_ben = ["Signed in in a browser", "Signed in to heirloom", "Wrong password for heirloom: not signed in", "The account was created"];
        assert_eq!(bens.activity(), of_ben);
        // Nor by naming what happened to another.
        let newest = uuid::Uuid::max();
        let browser = Browser::new(&app);
        browser.sign_in(&browser.follow(browser.get(PLACE).await).await, "ana").await;
        let page = browser.get(&format!("{PLACE}?after={newest}")).await;
        assert_eq!(page.activity(), ["Signed in in a browser", "Signed in in a browser", "The account was created"]);
        assert_eq!(browser.get(&format!("{PLACE}?after=x")).await.status, 400);
    }

    async fn a_long_time_is_read_in_parts(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let mut wanted = vec!["The account was created".to_owned()];
        for _ in 0..110 {
            app.clock.advance(SECOND);
            app.log_in("ben").await;
            app.log_in("ana").await;
            wanted.push("Signed in to heirloom".to_owned());
        }
        app.clock.advance(SECOND);
        wanted.push("Signed in in a browser".to_owned());
        wanted.reverse();
        let browser = Browser::new(&app).with_header("user-agent", FIREFOX);
        let mut page = browser.sign_in(&browser.follow(browser.get(PLACE).await).await, "ana").await;
        let mut all = Vec::new();
        for (listed, goes_on) in [(50, true), (50, true), (12, false)] {
            assert!(page.body.len() < 30 * 1024, "{}", page.body.len());
            assert_eq!((page.activity().len(), page.older().is_some()), (listed, goes_on), "{page:?}");
            all.extend(page.activity());
            let Some(older) = page.older() else { break };
            page = browser.get(&older).await;
        }
        assert_eq!(all, wanted);
        assert!(page.body.contains("href=\"&#x2f;account&#x2f;activity\">Back to the start of the list"), "{page:?}");
    }

    async fn what_a_newer_release_or_a_gone_app_left_behind_is_told_too(app) {
        let ana = app.add_user("ana").await;
        let at = if app.store == Store::Sqlite { "'2020-01-01T00:00:00+00:00'" } else { "now()" };
        let id = if app.store == Store::Sqlite {
            format!("X'00000000000070008000{}'", "0".repeat(12))
        } else {
            "'00000000-0000-7000-8000-000000000000'".to_owned()
        };
        let user = if app.store == Store::Sqlite { format!("X'{}'", ana.0.simple()) } else { format!("'{ana}'") };
        let rows = [
            ("1", "family.ended", r#"{"client":"gone","reason":"moonlight"}"#),
            ("2", "moon.risen", r#"{"client":"not an <id>"}"#),
            ("3", "user.changed", r#"{"change":"moved"}"#),
        ];
        for (nth, name, fields) in rows {
            let id = id.replacen("7000", &format!("700{nth}"), 1);
            app.sql(&format!(
                "INSERT INTO events (id, at, name, user_id, fields, times) VALUES ({id}, {at}, '{name}', {user}, '{fields}', 1)"
            ))
            .await;
        }
        let page = app.seen_by("ana").await;
        let told = page.activity();
        let last = ["The account was changed", "Something else happened: moon.risen", "gone was signed out"];
        assert_eq!(told[2..], last, "{page:?}");
    }

    async fn where_nothing_is_kept_the_page_says_so(app) with |settings| {
        settings.events.retention = Duration::ZERO;
    }; {
        app.with_apps().await;
        let page = app.seen_by("ana").await;
        assert!(page.body.contains("What happens is not kept on this server."), "{page:?}");
        assert_eq!(page.activity(), [""; 0]);
    }
}
