//! `/admin/registration-tokens`: with which clients register themselves.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::body::Form;
use crate::http::console::form::{Field, FieldKind, FormPage};
use crate::http::console::paging::{LISTED, next_of};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::{Mistyped, Trouble};
use crate::service::admin::registration_tokens::{self, LIFETIMES, NewRegistrationToken, USES};

const SECTION: &str = "clients";
const PLACE: &str = "/registration-tokens";

/// `GET /admin/registration-tokens`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    page(seat, None).await
}

/// The list, with a token that was made a moment ago.
async fn page(seat: &Seat, made: Option<&NewRegistrationToken>) -> ConsoleAnswer {
    let after: Option<Uuid> = seat.query()?.get("after").and_then(|after| after.parse().ok());
    let mut listed = registration_tokens::list(&seat.core, after, LISTED + 1, seat.visit.now).await?;
    let next = next_of(&mut listed, |token| token.id);
    let rows: Vec<Value> = listed
        .iter()
        .map(|token| {
            let remove = seat.at(&format!("{PLACE}/{}/remove", token.id), &[]);
            json!({ "token": token, "remove": remove })
        })
        .collect();
    Ok(seat.page(
        "console_registration_tokens.html",
        json!({
            "section": SECTION,
            "made": made.map(|(about, secret)| json!({ "token": secret.expose(), "about": about })),
            "tokens": rows,
            "new": seat.at(&format!("{PLACE}/new"), &[]),
            "clients": seat.at("/clients", &[]),
            "first_part": after.map(|_| seat.at(PLACE, &[])),
            "next_part": next.map(|next| seat.at(PLACE, &[("after", &next)])),
        }),
    ))
}

/// `GET /admin/registration-tokens/new`
pub(super) async fn show_new(seat: &Seat) -> ConsoleAnswer {
    Ok(new_page(seat, "1", "7d").show(seat, None))
}

/// `POST /admin/registration-tokens/new`
pub(super) async fn take_new(seat: &Seat, form: Form) -> ConsoleAnswer {
    let text = |name| form.get(name).unwrap_or_default().trim();
    let (uses, expires) = (text("uses"), text("expires"));
    let (wanted_uses, lifetime) = match typed(uses, expires) {
        Ok(typed) => typed,
        Err(mistake) => return Ok(new_page(seat, uses, expires).show(seat, Some(&mistake))),
    };
    let made = registration_tokens::add(&seat.core, wanted_uses, lifetime, seat.visit.now).await?;
    // It is told here and never again.
    page(seat, Some(&made)).await
}

fn typed(uses: &str, expires: &str) -> Result<(i64, Duration), Mistyped> {
    let wanted = uses.parse().ok().filter(|uses| USES.contains(uses));
    let lifetime = humantime::parse_duration(expires).ok().filter(|lifetime| LIFETIMES.contains(lifetime));
    Ok((
        wanted.ok_or_else(|| Mistyped::new("uses", "console_uses_unfit"))?,
        lifetime.ok_or_else(|| Mistyped::new("expires", "console_token_lifetime_unfit"))?,
    ))
}

fn new_page(seat: &Seat, uses: &str, expires: &str) -> FormPage<'static> {
    FormPage {
        text: "console_registration_token_new",
        name: "",
        sentences: &[],
        facts: Vec::new(),
        fields: vec![
            Field::new("uses", FieldKind::Text, uses).required(),
            Field::new("expires", FieldKind::Text, expires).required(),
        ],
        hidden: Vec::new(),
        action: seat.at(&format!("{PLACE}/new"), &[]),
        back: seat.at(PLACE, &[]),
        section: SECTION,
    }
}

/// `GET /admin/registration-tokens/{id}/remove`
pub(super) async fn ask(seat: &Seat) -> ConsoleAnswer {
    let id: Uuid = seat.named()?;
    let name = id.to_string();
    let page = FormPage {
        text: "console_registration_token_remove",
        name: &name,
        sentences: &[],
        facts: Vec::new(),
        fields: Vec::new(),
        hidden: Vec::new(),
        action: seat.at(&format!("{PLACE}/{id}/remove"), &[]),
        back: seat.at(PLACE, &[]),
        section: SECTION,
    };
    Ok(page.show(seat, None))
}

/// `POST /admin/registration-tokens/{id}/remove`
pub(super) async fn take(seat: &Seat, _: Form) -> ConsoleAnswer {
    let id: Uuid = seat.named()?;
    registration_tokens::remove(&seat.core, id, seat.visit.now).await.map_err(Trouble::from)?;
    Ok(seat.done(PLACE, "token_removed"))
}
