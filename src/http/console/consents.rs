//! `/admin/users/{id}/consents`: what a user agreed to.

use serde_json::{Value, json};

use crate::domain::ids::{ClientId, UserId};
use crate::domain::user::User;
use crate::http::body::Form;
use crate::http::console::form::FormPage;
use crate::http::console::paging::{LISTED, next_of};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::Trouble;
use crate::service::admin::{consents, users};

const SECTION: &str = "users";

/// Where they are.
pub(super) fn place(user: UserId) -> String {
    format!("/users/{user}/consents")
}

/// `GET /admin/users/{id}/consents`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let user = users::get(&seat.core, seat.named()?).await?;
    let here = place(user.id);
    let after: Option<ClientId> = seat.query()?.get("after").and_then(|after| after.parse().ok());
    let limit = u32::try_from(LISTED + 1).unwrap_or(u32::MAX);
    let mut listed = consents::list(&seat.core, user.id, after.as_ref(), limit).await?;
    let next = next_of(&mut listed, |consent| consent.client_id.clone());
    let rows: Vec<Value> = listed
        .iter()
        .map(|consent| {
            json!({
                "client": consent.client_id,
                "scope": consent.scope,
                "audiences": consent.audiences,
                "granted_at": consent.granted_at,
                "withdraw": seat.at(&place_of(user.id, &consent.client_id), &[]),
            })
        })
        .collect();
    Ok(seat.page(
        "console_consents.html",
        json!({
            "section": SECTION,
            "name": user.username.as_str(),
            "user": seat.at(&format!("/users/{}", user.id), &[]),
            "consents": rows,
            "first_part": after.map(|_| seat.at(&here, &[])),
            "next_part": next.map(|next| seat.at(&here, &[("after", &next)])),
        }),
    ))
}

/// Where one is taken back.
fn place_of(user: UserId, client: &ClientId) -> String {
    let client: String = form_urlencoded::byte_serialize(client.as_str().as_bytes()).collect();
    format!("{}/{client}", place(user))
}

/// `GET /admin/users/{id}/consents/{client}`
pub(super) async fn ask(seat: &Seat) -> ConsoleAnswer {
    let (user, client) = asked(seat).await?;
    let page = FormPage {
        text: "console_consent_withdraw",
        name: client.as_str(),
        sentences: &[],
        facts: vec![("console_user", user.username.to_string())],
        fields: Vec::new(),
        hidden: Vec::new(),
        action: seat.at(&place_of(user.id, &client), &[]),
        back: seat.at(&place(user.id), &[]),
        section: SECTION,
    };
    Ok(page.show(seat, None))
}

/// `POST /admin/users/{id}/consents/{client}`
pub(super) async fn take(seat: &Seat, _: Form) -> ConsoleAnswer {
    let (user, client) = asked(seat).await?;
    consents::withdraw(&seat.core, user.id, &client, seat.visit.now).await?;
    Ok(seat.done(&place(user.id), "consent_withdrawn"))
}

async fn asked(seat: &Seat) -> Result<(User, ClientId), Trouble> {
    let client: ClientId = seat.act()?;
    Ok((users::get(&seat.core, seat.named()?).await?, client))
}
