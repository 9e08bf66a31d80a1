//! `/admin/settings`: what is in force, and where each of it came from.

use serde_json::{Value, json};

use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::values::shown;

/// `GET /admin/settings`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let all = seat.visit.web.settings.as_object();
    let rows: Vec<Value> = all
        .into_iter()
        .flatten()
        .map(|(key, setting)| {
            let from = setting.get("from").map(shown);
            let value = setting.get("value").filter(|value| !value.is_null()).map(shown);
            json!({ "key": key, "value": value, "from": from, "is_default": from.as_deref() == Some("the default") })
        })
        .collect();
    Ok(seat.page("console_settings.html", json!({ "section": "settings", "settings": rows })))
}
