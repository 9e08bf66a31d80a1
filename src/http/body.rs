//! Request bodies: forms and JSON, read strictly.

use std::collections::HashSet;
use std::future::{Ready, ready};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::domain::audience::Audience;
use crate::domain::json::{self, InvalidJson};
use crate::http::error::Problem;
use crate::service::Failure;
use crate::service::tokens::grant::Wanted;

/// A body, or why it could not be read.
#[derive(Debug)]
pub(crate) struct Body(Result<Bytes, Problem>);

impl Body {
    /// Reads the body of a request to its last byte, for its handler to ask for: at most `limit` bytes.
    pub(crate) async fn receive(request: &mut ServiceRequest, limit: usize) {
        let length = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        // What is too long is not even begun.
        let body = match length {
            Some(length) if limit < length => Err(Problem::TooLarge),
            Some(_) | None => read_payload(request.take_payload(), limit).await,
        };
        request.extensions_mut().insert(Self(body));
    }
}

async fn read_payload(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::Malformed("The request body could not be read."))?;
        if limit - body.len() < chunk.len() {
            return Err(Problem::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

impl Body {
    /// Whether nothing was sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_ok_and(Bytes::is_empty)
    }

    /// What was sent, if it could be read.
    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        self.0.as_ref().ok()
    }

    /// What was sent.
    pub(crate) fn text(self) -> Result<Bytes, Problem> {
        self.0
    }
}

impl FromRequest for Body {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let body = request.extensions_mut().remove::<Self>();
        ready(body.ok_or_else(|| actix_web::error::ErrorInternalServerError("the edge is not installed")))
    }
}

/// Reads a JSON object. Unknown members are passed over, a repeated one is refused.
pub(crate) fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    body: Body,
    shape: &'static str,
) -> Result<T, Problem> {
    // Browsers send other types across sites without asking first; JSON they do not.
    if !request.content_type().eq_ignore_ascii_case("application/json") {
        return Err(Problem::Malformed("Send JSON, with Content-Type: application/json."));
    }
    json::read(&body.0?).map_err(|invalid| match invalid {
        InvalidJson::Malformed => Problem::Malformed(shape),
        InvalidJson::Nul => NUL,
    })
}

/// What no row can hold.
pub(crate) const NUL: Problem = Problem::Malformed("A text holds the character U+0000.");

/// A parameter of a form that must be there.
macro_rules! needed {
    ($form:expr, $name:literal) => {
        $form.get($name).ok_or($crate::http::error::Problem::Malformed(concat!(
            "The parameter ",
            $name,
            " is missing."
        )))
    };
}

pub(crate) use needed;

/// What names services may stand more than once: `resource` (RFC 8707 §2) and `audience` (RFC 8693 §2.1).
fn is_repeatable(name: &str) -> bool {
    matches!(name, "resource" | "audience")
}

/// More parameters than any request of ours has, with what others add to theirs.
const MOST_PARAMETERS: usize = 64;

/// A form's parameters (RFC 6749 appendix B).
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form of at most [`MOST_PARAMETERS`], in which nothing stands twice that must not, and nothing that no
    /// row can hold.
    pub(crate) fn read(request: &HttpRequest, body: Body) -> Result<Self, Problem> {
        Self::read_as_sent(request, body)?.storable()
    }

    /// Reads a form of which a client is told somewhere else what no row can hold: [`Form::check_storable`] says so.
    pub(crate) fn read_as_sent(request: &HttpRequest, body: Body) -> Result<Self, Problem> {
        let typed = request.headers().contains_key(CONTENT_TYPE);
        if !typed || !request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::Malformed(
                "Send a form, with Content-Type: application/x-www-form-urlencoded.",
            ));
        }
        Self::parse(&body.0?)
    }

    /// Reads a query by the rules of [`Form::read`].
    pub(crate) fn of_query(query: &str) -> Result<Self, Problem> {
        Self::of_query_as_sent(query)?.storable()
    }

    /// Reads a query by the rules of [`Form::read_as_sent`].
    pub(crate) fn of_query_as_sent(query: &str) -> Result<Self, Problem> {
        Self::parse(query.as_bytes())
    }

    fn storable(self) -> Result<Self, Problem> {
        self.check_storable()?;
        Ok(self)
    }

    /// Checks that rows can hold it: PostgreSQL's texts have no U+0000.
    pub(crate) fn check_storable(&self) -> Result<(), Problem> {
        let holds_nul = self.0.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'));
        if holds_nul { Err(NUL) } else { Ok(()) }
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Problem> {
        // One more than may be is enough to see that there are too many.
        let pairs: Vec<_> = form_urlencoded::parse(text).into_owned().take(MOST_PARAMETERS + 1).collect();
        if pairs.iter().any(|(_, value)| value.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(Problem::Malformed("A parameter is not UTF-8."));
        }
        Self::of_pairs(pairs)
    }

    /// Takes parameters from elsewhere by the rules of [`Form::read_as_sent`].
    pub(crate) fn of_pairs(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        if pairs.len() > MOST_PARAMETERS {
            return Err(Problem::Malformed("There are more than 64 parameters."));
        }
        let mut names = HashSet::with_capacity(pairs.len());
        if pairs.iter().any(|(name, _)| !is_repeatable(name) && !names.insert(name.as_str())) {
            return Err(Problem::Malformed("A parameter is sent twice."));
        }
        Ok(Self(pairs))
    }

    /// A parameter's value. RFC 6749 §3.2: one without a value counts as left out.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The names of all parameters.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The same without some parameters.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// The same with one parameter more.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with what stands in `more`; `None` when that says something else of what is said here.
    pub(crate) fn joined(mut self, more: &Self) -> Option<Self> {
        let mut names: Vec<&str> = more.0.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        for name in names {
            let said: Vec<(String, String)> =
                more.all(name).map(|value| (name.to_owned(), value.to_owned())).collect();
            if said.is_empty() || self.all(name).eq(said.iter().map(|(_, value)| value.as_str())) {
                continue;
            }
            if self.get(name).is_none() {
                self.0.extend(said);
            } else {
                return None;
            }
        }
        Some(self)
    }

    /// The same parameters as a query.
    pub(crate) fn to_query(&self) -> String {
        self.rewritten(|_, value| Some(value.to_owned()))
    }

    /// The parameters as a query, with the values that `new` gives for name and value; `None` leaves one out.
    pub(crate) fn rewritten(&self, new: impl Fn(&str, &str) -> Option<String>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            if let Some(value) = new(name, value) {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }

    /// `scope` and `resource`.
    pub(crate) fn wanted(&self) -> Result<Wanted, Failure> {
        wanted(self.get("scope"), self.all("resource"))
    }

    /// `scope`, `resource` and `audience`: both of these name services (RFC 8693 §2.1).
    pub(crate) fn wanted_in_exchange(&self) -> Result<Wanted, Failure> {
        wanted(self.get("scope"), self.all("resource").chain(self.all("audience")))
    }
}

/// Longer lists of scopes ask for nothing that anybody has.
const LONGEST_SCOPE: usize = 8192;

/// Parses what a request asks for: at most as many resources as a form may hold.
pub(crate) fn wanted<'a>(
    scope: Option<&str>,
    resources: impl Iterator<Item = &'a str>,
) -> Result<Wanted, Failure> {
    let scope = scope.filter(|scope| !scope.is_empty());
    if scope.is_some_and(|scope| scope.len() > LONGEST_SCOPE) {
        return Err(Failure::InvalidScope);
    }
    let resources: Result<Vec<Audience>, _> = resources.take(MOST_PARAMETERS + 1).map(str::parse).collect();
    let resources = resources.ok().filter(|resources| resources.len() <= MOST_PARAMETERS);
    Ok(Wanted {
        scope: scope.map(str::parse).transpose().map_err(|_| Failure::InvalidScope)?,
        resources: resources.ok_or(Failure::InvalidTarget)?,
    })
}
