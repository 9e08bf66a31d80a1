//! What is sent: queries and JSON, of which nothing is passed over.

use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::http::header::{ETAG, IF_MATCH};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::json::{self, InvalidJson};
use crate::http::admin::problem::AdminProblem;
use crate::http::body::{Body, Form};
use crate::http::error::Problem;
use crate::service::admin::views::entity_tag;

/// A query that has these parameters at most.
pub(super) fn query(request: &HttpRequest, known: &[&str]) -> Result<Form, AdminProblem> {
    let query = Form::of_query(request.query_string())?;
    if let Some(other) = query.names().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        let those = if known.is_empty() { "none at all".to_owned() } else { known };
        return Err(AdminProblem::Unfit(format!("There is no parameter {other} here; there are {those}.")));
    }
    Ok(query)
}

/// A JSON object that has nothing in it but what is known.
pub(super) fn object<T: DeserializeOwned>(request: &HttpRequest, body: Body) -> Result<T, AdminProblem> {
    let content_type = request.content_type();
    // RFC 7396 §4: what changes a part is a JSON object as well.
    let is_json = ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|known| content_type.eq_ignore_ascii_case(known));
    if !is_json {
        return Err(Problem::Malformed("Send JSON, with Content-Type: application/json.").into());
    }
    let text = body.text()?;
    let object: serde_json::Value = json::read(&text).map_err(|invalid| match invalid {
        InvalidJson::Malformed => AdminProblem::Unfit("The body is not well-formed JSON.".to_owned()),
        InvalidJson::Nul => AdminProblem::Unfit("A text holds the character U+0000.".to_owned()),
    })?;
    if !object.is_object() {
        return Err(AdminProblem::Unfit("Send a JSON object.".to_owned()));
    }
    // Read again from the text, of which a member that stands twice is refused.
    serde_json::from_slice(&text).map_err(|error| {
        let message = error.to_string();
        let what = message.rsplit_once(" at line").map_or(message.as_str(), |(what, _)| what);
        AdminProblem::Unfit(format!("The JSON object does not fit: {what}."))
    })
}

/// The same where all members have their usual values: nothing sent is an object without any.
pub(super) fn object_if_any<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    body: Body,
) -> Result<T, AdminProblem> {
    if body.is_empty() { Ok(T::default()) } else { object(request, body) }
}

/// A member that may be null, which is something else than absent (RFC 7396).
#[expect(clippy::option_option, reason = "absent, null, or a value")]
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The one version that a change is meant for (RFC 9110 §13.1.1); `None` where it is meant for any.
pub(super) fn seen(request: &HttpRequest) -> Result<Option<&str>, AdminProblem> {
    let Some(value) = request.headers().get(IF_MATCH) else { return Ok(None) };
    let value = value.to_str().unwrap_or_default().trim();
    match value {
        "*" => Ok(None),
        tag if tag.starts_with('"') && tag.ends_with('"') && tag.len() > 1 && !tag.contains(',') => {
            Ok(Some(tag))
        }
        _ => Err(AdminProblem::Unfit("If-Match is one entity tag with its quotes, or *.".to_owned())),
    }
}

/// A thing, and what its version is known by.
pub(super) fn tagged(mut response: HttpResponseBuilder, view: &impl Serialize) -> HttpResponse {
    response.insert_header((ETAG, entity_tag(view))).json(view)
}
