//! Mail as it arrives: in a folder of the test's own, in the place of a mail server.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom::settings::Settings;
use tokio::time::{sleep, timeout};

use crate::folder::Folder;
use crate::harness::*;

/// Lets mail come to a folder of the server's own, as much as there is.
pub fn to_a_folder(settings: &mut Settings) {
    let folder = Folder::new();
    settings.mail.folder = Some(folder.path().to_owned());
    // It is gone with the mailbox.
    std::mem::forget(folder);
    (settings.mail.per_address, settings.mail.per_account) = (10_000, 10_000);
}

/// The mail of a server's users, of which each is read once.
pub struct Mailbox {
    folder: PathBuf,
    read: RefCell<BTreeSet<PathBuf>>,
}

impl Mailbox {
    pub fn of(app: &TestApp) -> Self {
        Self { folder: app.settings.mail.folder.clone().unwrap(), read: RefCell::default() }
    }

    /// In the order in which they came: their names begin with the time.
    fn files(&self) -> BTreeSet<PathBuf> {
        let Ok(folder) = fs::read_dir(&self.folder) else { return BTreeSet::new() };
        let paths = folder.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect()
    }

    fn look(&self, to: &str) -> Option<String> {
        for path in self.files() {
            if self.read.borrow().contains(&path) {
                continue;
            }
            let mail = fs::read_to_string(&path).unwrap();
            // The server is writing it (RFC 2046 §5.1.1: the last boundary ends with two hyphens).
            if !mail.trim_end().ends_with("--") {
                continue;
            }
            if mail.lines().any(|line| line.starts_with("To: ") && line.contains(to)) {
                self.read.borrow_mut().insert(path);
                return Some(plain_text(&mail));
            }
        }
        None
    }

    /// The next mail to somebody, once it has come.
    pub async fn next(&self, to: &str) -> String {
        let coming = async {
            loop {
                if let Some(mail) = self.look(to) {
                    return mail;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), coming).await.unwrap_or_else(|_| panic!("no mail to {to}"))
    }

    /// Where the link of the next mail to somebody leads, below the issuer's.
    pub async fn link(&self, app: &TestApp, to: &str) -> String {
        loop {
            let mail = self.next(to).await;
            // What an owner is told of has none.
            if mail.contains("?token=") {
                return link_in(app, &mail);
            }
        }
    }

    /// The six digits of the next mail to somebody that has them.
    pub async fn code(&self, to: &str) -> String {
        loop {
            let mail = self.next(to).await;
            let mut lines = mail.lines().map(str::trim);
            let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
            if let Some(code) = lines.find(is_code) {
                return code.to_owned();
            }
        }
    }

    /// How many have come that nobody has read.
    pub async fn rest(&self) -> usize {
        // What is on its way is there by then.
        sleep(Duration::from_millis(400)).await;
        self.files().len() - self.read.borrow().len()
    }
}

/// The part of a mail that is text alone, whichever way it is encoded (RFC 2045 §6).
fn plain_text(mail: &str) -> String {
    let is_plain = |part: &&str| part.to_lowercase().contains("content-type: text/plain");
    let part = mail.split("\r\n--").find(is_plain).unwrap_or_else(|| panic!("no text in {mail}"));
    let (head, body) = part.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    if head.contains("base64") {
        return String::from_utf8(STANDARD.decode(body.replace(['\r', '\n'], "")).unwrap()).unwrap();
    }
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let mut bytes = Vec::new();
    let mut rest = body.replace("=\r\n", "").into_bytes().into_iter();
    while let Some(byte) = rest.next() {
        let digit = |digit: Option<u8>| char::from(digit.unwrap()).to_digit(16).unwrap();
        let is_code = byte == b'=';
        bytes.push(if is_code {
            u8::try_from(digit(rest.next()) * 16 + digit(rest.next())).unwrap()
        } else {
            byte
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// Where the link of a mail leads, below the issuer's.
pub fn link_in(app: &TestApp, mail: &str) -> String {
    let issuer = app.core.issuer.as_str();
    let (_, rest) = mail.split_once(&format!("{issuer}/")).unwrap_or_else(|| panic!("no link in {mail}"));
    let end = rest.find(|letter: char| letter.is_whitespace() || "\"<>".contains(letter));
    format!("/{}", &rest[..end.unwrap_or(rest.len())])
}

/// How long something takes.
#[expect(
    clippy::disallowed_methods,
    reason = "what an attacker could measure is measured as an attacker does"
)]
pub async fn took(work: impl Future<Output = ()>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}

/// Whether what was asked for took as long whoever was meant. The tries are to be mixed: none always follows another.
pub fn are_alike(times: [Vec<Duration>; 2]) {
    assert!(times.iter().all(|times| times.len() >= 200));
    let [one, other] = times.map(|mut times| {
        times.sort();
        [times.len() / 4, times.len() / 2].map(|place| times[place].as_secs_f64())
    });
    for (one_time, other_time) in one.iter().zip(other) {
        assert!((0.5..2.0).contains(&(one_time / other_time)), "{one:?} {other:?}");
    }
}
