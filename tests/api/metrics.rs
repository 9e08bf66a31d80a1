//! What monitoring reads: at its own listener alone, exact, and free of whatever callers write.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use heirloom::service::admin::janitor;
use heirloom::store::Db;

use crate::harness::*;

/// Every sample by its name and labels, as they are written; the type of each family must stand before its samples.
pub async fn scrape(app: &TestApp) -> BTreeMap<String, f64> {
    let url = format!("{}/metrics", app.metrics_url.as_deref().unwrap());
    let answer = app.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in answer.text().await.unwrap().lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let kind = types.get(name).or(family.and_then(|family| types.get(family)));
            let kind = kind.unwrap_or_else(|| panic!("{name} has no type"));
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} twice");
        }
    }
    samples
}

/// The outcomes of refreshes that were seen at all.
fn outcomes(samples: &BTreeMap<String, f64>) -> Vec<String> {
    let seen =
        samples.iter().filter(|(name, value)| name.starts_with("heirloom_refreshes_") && **value > 0.0);
    seen.map(|(name, value)| format!("{} {value}", name.split('"').nth(1).unwrap())).collect()
}

fn requests(samples: &BTreeMap<String, f64>, route: &str) -> Vec<String> {
    let start = "http_requests_total{method=\"";
    let of_route = |name: &&String| name.starts_with(start) && name.contains(&format!("route=\"{route}\""));
    let seen = samples.iter().filter(|(name, _)| of_route(name));
    let words = |name: &str| name.split('"').map(ToOwned::to_owned).collect::<Vec<_>>();
    seen.map(|(name, value)| format!("{} {} {value}", words(name)[1], words(name)[5])).collect()
}

pub fn with_metrics(settings: &mut heirloom::settings::Settings) {
    settings.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
}

both_stores_both_ways! {
    async fn every_end_of_a_refresh_is_counted(app) with with_metrics; {
        assert_eq!(outcomes(&scrape(&app).await), [""; 0]);
        app.add_strict_client().await;
        let first = app.ana_logged_in().await;
        let second = app.rotate(&first).await;
        app.rotate(&first).await;
        app.rotate(&first).await;
        let third = app.rotate(&second).await;
        app.refresh("hrt1_garbage").await;
        assert_eq!(app.refresh(&first.refresh).await.refusal(), REUSED);
        assert_eq!(app.refresh(&third.refresh).await.refusal(), REUSED);
        let strict = app.log_in_with("strict", "ana").await;
        app.refresh_with("strict", &strict.refresh).await.tokens();
        let nobody = app.refresh_with("nobody", &strict.refresh).await;
        assert!(nobody.status.is_client_error());
        let samples = scrape(&app).await;
        assert_eq!(outcomes(&samples), ["refused 2", "replayed 2", "reuse 2", "rotated 3"]);
        let zeros = samples.keys().filter(|name| name.starts_with("heirloom_refreshes_total{")).count();
        assert_eq!(zeros, 12, "those that were not seen are there with 0");
        assert_eq!(requests(&samples, "/login"), ["POST 200 2"]);
        assert_eq!(requests(&samples, "/refresh"), ["POST 200 5", "POST 401 4"]);
    }
}

both_stores_both_ways! {
    async fn rotations_and_passwords_tell_how_long_they_waited(app) with with_metrics; {
        let counted = |samples: &BTreeMap<String, f64>, name: &str, end: &str| samples[&format!("heirloom_{name}_{end}")];
        let before = scrape(&app).await;
        assert!(counted(&before, "rotation_batch_size", "count").abs() < 1e-9);
        app.add_user("ana").await;
        let mut logins = Vec::new();
        for _ in 0..8 {
            logins.push(app.log_in("ana").await);
        }
        futures_util::future::join_all(logins.iter().map(|login| app.rotate(login))).await;
        let after = scrape(&app).await;
        let rotations = counted(&after, "rotation_batch_size", "sum");
        assert!((rotations - 8.0).abs() < 1e-9, "each is in one batch: {rotations}");
        let batches = counted(&after, "rotation_batch_size", "count");
        assert!((1.0..=8.0).contains(&batches), "{batches}");
        assert!((counted(&after, "rotation_queue_seconds", "count") - 8.0).abs() < 1e-9);
        assert!(counted(&after, "rotation_queue_seconds", "sum") > 0.0);
        let passwords = counted(&after, "password_queue_seconds", "count");
        let new = passwords - counted(&before, "password_queue_seconds", "count");
        assert!((8.0..=9.0).contains(&new), "a password each, and the one that was set: {new}");
        assert!(counted(&after, "password_queue_seconds", "sum") > 0.0);
        for (name, buckets) in [("rotation_batch_size", 9), ("rotation_queue_seconds", 13), ("password_queue_seconds", 13)] {
            let start = format!("heirloom_{name}_bucket{{");
            assert_eq!(after.keys().filter(|key| key.starts_with(&start)).count(), buckets, "{name}");
        }
    }
}

both_stores! {
    async fn who_waits_for_a_connection_is_counted(app) with with_metrics; {
        app.ana_logged_in().await;
        let before = scrape(&app).await;
        let told = |samples: &BTreeMap<String, f64>, end: &str| {
            samples.get(&format!("heirloom_database_wait_seconds_{end}")).copied()
        };
        if matches!(app.core.db, Db::Sqlite(_)) {
            assert_eq!(told(&before, "count"), None, "the embedded store has one connection");
            return;
        }
        let mut all = Vec::new();
        while all.len() < app.core.db.connections() {
            all.push(app.core.db.acquire().await.unwrap());
        }
        let ((), (time, begun)) = futures_util::join!(
            async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                drop(all);
            },
            async { futures_util::join!(app.core.db.time(), app.core.db.acquire()) },
        );
        time.unwrap();
        begun.unwrap();
        let after = scrape(&app).await;
        let new = |end| told(&after, end).unwrap() - told(&before, end).unwrap();
        assert!(new("count") >= 2.0, "{}", new("count"));
        assert!(new("sum") >= 0.55, "both waited: {}", new("sum"));
    }
}

both_stores! {
    async fn the_janitor_tells_what_it_did(app) with with_metrics; {
        let rounds = |samples: &BTreeMap<String, f64>, outcome: &str| {
            samples[&format!("heirloom_janitor_rounds_total{{outcome=\"{outcome}\"}}")]
        };
        let rows = |samples: &BTreeMap<String, f64>| samples["heirloom_janitor_rows_total{what=\"deleted\"}"];
        let before = scrape(&app).await;
        assert!(rounds(&before, "done").abs() + rounds(&before, "failed").abs() + rows(&before).abs() < 1e-9);
        app.ana_logged_in().await;
        app.clock.advance(DAY * 800);
        janitor::tidy_in_good_time(&app.core, 100, app.clock.clock().read()).await.unwrap();
        let after = scrape(&app).await;
        assert!((rounds(&after, "done") - 1.0).abs() < 1e-9);
        assert!(rows(&after) >= 1.0);
        app.sql("DROP TABLE mail_counts").await;
        janitor::tidy_in_good_time(&app.core, 100, app.clock.clock().read()).await.unwrap_err();
        assert!((rounds(&scrape(&app).await, "failed") - 1.0).abs() < 1e-9);
    }

    async fn they_are_at_their_listener_and_nothing_else_is(app) with with_metrics; {
        assert_eq!(app.http.get(app.at("/metrics")).send().await.unwrap().status(), 404);
        let at = |path: &str| format!("{}{path}", app.metrics_url.as_deref().unwrap());
        for path in ["/login", "/oauth/token", "/admin/v1/users", "/.well-known/openid-configuration", "/"] {
            assert_eq!(app.http.get(at(path)).send().await.unwrap().status(), 404, "{path}");
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(app.http.get(at(path)).send().await.unwrap().status(), 200, "{path}");
        }
        assert_eq!(app.http.post(at("/metrics")).send().await.unwrap().status(), 405);
    }

    async fn without_the_setting_they_are_nowhere(app) {
        assert_eq!(app.metrics_url, None);
        assert_eq!(app.http.get(app.at("/metrics")).send().await.unwrap().status(), 404);
    }

    async fn no_label_says_what_a_caller_wrote(app) with with_metrics; {
        let tokens = app.ana_logged_in().await;
        for path in ["/evil-1", "/evil-2?evil", "/oauth/evil", "/.well-known/evil", "/assets/evil"] {
            assert_eq!(app.http.get(app.at(path)).send().await.unwrap().status(), 404, "{path}");
        }
        app.delete("/sessions/evil", &tokens.access).await;
        let method = Method::from_bytes(b"EVIL").unwrap();
        app.http.request(method, app.at("/login")).send().await.unwrap();
        app.post("/login", &json!({ "username": "evil", "password": "evil", "client_id": "evil" })).await;
        let samples = scrape(&app).await;
        let evil: Vec<_> = samples.keys().filter(|name| name.to_lowercase().contains("evil")).collect();
        assert!(evil.is_empty(), "{evil:?}");
        assert_eq!(requests(&samples, "(no route)"), ["GET 404 5"]);
        assert_eq!(requests(&samples, "/sessions/{id}").len(), 1);
        assert_eq!(requests(&samples, "/login"), ["(other) 405 1", "POST 200 1", "POST 401 1"]);
    }

    async fn how_long_requests_take_is_in_twelve_buckets(app) with with_metrics; {
        app.ana_logged_in().await;
        let samples = scrape(&app).await;
        let name = "http_request_duration_seconds";
        let login = |name: &str| name.contains("route=\"/login\"");
        let buckets = samples.keys().filter(|key| key.starts_with(&format!("{name}_bucket{{")) && login(key));
        assert_eq!(buckets.count(), 13, "twelve and the endless one");
        let of_login = |end: &str| samples[&format!("{name}_{end}{{method=\"POST\",route=\"/login\"}}")];
        assert!((of_login("count") - 1.0).abs() < 1e-9);
        assert!(of_login("sum") > 0.0 && of_login("sum") < 10.0);
    }

    async fn what_the_server_holds_is_read_when_asked(app) with with_metrics; {
        let before = scrape(&app).await;
        app.clock.advance(SECOND * 90);
        for (last, state) in [("1", "pending"), ("2", "pending"), ("3", "delivered")] {
            let id = format!("0000000000004000800000000000000{last}");
            let id = if app.store == Store::Sqlite { format!("x'{id}'") } else { format!("'{id}'") };
            let year = "'9999-01-01 00:00:00+00:00'";
            app.sql(&format!(
                "INSERT INTO mails (id, kind, language, created_at, state, attempts, due_at)
                 VALUES ({id}, 'reset', 'en', {year}, '{state}', 0, {year})"
            ))
            .await;
        }
        let after = scrape(&app).await;
        let age = |samples: &BTreeMap<String, f64>| samples["heirloom_signing_key_age_seconds"];
        assert!((age(&after) - age(&before) - 90.0).abs() < 1e-3, "{} {}", age(&before), age(&after));
        let version = format!("heirloom_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        assert!((after[&version] - 1.0).abs() < 1e-9);
        let connections = |state: &str| after[&format!("heirloom_database_connections{{state=\"{state}\"}}")];
        let most = f64::from(app.settings.database.max_connections);
        assert!((1.0..=most).contains(&(connections("idle") + connections("used"))));
        for (outbox, depth) in [("logouts", 0.0), ("webhooks", 0.0), ("mails", 2.0_f64)] {
            let found = after[&format!("heirloom_outbox_depth{{outbox=\"{outbox}\"}}")];
            assert!((found - depth).abs() < 1e-9, "{outbox}: {found}");
        }
        assert!(after["heirloom_password_queue_depth"].abs() < 1e-9);
        assert!(after["process_resident_memory_bytes"] > 1e6);
        assert!(after["process_open_fds"] > 3.0);
        assert!(after["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"]);
        let now = heirloom::clock::Clock::system().now() - chrono::DateTime::UNIX_EPOCH;
        let age = now.as_seconds_f64() - after["process_start_time_seconds"];
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
