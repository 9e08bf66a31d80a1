//! The way of mail: a mail server (RFC 5321, RFC 8314), or a folder where nobody should get any.

mod smtp;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use uuid::Uuid;

use smtp::SmtpWay;
pub use smtp::{MailSecurity, MailServer, NotSent, UnusableMailServer};

/// Where mail goes, and from whom it is.
#[derive(Debug)]
pub struct MailWay {
    sender: MailSender,
    carrier: MailCarrier,
}

#[derive(Debug)]
enum MailCarrier {
    Server(Box<SmtpWay>),
    Folder(PathBuf),
}

/// Whom mail is from, and who gets the answers.
#[derive(Debug, Clone)]
pub struct MailSender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

/// The text is neither an address nor a name with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not like no-reply@example.com or Example <no-reply@example.com>")]
pub struct UnfitSender(String);

/// A mail as its reader sees it.
#[derive(Debug)]
pub struct OutgoingMail<'a> {
    /// It makes the Message-ID: a mail that comes twice can be told.
    pub id: Uuid,
    pub to: &'a str,
    pub sent_at: DateTime<Utc>,
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
}

impl MailSender {
    /// Reads addresses with or without names.
    ///
    /// # Errors
    /// [`UnfitSender`].
    pub fn new(from: &str, reply_to: Option<&str>) -> Result<Self, UnfitSender> {
        let read = |text: &str| text.parse().map_err(|_| UnfitSender(text.to_owned()));
        Ok(Self { from: read(from)?, reply_to: reply_to.map(read).transpose()? })
    }
}

impl MailWay {
    /// By a mail server. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`UnusableMailServer`].
    pub fn by_server(sender: MailSender, server: MailServer) -> Result<Self, UnusableMailServer> {
        Ok(Self { sender, carrier: MailCarrier::Server(Box::new(SmtpWay::new(server)?)) })
    }

    /// Into a folder, a file each.
    #[must_use]
    pub fn into_folder(sender: MailSender, folder: PathBuf) -> Self {
        Self { sender, carrier: MailCarrier::Folder(folder) }
    }

    /// Hands a mail over, within a time.
    ///
    /// # Errors
    /// [`NotSent`].
    pub async fn send(&self, mail: &OutgoingMail<'_>) -> Result<(), NotSent> {
        let message = self.message(mail)?;
        match &self.carrier {
            MailCarrier::Server(server) => {
                server.send(message.envelope(), &message.formatted(), mail.sent_at).await
            }
            MailCarrier::Folder(folder) => keep(folder, mail.id, &message.formatted()).await,
        }
    }

    /// Whether the mail server would talk to us: connects, with all that belongs to it, and hangs up.
    ///
    /// # Errors
    /// [`NotSent`].
    pub async fn greet(&self) -> Result<(), NotSent> {
        match &self.carrier {
            MailCarrier::Server(server) => server.greet().await,
            MailCarrier::Folder(_) => Ok(()),
        }
    }

    fn message(&self, mail: &OutgoingMail<'_>) -> Result<Message, NotSent> {
        let refused = |what: &str| NotSent::Refused(what.to_owned());
        let to: Address = mail.to.parse().map_err(|_| refused("the address is not one"))?;
        let domain = self.sender.from.email.domain();
        let message = Message::builder()
            .from(self.sender.from.clone())
            .to(Mailbox::new(None, to))
            .date(mail.sent_at.into())
            .message_id(Some(format!("<{}@{domain}>", mail.id)))
            .subject(one_line(mail.subject))
            .header(AutoSubmitted);
        let message = match &self.sender.reply_to {
            Some(reply_to) => message.reply_to(reply_to.clone()),
            None => message,
        };
        let parts = MultiPart::alternative_plain_html(mail.text.to_owned(), mail.html.to_owned());
        message.multipart(parts).map_err(|_| refused("the mail cannot be put together"))
    }
}

/// A header's value: what would end it would begin another header.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// RFC 3834 §5: nobody's holiday notice answers it.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Whoever looks into the folder finds whole files only.
async fn keep(folder: &Path, id: Uuid, message: &[u8]) -> Result<(), NotSent> {
    let (unfinished, file) = (folder.join(format!(".{id}")), folder.join(format!("{id}.eml")));
    let kept = async {
        tokio::fs::create_dir_all(folder).await?;
        tokio::fs::write(&unfinished, message).await?;
        tokio::fs::rename(&unfinished, &file).await
    };
    kept.await.map_err(|error| NotSent::NotNow(format!("{} cannot be written: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str, to: &str) -> Result<String, NotSent> {
        let sender = MailSender::new("Bücher <no-reply@id.example.com>", Some("help@example.com")).unwrap();
        let way = MailWay::into_folder(sender, PathBuf::new());
        let sent_at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mail = OutgoingMail {
            id: Uuid::from_u128(7),
            to,
            sent_at,
            subject,
            text: "Hällo",
            html: "<p>Hällo</p>",
        };
        way.message(&mail).map(|message| String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_mail_has_the_headers_that_tell_what_it_is() {
        let text = message("Bestätigen Sie die Adresse", "ana@example.com").unwrap();
        for line in [
            "From: =?utf-8?b?QsO8Y2hlcg==?= <no-reply@id.example.com>",
            "Reply-To: help@example.com",
            "To: ana@example.com",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "Message-ID: <00000000-0000-0000-0000-000000000007@id.example.com>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.contains("Subject: Best=?") || text.contains("Subject: =?utf-8?"), "{text}");
        assert!(text.is_ascii() && text.contains("text/plain") && text.contains("text/html"), "{text}");
    }

    #[test]
    fn no_value_begins_a_header_of_its_own() {
        let text = message("a\r\nBcc: eve@example.com\r\n\r\nb", "ana@example.com").unwrap();
        assert!(text.lines().all(|line| !line.starts_with("Bcc")), "{text}");
        assert!(message("a", "ana@example.com\r\nBcc: eve@example.com").is_err());
        assert!(message("a", "ana@example.com, eve@example.com").is_err());
        assert!(message("a", "Ana <ana@example.com>").is_err());
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for text in ["no-reply@example.com", "Example <no-reply@example.com>"] {
            assert!(MailSender::new(text, Some(text)).is_ok(), "{text}");
        }
        for text in ["", "example.com", "a@b, c@d", "a@b.c\r\nBcc: d@e.f"] {
            assert!(MailSender::new(text, None).is_err(), "{text}");
        }
    }
}
