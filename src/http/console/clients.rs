//! `/admin/clients`: the clients, and one of them.

use serde_json::{Value, json};

use crate::domain::ids::ClientId;
use crate::http::console::client_page::client_page;
use crate::http::console::paging::{LISTED, next_of};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::service::admin::clients;

const SECTION: &str = "clients";

/// `GET /admin/clients`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let query = seat.query()?;
    let sought = query.get("q").unwrap_or_default().trim();
    let after: Option<ClientId> = query.get("after").and_then(|after| after.parse().ok());
    let mut listed = match sought {
        "" => clients::list(&seat.core, after.as_ref(), LISTED + 1).await?,
        sought => clients::list_beginning(&seat.core, sought, after.as_ref(), LISTED + 1).await?,
    };
    let next = next_of(&mut listed, |client| client.client_id.clone());
    let rows: Vec<Value> = listed
        .iter()
        .map(|client| {
            json!({
                "id": client.client_id,
                "name": client.name,
                "kind": client.kind,
                "first_party": client.first_party,
                "place": seat.client_place(&client.client_id, ""),
            })
        })
        .collect();
    Ok(seat.page(
        "console_clients.html",
        json!({
            "section": SECTION,
            "sought": sought,
            "clients": rows,
            "here": seat.at("/clients", &[]),
            "new": seat.at("/clients/new", &[]),
            "registration_tokens": seat.at("/registration-tokens", &[]),
            "first_part": after.map(|_| seat.at("/clients", &[("q", sought)])),
            "next_part": next.map(|next| seat.at("/clients", &[("q", sought), ("after", &next)])),
        }),
    ))
}

/// `GET /admin/clients/{id}`
pub(super) async fn show(seat: &Seat) -> ConsoleAnswer {
    let client = clients::show(&seat.core, &seat.named()?, seat.visit.now).await?;
    Ok(client_page(seat, &client))
}
