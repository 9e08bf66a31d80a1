//! Handing mail over to a mail server.
//!
//! Connections are kept for the next mail. The library's own pool would take one back in the middle of an exchange that
//! took too long: the next mail would then read the answer to the one before. So they are kept here, and one that
//! something went wrong on is closed.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId as HelloName;

use crate::domain::error_causes::with_causes;

/// So many connections wait for the next mail.
const KEPT: usize = 4;
/// And so long: less than servers wait for a command.
const KEPT_FOR: TimeDelta = TimeDelta::seconds(30);

/// A mail server.
pub struct MailServer {
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// A name and a password.
    pub credentials: Option<(String, String)>,
    /// Who vouches for its certificate beside those whom the machine trusts, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// How long handing a mail over may take, with all that belongs to it.
    pub timeout: Duration,
}

/// How a connection to it is made secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// From its beginning (RFC 8314 §3.3).
    Implicit,
    /// By a command, without which nothing is sent (RFC 3207).
    StartTls,
    /// Not at all.
    Plain,
}

/// The mail server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableMailServer {
    #[error("the authorities are not certificates in PEM")]
    Authorities,
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

/// Why a mail was not sent. It holds nobody's address: servers repeat them in their answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It never will be.
    #[error("{0}")]
    Refused(String),
    /// It may be, another time.
    #[error("{0}")]
    NotNow(String),
}

/// The way to a mail server.
pub(super) struct SmtpWay {
    server: MailServer,
    hello: HelloName,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    kept: Mutex<Vec<IdleConnection>>,
}

struct IdleConnection {
    connection: AsyncSmtpConnection,
    since: DateTime<Utc>,
}

impl SmtpWay {
    pub(super) fn new(server: MailServer) -> Result<Self, UnusableMailServer> {
        let tls = match server.security {
            MailSecurity::Implicit | MailSecurity::StartTls => Some(tls(&server)?),
            MailSecurity::Plain => None,
        };
        let credentials = server.credentials.clone().map(|(user, password)| Credentials::new(user, password));
        Ok(Self { tls, credentials, hello: HelloName::default(), kept: Mutex::default(), server })
    }

    pub(super) async fn send(
        &self,
        envelope: &Envelope,
        message: &[u8],
        now: DateTime<Utc>,
    ) -> Result<(), NotSent> {
        let sending = tokio::time::timeout(self.server.timeout, self.send_patiently(envelope, message, now));
        let too_late = |_| NotSent::NotNow("the mail server does not answer in time".to_owned());
        sending.await.map_err(too_late)?
    }

    pub(super) async fn greet(&self) -> Result<(), NotSent> {
        let connecting = tokio::time::timeout(self.server.timeout, self.connect());
        let too_late = |_| NotSent::NotNow("the mail server does not answer in time".to_owned());
        let connected = connecting.await.map_err(too_late)?;
        let mut connection = connected.map_err(|error| NotSent::NotNow(told("connecting", &error)))?;
        // Whether it says goodbye is its own business.
        let _ = connection.quit().await;
        Ok(())
    }

    async fn send_patiently(
        &self,
        envelope: &Envelope,
        message: &[u8],
        now: DateTime<Utc>,
    ) -> Result<(), NotSent> {
        let mut connection = match self.kept_connection(now).await {
            Some(connection) => connection,
            None => self.connect().await.map_err(|error| NotSent::NotNow(told("connecting", &error)))?,
        };
        match connection.send(envelope, message).await {
            Ok(_) => {
                self.keep(connection, now);
                Ok(())
            }
            // RFC 5321 §4.2.1: it is not to be tried again as it is. Nor can it be where the address needs what the
            // server does not speak (RFC 6531).
            Err(error) if error.is_permanent() || error.is_client() => {
                Err(NotSent::Refused(told("sending", &error)))
            }
            Err(error) => Err(NotSent::NotNow(told("sending", &error))),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let MailServer { host, port, security, .. } = &self.server;
        let implicit = self.tls.clone().filter(|_| *security == MailSecurity::Implicit);
        let address = (host.trim_matches(['[', ']']), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, implicit, None).await?;
        if let (MailSecurity::StartTls, Some(tls)) = (security, &self.tls) {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// One that is still good.
    async fn kept_connection(&self, now: DateTime<Utc>) -> Option<AsyncSmtpConnection> {
        loop {
            let IdleConnection { mut connection, since } =
                { self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()? };
            if now - since < KEPT_FOR && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection, since: DateTime<Utc>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(IdleConnection { connection, since });
        }
    }
}

fn tls(server: &MailServer) -> Result<TlsParameters, UnusableMailServer> {
    let mut parameters = TlsParameters::builder(server.host.trim_matches(['[', ']']).to_owned());
    if let Some(pem) = &server.authorities {
        let certificate = Certificate::from_pem(pem).map_err(|_| UnusableMailServer::Authorities)?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build().map_err(|error| UnusableMailServer::Tls(error.to_string()))
}

/// What went wrong, without the server's words: it repeats addresses.
fn told(at: &str, error: &Error) -> String {
    match error.status() {
        Some(code) => format!("{at}: the mail server answers {code}"),
        None if error.is_response() => format!("{at}: the mail server's answer cannot be read"),
        None => format!("{at}: {}", with_causes(error)),
    }
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer({}:{})", self.host, self.port)
    }
}

impl fmt::Debug for SmtpWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}
