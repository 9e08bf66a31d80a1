//! A page that says what has become of something, and where one may go on.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::http::pages::renderer::Page;
use crate::http::pages::visit::Visit;

/// What is said, by the texts' keys: `{what}_title` and `{what}_lead`; `onward` are places of ours with their texts.
pub(crate) fn told(visit: &Visit, what: &str, onward: &[(String, &str)], status: StatusCode) -> HttpResponse {
    told_of(visit, what, onward, status, &json!({}))
}

/// The same, with what the texts name.
pub(crate) fn told_of(
    visit: &Visit,
    what: &str,
    onward: &[(String, &str)],
    status: StatusCode,
    named: &Value,
) -> HttpResponse {
    let onward: Vec<Value> =
        onward.iter().map(|(place, text)| json!({ "place": place, "text": text })).collect();
    visit.page(&Page {
        template: "told.html",
        content: json!({
            "title": format!("{what}_title"),
            "lead": format!("{what}_lead"),
            "onward": onward,
            "named": named,
        }),
        status,
        language: visit.own_language(),
        leads_away: false,
    })
}

/// A link that was mailed and is not good: those who pressed twice learn that it has done its work.
pub(crate) fn link_used(visit: &Visit) -> HttpResponse {
    let onward = [(visit.own("/account", ""), "to_account")];
    told(visit, "link_used", &onward, StatusCode::OK)
}

/// The same for what is unknown or too old, and for what cannot be any more: nobody learns which.
pub(crate) fn link_no_good(visit: &Visit) -> HttpResponse {
    let onward = [(visit.own("/account", ""), "to_account")];
    told(visit, "link_no_good", &onward, StatusCode::FORBIDDEN)
}
