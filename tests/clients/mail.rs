//! Mail through a mail server that others wrote, read by a library that others wrote.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use heirloom::domain::letter::Letter;
use heirloom::service::mail::{self, NewMail, Queued};
use heirloom::settings::{MailTls, Settings};
use serde_json::{Value, json};

use crate::database::Database;
use crate::harness::{MINUTE, Store, TestApp, TestClock, run, start};
use crate::program::node;
use crate::remote::{authority, stranger};

const LINK: &str = "https://id.example.com/verify?token=hush";
const ANA: &str = "ana@example.com";

/// What a case has otherwise than the usual settings.
type ChangedSettings<'a> = &'a dyn Fn(&mut Settings);

/// A mail server that is gone with its owner.
struct PostServer {
    child: Child,
    port: u16,
    taken: Receiver<Value>,
}

impl PostServer {
    fn start(way: &str, manner: &str) -> Self {
        let [certificate, key] = &authority().signed;
        let mut child = node("mail.mjs")
            .envs([("WAY", way), ("MANNER", manner)])
            .envs([("CERTIFICATE", certificate), ("KEY", key)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.next().unwrap().parse().unwrap();
        let (tell, taken) = channel();
        thread::spawn(move || {
            lines.map(|line| serde_json::from_str(&line).unwrap()).try_for_each(|mail| tell.send(mail))
        });
        Self { child, port, taken }
    }

    fn settings(&self, tls: MailTls) -> impl FnOnce(&mut Settings) + use<> {
        let port = self.port;
        move |settings: &mut Settings| {
            settings.outbound.ca_file = Some(authority().file.clone());
            let mail = &mut settings.mail;
            (mail.host, mail.port, mail.tls) = (Some("127.0.0.1".to_owned()), Some(port), tls);
            mail.from = Some("Bücher <no-reply@id.example.com>".to_owned());
            mail.timeout = Duration::from_secs(10);
            if tls != MailTls::None {
                (mail.user, mail.password) = (Some("heirloom".to_owned()), Some("hush".to_owned().into()));
            }
        }
    }

    /// The next mail that it takes.
    fn next(&self) -> Value {
        self.taken.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn took_nothing_more(&self) -> bool {
        self.taken.recv_timeout(Duration::from_millis(300)).is_err()
    }
}

impl Drop for PostServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl TestApp {
    async fn wants_mail(&self, to: &str) {
        let (core, now) = (&self.core, self.clock.now());
        let letter = Letter::SignInCode { code: "012345".to_owned(), link: LINK.to_owned() };
        let new = NewMail { to, language: Some("de"), user: None, letter, good_until: None };
        let queued = core.write(now, async |tx| mail::queue(core, tx, &new, now).await.map(Some)).await;
        assert_eq!(queued.unwrap(), Some(Queued::Yes));
    }

    /// Waits until an attempt is made.
    async fn has_tried(&self) {
        for _ in 0..2000 {
            if self.number("SELECT COUNT(*) FROM mails WHERE attempts > 0").await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody tries");
    }
}

/// The mail that `wants_mail` wanted.
#[track_caller]
fn assert_read(mail: &Value) {
    assert_eq!(mail["to"], json!([ANA]));
    assert_eq!(mail["from"], "\"Bücher\" <no-reply@id.example.com>");
    assert_eq!(
        (&mail["subject"], &mail["automatic"]),
        (&json!("Ihr Code für Heirloom"), &json!("auto-generated"))
    );
    let [text, html] = [&mail["text"], &mail["html"]].map(|part| part.as_str().unwrap());
    assert!(text.contains("\n    012345\n") && text.contains(LINK), "{text}");
    assert!(html.contains(">012345<") && html.contains("<a href=\""), "{html}");
    assert!(mail["messageId"].as_str().unwrap().ends_with("@id.example.com>"));
}

#[test]
fn mail_goes_by_tls_from_the_beginning_or_by_command_and_plainly_to_this_machine() {
    for (way, tls) in
        [("implicit", MailTls::Implicit), ("starttls", MailTls::Starttls), ("plain", MailTls::None)]
    {
        let post = PostServer::start(way, "take");
        run(Store::Sqlite, post.settings(tls), async |app: TestApp| {
            app.wants_mail(ANA).await;
            app.mails_are("delivered", 1).await;
            // The second goes over the same connection.
            app.wants_mail(ANA).await;
            app.mails_are("delivered", 2).await;
        });
        for mail in [post.next(), post.next()] {
            assert_read(&mail);
            assert_eq!(mail["secure"], tls != MailTls::None, "{way}");
            assert_eq!(mail["user"], if tls == MailTls::None { Value::Null } else { json!("heirloom") });
        }
        assert!(post.took_nothing_more());
    }
}

#[test]
fn no_mail_goes_to_a_server_that_is_not_the_one_or_cannot_keep_it_secret() {
    let strange = |settings: &mut Settings| settings.outbound.ca_file = Some(stranger().file.clone());
    let wrong = |settings: &mut Settings| settings.mail.password = Some("guess".to_owned().into());
    let same = |_: &mut Settings| ();
    let cases: [(&str, MailTls, ChangedSettings<'_>); 4] = [
        ("implicit", MailTls::Implicit, &strange),
        ("starttls", MailTls::Starttls, &strange),
        ("plain", MailTls::Starttls, &same),
        // Who runs this server mends that: no mail is lost by it.
        ("starttls", MailTls::Starttls, &wrong),
    ];
    for (way, tls, change) in cases {
        let post = PostServer::start(way, "take");
        let usual = post.settings(tls);
        let settings = |settings: &mut Settings| {
            usual(settings);
            change(settings);
        };
        run(Store::Sqlite, settings, async |app: TestApp| {
            app.wants_mail(ANA).await;
            app.has_tried().await;
            app.clock.advance(2 * MINUTE);
            app.send_mails().await;
            app.mails_are("pending", 1).await;
        });
        assert!(post.took_nothing_more(), "{way}");
    }
}

#[test]
fn a_refused_mail_is_given_up_at_once_and_told_of() {
    let post = PostServer::start("plain", "refuse");
    run(Store::Sqlite, post.settings(MailTls::None), async |app: TestApp| {
        app.wants_mail(ANA).await;
        app.mails_are("given_up", 1).await;
        assert!(app.events().iter().any(|event| event.ends_with("reason=refused")), "{:?}", app.events());
    });
    assert!(post.took_nothing_more());
}

#[test]
fn a_mail_comes_once_after_greylisting_a_dropped_connection_or_a_slow_answer() {
    for manner in ["greylist", "drop", "slow"] {
        let post = PostServer::start("plain", manner);
        let usual = post.settings(MailTls::None);
        let settings = |settings: &mut Settings| {
            usual(settings);
            settings.mail.timeout = Duration::from_secs(1);
        };
        run(Store::Sqlite, settings, async |app: TestApp| {
            app.wants_mail(ANA).await;
            assert_eq!(post.next()["wrong"], manner);
            // Not before its pause is over, and until then it keeps no other waiting.
            app.wants_mail("ben@example.com").await;
            app.mails_are("delivered", 1).await;
            app.clock.advance(2 * MINUTE);
            app.send_mails().await;
            app.mails_are("delivered", 2).await;
            assert_eq!(app.number("SELECT MAX(attempts) FROM mails").await, 2, "{manner}");
        });
        assert_eq!(post.next()["to"], json!(["ben@example.com"]), "{manner}");
        assert_read(&post.next());
        assert!(post.took_nothing_more());
    }
}

#[test]
fn a_mail_server_that_is_down_holds_nobody_up() {
    let post = PostServer::start("plain", "take");
    let settings = post.settings(MailTls::None);
    drop(post);
    run(Store::Sqlite, settings, async |app: TestApp| {
        app.wants_mail(ANA).await;
        app.has_tried().await;
        app.mails_are("pending", 1).await;
    });
}

#[test]
fn two_servers_send_each_mail_once() {
    for store in [Store::Sqlite, Store::Postgres] {
        let post = PostServer::start("plain", "take");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = Database::make_lasting(store).await;
            let clock = TestClock::new();
            let (one, stop) = start(store, &database.url, clock.clone(), post.settings(MailTls::None)).await;
            let (two, stop_too) = start(store, &database.url, clock, post.settings(MailTls::None)).await;
            for number in 0..40 {
                let to = format!("{number}@example.com");
                let app = if number % 2 == 0 { &one } else { &two };
                app.wants_mail(&to).await;
                tokio::join!(one.send_mails(), two.send_mails());
            }
            one.mails_are("delivered", 40).await;
            stop.end().await;
            stop_too.end().await;
            database.drop().await;
        });
        let all: Vec<String> = (0..40).map(|_| post.next()["messageId"].to_string()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40, "{store:?}");
        assert!(post.took_nothing_more());
    }
}
