//! What this server itself fetches and calls: addresses that other people chose, so none of them is trusted.
//!
//! A request goes to a public address, or to a network that the operator named; the address that is checked is the
//! one that is connected to. It follows no redirect, uses no proxy, takes a bounded time and reads a bounded answer.
//! Documents are remembered as long as their headers say, within bounds.

mod addresses;
mod freshness;
mod no_answer;
mod remembered;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::domain::error_causes::with_causes;
use crate::outbound::addresses::{Reach, may_reach};
use crate::outbound::no_answer::Forbidden;
use crate::outbound::remembered::{Known, Remembered, Slot};

pub use no_answer::NoAnswer;

/// Fetches that may be under way: what one caller sets off must not take every socket.
const AT_ONCE: usize = 64;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Networks that may be reached although they are not public, by `http`, too: an operator's own services.
    pub allowed_networks: Vec<IpNet>,
    /// From the beginning of a request to the end of its answer.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub body_limit: usize,
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum NoWayOut {
    /// The list of certificate authorities is empty.
    #[error("there are no certificates")]
    NoCertificates,
    /// A certificate is none.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// The way out of this server.
#[derive(Debug)]
pub struct Outbound {
    /// For `https`; `None` when this machine knows no certificate authority.
    secure: Option<Client>,
    /// For `http`, which only allowed networks serve.
    plain: Client,
    limits: Arc<Limits>,
    remembered: Remembered,
    flights: Semaphore,
}

impl Outbound {
    /// A way out, with the certificate authorities of this machine and those of `extra_ca`, in PEM.
    ///
    /// # Errors
    /// [`NoWayOut`].
    pub fn new(limits: Limits, extra_ca: Option<&[u8]>) -> Result<Self, NoWayOut> {
        let limits = Arc::new(limits);
        let extra = extra_ca.map(Certificate::from_pem_bundle).transpose()?;
        if extra.as_ref().is_some_and(Vec::is_empty) {
            return Err(NoWayOut::NoCertificates);
        }
        let is_extended = extra.is_some();
        let secure = client(&limits, Reach::PublicToo)
            .https_only(true)
            .tls_certs_merge(extra.unwrap_or_default())
            .build();
        let secure = match secure {
            Err(error) if !is_extended => {
                let cause = with_causes(&error);
                tracing::warn!(cause, "no certificate authorities: nothing can be fetched by https");
                None
            }
            secure => Some(secure?),
        };
        let plain = client(&limits, Reach::AllowedOnly).tls_certs_only([]).build()?;
        Ok(Self {
            secure,
            plain,
            limits,
            remembered: Remembered::default(),
            flights: Semaphore::new(AT_ONCE),
        })
    }

    /// The JSON document at `url`, perhaps remembered.
    ///
    /// # Errors
    /// [`NoAnswer`], which is remembered for a few seconds.
    pub async fn get_json<T: DeserializeOwned>(&self, url: &Url, now: DateTime<Utc>) -> Result<T, NoAnswer> {
        self.read_json(url, None, now).await
    }

    /// The same for who needs a younger document than may be remembered: one that is older than `oldest` is fetched
    /// anew.
    ///
    /// # Errors
    /// [`NoAnswer`], which is remembered for a few seconds.
    pub async fn renew_json<T: DeserializeOwned>(
        &self,
        url: &Url,
        oldest: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<T, NoAnswer> {
        self.read_json(url, Some(oldest), now).await
    }

    /// Posts a form and wants nothing but success.
    pub async fn post_form(&self, url: &Url, fields: &[(&str, &str)]) -> Result<(), NoAnswer> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client_for(url)?.post(url.clone());
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let status = request.send().await.map_err(NoAnswer::from)?.status();
        if status.is_success() { Ok(()) } else { Err(NoAnswer::Status(status.as_u16())) }
    }

    async fn read_json<T: DeserializeOwned>(
        &self,
        url: &Url,
        oldest: Option<TimeDelta>,
        now: DateTime<Utc>,
    ) -> Result<T, NoAnswer> {
        let slot = self.remembered.slot(url, now);
        let known = match slot.known(oldest, now) {
            Some(known) => known,
            None => self.fly(&slot, url, oldest, now).await,
        };
        serde_json::from_slice(&known?).map_err(|_| NoAnswer::Content)
    }

    /// Fetches for everybody who waits for the same.
    async fn fly(&self, slot: &Slot, url: &Url, oldest: Option<TimeDelta>, now: DateTime<Utc>) -> Known {
        let _flight = slot.flight().await;
        // Whoever flew before us may have brought it.
        if let Some(known) = slot.known(oldest, now) {
            return known;
        }
        slot.keep(self.fetch(url, now).await, now)
    }

    /// The document, and how long it may be remembered.
    async fn fetch(&self, url: &Url, now: DateTime<Utc>) -> Result<(Vec<u8>, TimeDelta), NoAnswer> {
        let client = self.client_for(url)?;
        let _permit = self.flights.try_acquire().map_err(|_| NoAnswer::Busy)?;
        let request = client.get(url.clone()).header(ACCEPT, "application/json, application/*+json;q=0.9");
        let response = request.send().await.map_err(NoAnswer::from)?;
        // Nothing else is the document: not a part of it, and not the place where it might be.
        if response.status() != reqwest::StatusCode::OK {
            return Err(NoAnswer::Status(response.status().as_u16()));
        }
        let fresh_for = freshness::of(response.headers(), now);
        let body = self.body(response).await?;
        serde_json::from_slice::<IgnoredAny>(&body).map_err(|_| NoAnswer::Content)?;
        Ok((body, fresh_for))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, NoAnswer> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(NoAnswer::from)? {
            if body.len() + chunk.len() > self.limits.body_limit {
                return Err(NoAnswer::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The client that may be used for a URL. A name's addresses are checked when it is resolved; an address that
    /// stands in the URL itself is resolved by nobody, so it is checked here.
    fn client_for(&self, url: &Url) -> Result<&Client, NoAnswer> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NoAnswer::Url);
        }
        let reach = match url.scheme() {
            "https" => Reach::PublicToo,
            "http" => Reach::AllowedOnly,
            _ => return Err(NoAnswer::Url),
        };
        let may = |address: IpAddr| may_reach(address, reach, &self.limits.allowed_networks);
        let is_fine = match url.host() {
            Some(Host::Ipv4(address)) => may(address.into()),
            Some(Host::Ipv6(address)) => may(address.into()),
            Some(Host::Domain(_)) => true,
            None => return Err(NoAnswer::Url),
        };
        if !is_fine {
            return Err(NoAnswer::Address);
        }
        match reach {
            Reach::AllowedOnly => Ok(&self.plain),
            Reach::PublicToo => self
                .secure
                .as_ref()
                .ok_or_else(|| NoAnswer::Unreachable("there are no certificate authorities".to_owned())),
        }
    }
}

fn client(limits: &Arc<Limits>, reach: Reach) -> reqwest::ClientBuilder {
    Client::builder()
        .dns_resolver(Checked { limits: Arc::clone(limits), reach })
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(limits.timeout)
        // A connection is used once: none outlives the check of its address.
        .pool_max_idle_per_host(0)
        .user_agent("Heirloom")
}

/// Resolves names to those of their addresses that may be reached: they are the ones that are connected to, so no
/// second answer of a name server can slip in another.
#[derive(Debug)]
struct Checked {
    limits: Arc<Limits>,
    reach: Reach,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (limits, reach) = (Arc::clone(&self.limits), self.reach);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<_> =
                found.filter(|found| may_reach(found.ip(), reach, &limits.allowed_networks)).collect();
            if good.is_empty() { Err(Forbidden.into()) } else { Ok(Box::new(good.into_iter()) as Addrs) }
        })
    }
}
