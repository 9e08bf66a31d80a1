//! What the server fetches and calls: from whom, how much, how often.

use std::time::Duration;

use chrono::TimeDelta;
use heirloom::domain::client::Origin;
use heirloom::outbound::{Limits, NoAnswer, Outbound, WayOut};
use serde_json::{Value, json};
use url::Url;

use crate::harness::*;
use crate::remote::{Remote, json_answer};

fn limits(allowed: &[&str]) -> Limits {
    Limits {
        allowed_networks: allowed.iter().map(|network| network.parse().unwrap()).collect(),
        strangers_networks: Vec::new(),
        timeout: Duration::from_secs(5),
        body_limit: 1024,
    }
}

fn outbound(allowed: &[&str]) -> Outbound {
    Outbound::new(limits(allowed), None).unwrap()
}

const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

async fn get(outbound: &Outbound, url: &str, clock: &TestClock) -> Result<Value, NoAnswer> {
    for_operators(outbound).get_json(&url.parse::<Url>().unwrap(), clock.now()).await
}

fn for_operators(outbound: &Outbound) -> &WayOut {
    outbound.for_clients(Origin::Operator)
}

fn port(remote: &Remote) -> &str {
    remote.url.rsplit_once(':').unwrap().1
}

#[tokio::test]
async fn nothing_private_is_reached_unless_its_network_is_allowed() {
    let remote = Remote::start().await;
    remote.give(&json!({ "secret": 1 }), "");
    let port = port(&remote);
    let clock = TestClock::new();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fd00::1]",
    ];
    for host in hosts {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/jwks");
            assert_eq!(get(&outbound(&[]), &url, &clock).await, Err(NoAnswer::Address), "{url}");
            let elsewhere = outbound(&["192.0.2.0/24"]);
            assert_eq!(get(&elsewhere, &url, &clock).await, Err(NoAnswer::Address), "{url}");
            let posted = for_operators(&outbound(&[])).post_form(&url.parse().unwrap(), &[]).await;
            assert_eq!(posted, Err(NoAnswer::Address), "{url}");
        }
    }
    // A public address is no reason to speak to it without TLS.
    for url in ["http://1.1.1.1/", "http://[2606:4700::1111]/"] {
        assert_eq!(get(&outbound(&LOOPBACK), url, &clock).await, Err(NoAnswer::Address), "{url}");
    }
    for url in
        ["ftp://127.0.0.1/", "file:///etc/passwd", "data:application/json,{}", "https://ana:pw@127.0.0.1/"]
    {
        assert_eq!(get(&outbound(&LOOPBACK), url, &clock).await, Err(NoAnswer::Url), "{url}");
    }
    assert_eq!(remote.asked(), [""; 0], "nobody was asked");
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{port}/jwks");
        assert_eq!(get(&outbound(&LOOPBACK), &url, &clock).await, Ok(json!({ "secret": 1 })), "{url}");
    }
    let by_tls = get(&outbound(&LOOPBACK), &format!("https://127.0.0.1:{port}/"), &clock).await;
    assert!(matches!(by_tls, Err(NoAnswer::Unreachable(_))), "{by_tls:?}");
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let remote = Remote::start().await;
    let clock = TestClock::new();
    let other = Remote::start().await;
    other.give(&json!({}), "");
    let redirect = |status: u16| {
        format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.at("/"))
    };
    let long = format!("1{}", " ".repeat(1024));
    let chunk = format!("200\r\n{}\r\n", " ".repeat(512));
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(8));
    let rows = [
        (redirect(301), NoAnswer::Status(301)),
        (redirect(302), NoAnswer::Status(302)),
        (redirect(303), NoAnswer::Status(303)),
        (redirect(307), NoAnswer::Status(307)),
        (redirect(308), NoAnswer::Status(308)),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}".to_owned(), NoAnswer::Status(404)),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}".to_owned(), NoAnswer::Status(500)),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), NoAnswer::Status(204)),
        ("HTTP/1.1 206 Partial\r\ncontent-length: 2\r\n\r\n{}".to_owned(), NoAnswer::Status(206)),
        (json_answer("<html>", ""), NoAnswer::Content),
        (json_answer("{} {}", ""), NoAnswer::Content),
        (json_answer("", ""), NoAnswer::Content),
        (json_answer(&long, ""), NoAnswer::TooLong),
        (endless, NoAnswer::TooLong),
    ];
    for (answer, expected) in rows {
        remote.answer(answer.clone());
        assert_eq!(get(&outbound(&LOOPBACK), &remote.at("/"), &clock).await, Err(expected), "{answer}");
    }
    assert_eq!(other.asked(), [""; 0], "no redirect was followed");
    for broken in ["rubbish\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}"] {
        remote.answer(broken);
        let got = get(&outbound(&LOOPBACK), &remote.at("/"), &clock).await;
        assert!(matches!(got, Err(NoAnswer::Unreachable(_))), "{got:?}");
    }
    remote.answer(json_answer(&long[..1024], ""));
    assert!(get(&outbound(&LOOPBACK), &remote.at("/"), &clock).await.is_ok(), "just short enough");
}

#[tokio::test]
async fn who_answers_too_slowly_is_left() {
    let clock = TestClock::new();
    let remote = Remote::start().await;
    let outbound =
        Outbound::new(Limits { timeout: Duration::from_millis(200), ..limits(&LOOPBACK) }, None).unwrap();
    for slow in ["", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{"] {
        remote.answer_and_wait(slow);
        let place = remote.at(&format!("/{}", slow.len()));
        // The limit counts, not somebody's patience.
        let got = tokio::time::timeout(Duration::from_secs(2), get(&outbound, &place, &clock)).await.unwrap();
        assert!(matches!(&got, Err(NoAnswer::Unreachable(cause)) if cause.contains("timed out")), "{got:?}");
    }
    remote.answer_and_wait("");
    let posted = for_operators(&outbound).post_form(&remote.at("/").parse().unwrap(), &[]).await;
    assert!(
        matches!(&posted, Err(NoAnswer::Unreachable(cause)) if cause.contains("timed out")),
        "{posted:?}"
    );
}

#[tokio::test]
async fn a_document_is_remembered_as_long_as_it_says() {
    let clock = TestClock::new();
    let remote = Remote::start().await;
    let outbound = outbound(&LOOPBACK);
    let url = remote.at("/jwks?x=1");
    remote.give(&json!(1), "cache-control: max-age=600\r\n");
    assert_eq!(get(&outbound, &url, &clock).await, Ok(json!(1)));
    remote.give(&json!(2), "cache-control: max-age=600\r\n");
    clock.advance(SECOND * 599);
    assert_eq!(get(&outbound, &url, &clock).await, Ok(json!(1)));
    clock.advance(SECOND);
    assert_eq!(get(&outbound, &url, &clock).await, Ok(json!(2)));
    assert_eq!(remote.asked().len(), 2);
    let asked = remote.asked().remove(0).to_ascii_lowercase();
    assert!(asked.starts_with("get /jwks?x=1 http/1.1\r\n"), "{asked}");
    for header in ["authorization", "cookie", "referer"] {
        assert!(!asked.contains(header), "{asked}");
    }
    // Who misses something in it has it fetched anew, but not again and again.
    let (place, oldest) = (url.parse().unwrap(), TimeDelta::seconds(10));
    let renew = async || for_operators(&outbound).renew_json::<Value>(&place, oldest, clock.now()).await;
    remote.give(&json!(3), "");
    assert_eq!(renew().await, Ok(json!(2)));
    clock.advance(SECOND * 10);
    assert_eq!(renew().await, Ok(json!(3)));
    assert_eq!(renew().await, Ok(json!(3)));
    assert_eq!(remote.asked().len(), 3);
    // A document outlives a failed try to renew it.
    clock.advance(SECOND * 10);
    remote.answer("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(renew().await, Err(NoAnswer::Status(500)));
    assert_eq!(get(&outbound, &url, &clock).await, Ok(json!(3)));
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_moment() {
    let clock = TestClock::new();
    let remote = Remote::start().await;
    let outbound = outbound(&LOOPBACK);
    let url = remote.at("/");
    remote.answer("HTTP/1.1 500 Oh\r\ncache-control: max-age=600\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(get(&outbound, &url, &clock).await, Err(NoAnswer::Status(500)));
    remote.give(&json!(1), "");
    assert_eq!(get(&outbound, &url, &clock).await, Err(NoAnswer::Status(500)));
    assert_eq!(remote.asked().len(), 1);
    clock.advance(SECOND * 3);
    assert_eq!(get(&outbound, &url, &clock).await, Ok(json!(1)));
}

#[tokio::test]
async fn those_who_ask_together_share_one_fetch() {
    let clock = TestClock::new();
    let remote = Remote::start().await;
    let outbound = outbound(&LOOPBACK);
    remote.give(&json!(1), "cache-control: no-store\r\n");
    let (url, other) = (remote.at("/"), remote.at("/other"));
    let all = (0..20).map(|_| get(&outbound, &url, &clock));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|got| *got == Ok(json!(1))), "{all:?}");
    assert_eq!(remote.asked().len(), 1);
    get(&outbound, &other, &clock).await.unwrap();
    assert_eq!(remote.asked().len(), 2);
}

#[tokio::test]
async fn a_form_is_posted_each_time() {
    let remote = Remote::start().await;
    let outbound = outbound(&LOOPBACK);
    let url: Url = remote.at("/logout").parse().unwrap();
    for status in ["200 OK", "204 No Content", "400 Bad Request", "302 Found"] {
        remote.answer(format!("HTTP/1.1 {status}\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"));
        let expected = match status.split_once(' ').unwrap().0.parse().unwrap() {
            200..300 => Ok(()),
            status => Err(NoAnswer::Status(status)),
        };
        assert_eq!(for_operators(&outbound).post_form(&url, &[("logout_token", "a&b")]).await, expected);
    }
    let asked = remote.asked();
    assert_eq!(asked.len(), 4);
    let asked = asked[0].to_ascii_lowercase();
    assert!(asked.contains("content-type: application/x-www-form-urlencoded\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\nlogout_token=a%26b"), "{asked}");
}

#[test]
fn certificate_authorities_that_are_none_are_refused() {
    for pem in ["rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Outbound::new(limits(&[]), Some(pem.as_bytes())).is_err(), "{pem}");
    }
}

#[tokio::test]
async fn a_document_counts_an_hour_longer_while_it_cannot_be_fetched() {
    let clock = TestClock::new();
    let remote = Remote::start().await;
    let outbound = outbound(&LOOPBACK);
    let url = remote.at("/jwks");
    let place: Url = url.parse().unwrap();
    let late =
        async |outbound: &Outbound| for_operators(outbound).get_late_json::<Value>(&place, clock.now()).await;
    remote.give(&json!(1), "cache-control: max-age=60\r\n");
    assert_eq!(late(&outbound).await, Ok(json!(1)));
    clock.advance(MINUTE);
    for broken in ["HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "rubbish\r\n\r\n"] {
        remote.answer(broken);
        assert_eq!(late(&outbound).await, Ok(json!(1)), "{broken}");
        let asked = remote.asked().len();
        assert_eq!(late(&outbound).await, Ok(json!(1)), "{broken}");
        assert_eq!(remote.asked().len(), asked, "who is down is not asked by each request");
        clock.advance(SECOND * 3);
    }
    // Who needs a younger one is not helped by it.
    assert!(get(&outbound, &url, &clock).await.is_err());
    let renewed =
        for_operators(&outbound).renew_json::<Value>(&place, TimeDelta::seconds(10), clock.now()).await;
    assert!(renewed.is_err(), "{renewed:?}");
    clock.advance(SECOND * 3);
    // While one is asking, the others do not wait with it.
    remote.answer_and_wait("");
    let asked = remote.asked().len();
    let (asking, others) = (late(&outbound), async {
        while remote.asked().len() == asked {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        late(&outbound).await
    });
    tokio::select! {
        _ = asking => panic!("it waits for ever"),
        got = tokio::time::timeout(SECOND * 20, others) => assert_eq!(got.unwrap(), Ok(json!(1))),
    }
    remote.answer("HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(late(&outbound).await, Err(NoAnswer::Status(404)), "that is an answer");
    clock.advance(SECOND * 3);
    remote.answer("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n");
    clock.advance(MINUTE * 59);
    assert_eq!(late(&outbound).await, Ok(json!(1)), "within the hour");
    clock.advance(MINUTE);
    assert_eq!(late(&outbound).await, Err(NoAnswer::Status(500)), "the hour is over");
}

#[tokio::test]
async fn strangers_push_nothing_of_operators_out_of_memory() {
    let clock = TestClock::new();
    let (remote, theirs) = (Remote::start().await, Remote::start().await);
    let networks: Vec<_> = LOOPBACK.iter().map(|network| network.parse().unwrap()).collect();
    let limits = Limits { strangers_networks: networks, ..limits(&LOOPBACK) };
    let outbound = Outbound::new(limits, None).unwrap();
    for it in [&remote, &theirs] {
        it.give(&json!(1), "cache-control: max-age=3600\r\n");
    }
    let keys = async || assert_eq!(get(&outbound, &remote.at("/jwks"), &clock).await, Ok(json!(1)));
    keys().await;
    let strangers = outbound.for_clients(Origin::Document);
    let used: Url = theirs.at("/used").parse().unwrap();
    for number in 0..600 {
        let url: Url = theirs.at(&format!("/{number}")).parse().unwrap();
        assert_eq!(strangers.get_json::<Value>(&url, clock.now()).await, Ok(json!(1)));
        assert_eq!(strangers.get_json::<Value>(&used, clock.now()).await, Ok(json!(1)));
    }
    keys().await;
    assert_eq!(remote.asked().len(), 1);
    assert_eq!(theirs.asked().len(), 601, "nor what is used all the time");
}
