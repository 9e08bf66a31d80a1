//! Traces, as a collector of OpenTelemetry gets them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use heirloom::settings::Settings;
use jsonwebtoken::Algorithm;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::database::both_databases;
use crate::harness::*;
use crate::remote::{Remote, json_answer};
use crate::signer::Signer;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_SPAN: &str = "00f067aa0ba902b7";

/// A collector, on loopback.
struct Collector {
    url: String,
    taken: Arc<Mutex<Vec<(String, ExportTraceServiceRequest)>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let taken = Arc::default();
        let taking = Arc::clone(&taken);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(take(stream, Arc::clone(&taking)));
            }
        });
        Self { url, taken }
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let resources = taken.iter().flat_map(|(_, it)| it.resource_spans.clone());
        resources.flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
    }

    fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name} of {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
        found[0].clone()
    }
}

async fn take(mut stream: TcpStream, taken: Arc<Mutex<Vec<(String, ExportTraceServiceRequest)>>>) {
    let mut request = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(request.drain(..end + 4).collect()).unwrap().to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            break (head.clone(), length.parse::<usize>().unwrap());
        }
    };
    while request.len() < length {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    taken.lock().unwrap().push((head, ExportTraceServiceRequest::decode(request.as_slice()).unwrap()));
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn text(value: &KeyValue) -> String {
    match value.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn attributes(span: &Span) -> Vec<String> {
    let mut all: Vec<_> = span.attributes.iter().map(|it| format!("{} {}", it.key, text(it))).collect();
    all.sort();
    all
}

/// Every request, to this collector.
fn traced(to: &Collector) -> impl FnOnce(&mut Settings) + use<> {
    let endpoint = to.url.parse().unwrap();
    move |settings| {
        settings.traces.endpoint = Some(endpoint);
        settings.traces.one_in = 1.try_into().unwrap();
    }
}

impl TestApp {
    async fn ready_as_part_of(&self, traceparent: &str) {
        let request = self.http.get(self.at("/readyz")).header("traceparent", traceparent);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

both_databases! {
    async fn a_trace_tells_what_a_request_spent_its_time_on_and_nothing_of_who_asked(store, url) {
        let collector = Collector::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), traced(&collector)).await;
        let tokens = app.ana_logged_in().await;
        app.rotate(&tokens).await;
        app.refresh("hrt1_garbage").await;
        stop.end().await;
        let (login, password) = (collector.span("POST /login"), collector.span("password"));
        assert_eq!((login.kind, hex(&login.parent_span_id).as_str()), (SERVER, ""));
        assert_eq!((&password.trace_id, &password.parent_span_id), (&login.trace_id, &login.span_id));
        assert!(login.start_time_unix_nano <= password.start_time_unix_nano);
        assert!(password.start_time_unix_nano < password.end_time_unix_nano);
        assert!(password.end_time_unix_nano <= login.end_time_unix_nano);
        let told = ["http.request.method POST", "http.response.status_code 200", "http.route /login"];
        assert_eq!(attributes(&login), told);
        let spans = collector.spans();
        assert!(spans.iter().any(|it| it.name == "transaction" && it.parent_span_id == login.span_id));
        let refreshes: Vec<_> = spans.iter().filter(|it| it.name == "POST /refresh").collect();
        let told = |it: &Span| attributes(it)[1].clone();
        let told: Vec<_> = refreshes.iter().map(|it| told(it)).collect();
        assert_eq!(told, ["http.response.status_code 200", "http.response.status_code 401"]);
        assert_eq!(collector.span("rotate").parent_span_id, refreshes[0].span_id);
        let written = format!("{spans:?}");
        for secret in ["ana", "127.0.0.1", tokens.refresh.as_str(), tokens.access.as_str(), "garbage"] {
            assert!(!written.contains(secret), "{secret}");
        }
        let taken = collector.taken.lock().unwrap();
        let (head, request) = &taken[0];
        assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        let of = |key: &str| resource.attributes.iter().find(|it| it.key == key).map(text).unwrap();
        assert_eq!((of("service.name").as_str(), of("service.version").as_str()), ("heirloom", "0.1.0"));
    }

    async fn a_trace_that_is_named_is_continued(store, url) {
        let collector = Collector::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), traced(&collector)).await;
        app.ready_as_part_of(PARENT).await;
        stop.end().await;
        let ready = collector.span("GET /readyz");
        assert_eq!((hex(&ready.trace_id).as_str(), hex(&ready.parent_span_id).as_str()), (TRACE, PARENT_SPAN));
    }

    async fn what_names_no_trace_begins_one(store, url) {
        let collector = Collector::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), traced(&collector)).await;
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for garbage in ["", "garbage", &PARENT[..50], zeros, &PARENT.to_uppercase(), &"0".repeat(5000)] {
            app.ready_as_part_of(garbage).await;
        }
        stop.end().await;
        let spans = collector.spans();
        assert_eq!(spans.len(), 6);
        for span in spans {
            assert_eq!(hex(&span.parent_span_id), "");
            assert_ne!(hex(&span.trace_id), TRACE);
        }
    }

    async fn only_who_is_trusted_decides_what_is_traced(store, url) {
        let rarely = |settings: &mut Settings| settings.traces.one_in = u32::MAX.try_into().unwrap();
        for (is_trusted, expected) in [(false, 0), (true, 1)] {
            let collector = Collector::start().await;
            let (app, stop) = start(store, &url, TestClock::new(), |settings| {
                traced(&collector)(settings);
                rarely(settings);
                if is_trusted {
                    settings.traces.trusted_networks = vec!["127.0.0.0/8".parse().unwrap()];
                }
            })
            .await;
            app.ready_as_part_of(PARENT).await;
            app.ready_as_part_of(UNSAMPLED).await;
            app.http.get(app.at("/readyz")).send().await.unwrap();
            stop.end().await;
            assert_eq!(collector.spans().len(), expected, "trusted: {is_trusted}");
        }
        let collector = Collector::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), |settings| {
            traced(&collector)(settings);
            settings.traces.trusted_networks = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        app.ready_as_part_of(UNSAMPLED).await;
        app.http.get(app.at("/readyz")).send().await.unwrap();
        stop.end().await;
        assert_eq!(hex(&collector.span("GET /readyz").parent_span_id), "", "the one that was nobody's part");
    }

    async fn who_is_not_trusted_decides_not_that_nothing_is_traced_either(store, url) {
        let collector = Collector::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), traced(&collector)).await;
        app.ready_as_part_of(UNSAMPLED).await;
        stop.end().await;
        let ready = collector.span("GET /readyz");
        assert_eq!((hex(&ready.trace_id).as_str(), hex(&ready.parent_span_id).as_str()), (TRACE, PARENT_SPAN));
    }

    async fn one_request_of_so_many_is_traced(store, url) {
        let collector = Collector::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), |settings| {
            traced(&collector)(settings);
            settings.traces.one_in = 4.try_into().unwrap();
        })
        .await;
        for _ in 0..400 {
            app.http.get(app.at("/healthz")).send().await.unwrap();
        }
        stop.end().await;
        let seen = collector.spans().len();
        assert!((40..=180).contains(&seen), "{seen} of 400");
    }

    async fn whom_a_request_makes_us_call_is_told_of_its_trace(store, url) {
        let (collector, keys) = (Collector::start().await, Remote::start().await);
        let (app, stop) = start(store, &url, TestClock::new(), |settings| {
            traced(&collector)(settings);
            settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
            settings.traces.trusted_networks = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        keys.answer(json_answer(&signer.jwks().to_string(), ""));
        for (client, traceparent) in [("seen", PARENT), ("unseen", UNSAMPLED)] {
            app.add_key_client(client, &json!({ "jwks_uri": keys.at(&format!("/{client}")) })).await;
            let jwt = signer.sign(&app.assertion(client, client));
            let form = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", crate::client_assertion::TYPE),
                ("client_assertion", jwt.as_str()),
            ];
            let request = app.http.post(app.at("/oauth/token")).header("traceparent", traceparent);
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        stop.end().await;
        let (call, token) = (collector.span("GET"), collector.span("POST /oauth/token"));
        assert_eq!((call.kind, &call.parent_span_id), (CLIENT, &token.span_id));
        let told = ["http.request.method GET", "http.response.status_code 200", "server.address 127.0.0.1"];
        assert_eq!(attributes(&call), told);
        let heads: Vec<_> = keys.asked().iter().map(|head| head.to_lowercase()).collect();
        assert!(heads[0].contains(&format!("\r\ntraceparent: 00-{TRACE}-{}-01\r\n", hex(&call.span_id))), "{heads:?}");
        assert!(heads[1].contains(&format!("\r\ntraceparent: {UNSAMPLED}\r\n")), "{heads:?}");
    }

    async fn a_collector_that_is_not_there_holds_nobody_up(store, url) {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let collector = Collector { url: format!("http://{nobody}/v1/traces"), taken: Arc::default() };
        let (app, stop) = start(store, &url, TestClock::new(), traced(&collector)).await;
        let tokens = app.ana_logged_in().await;
        app.rotate(&tokens).await;
        tokio::time::timeout(Duration::from_secs(30), stop.end()).await.unwrap();
    }

    async fn without_a_collector_nothing_is_told(store, url) {
        let keys = Remote::start().await;
        let (app, stop) = start(store, &url, TestClock::new(), |settings| {
            settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        keys.answer(json_answer(&signer.jwks().to_string(), ""));
        app.add_key_client("service", &json!({ "jwks_uri": keys.at("/keys") })).await;
        let jwt = signer.sign(&app.assertion("service", "1"));
        assert_eq!(app.form_asserted("/oauth/token", &jwt, &[("grant_type", "client_credentials")]).await.status, 200);
        assert!(!keys.asked()[0].to_lowercase().contains("traceparent"));
        stop.end().await;
    }
}
