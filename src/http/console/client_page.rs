//! The page of a client.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use crate::http::console::client_act::ClientAct;
use crate::http::console::lines::lines_of;
use crate::http::console::seat::Seat;
use crate::http::console::values::shown;
use crate::service::admin::views::ClientView;

/// A client, with its secret where that is new.
pub(super) fn client_page(seat: &Seat, client: &ClientView) -> HttpResponse {
    let acts = ClientAct::of(client).map(|act| {
        json!({ "text": act.text(), "place": seat.client_place(&client.client_id, &format!("/{}", act.as_str())) })
    });
    let metadata = match json!(client.metadata) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let metadata: Vec<Value> =
        metadata.iter().map(|(name, value)| json!({ "name": name, "value": shown(value) })).collect();
    seat.page(
        "console_client.html",
        json!({
            "section": "clients",
            "client": client,
            "metadata": metadata,
            "lines": lines_of(client, seat.core.issuer.as_str()),
            "change": seat.client_place(&client.client_id, "/change"),
            "logins": seat.at("/logins", &[("client", client.client_id.as_str())]),
            "acts": acts.collect::<Vec<_>>(),
        }),
    )
}
