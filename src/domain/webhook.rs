//! Webhooks: events that are told to another server, by the conventions of Standard Webhooks 1.0.0.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use url::Url;
use zeroize::ZeroizeOnDrop;

use crate::domain::event::EventChoice;
use crate::domain::ids::WebhookId;

/// A webhook, without its secret.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: WebhookUrl,
    /// Of what it is told.
    pub events: Vec<EventChoice>,
    pub created_at: DateTime<Utc>,
    /// Since when it is told of nothing.
    pub disabled_at: Option<DateTime<Utc>>,
}

impl Webhook {
    /// Whether it is told of an event of this name.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.disabled_at.is_none() && self.events.iter().any(|choice| choice.means(name))
    }
}

/// What is said of a webhook anew: what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookChanges {
    pub url: Option<WebhookUrl>,
    pub events: Option<Vec<EventChoice>>,
}

/// Where it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// The text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's URL must be https, or http within outbound.allowed_networks, without user and fragment, of 2,048 bytes at most"
)]
pub struct InvalidWebhookUrl;

impl WebhookUrl {
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let url = Url::parse(text).map_err(|_| InvalidWebhookUrl)?;
        let fits = matches!(url.scheme(), "https" | "http")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            // As it is kept, and read again: what is not ASCII is longer there.
            && url.as_str().len() <= 2048;
        if fits { Ok(Self(url)) } else { Err(InvalidWebhookUrl) }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is sent: the same at every attempt, but for the time of it.
#[derive(Debug, Clone, Copy)]
pub struct WebhookMessage<'a> {
    /// By it a receiver knows a message again.
    pub id: &'a str,
    pub sent_at: DateTime<Utc>,
    pub payload: &'a str,
}

/// What a webhook's messages are signed with: 32 random bytes that its receiver knows, too.
#[derive(Clone, ZeroizeOnDrop)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// Wraps fresh random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sealed.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As receivers are given it; to be shown once.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// One signature, as it stands in `webhook-signature`.
    #[must_use]
    pub fn sign(&self, WebhookMessage { id, sent_at, payload }: WebhookMessage<'_>) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{}.{payload}", sent_at.timestamp()).as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_url_is_a_web_address_and_nothing_more() {
        for text in ["https://hooks.example.com/a?b=c", "http://10.0.0.7:8080/", "https://[2001:db8::1]/"] {
            assert_eq!(text.parse::<WebhookUrl>().unwrap().to_string(), text);
        }
        let long = format!("https://hooks.example.com/{}", "a".repeat(2048));
        let longer_than_it_looks = format!("https://hooks.example.com/{}", "é".repeat(400));
        for text in [
            "",
            "hooks.example.com",
            "/a",
            "ftp://a.example/",
            "https://a:b@a.example/",
            "https://a@a.example/",
            "https://a.example/#x",
            "https://a.example/#",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://",
            &long,
            &longer_than_it_looks,
        ] {
            assert_eq!(text.parse::<WebhookUrl>(), Err(InvalidWebhookUrl), "{text}");
        }
    }

    #[test]
    fn messages_are_signed_by_the_convention() {
        // Computed with another program: openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64
        let secret = WebhookSecret::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        assert_eq!(secret.expose(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let message = WebhookMessage {
            id: "01890a5d-ac96-774b-bcce-b302099a8057",
            sent_at: DateTime::from_timestamp(1_674_087_231, 999_000_000).unwrap(),
            payload: r#"{"type":"family.ended"}"#,
        };
        assert_eq!(secret.sign(message), "v1,OJzL2oARIQLrwlkrMQFQHF/Bscl+CRBCyqBbzDpzWWA=");
    }
}
