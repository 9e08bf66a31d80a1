//! `/admin/users`: who there is, and one of them.

use serde_json::{Value, json};

use crate::domain::ids::UserId;
use crate::http::console::paging::{LISTED, next_of};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::user_acts::UserAct;
use crate::http::console::values::shown;
use crate::http::console::{consents, logins};
use crate::http::pages::back::see_other;
use crate::service::admin::families::WantedFamilies;
use crate::service::admin::users::{self, WantedUsers};
use crate::service::admin::views::UserView;
use crate::service::users::factors;

const SECTION: &str = "users";

/// `GET /admin/users`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let query = seat.query()?;
    let sought = query.get("q").unwrap_or_default().trim();
    if let Ok(id) = sought.parse::<UserId>() {
        return Ok(see_other(&seat.at(&format!("/users/{id}"), &[])));
    }
    let after = query.get("after").map(ToOwned::to_owned);
    let beginning = Some(sought).filter(|sought| !sought.is_empty()).map(ToOwned::to_owned);
    let mut listed = users::list(&seat.core, &WantedUsers { after, beginning }, LISTED + 1).await?;
    let next = next_of(&mut listed, |user| user.username.key());
    let rows: Vec<Value> = listed.iter().map(|user| user_row(seat, user)).collect();
    Ok(seat.page(
        "console_users.html",
        json!({
            "section": SECTION,
            "sought": sought,
            "users": rows,
            "here": seat.at("/users", &[]),
            "new": seat.at("/users/new", &[]),
            "first_part": query.get("after").map(|_| seat.at("/users", &[("q", sought)])),
            "next_part": next.map(|next| seat.at("/users", &[("q", sought), ("after", &next)])),
        }),
    ))
}

fn user_row(seat: &Seat, user: &UserView) -> Value {
    json!({
        "name": user.username.to_string(),
        "place": seat.at(&format!("/users/{}", user.id), &[]),
        "email": user.email,
        "roles": user.roles,
        "disabled": user.disabled_at.is_some(),
        "last_login_at": user.last_login_at,
    })
}

/// `GET /admin/users/{id}`
pub(super) async fn show(seat: &Seat) -> ConsoleAnswer {
    let id: UserId = seat.named()?;
    let user = UserView::from(users::get(&seat.core, id).await?);
    let after = seat.query()?.get("after").and_then(|after| after.parse().ok());
    let wanted = WantedFamilies { user: Some(id), after, ..WantedFamilies::default() };
    let place = format!("/users/{id}");
    let part = logins::part(seat, &wanted, &place, &[]).await?;
    let factors = factors::of_user(&seat.core, id).await?;
    let acts = UserAct::of(&user).map(|act| {
        let word = act.as_str();
        json!({ "text": act.text(), "place": seat.at(&format!("{place}/{word}"), &[]) })
    });
    let claims: serde_json::Map<String, Value> = match json!(user.claims) {
        Value::Object(claims) => claims.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => serde_json::Map::new(),
    };
    Ok(seat.page(
        "console_user.html",
        json!({
            "section": SECTION,
            "user": user,
            "claims": claims.iter().map(|(name, value)| json!({ "name": name, "value": shown(value) })).collect::<Vec<_>>(),
            "totp": factors.totp,
            "passkeys": factors.passkeys,
            "recovery_codes": factors.recovery_codes,
            "change": seat.at(&format!("{place}/change"), &[]),
            "end_all": seat.at(&format!("{place}/{}", UserAct::EndLogins.as_str()), &[]),
            "consents": seat.at(&consents::place(id), &[]),
            "events": seat.at("/events", &[("user", &id.to_string())]),
            "acts": acts,
            "logins": part,
        }),
    ))
}
