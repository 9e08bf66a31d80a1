//! One way out: how far it reaches, how much goes there at once, and what it remembers.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response};
use serde::de::{DeserializeOwned, IgnoredAny};
use url::{Host, Url};

use crate::domain::error_causes::with_causes;
use crate::domain::json;
use crate::outbound::addresses::{Reach, may_reach};
use crate::outbound::budget::Budget;
use crate::outbound::checked_names::CheckedNames;
use crate::outbound::no_answer::{Forbidden, NoAnswer, NotTaken};
use crate::outbound::remembered::{Age, Known, Remembered, Slot};
use crate::outbound::{freshness, headers, traced};

/// What holds for every request of one way.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Networks that may be reached although they are not public, by `http`, too.
    pub(super) networks: Vec<IpNet>,
    /// From the beginning of a request to the end of its answer.
    pub(super) timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub(super) body_limit: usize,
    /// Documents that may be fetched at once, and from one host.
    pub(super) fetches: (usize, usize),
    /// Calls that may be made at once, and to one host.
    pub(super) calls: (usize, usize),
    /// What is told of addresses that may not be reached.
    pub(super) tells: Tells,
}

/// What whoever asked is told of addresses that may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// That they may not.
    Plainly,
    /// What is told of a server that does not answer: whose names lead where inside is nobody's business.
    Nothing,
}

/// A call whose answer matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) url: &'a Url,
    /// The whole header.
    pub(crate) authorization: Option<&'a str>,
    /// What is posted; without it the URL is asked for.
    pub(crate) form: Option<&'a [(&'a str, &'a str)]>,
}

/// A way out.
#[derive(Debug)]
pub struct WayOut {
    /// For `https`, made when it is first needed: to read certificate authorities takes time and memory. `None` when
    /// this machine knows none.
    secure: OnceLock<Option<Client>>,
    /// For `http`, which only allowed networks serve.
    plain: Client,
    bounds: Arc<Bounds>,
    remembered: Remembered,
    fetches: Arc<Budget>,
    calls: Arc<Budget>,
}

impl WayOut {
    pub(super) fn new(bounds: Bounds, extra: Option<&[Certificate]>) -> Result<Self, reqwest::Error> {
        let bounds = Arc::new(bounds);
        // A mistake in an operator's own is told at the start.
        let secure = match extra {
            Some(extra) => OnceLock::from(Some(secure_client(&bounds, extra)?)),
            None => OnceLock::new(),
        };
        let plain = client(&bounds, Reach::AllowedOnly).tls_certs_only([]).build()?;
        let (fetches, calls) = (bounds.fetches, bounds.calls);
        Ok(Self {
            secure,
            plain,
            bounds,
            remembered: Remembered::default(),
            fetches: Budget::new(fetches.0, fetches.1),
            calls: Budget::new(calls.0, calls.1),
        })
    }

    fn secure(&self) -> Option<&Client> {
        let make = || {
            let made = secure_client(&self.bounds, &[]).inspect_err(|error| {
                let cause = with_causes(error);
                tracing::warn!(cause, "no certificate authorities: nothing can be fetched by https");
            });
            made.ok()
        };
        self.secure.get_or_init(make).as_ref()
    }

    /// The JSON document at `url`, perhaps remembered.
    ///
    /// # Errors
    /// [`NoAnswer`], which is remembered for a few seconds.
    pub async fn get_json<T: DeserializeOwned>(&self, url: &Url, now: DateTime<Utc>) -> Result<T, NoAnswer> {
        self.read_json(url, Age::Fresh, now).await
    }

    /// The same for who takes the one before for a while, as long as it cannot be fetched.
    ///
    /// # Errors
    /// [`NoAnswer`], which is remembered for a few seconds.
    pub async fn get_late_json<T: DeserializeOwned>(
        &self,
        url: &Url,
        now: DateTime<Utc>,
    ) -> Result<T, NoAnswer> {
        self.read_json(url, Age::Late, now).await
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
        self.read_json(url, Age::Below(oldest), now).await
    }

    /// Whether [`WayOut::get_json`] would ask nobody.
    #[must_use]
    pub fn remembers(&self, url: &Url, now: DateTime<Utc>) -> bool {
        self.remembered.knows(url, now)
    }

    /// The places of [`WayOut::post_form`], for whoever has many calls to make and must not wait for one host.
    #[must_use]
    pub fn calls(&self) -> &Arc<Budget> {
        &self.calls
    }

    /// Posts a form and wants nothing but success.
    pub async fn post_form(&self, url: &Url, fields: &[(&str, &str)]) -> Result<(), NoAnswer> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        success(&self.answer_to(url, &headers, body).await?)
    }

    /// Posts a body with these headers and wants nothing but success: nobody reads what else is answered, but for how
    /// long to wait.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        body: String,
        now: DateTime<Utc>,
    ) -> Result<(), NotTaken> {
        let response = self.answer_to(url, headers, body).await?;
        // Who answered counts from the answer, which came within the time that a call may take.
        let most = TimeDelta::from_std(self.bounds.timeout).unwrap_or_default();
        let retry_after = headers::retry_after(response.headers(), now).map(|told| told + most);
        success(&response).map_err(|why| NotTaken { why, retry_after })
    }

    /// Calls, and wants to know what is answered, which is JSON whether it is a success or a refusal.
    pub(crate) async fn call_json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<(u16, T), NoAnswer> {
        let client = self.client_for(call.url)?;
        let _place = self.calls.take(host_of(call.url)).ok_or(NoAnswer::Busy)?;
        let request = match call.form {
            Some(fields) => {
                let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                let form = client.post(call.url.clone()).body(body);
                form.header("content-type", "application/x-www-form-urlencoded")
            }
            None => client.get(call.url.clone()),
        };
        let request = request.header(ACCEPT, "application/json");
        let request = match call.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        };
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        let body = self.body(response).await?;
        // What breaks down behind a proxy is told in a page of the proxy's.
        let read = json::read(&body).map_err(|_| match status {
            200..300 => NoAnswer::Content,
            status => NoAnswer::Status(status),
        });
        Ok((status, read?))
    }

    async fn answer_to(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Response, NoAnswer> {
        let request = self.client_for(url)?.post(url.clone()).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request).await
    }

    /// Whether a URL may be called at all: an address in it is looked at, what a name leads to is not.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn may_call(&self, url: &Url) -> Result<(), NoAnswer> {
        self.client_for(url).map(drop)
    }

    async fn read_json<T: DeserializeOwned>(
        &self,
        url: &Url,
        age: Age,
        now: DateTime<Utc>,
    ) -> Result<T, NoAnswer> {
        let slot = self.remembered.slot(url, now);
        let known = match slot.known(age, now) {
            Some(known) => known,
            None => self.fly(&slot, url, age, now).await,
        };
        json::read(&known?).map_err(|_| NoAnswer::Content)
    }

    /// Fetches for everybody who waits for the same. Who has the one before need not wait for somebody else's fetch.
    async fn fly(&self, slot: &Slot, url: &Url, age: Age, now: DateTime<Utc>) -> Known {
        let _flight = match (slot.try_flight(), slot.one_before(age, now)) {
            (Some(flight), _) => flight,
            (None, Some(before)) => return Ok(before),
            (None, None) => slot.flight().await,
        };
        // Whoever flew before us may have brought it.
        if let Some(known) = slot.known(age, now) {
            return known;
        }
        slot.keep(self.fetch(url, now).await, age, now)
    }

    /// The document, and how long it may be remembered.
    async fn fetch(&self, url: &Url, now: DateTime<Utc>) -> Result<(Vec<u8>, TimeDelta), NoAnswer> {
        let client = self.client_for(url)?;
        let _place = self.fetches.take(host_of(url)).ok_or(NoAnswer::Busy)?;
        let request = client.get(url.clone()).header(ACCEPT, "application/json, application/*+json;q=0.9");
        let response = self.send(request).await?;
        // Nothing else is the document: not a part of it, and not the place where it might be.
        if response.status() != reqwest::StatusCode::OK {
            return Err(NoAnswer::Status(response.status().as_u16()));
        }
        let fresh_for = freshness::of(response.headers(), now);
        let body = self.body(response).await?;
        serde_json::from_slice::<IgnoredAny>(&body).map_err(|_| NoAnswer::Content)?;
        Ok((body, fresh_for))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, NoAnswer> {
        let (client, request) = request.build_split();
        let answer = match request {
            Ok(request) => traced::execute(&client, request).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| self.no_answer(error))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, NoAnswer> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(error))? {
            if body.len() + chunk.len() > self.bounds.body_limit {
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
        let may = |address: IpAddr| may_reach(address, reach, &self.bounds.networks);
        let is_fine = match url.host() {
            Some(Host::Ipv4(address)) => may(address.into()),
            Some(Host::Ipv6(address)) => may(address.into()),
            Some(Host::Domain(_)) => true,
            None => return Err(NoAnswer::Url),
        };
        if !is_fine {
            return Err(self.forbidden());
        }
        match reach {
            Reach::AllowedOnly => Ok(&self.plain),
            Reach::PublicToo => self
                .secure()
                .ok_or_else(|| NoAnswer::Unreachable("there are no certificate authorities".to_owned())),
        }
    }

    fn no_answer(&self, error: reqwest::Error) -> NoAnswer {
        match NoAnswer::from(error) {
            NoAnswer::Address => self.forbidden(),
            other => other,
        }
    }

    fn forbidden(&self) -> NoAnswer {
        match self.bounds.tells {
            Tells::Plainly => NoAnswer::Address,
            Tells::Nothing => NoAnswer::Unreachable(Forbidden.to_string()),
        }
    }
}

fn success(response: &Response) -> Result<(), NoAnswer> {
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(NoAnswer::Status(status.as_u16())) }
}

/// The host that a place is taken for: a server's ports are one server's. A name may end with a dot.
pub(crate) fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_end_matches('.')
}

/// One that trusts this machine's certificate authorities and some more.
fn secure_client(bounds: &Arc<Bounds>, extra: &[Certificate]) -> Result<Client, reqwest::Error> {
    client(bounds, Reach::PublicToo).https_only(true).tls_certs_merge(extra.to_vec()).build()
}

fn client(bounds: &Arc<Bounds>, reach: Reach) -> reqwest::ClientBuilder {
    Client::builder()
        .dns_resolver(CheckedNames::new(&bounds.networks, reach))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(bounds.timeout)
        // A connection is used once: none outlives the check of its address.
        .pool_max_idle_per_host(0)
        .user_agent("Heirloom")
}
