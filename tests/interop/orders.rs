//! A service in any language, as its callers and its operator see it.

use std::process::Command;
use std::time::Duration;

use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use crate::bad_tokens;
use crate::forge::{Forge, changed};
use crate::languages::Language;
use crate::process::{MASTER_KEY, PASSWORD, Place, Server, Tokens, block_on, eventually, now};
use crate::running::{Running, free_port};
use crate::world::{API, Proof, Registered, World};

/// How often lists are renewed here; how much longer than that and a second a busy machine may take.
const INTERVAL: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(3);

/// Longer than a library waits before it asks for keys again.
const PUBLISH_AHEAD: &str = "35s";

pub fn opens_to_good_tokens_alone(language: &Language) {
    for algorithm in language.algorithms {
        let place = place().with("HEIRLOOM_KEYS__ALGORITHM", algorithm);
        let issuer = Issuer::start(&place);
        let service = Service::start(language, &issuer.server);
        block_on(async {
            let mut wrong = service.judges_good_tokens(&issuer).await;
            wrong.extend(service.judges_bad_tokens(&issuer).await);
            assert!(
                wrong.is_empty(),
                "{}, {algorithm}:\n{}\n{}",
                language.name,
                wrong.join("\n"),
                service.said()
            );
        });
    }
}

pub fn goes_on_while_keys_rotate(language: &Language) {
    let place = place().with("HEIRLOOM_KEYS__PUBLISH_AHEAD", PUBLISH_AHEAD);
    let issuer = Issuer::start(&place);
    let service = Service::start(language, &issuer.server);
    block_on(async {
        let first = issuer.log_in().await;
        let mut tokens = first.clone();
        service.must(200, &first.access, "before").await;
        place.rotate_to(language.next_algorithm);
        let began = now();
        while key_of(&tokens.access) == key_of(&first.access) {
            assert!(began.elapsed() < Duration::from_mins(2), "the next key does not sign");
            tokio::time::sleep(Duration::from_millis(500)).await;
            tokens = issuer.refresh(&tokens).await;
            service.must(200, &tokens.access, "while keys rotate").await;
        }
        service.must(200, &first.access, "the old key's").await;
    });
}

pub fn learns_of_a_logout(language: &Language) {
    let place = place();
    let issuer = Issuer::start(&place);
    let service = Service::start(language, &issuer.server);
    block_on(async {
        let (ends, stays) = (issuer.log_in().await, issuer.log_in().await);
        for token in [&ends, &stays] {
            service.must(200, &token.access, "nobody logged out").await;
        }
        let out = json!({ "refresh_token": ends.refresh, "client_id": "till" });
        assert_eq!(issuer.server.post("/logout", &out).await.0, 204);
        let began = now();
        eventually(&format!("{}: a logout is learned of", language.name), || async {
            service.must(200, &stays.access, "somebody else logged out").await;
            let (status, challenge) = service.answers(&ends.access).await;
            assert!(
                status == 200 || challenge.contains("invalid_token"),
                "{}: {status} {challenge}",
                language.name
            );
            status == 401
        })
        .await;
        let took = began.elapsed();
        println!("{}: a logout was learned of within {took:?}", language.name);
        assert!(took < INTERVAL + Duration::from_secs(1) + SLACK, "{}: {took:?}", language.name);

        let unseen = issuer.naming_another_list(&stays).await;
        // What is known is good until the list expires, whether the issuer can be asked or not.
        issuer.server.kill();
        tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
        for _ in 0..2 {
            service.must(200, &stays.access, "the issuer is down").await;
            service.must(401, &ends.access, "the issuer is down").await;
        }
        // Of a list that was never seen nothing is known: that is no verdict on the token.
        let (status, _) = service.answers(&unseen).await;
        assert!(status >= 500, "{}: a list that cannot be had: {status}", language.name);
    });
}

pub fn is_called_by_the_client(language: &Language) {
    let client = language.client.unwrap();
    let world = World::new();
    let service = Service::start(language, &world.server);
    let registered = world.confidential_client("web", Proof::Basic);
    let mut command = client();
    command.env("SERVICE", &service.url);
    world.run(command, &registered, &mut world.browser());
}

/// By a client that proves a key, and by whoever has its token without that.
pub fn is_called_with_a_key(language: &Language, mut client: Command) {
    let world = World::new();
    let service = Service::start(language, &world.server);
    world.register("wallet", "--public", &["--dpop-bound-access-tokens"]);
    client.env("SERVICE", &service.url);
    world.run(client, &Registered { id: "wallet".to_owned(), proof: Proof::None }, &mut world.browser());
}

fn place() -> Place {
    let interval = format!("{}s", INTERVAL.as_secs());
    Place::sqlite()
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY)
        .with("HEIRLOOM_STATUS_LISTS__INTERVAL", &interval)
        .with("HEIRLOOM_KEYS__POLL_EVERY", "1s")
}

/// The server, with a user and two clients who may ask the service.
struct Issuer<'p> {
    place: &'p Place,
    server: Server,
    secret: String,
}

impl<'p> Issuer<'p> {
    fn start(place: &'p Place) -> Self {
        place.add_user("ana");
        let scope = ["--scope", "openid profile orders:read", "--audience", API];
        place.ok(&[["client", "add", "till", "--public", "--first-party"].as_slice(), &scope].concat());
        let nightly = ["client", "add", "nightly", "--confidential", "--grant", "client_credentials"];
        let nightly = place.json(&[nightly.as_slice(), &scope].concat());
        let secret = nightly["client_secret"].as_str().unwrap().to_owned();
        Self { place, server: place.serve(), secret }
    }

    async fn log_in(&self) -> Tokens {
        let body = json!({
            "username": "ana", "password": PASSWORD, "client_id": "till", "resource": API,
            "scope": "openid orders:read",
        });
        Tokens::of(self.server.post("/login", &body).await)
    }

    async fn refresh(&self, tokens: &Tokens) -> Tokens {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "till"),
            ("refresh_token", &tokens.refresh),
            ("resource", API),
        ];
        Tokens::of((reqwest::StatusCode::OK, self.token(&fields).await))
    }

    /// A client's own token, which belongs to no login.
    async fn own(&self) -> String {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "nightly"),
            ("client_secret", &self.secret),
            ("scope", "orders:read"),
            ("resource", API),
        ];
        self.token(&fields).await["access_token"].as_str().unwrap().to_owned()
    }

    /// The same token, but its entry stands in a list that nobody has asked for yet.
    async fn naming_another_list(&self, tokens: &Tokens) -> String {
        let forge = Forge::of(self.place).await;
        let uri = format!("{}/status-lists/1000000", self.server.url);
        let entry = json!({ "status": { "status_list": { "uri": uri, "idx": 0 } } });
        forge.sign(&forge.header(&json!({})), &changed(&bad_tokens::claims_of(&tokens.access), &entry))
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Value {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.server.http.post(format!("{}/oauth/token", self.server.url)).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

struct Service {
    name: &'static str,
    url: String,
    http: reqwest::Client,
    process: Running,
}

impl Service {
    fn start(language: &Language, server: &Server) -> Self {
        let port = free_port();
        let mut command = (language.service)();
        command.envs([("ISSUER", server.url.as_str()), ("AUDIENCE", API), ("PORT", &port.to_string())]);
        let url = format!("http://127.0.0.1:{port}");
        command.env("PUBLIC_URL", &url);
        let process = Running::start(language.name, command, port);
        let url = format!("{url}/orders");
        Self { name: language.name, url, http: reqwest::Client::new(), process }
    }

    fn said(&self) -> String {
        self.process.said()
    }

    /// Its status and its challenge.
    async fn asked_with(&self, authorization: Option<&str>) -> (u16, String) {
        let mut request = self.http.get(&self.url);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get(WWW_AUTHENTICATE).map_or("", |it| it.to_str().unwrap());
        (answer.status().as_u16(), challenge.to_owned())
    }

    async fn answers(&self, token: &str) -> (u16, String) {
        self.asked_with(Some(&format!("Bearer {token}"))).await
    }

    async fn must(&self, status: u16, token: &str, when: &str) {
        let (got, challenge) = self.answers(token).await;
        assert_eq!(got, status, "{}: {when}: {challenge}\n{}", self.name, self.said());
    }

    /// Gives what is wrong with its judgement.
    async fn judges_good_tokens(&self, issuer: &Issuer<'_>) -> Vec<String> {
        let tokens = issuer.log_in().await;
        let forge = Forge::of(issuer.place).await;
        let several = changed(
            &bad_tokens::claims_of(&tokens.access),
            &json!({ "aud": ["https://stock.example.com", API] }),
        );
        let good = [
            ("a user's token", tokens.access.clone()),
            ("a refreshed one", issuer.refresh(&tokens).await.access),
            ("a client's own", issuer.own().await),
            ("several audiences", forge.sign(&forge.header(&json!({})), &several)),
        ];
        let mut wrong = Vec::new();
        for (what, token) in good {
            let (status, challenge) = self.answers(&token).await;
            if status != 200 {
                wrong.push(format!("{what}: {status} {challenge}"));
            }
        }
        wrong
    }

    async fn judges_bad_tokens(&self, issuer: &Issuer<'_>) -> Vec<String> {
        let tokens = issuer.log_in().await;
        let fields =
            [("grant_type", "refresh_token"), ("client_id", "till"), ("refresh_token", &tokens.refresh)];
        let refreshed = issuer.token(&fields).await;
        let text = |name: &str| refreshed[name].as_str().unwrap();
        let rows =
            bad_tokens::all(issuer.place, &tokens.access, text("id_token"), text("refresh_token")).await;
        let mut wrong = Vec::new();
        for row in rows {
            let (status, challenge) = self.answers(&row.token).await;
            if !row.allows(status, &challenge) {
                wrong.push(format!("{}: {status} {challenge}, not {:?}", row.wrong, row.answer));
            }
        }
        for nothing in [None, Some("Basic YTpi"), Some("")] {
            let (status, challenge) = self.asked_with(nothing).await;
            // RFC 6750 §3.1: who brought no token is told no error.
            if status != 401 || !challenge.starts_with("Bearer") || challenge.contains("error") {
                wrong.push(format!("without a token ({nothing:?}): {status} {challenge}"));
            }
        }
        wrong
    }
}

fn key_of(token: &str) -> Value {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    serde_json::from_slice::<Value>(&header.unwrap()).unwrap()["kid"].clone()
}
