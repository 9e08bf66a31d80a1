//! Users who move in by the admin API: what is sent, what becomes of it, and what is refused.

use std::time::Duration;

use heirloom::domain::client::{ClientKind, GrantType};
use heirloom::service::admin::janitor;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::admin_api::Operator;
use crate::harness::*;

pub const RIGHTS: &str = "heirloom:users.read heirloom:users.write";
/// Of "correct horse", by bcrypt 5.0.0 for Python.
pub const BCRYPT: &str = "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq";
const KEY: &str = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"";
const NDJSON: &str = "application/x-ndjson";

/// Lines of users with these numbers.
pub fn users(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| json!({ "username": format!("user{number}") }).to_string() + "\n").collect()
}

impl TestApp {
    /// Sends lines with what is said of them.
    pub async fn sends(
        &self,
        ops: &Operator<'_>,
        query: &str,
        lines: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request =
            self.http.post(self.at(&format!("/admin/v1/users/import{query}"))).bearer_auth(ops.token());
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        self.send(request.body(lines.to_owned())).await
    }

    pub async fn imports(&self, ops: &Operator<'_>, query: &str, lines: &str) -> String {
        let begun = self.sends(ops, query, lines, &[("content-type", NDJSON)]).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        begun.text("id").to_owned()
    }

    async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table}")).await
    }

    /// Nothing that was sent is there any more.
    pub async fn has_forgotten_what_was_sent(&self) {
        assert_eq!(self.count("import_chunks").await, 0);
    }
}

impl Operator<'_> {
    pub async fn job(&self, id: &str) -> Value {
        let job = self.gets(&format!("/jobs/{id}")).await;
        assert_eq!(job.status, 200, "{job:?}");
        job.json
    }

    /// Waits until a job has ended. It is a race with the server, so this sleeps.
    pub async fn ended(&self, id: &str) -> Value {
        for _ in 0..1500 {
            let job = self.job(id).await;
            if !matches!(job["state"].as_str().unwrap(), "queued" | "running") {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?} does not end", self.job(id).await);
    }

    pub async fn refused_lines(&self, id: &str) -> Vec<Value> {
        self.reads_all(&format!("/jobs/{id}/refused-lines")).await.0
    }
}

pub fn counts(job: &Value) -> [u64; 5] {
    ["lines", "lines_done", "imported", "there", "refused"].map(|member| job[member].as_u64().unwrap())
}

both_stores! {
    async fn users_move_in_and_log_in_with_their_passwords(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana", "email": "ana@example.com", "email_verified": true, "password_hash": BCRYPT, "roles": ["editor"] });
        let lines = format!("\u{feff}{ana}\r\n\n{}{}", users(0..250), r#"{"username":"last"}"#);
        let begun = app.sends(&ops, "", &lines, &[("content-type", "application/x-ndjson; charset=utf-8")]).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        let id = begun.text("id").to_owned();
        assert_eq!(begun.header("location"), Some(format!("{}/admin/v1/jobs/{id}", app.url).as_str()));
        assert_eq!((begun.text("state"), begun.text("kind"), begun.text("by")), ("queued", "users.import", "client ops"));
        assert_eq!((&begun.json["dry_run"], &begun.json["started_at"], &begun.json["ended_at"]), (&json!(false), &Value::Null, &Value::Null));
        let job = ops.ended(&id).await;
        assert_eq!((job["state"].as_str().unwrap(), counts(&job)), ("done", [253, 253, 252, 0, 0]), "{job}");
        assert!(job["started_at"].is_string() && job["ended_at"].is_string() && job["error"].is_null(), "{job}");
        assert_eq!(app.count("users").await, 252);
        app.has_forgotten_what_was_sent().await;
        let login = json!({ "username": "ana", "password": "correct horse" });
        assert_eq!(app.post("/login", &login).await.tokens().claims()["roles"], json!(["editor"]));
        assert_eq!(app.told(&format!("import.queued change=import job={id}")), 1);
        assert_eq!(app.told(&format!("import.started change=import job={id}")), 1);
        assert_eq!(app.told(&format!("import.ended change=import count=252 job={id} reason=done")), 1);
        for name in ["import.queued", "import.started", "import.ended", "user.imported"] {
            let by = format!("SELECT COUNT(*) FROM events WHERE name = '{name}' AND fields LIKE '%client ops%'");
            assert!(app.number(&by).await > 0, "{name}");
        }
        // The same lines again are of those users.
        app.clock.advance(SECOND);
        let again = app.sends(&ops, "", &lines, &[("content-type", "application/jsonl")]).await.text("id").to_owned();
        assert_eq!(counts(&ops.ended(&again).await), [253, 253, 0, 252, 0]);
        let (jobs, _) = ops.reads_all("/jobs?limit=1").await;
        let ids: Vec<&str> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [again.as_str(), &id]);
    }

    async fn each_bad_line_is_told_by_its_number(app) {
        let ops = app.operator(RIGHTS).await;
        app.add_user("taken").await;
        let mut lines = users(0..1);
        for line in ["[1]", r#"{"username":"ben","pasword":"x"}"#, "", r#"{"username":"TAKEN"}"#, r#"{"username":"user0","roles":["a"]}"#,
            r#"{"username":"hash","password_hash":"$1$abc$def"}"#, &"x".repeat(70_000), r#"{"username":"#] {
            lines += line;
            lines += "\n";
        }
        lines += &"{\"email\":\"nobody@example.org\"}\n".repeat(450);
        lines += r#"{"username":"cleo"}"#;
        let id = app.imports(&ops, "", &lines).await;
        let job = ops.ended(&id).await;
        assert_eq!((job["state"].as_str().unwrap(), counts(&job)), ("done", [460, 460, 2, 0, 457]), "{job}");
        let (refused, parts) = ops.reads_all(&format!("/jobs/{id}/refused-lines?limit=200")).await;
        assert_eq!((refused.len(), parts), (457, 3));
        let numbers: Vec<u64> = refused.iter().map(|it| it["line"].as_u64().unwrap()).collect();
        let expected: Vec<u64> = [2, 3, 5, 6, 7, 8, 9].into_iter().chain(10..460).collect();
        assert_eq!(numbers, expected, "none is lost, and none told twice");
        for (at, reason) in [
            (0, "it is not a JSON object"),
            (1, "unknown member `pasword`"),
            (2, "the name is taken by a user who did not come from this line"),
            (3, "the name is taken by a user who did not come from this line"),
            (4, "password_hash: "),
            (5, "it has more than 65536 bytes"),
            (7, "username is missing"),
        ] {
            assert!(refused[at]["reason"].as_str().unwrap().starts_with(reason), "{}", refused[at]);
        }
        assert_eq!(app.count("users").await, 3);
        let user0 = ops.gets("/users?q=user0").await;
        assert_eq!(user0.json["items"][0]["roles"], json!([]), "who is there is not changed");
    }

    async fn a_dry_run_tells_all_of_it_and_changes_nothing(app) {
        let ops = app.operator(RIGHTS).await;
        app.add_user("taken").await;
        let lines = format!("{}{{\"username\":\"taken\"}}\n{{}}\n{}{}", users(0..150), users(0..1), "{\"username\":\"USER7\",\"roles\":[]}");
        let id = app.imports(&ops, "?dry_run=true", &lines).await;
        let job = ops.ended(&id).await;
        assert_eq!((&job["dry_run"], counts(&job)), (&json!(true), [154, 154, 150, 1, 3]), "{job}");
        let numbers: Vec<u64> = ops.refused_lines(&id).await.iter().map(|it| it["line"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [151, 152, 154]);
        assert_eq!((app.count("users").await, app.told("user.imported")), (1, 0));
        assert_eq!(app.told(&format!("import.ended change=dry_run count=150 job={id} reason=done")), 1);
        app.has_forgotten_what_was_sent().await;
        let real = app.imports(&ops, "?dry_run=false", &lines).await;
        assert_eq!(counts(&ops.ended(&real).await), [154, 154, 150, 1, 3], "what it told is what is done");
        assert_eq!(app.count("users").await, 151);
    }

    async fn each_act_needs_its_right(app) {
        let ops = app.operator(RIGHTS).await;
        let id = app.imports(&ops, "", &users(0..1)).await;
        ops.ended(&id).await;
        let acting = async |client: &str, scopes: &str| {
            let secret = app.add_client(client, |it| {
                it.kind = ClientKind::Confidential(Vec::new());
                it.grants = [GrantType::ClientCredentials].into();
                it.scopes = scopes.parse().unwrap();
            });
            let secret = secret.await.unwrap().expose().to_owned();
            let grant = [("grant_type", "client_credentials")];
            let issued = app.form_as("/oauth/token", (client, &secret), &grant).await;
            app.acting(issued.text("access_token"))
        };
        let reader = acting("reader", "heirloom:users.read heirloom:clients.write").await;
        let writer = acting("writer", "heirloom:users.write heirloom:clients.read").await;
        let sent = app.sends(&reader, "", &users(1..2), &[("content-type", NDJSON)]).await;
        assert_eq!(sent.whole_problem(), "403 insufficient_scope The access token lacks the scope heirloom:users.write.");
        let cancelled = reader.asks(Method::DELETE, &format!("/jobs/{id}"), None).await;
        assert_eq!(cancelled.whole_problem(), "403 insufficient_scope The access token lacks the scope heirloom:users.write.");
        for path in ["/jobs", &format!("/jobs/{id}"), &format!("/jobs/{id}/refused-lines")] {
            assert_eq!(reader.gets(path).await.status, 200, "{path}");
            let looked = writer.gets(path).await;
            assert_eq!(looked.whole_problem(), "403 insufficient_scope The access token lacks the scope heirloom:users.read.");
        }
        let nobody = app.sends(&app.acting("x"), "", &users(1..2), &[("content-type", NDJSON)]).await;
        assert_eq!(nobody.status, 401);
        assert_eq!((app.count("users").await, app.count("import_jobs").await), (1, 1));
    }

    async fn what_is_no_import_is_refused_and_leaves_nothing(app) with |settings| settings.admin.import_limit = 2000; {
        let ops = app.operator(RIGHTS).await;
        let fit = users(0..1);
        const TYPE: &str = "400 invalid_request Send a JSON object a line, with Content-Type: application/x-ndjson.";
        for content_type in ["application/json", "text/plain", "multipart/form-data"] {
            let refused = app.sends(&ops, "", &fit, &[("content-type", content_type)]).await;
            assert_eq!(refused.whole_problem(), TYPE, "{content_type}");
        }
        assert_eq!(app.sends(&ops, "", &fit, &[]).await.whole_problem(), TYPE);
        for blank in ["", "\n", " \r\n\n\t"] {
            let refused = app.sends(&ops, "", blank, &[("content-type", NDJSON)]).await;
            assert_eq!(refused.whole_problem(), "400 invalid_request There is no line in the body.", "{blank:?}");
        }
        for (query, why) in [("?dry_run=yes", "dry_run is true or false."), ("?dry=true", "There is no parameter dry here; there are dry_run.")] {
            let refused = app.sends(&ops, query, &fit, &[("content-type", NDJSON)]).await;
            assert_eq!(refused.whole_problem(), format!("400 invalid_request {why}"));
        }
        let much = users(0..100);
        let told = app.sends(&ops, "", &much, &[("content-type", NDJSON)]).await;
        assert_eq!(told.problem(), "413 invalid_request");
        // The same whose length is not told beforehand.
        let parts: Vec<Result<String, std::io::Error>> = users(0..100).lines().map(|line| Ok(format!("{line}\n"))).collect();
        let request = app.http.post(app.at("/admin/v1/users/import")).bearer_auth(ops.token()).header("content-type", NDJSON);
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
        assert_eq!(app.send(request.body(body)).await.problem(), "413 invalid_request");
        let exact = fit.trim_end().to_owned() + &" ".repeat(2000 - fit.trim_end().len());
        let id = app.imports(&ops, "", &exact).await;
        assert_eq!(counts(&ops.ended(&id).await), [1, 1, 1, 0, 0]);
        assert_eq!(app.sends(&ops, "", &format!("{exact} "), &[("content-type", NDJSON)]).await.problem(), "413 invalid_request");
        app.settles(1).await;
        assert_eq!(app.count("users").await, 1);
        for path in ["/jobs/x", "/jobs/018f0000-0000-7000-8000-000000000000", "/jobs/018f0000-0000-7000-8000-000000000000/refused-lines"] {
            assert_eq!(ops.gets(path).await.problem(), "404 not_found", "{path}");
        }
        assert_eq!(ops.asks(Method::DELETE, "/jobs/018f0000-0000-7000-8000-000000000000", None).await.problem(), "404 not_found");
        assert_eq!(ops.gets("/jobs?after=eA").await.problem(), "400 invalid_request");
        assert_eq!(ops.gets(&format!("/jobs/{id}/refused-lines?after=eA")).await.problem(), "400 invalid_request");
    }

    async fn whoever_leaves_halfway_leaves_nothing(app) {
        let ops = app.operator(RIGHTS).await;
        let (head, lines) = (TestApp::head(&ops, 1_000_000), users(0..5000));
        for says_so in [true, false] {
            let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(lines.as_bytes()).await.unwrap();
            app.reaches("SELECT COUNT(*) FROM import_chunks WHERE last_line > 2000", 1).await;
            assert_eq!(ops.gets("/jobs").await.json["items"], json!([]), "nobody sees it before it is whole");
            if says_so {
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            app.settles(0).await;
        }
        assert_eq!((app.count("users").await, app.told("import.")), (0, 0));
    }

    async fn whoever_sends_no_more_is_not_waited_for(app) with |settings| settings.http.request_timeout = Duration::from_millis(300); {
        let ops = app.operator(RIGHTS).await;
        let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(TestApp::head(&ops, 1_000_000).as_bytes()).await.unwrap();
        // Longer in all than another request may take.
        for number in 0..10 {
            stream.write_all(users(number..number + 1).as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        app.settles(0).await;
        assert_eq!(app.count("users").await, 0);
    }

    async fn a_request_that_comes_again_is_answered_again(app) {
        let ops = app.operator(RIGHTS).await;
        let keyed = async |query: &str, lines: &str| app.sends(&ops, query, lines, &[("content-type", NDJSON), ("idempotency-key", KEY)]).await;
        let first = keyed("", &users(0..300)).await;
        assert_eq!(first.status, 202, "{first:?}");
        let id = first.text("id").to_owned();
        ops.ended(&id).await;
        let again = keyed("", &users(0..300)).await;
        assert_eq!((again.status, &again.json, again.header("location")), (first.status, &first.json, first.header("location")));
        for (query, lines) in [("", users(0..301)), ("?dry_run=true", users(0..300))] {
            assert_eq!(keyed(query, &lines).await.problem(), "422 idempotency_key_used");
        }
        app.settles(1).await;
        assert_eq!((app.count("users").await, app.told("import.queued")), (300, 1));
        let unfit = app.sends(&ops, "", &users(0..1), &[("content-type", NDJSON), ("idempotency-key", "x")]).await;
        assert_eq!(unfit.problem(), "400 invalid_request");
        // What was refused leaves its key free.
        let other = [("content-type", NDJSON), ("idempotency-key", "\"other\"")];
        assert_eq!(app.sends(&ops, "", "\n", &other).await.problem(), "400 invalid_request");
        assert_eq!(app.sends(&ops, "", &users(300..301), &other).await.status, 202);
    }

    async fn what_became_of_it_is_forgotten_after_a_month(app) {
        let ops = app.operator(RIGHTS).await;
        let id = app.imports(&ops, "", &format!("{}{}", users(0..2), "x\n".repeat(250))).await;
        ops.ended(&id).await;
        // Somebody left when no server was there to notice.
        app.sql("INSERT INTO import_jobs (id, state, dry_run, requested_by, lines, lines_done, imported, there, refused, created_at) \
                 SELECT (SELECT id FROM users LIMIT 1), 'uploading', dry_run, requested_by, 0, 0, 0, 0, 0, created_at FROM import_jobs").await;
        app.sql("INSERT INTO import_chunks (id, job_id, first_line, last_line, sealed) \
                 SELECT id, id, 1, 2, (SELECT import_digest FROM users LIMIT 1) FROM import_jobs WHERE state = 'uploading'").await;
        let tidy = async || janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        app.clock.advance(MINUTE * 120);
        tidy().await;
        assert_eq!((app.count("import_jobs").await, app.count("import_chunks").await), (2, 1), "it may be coming in still");
        app.clock.advance(MINUTE * 60);
        tidy().await;
        assert_eq!((app.count("import_jobs").await, app.count("import_chunks").await), (1, 0));
        app.clock.advance(DAY * 29);
        tidy().await;
        let ops = app.operator_again().await;
        assert_eq!(ops.refused_lines(&id).await.len(), 250);
        app.clock.advance(DAY);
        tidy().await;
        assert_eq!((app.count("import_jobs").await, app.count("import_refusals").await), (0, 0));
        let ops = app.operator_again().await;
        assert_eq!(ops.gets(&format!("/jobs/{id}")).await.problem(), "404 not_found");
        assert_eq!(app.count("users").await, 2);
    }
}

impl TestApp {
    /// The head of a request with a body of so many bytes.
    fn head(ops: &Operator<'_>, length: usize) -> String {
        format!(
            "POST /admin/v1/users/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {NDJSON}\r\n\
             content-length: {length}\r\n\r\n",
            ops.token()
        )
    }

    /// Waits until a number is so high. It is a race with the server, so this sleeps.
    pub async fn reaches(&self, sql: &str, least: i64) {
        for _ in 0..500 {
            if self.number(sql).await >= least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{sql} stays below {least}");
    }

    /// Waits until there are so many imports, and nothing of what was sent for others.
    async fn settles(&self, jobs: i64) {
        let unsettled = "SELECT (SELECT COUNT(*) FROM import_jobs WHERE state = 'uploading') + (SELECT COUNT(*) FROM import_chunks)";
        for _ in 0..500 {
            if self.number(unsettled).await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((self.number(unsettled).await, self.count("import_jobs").await), (0, jobs));
    }
}
