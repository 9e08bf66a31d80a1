//! Requests to the admin API, and what its answers mean.

use std::fmt::Display;
use std::mem::take;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::cli::output::{List, PART};
use crate::cli::remote::server_url::{NoSuchPlace, ServerUrl};
use crate::domain::error_causes::with_causes;

/// Longer than the server itself works on any request.
const PATIENCE: Duration = Duration::from_mins(2);

/// The same where much is sent.
const UPLOAD_PATIENCE: Duration = Duration::from_hours(2);

/// The most that the API gives at once.
pub(super) const PAGE: i64 = 200;

/// What says how many logins have ended.
const ENDED_LOGINS: &str = "heirloom-ended-logins";

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// What the server says of it (RFC 9457).
    #[error("{detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("the server does not take the access token: it has expired, was revoked, or is none of its own")]
    BadToken,
    #[error("{0} does not answer: {1}")]
    NoAnswer(String, String),
    #[error("{0} answers {1}, and leads elsewhere: redirects are not followed")]
    LeadsElsewhere(String, StatusCode),
    #[error("{0} answers {1}, and not as a Heirloom server does")]
    NoServer(String, StatusCode),
    #[error(transparent)]
    NoPlace(#[from] NoSuchPlace),
}

impl NotDone {
    pub(super) fn no_answer(server: &impl Display, error: reqwest::Error) -> Self {
        Self::NoAnswer(server.to_string(), with_causes(&error.without_url()))
    }

    /// Whether asking again may be of use.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer(..) => true,
            Self::Refused { status, .. } | Self::NoServer(_, status) => status.is_server_error(),
            Self::BadToken | Self::LeadsElsewhere(..) | Self::NoPlace(_) => false,
        }
    }

    pub(super) fn no_server(url: &str, status: StatusCode) -> Self {
        if status.is_redirection() {
            Self::LeadsElsewhere(url.to_owned(), status)
        } else {
            Self::NoServer(url.to_owned(), status)
        }
    }
}

/// What asks a server. It follows no redirect: the token is for this server, and a change is made once.
pub(super) fn http_client(server: &ServerUrl) -> anyhow::Result<Client> {
    let client = Client::builder().timeout(PATIENCE).redirect(Policy::none());
    // A proxy is not on this machine, and would read what is sent in the clear.
    let client = if server.is_in_the_clear() { client.no_proxy() } else { client };
    Ok(client.build()?)
}

/// A server's admin API, with a token.
pub(super) struct AdminServer {
    http: Client,
    url: ServerUrl,
    token: String,
}

impl AdminServer {
    pub(super) fn new(url: ServerUrl, token: String) -> anyhow::Result<Self> {
        Ok(Self { http: http_client(&url)?, url, token })
    }

    pub(super) async fn get(&self, place: &[&str]) -> Result<Value, NotDone> {
        self.ask(Method::GET, place, None).await
    }

    pub(super) async fn post(&self, place: &[&str], body: &Value) -> Result<Value, NotDone> {
        self.ask(Method::POST, place, Some(body)).await
    }

    pub(super) async fn patch(&self, place: &[&str], body: &Value) -> Result<Value, NotDone> {
        self.ask(Method::PATCH, place, Some(body)).await
    }

    pub(super) async fn delete(&self, place: &[&str]) -> Result<(), NotDone> {
        self.ask(Method::DELETE, place, None).await.map(drop)
    }

    /// Changes something, and gives how many logins have ended by that.
    pub(super) async fn change(
        &self,
        method: Method,
        place: &[&str],
        body: Option<&Value>,
    ) -> Result<u64, NotDone> {
        let answer = self.send(method, self.at(place)?, body).await?;
        let ended = answer.headers().get(ENDED_LOGINS).and_then(|ended| ended.to_str().ok()?.parse().ok());
        self.read(answer).await?;
        // A server of an earlier release does not say it.
        Ok(ended.unwrap_or_default())
    }

    /// Sends lines of JSON, for as long as that takes.
    pub(super) async fn upload(
        &self,
        place: &[&str],
        query: &[(&str, &str)],
        length: Option<u64>,
        lines: Body,
    ) -> Result<Value, NotDone> {
        let mut url = self.at(place)?;
        url.query_pairs_mut().extend_pairs(query);
        let request = self.http.post(url).bearer_auth(&self.token).timeout(UPLOAD_PATIENCE);
        let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(lines);
        // What is too long is not even begun.
        let request = length.into_iter().fold(request, |it, length| it.header(CONTENT_LENGTH, length));
        let answer = request.send().await.map_err(|error| NotDone::no_answer(&self.url, error))?;
        self.read(answer).await
    }

    /// Reads a list and prints it: so many things of it at most.
    pub(super) async fn print_list<const N: usize>(
        &self,
        place: &[&str],
        query: &[(&str, String)],
        mut left: i64,
        mut listed: List<Value, N>,
    ) -> anyhow::Result<()> {
        let (mut held, mut after) = (Vec::new(), None);
        loop {
            let (items, next) = self.page(place, query, left.min(PAGE), after).await?;
            left -= i64::try_from(items.len())?;
            let goes_on = next.is_some() && !items.is_empty() && left > 0;
            held.extend(items);
            // As many at once as where the store is read: the columns are as wide then.
            if !goes_on || i64::try_from(held.len())? >= PART {
                listed.print(&take(&mut held));
            }
            if !goes_on {
                listed.end();
                return Ok(());
            }
            after = next;
        }
    }

    /// A part of a list, and what the next one comes after.
    pub(super) async fn page(
        &self,
        place: &[&str],
        query: &[(&str, String)],
        limit: i64,
        after: Option<String>,
    ) -> anyhow::Result<(Vec<Value>, Option<String>)> {
        let mut url = self.at(place)?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(query).append_pair("limit", &limit.to_string());
            pairs.extend_pairs(after.map(|after| ("after", after)));
        }
        let mut page = self.ask_at(Method::GET, url.clone(), None).await?;
        let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
            return Err(NotDone::no_server(url.as_str(), StatusCode::OK).into());
        };
        Ok((items, page.get("next").and_then(Value::as_str).map(ToOwned::to_owned)))
    }

    fn at(&self, place: &[&str]) -> Result<Url, NoSuchPlace> {
        self.url.at(&[&["admin", "v1"], place].concat())
    }

    async fn ask(&self, method: Method, place: &[&str], body: Option<&Value>) -> Result<Value, NotDone> {
        self.ask_at(method, self.at(place)?, body).await
    }

    async fn ask_at(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, NotDone> {
        let answer = self.send(method, url, body).await?;
        self.read(answer).await
    }

    async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Response, NotDone> {
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = if let Some(body) = body { request.json(body) } else { request };
        request.send().await.map_err(|error| NotDone::no_answer(&self.url, error))
    }

    async fn read(&self, answer: Response) -> Result<Value, NotDone> {
        let (status, url) = (answer.status(), answer.url().to_string());
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let is_problem = content_type == Some("application/problem+json");
        let body = answer.bytes().await.map_err(|error| NotDone::no_answer(&self.url, error))?;
        if status == StatusCode::NO_CONTENT || (status == StatusCode::ACCEPTED && body.is_empty()) {
            return Ok(Value::Null);
        }
        let read: Option<Value> = serde_json::from_slice(&body).ok().filter(Value::is_object);
        match read {
            Some(read) if status.is_success() => Ok(read),
            Some(_) if is_problem && status == StatusCode::UNAUTHORIZED => Err(NotDone::BadToken),
            Some(read) if is_problem => {
                let detail = read.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
                Err(NotDone::Refused { status, detail })
            }
            Some(_) | None => Err(NotDone::no_server(&url, status)),
        }
    }
}
