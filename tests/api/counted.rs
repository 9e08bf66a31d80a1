//! Nobody learns by asking who has an account: whoever is meant, the same work is done before the answer, statement by
//! statement and row by row. What is done afterwards nobody waits for.

use std::collections::BTreeMap;

use heirloom::domain::account_rules::{MailedSignIn, SignUp};
use heirloom::service::mailed::requests;
use heirloom::settings::Settings;
use sqlx::{Connection as _, PgConnection};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::mailed::*;
use crate::relay::Relay;

const TRIES: usize = 200;

/// What is done for one of both, by the text of a statement.
type Work = BTreeMap<String, usize>;

fn with_all_of_it(settings: &mut Settings, way: MailedSignIn) {
    to_a_folder(settings);
    settings.accounts.sign_up = SignUp::Open;
    settings.accounts.mailed_sign_in = way;
    settings.limits.waiting_requests = 1_000_000;
    settings.limits.account_attempts = 1_000_000;
    settings.limits.account_attempts_everywhere = 1_000_000;
    settings.limits.address_attempts = 1_000_000;
}

/// Whoever sees to wishes for mail waits at this one.
struct Held(Option<PgConnection>);

impl Held {
    const WISH: &str = "INSERT INTO mail_requests (id, purpose, typed, language, requested_at)";

    async fn hold(app: &TestApp, url: &str) -> Self {
        if app.store == Store::Sqlite {
            // The deed is undone, and tried again later.
            app.sql(
                "CREATE TRIGGER held BEFORE DELETE ON mail_requests BEGIN SELECT RAISE(ABORT, 'held'); END",
            )
            .await;
            return Self(None);
        }
        let mut other = PgConnection::connect(url).await.unwrap();
        loop {
            let first = "VALUES ('00000000-0000-7000-8000-000000000000', 'sign_up', 'nobody', 'en', now())";
            app.sql(&format!("{} {first} ON CONFLICT DO NOTHING", Self::WISH)).await;
            sqlx::raw_sql("BEGIN").execute(&mut other).await.unwrap();
            let locked = sqlx::query("SELECT id FROM mail_requests WHERE typed = 'nobody' FOR UPDATE");
            // Somebody may have been faster.
            if locked.fetch_optional(&mut other).await.unwrap().is_some() {
                return Self(Some(other));
            }
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        }
    }

    async fn let_go(self, app: &TestApp) {
        match self.0 {
            Some(mut other) => drop(sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap()),
            None => app.sql("DROP TRIGGER held").await,
        }
    }
}

/// What was done for who is known (the first) and who is not, of those who take turns.
async fn work(relay: Option<&Relay>, ask: impl AsyncFn(usize, usize)) -> [Work; 2] {
    let mut work = [Work::new(), Work::new()];
    for round in 0..TRIES {
        for which in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let before = relay.map_or(0, |relay| relay.run(""));
            ask(which, round).await;
            for sql in relay.map(|relay| relay.all_run(before)).unwrap_or_default() {
                *work[which].entry(sql).or_default() += 1;
            }
        }
    }
    work
}

/// What the server does by itself every few seconds falls on either, and is seldom.
fn is_the_same([known, unknown]: [Work; 2], what: &str) {
    let texts = known.keys().chain(unknown.keys());
    for sql in texts {
        let [one, other] = [&known, &unknown].map(|work| work.get(sql).copied().unwrap_or_default());
        assert!(one.abs_diff(other) < TRIES / 8, "{what}: {one} and {other} times {sql}");
    }
}

/// The rows that there are, of what wishes for mail may lead to.
async fn rows(app: &TestApp) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in ["mails", "mail_counts", "mailed_tokens", "users", "sign_in_attempts", "mail_requests"] {
        rows.push(app.number(&format!("SELECT COUNT(*) FROM {table}")).await);
    }
    rows
}

async fn started(store: Store, url: &str, way: MailedSignIn) -> (Option<Relay>, TestApp, Stop) {
    let change = move |settings: &mut Settings| with_all_of_it(settings, way);
    let (relay, url) = match store {
        Store::Postgres => {
            let (relay, url) = Relay::to(url).await;
            (Some(relay), url)
        }
        Store::Sqlite => (None, url.to_owned()),
    };
    let (app, stop) = start(store, &url, TestClock::new(), change).await;
    app.with_apps().await;
    app.give_email("ana", "ana@example.com").await;
    (relay, app, stop)
}

both_databases! {
    async fn whoever_asks_for_a_mail_has_the_same_done_as_anybody(store, url) {
        let (relay, app, stop) = started(store, &url, MailedSignIn::Link).await;
        let held = Held::hold(&app, &url).await;
        let browser = Browser::new(&app);
        for (place, field) in [("/forgot", "username"), ("/sign-up", "email"), ("/sign-in/mail?to=/account", "username")] {
            let page = browser.get(place).await;
            let (before, spent) = (rows(&app).await, app.core.passwords.spent());
            let done = work(relay.as_ref(), async |which, round| {
                let typed = ["ana@example.com".to_owned(), format!("eva{round}@example.com")][which].clone();
                let form = [("csrf", page.hidden("csrf")), (field, typed)];
                let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
                assert_eq!(browser.post(&page.action(), &form).await.status, 303);
            });
            is_the_same(done.await, place);
            assert_eq!(app.core.passwords.spent(), spent, "{place}");
            let mut expected = before;
            *expected.last_mut().unwrap() += 2 * i64::try_from(TRIES).unwrap();
            assert_eq!(rows(&app).await, expected, "{place}: a wish each, and nothing else");
        }
        held.let_go(&app).await;
        stop.end().await;
    }

    async fn nobody_is_sent_a_mail_that_was_wanted_long_ago(store, url) {
        let (_, app, stop) = started(store, &url, MailedSignIn::Link).await;
        let (mail, browser) = (Mailbox::of(&app), Browser::new(&app));
        let then = app.clock.now() - 30 * MINUTE;
        let id = if store == Store::Sqlite { "zeroblob(16)" } else { "'00000000-0000-0000-0000-000000000000'" };
        let wish = format!("VALUES ({id}, 'new_password', 'ana', 'en', '{}')", then.to_rfc3339());
        app.sql(&format!("{} {wish}", Held::WISH)).await;
        // A later one wakes whoever sees to them.
        let page = browser.get("/forgot").await;
        let form = [("csrf", page.hidden("csrf")), ("username", "ana".to_owned())];
        browser.post(&page.action(), &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await.location();
        mail.link(&app, "ana@example.com").await;
        assert_eq!((mail.rest().await, app.told("mail.requested")), (0, 1), "{:?}", app.events());
        assert_eq!(app.number("SELECT COUNT(*) FROM mail_requests").await, 0);
        stop.end().await;
    }

    async fn however_many_see_to_a_wish_one_mail_is_sent(store, url) {
        let (_, app, stop) = started(store, &url, MailedSignIn::Link).await;
        let (held, mail, browser) = (Held::hold(&app, &url).await, Mailbox::of(&app), Browser::new(&app));
        let page = browser.get("/forgot").await;
        for _ in 0..10 {
            let form = [("csrf", page.hidden("csrf")), ("username", "ana".to_owned())];
            browser.post(&page.action(), &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await.location();
        }
        held.let_go(&app).await;
        // As replicas do.
        let see = async || while requests::see_to_first(&app.core, app.clock.now()).await.unwrap() {};
        tokio::join!(see(), see(), see(), see());
        for _ in 0..10 {
            mail.link(&app, "ana@example.com").await;
        }
        assert_eq!((mail.rest().await, app.told("mail.requested reason=new_password")), (0, 10));
        stop.end().await;
    }

    async fn whoever_tries_a_code_has_the_same_done_whether_there_is_an_account_or_not(store, url) {
        let (relay, app, stop) = started(store, &url, MailedSignIn::Code).await;
        let browsers = [Browser::new(&app), Browser::new(&app)];
        let mut pages = Vec::new();
        for (browser, typed) in browsers.iter().zip(["ana@example.com", "eva@example.com"]) {
            let page = browser.get("/sign-in/mail?to=/account").await;
            let form = [("csrf", page.hidden("csrf")), ("username", typed.to_owned())];
            let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
            pages.push(browser.follow(browser.post(&page.action(), &form).await).await);
        }
        while app.number("SELECT COUNT(*) FROM mail_requests").await > 0 {
            tokio::time::sleep(SECOND / 50).await;
        }
        let spent = app.core.passwords.spent();
        let done = work(relay.as_ref(), async |which, _| {
            let (browser, page) = (&browsers[which], &pages[which]);
            // No code has so many digits.
            let tried = browser.post(&page.action(), &[("csrf", &page.hidden("csrf")), ("code", "1234567")]).await;
            assert_eq!(tried.status, 403);
        });
        is_the_same(done.await, "a code");
        assert_eq!(app.core.passwords.spent(), spent);
        assert_eq!(app.number("SELECT COUNT(*) FROM mailed_tokens WHERE wrong_tries = 5").await, 2, "rows of both");
        stop.end().await;
    }
}
