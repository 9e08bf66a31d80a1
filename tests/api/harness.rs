//! A server of one's own: the application in this process, on a store of its own, with a clock in the test's hand.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use heirloom::app::{App, OldSchema};
use heirloom::clock::Clock;
use heirloom::domain::client::{Client, ClientKind, GrantType, Party};
use heirloom::domain::event::Event;
use heirloom::domain::ids::UserId;
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::domain::secrets::{ClientSecret, FamilySecret, Password};
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::service::Core;
use heirloom::service::admin;
use heirloom::service::admin::users::{Change, NewUser};
use heirloom::settings::Settings;
use heirloom::store::Db;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;
use tokio::sync::broadcast::Receiver;

use crate::database::Database;

pub const PASSWORD: &str = "correct horse battery staple";
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const MINUTE: Duration = Duration::from_mins(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Begins at the real time: the database has a clock too, and the server compares.
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().timestamp_micros())))
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn turn_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let this = self.clone();
        Clock::new(move || this.now())
    }
}

pub struct TestApp {
    pub core: Arc<Core>,
    pub url: String,
    /// Where clients show certificates, if that is a listener of its own.
    pub mutual_tls: Option<String>,
    /// Where the administration is, if that is a listener of its own.
    pub admin_url: Option<String>,
    /// Where the metrics are, if anywhere.
    pub metrics_url: Option<String>,
    pub clock: TestClock,
    pub store: Store,
    pub http: reqwest::Client,
    pub settings: Settings,
    pub events: Events,
}

/// What a server told of so far.
pub struct Events {
    coming: Mutex<Receiver<Event>>,
    told: Mutex<Vec<Map<String, Value>>>,
}

/// An answer: its status, its headers in lower case, its JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    headers: reqwest::header::HeaderMap,
    pub json: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Self { status, headers, json: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self, member: &str) -> &str {
        self.json[member].as_str().unwrap_or_else(|| panic!("{member} in {self:?}"))
    }

    /// The tokens of a successful answer.
    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{self:?}");
        Tokens {
            access: self.text("access_token").to_owned(),
            refresh: self.text("refresh_token").to_owned(),
        }
    }

    /// What was refused, as `status code description`.
    pub fn refusal(&self) -> String {
        format!("{} {} {}", self.status.as_u16(), self.text("error"), self.text("error_description"))
    }

    /// What was refused, as `status code`.
    pub fn code(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.text("error"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    pub fn generation(&self) -> u32 {
        generation(&self.refresh)
    }

    pub fn claims(&self) -> Value {
        claims(&self.access)
    }

    pub fn family(&self) -> String {
        self.claims()["sid"].as_str().unwrap().to_owned()
    }
}

pub fn generation(refresh_token: &str) -> u32 {
    let bytes = URL_SAFE_NO_PAD.decode(refresh_token.strip_prefix("hrt1_").unwrap()).unwrap();
    u32::from_be_bytes(bytes[20..24].try_into().unwrap())
}

pub fn claims(access_token: &str) -> Value {
    let payload = access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub const REUSED: &str =
    "401 invalid_grant The refresh token was already used. This login has been ended. Please log in again.";
pub const EXPIRED: &str = "401 invalid_grant The refresh token has expired. Please log in again.";
pub const ENDED: &str = "401 invalid_grant This login has been ended. Please log in again.";
pub const INVALID: &str = "401 invalid_grant The refresh token is invalid.";

impl TestApp {
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.http.post(self.at(path)).json(body)).await
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A user `ana`, and her first login with the built-in client.
    pub async fn ana_logged_in(&self) -> Tokens {
        self.add_user("ana").await;
        self.log_in("ana").await
    }

    pub async fn add_user(&self, name: &str) -> UserId {
        self.try_add_user(name).await.unwrap()
    }

    pub async fn try_add_user(&self, name: &str) -> Result<UserId, String> {
        let new = NewUser {
            username: name.parse().unwrap(),
            password: Some(Password::new(PASSWORD.to_owned()).unwrap()),
            email: None,
            email_verified: false,
            claims: StandardClaims::default(),
            roles: vec!["editor".to_owned()],
        };
        let added = admin::users::add(&self.core, new, self.clock.now()).await;
        added.map(|user| user.id).map_err(|error| error.to_string())
    }

    pub async fn change_user(&self, user: UserId, change: Change) {
        admin::users::change(&self.core, user, change, self.clock.now()).await.unwrap();
    }

    pub async fn log_in(&self, name: &str) -> Tokens {
        self.post("/login", &json!({ "username": name, "password": PASSWORD })).await.tokens()
    }

    pub async fn log_in_with(&self, client: &str, name: &str) -> Tokens {
        self.post("/login", &json!({ "username": name, "password": PASSWORD, "client_id": client }))
            .await
            .tokens()
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/refresh", &json!({ "refresh_token": token })).await
    }

    pub async fn refresh_with(&self, client: &str, token: &str) -> Answer {
        self.post("/refresh", &json!({ "refresh_token": token, "client_id": client })).await
    }

    /// Refreshes a token that must still be good.
    pub async fn rotate(&self, tokens: &Tokens) -> Tokens {
        self.refresh(&tokens.refresh).await.tokens()
    }

    /// A public first-party client with lifetimes of its own: access token, leeway.
    pub async fn add_client(&self, id: &str, change: impl FnOnce(&mut Client)) -> Option<ClientSecret> {
        let mut client = Client { id: id.parse().unwrap(), ..admin::clients::built_in(self.clock.now()) };
        change(&mut client);
        admin::clients::add(&self.core, &client, self.clock.now()).await.unwrap()
    }

    pub async fn add_strict_client(&self) {
        let leeway = Some(Duration::ZERO);
        self.add_client("strict", |it| it.lifetimes = LifetimeOverrides { leeway, ..it.lifetimes }).await;
    }

    /// A confidential client for client credentials and introspection; gives its secret.
    pub async fn add_service(&self, id: &str, audiences: &[&str]) -> String {
        let secret = self.add_client(id, |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::Third;
            it.grants = [GrantType::ClientCredentials, GrantType::RefreshToken].into();
            it.scopes = "read write".parse().unwrap();
            it.audiences = audiences.iter().map(|audience| audience.parse().unwrap()).collect();
            it.serves.clone_from(&it.audiences);
        });
        secret.await.unwrap().expose().to_owned()
    }

    pub async fn form(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(form(self.http.post(self.at(path)), parameters)).await
    }

    pub async fn form_as(&self, path: &str, client: (&str, &str), parameters: &[(&str, &str)]) -> Answer {
        let request = self.http.post(self.at(path)).basic_auth(client.0, Some(client.1));
        self.send(form(request, parameters)).await
    }

    pub async fn get(&self, path: &str, access_token: &str) -> Answer {
        self.send(self.http.get(self.at(path)).bearer_auth(access_token)).await
    }

    pub async fn delete(&self, path: &str, access_token: &str) -> Answer {
        self.send(self.http.delete(self.at(path)).bearer_auth(access_token)).await
    }

    /// Every event since the server started, whole.
    pub fn whole_events(&self) -> Vec<Map<String, Value>> {
        let (mut coming, mut told) = (self.events.coming.lock().unwrap(), self.events.told.lock().unwrap());
        while let Ok(event) = coming.try_recv() {
            let Value::Object(fields) = json!(event.record()) else { unreachable!() };
            told.push(fields);
        }
        told.clone()
    }

    /// Every event since the server started: its name, then what it says, `field=value` in alphabetical order, but for
    /// where the request came from.
    pub fn events(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let of_one = |mut fields: Map<String, Value>| {
            let name = fields.remove("event").unwrap();
            fields.retain(|field, _| !matches!(field.as_str(), "address" | "agent"));
            let fields = fields.iter().map(|(field, value)| format!(" {field}={}", text(value)));
            text(&name) + &fields.collect::<String>()
        };
        self.whole_events().into_iter().map(of_one).collect()
    }

    /// How often an event was told whose name, and what it says, begins like this.
    pub fn told(&self, beginning: &str) -> usize {
        self.events().iter().filter(|event| event.starts_with(beginning)).count()
    }

    /// Runs a statement behind the server's back.
    pub async fn sql(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.core.db {
            Db::Postgres(pool) => drop(sqlx::raw_sql(sql).execute(pool.executor()).await.unwrap()),
            Db::Sqlite(pool) => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
        }
    }

    /// Gives the only family another `r`, so that a test can make tokens of it.
    pub async fn set_family_secret(&self, secret: &FamilySecret) {
        let hash =
            secret.hash().as_bytes().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let literal = match self.store {
            Store::Sqlite => format!("x'{hash}'"),
            Store::Postgres => format!("'\\x{hash}'"),
        };
        self.sql(&format!("UPDATE families SET secret_hash = {literal}")).await;
    }

    /// A number that a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let row: (i64,) = match &self.core.db {
            Db::Postgres(pool) => sqlx::query_as(sql).fetch_one(pool.executor()).await.unwrap(),
            Db::Sqlite(pool) => sqlx::query_as(sql).fetch_one(pool).await.unwrap(),
        };
        row.0
    }

    /// Something that grows with every write to the only family's row: a transaction's id or a count of changes.
    pub async fn last_write(&self) -> i64 {
        self.number(match self.store {
            Store::Sqlite => "SELECT total_changes()",
            Store::Postgres => "SELECT xmin::TEXT::BIGINT FROM families",
        })
        .await
    }

    /// How many families could still be refreshed, as far as the rows tell.
    pub async fn live_families(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM families WHERE ended_at IS NULL").await
    }
}

/// A form body, encoded as RFC 6749 appendix B wants it.
pub fn form(request: RequestBuilder, parameters: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// Runs `test` against a server on a store of its own, with settings changed as the test needs them.
pub fn run<'a, F: Future<Output = ()> + 'a>(
    store: Store,
    change: impl FnOnce(&mut Settings) + 'a,
    test: impl FnOnce(TestApp) -> F + 'a,
) {
    run_boxed(store, Box::new(change), Box::new(|app| Box::pin(test(app))));
}

type BoxedTest<'a> = Box<dyn FnOnce(TestApp) -> LocalBoxFuture<'a, ()> + 'a>;

/// As [`run`]; compiled once instead of once a test, which halves what the tests take to compile.
fn run_boxed<'a>(store: Store, change: Box<dyn FnOnce(&mut Settings) + 'a>, test: BoxedTest<'a>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::make(store).await;
        let (app, stop) = start(store, &database.url, TestClock::new(), change).await;
        let mails = app.settings.mail.folder.clone();
        test(app).await;
        stop.end().await;
        database.drop().await;
        // What mails there were.
        if let Some(mails) = mails {
            drop(std::fs::remove_dir_all(mails));
        }
    });
}

/// The settings of a test's server: cheap passwords, any free port.
pub fn settings(url: &str, change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        database_url: url.parse().unwrap(),
        master_key: Some(MASTER_KEY.to_owned().into()),
        ..Settings::default()
    };
    (settings.passwords.memory_kib, settings.passwords.iterations) = (8, 1);
    (settings.passwords.threads, settings.http.workers) = (Some(1), Some(1));
    change(&mut settings);
    settings
}

/// Starts one server on a store that is there already.
pub fn start(
    store: Store,
    url: &str,
    clock: TestClock,
    change: impl FnOnce(&mut Settings),
) -> LocalBoxFuture<'static, (TestApp, Stop)> {
    let own = clock.clock();
    Box::pin(start_with(store, settings(url, change), clock, own))
}

/// The same by a clock that is not the test's.
pub fn start_by(store: Store, url: &str, own: Clock) -> LocalBoxFuture<'static, (TestApp, Stop)> {
    Box::pin(start_with(store, settings(url, |_| ()), TestClock::new(), own))
}

/// The same with settings of one's own.
pub async fn start_with(store: Store, settings: Settings, clock: TestClock, own: Clock) -> (TestApp, Stop) {
    let app = App::build(settings.clone(), own, OldSchema::Migrate).await.unwrap();
    let (core, url) = (Arc::clone(app.core()), app.url());
    let mutual_tls = app.mutual_tls().map(|(address, _)| format!("https://{address}"));
    let (admin_url, metrics_url) = (app.admin_url(), app.metrics_url());
    let events = Events { coming: Mutex::new(core.writer.listen()), told: Mutex::default() };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(app.serve(async { drop(stopped.await) }));
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    (
        TestApp { core, url, mutual_tls, admin_url, metrics_url, clock, store, http, settings, events },
        Stop { stop, serving },
    )
}

/// Why a server does not start.
pub async fn start_refused(url: &str, change: impl FnOnce(&mut Settings)) -> String {
    let built = App::build(settings(url, change), TestClock::new().clock(), OldSchema::Refuse).await;
    format!("{:#}", built.unwrap_err())
}

pub struct Stop {
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Stop {
    pub async fn end(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap().unwrap();
    }
}

/// Makes of each async function two tests, one a store.
macro_rules! both_stores {
    ($(async fn $name:ident($app:ident) $(with $change:expr;)? $body:block)+) => {$(
        mod $name {
            crate::harness::tests!($app, $($change)?, $body);
        }
    )+};
}

/// Makes of each async function four tests: on each store, with rotations in batches and one by one.
macro_rules! both_stores_both_ways {
    ($(async fn $name:ident($app:ident) $(with $change:expr;)? $body:block)+) => {$(
        mod $name {
            crate::harness::tests!($app, $($change)?, $body);

            fn run_unbatched(store: crate::harness::Store) {
                crate::harness::run(store, |settings| {
                    change(settings);
                    settings.database.batch_rotations = false;
                }, test);
            }

            #[test]
            fn sqlite_unbatched() {
                run_unbatched(crate::harness::Store::Sqlite);
            }

            #[test]
            fn postgres_unbatched() {
                run_unbatched(crate::harness::Store::Postgres);
            }
        }
    )+};
}

/// The two tests of one function.
macro_rules! tests {
    ($app:ident, $($change:expr)?, $body:block) => {
        #[allow(unused_imports, reason = "each test uses what it needs")]
        use super::*;

        async fn test($app: crate::harness::TestApp) $body

        #[allow(unused_mut, unused_assignments, reason = "most tests change no setting")]
        fn change(settings: &mut heirloom::settings::Settings) {
            let mut change: fn(&mut heirloom::settings::Settings) = |_| {};
            $(change = $change;)?
            change(settings);
        }

        #[test]
        fn sqlite() {
            crate::harness::run(crate::harness::Store::Sqlite, change, test);
        }

        #[test]
        fn postgres() {
            crate::harness::run(crate::harness::Store::Postgres, change, test);
        }
    };
}

pub(crate) use {both_stores, both_stores_both_ways, tests};
