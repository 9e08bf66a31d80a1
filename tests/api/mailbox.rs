//! Mail, as those read it to whom a test's server writes.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heirloom::service::mail::courier::MailCourier;
use heirloom::service::messenger::Messenger;
use heirloom::settings::Settings;

use crate::folder::Folder;
use crate::harness::*;

/// Lets a server write its mails to a folder of its own.
pub fn mailing(settings: &mut Settings) {
    let folder = Folder::new();
    settings.mail.folder = Some(folder.path().to_owned());
    // It is gone with the test's store.
    std::mem::forget(folder);
}

/// A mail as its reader sees it.
#[derive(Debug, Clone)]
pub struct ReadMail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// All of it, as it was sent.
    pub raw: String,
}

impl ReadMail {
    /// Where the mail leads to.
    #[track_caller]
    pub fn link(&self) -> String {
        let lines = || self.text.lines().map(str::trim);
        let link = lines().find(|line| line.starts_with("http") && line.contains('?'));
        link.unwrap_or_else(|| panic!("no link in {}", self.text)).to_owned()
    }

    /// Its code.
    #[track_caller]
    pub fn code(&self) -> String {
        let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|digit| digit.is_ascii_digit());
        let code = self.text.lines().map(str::trim).find(is_code);
        code.unwrap_or_else(|| panic!("no code in {}", self.text)).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.raw, name)
    }
}

impl TestApp {
    /// The newest mail to an address, once all that is wanted is sent.
    #[track_caller]
    pub fn newest_mail(&self, to: &str) -> impl Future<Output = ReadMail> {
        let caller = std::panic::Location::caller();
        async move {
            let all = self.mails().await;
            let found = all.iter().rev().find(|mail| mail.to == to);
            found.unwrap_or_else(|| panic!("{caller}: no mail to {to} in {all:?}")).clone()
        }
    }

    /// All mails to an address, the oldest first.
    pub async fn mails_to(&self, to: &str) -> Vec<ReadMail> {
        self.mails().await.into_iter().filter(|mail| mail.to == to).collect()
    }

    /// All mails, the oldest first, once all that is wanted is sent.
    pub async fn mails(&self) -> Vec<ReadMail> {
        self.mails_are("pending", 0).await;
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.settings.mail.folder.as_ref().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .collect();
        // Their names begin with the time.
        files.sort();
        files.iter().map(|file| read_mail(&std::fs::read_to_string(file).unwrap())).collect()
    }

    /// Waits until so many mails are in a state.
    pub async fn mails_are(&self, state: &str, count: i64) {
        let sql = format!("SELECT COUNT(*) FROM mails WHERE state = '{state}'");
        for _ in 0..1000 {
            if self.number(&sql).await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} mails are {state}", self.number(&sql).await);
    }

    /// Lets what is due be sent, by this call or by the server itself.
    pub async fn send_mails(&self) {
        let mut messenger = Messenger::new(MailCourier::new(self.core.clone()));
        while messenger.begin_due(self.clock.now()).await.unwrap().begun > 0 {}
        messenger.all_ended().await;
    }
}

/// Reads a mail of two parts (RFC 5322, RFC 2046).
pub fn read_mail(raw: &str) -> ReadMail {
    let content_type = header(raw, "Content-Type").unwrap();
    let boundary = content_type.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let parts: Vec<&str> = raw.split(&format!("--{boundary}")).collect();
    let part = |kind: &str| {
        let part = parts[1..].iter().find(|part| {
            header(part.trim_start(), "Content-Type").is_some_and(|found| found.starts_with(kind))
        });
        part_content(part.unwrap_or_else(|| panic!("no {kind} in {raw}")).trim_start())
    };
    ReadMail {
        to: header(raw, "To").unwrap(),
        subject: words(&header(raw, "Subject").unwrap()),
        text: part("text/plain"),
        html: part("text/html"),
        raw: raw.to_owned(),
    }
}

fn header(raw: &str, name: &str) -> Option<String> {
    let head = raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn part_content(part: &str) -> String {
    let (_, body) = part.split_once("\r\n\r\n").unwrap();
    let bytes = match header(part, "Content-Transfer-Encoding").as_deref() {
        Some("base64") => STANDARD.decode(body.replace(['\r', '\n'], "")).unwrap(),
        Some("quoted-printable") => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), body.replace("=\r\n", "").into_bytes().into_iter());
    while let Some(byte) = rest.next() {
        let digits = (byte == b'=').then(|| [rest.next().unwrap(), rest.next().unwrap()]);
        bytes.push(
            digits.map_or(byte, |digits| {
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }),
        );
    }
    bytes
}

/// Encoded words (RFC 2047), in the one form that is sent.
fn words(value: &str) -> String {
    let mut text = String::new();
    for part in value.replace("?= =?", "?==?").split("=?utf-8?b?") {
        match part.split_once("?=") {
            Some((encoded, plain)) => {
                text.push_str(&String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap());
                text.push_str(plain);
            }
            None => text.push_str(part),
        }
    }
    text
}
