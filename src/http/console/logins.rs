//! `/admin/logins`: who is logged in where (the families of tokens), and the end of one.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use crate::domain::ids::{FamilyId, UserId};
use crate::domain::user::Username;
use crate::domain::user_agent;
use crate::http::body::Form;
use crate::http::console::form::FormPage;
use crate::http::console::paging::{LISTED, next_of};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::{Mistyped, Trouble};
use crate::http::pages::back::see_other;
use crate::service::admin::error::AdminError;
use crate::service::admin::families::{self, WantedFamilies};
use crate::service::admin::users;
use crate::service::admin::views::FamilyView;

const SECTION: &str = "logins";

/// `GET /admin/logins`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let query = seat.query()?;
    let typed = |name: &'static str| query.get(name).unwrap_or_default().trim();
    let (user, client) = (typed("user"), typed("client"));
    if let Ok(id) = typed("id").parse::<FamilyId>() {
        return Ok(see_other(&seat.at(&format!("/logins/{id}"), &[])));
    }
    let filter = async {
        let mistake = (!typed("id").is_empty()).then(|| Mistyped::new("id", "console_no_login"));
        mistake.map_or(Ok(()), Err)?;
        let user = user_named(seat, user).await?;
        let client = match client {
            "" => None,
            id => Some(id.parse().map_err(|_| Mistyped::new("client", "console_no_client"))?),
        };
        let after = query.get("after").and_then(|after| after.parse().ok());
        Ok::<_, Trouble>(WantedFamilies { user, client, after })
    };
    let (wanted, mistake) = match filter.await {
        Ok(wanted) => (Some(wanted), None),
        Err(Trouble::Unfit(mistake)) => (None, Some(mistake)),
        Err(trouble) => return Err(trouble),
    };
    let kept = [("user", user), ("client", client)];
    let part = match &wanted {
        Some(wanted) => Some(part(seat, wanted, "/logins", &kept).await?),
        None => None,
    };
    Ok(seat.page(
        "console_logins.html",
        json!({
            "section": SECTION,
            "here": seat.at("/logins", &[]),
            "sought": { "user": user, "client": client, "id": typed("id") },
            "mistake": mistake.as_ref().map(Mistyped::to_json),
            "logins": part,
        }),
    ))
}

/// The user of this name, or id; `None` where nothing was typed.
pub(super) async fn user_named(seat: &Seat, typed: &str) -> Result<Option<UserId>, Trouble> {
    let nobody = || Trouble::from(Mistyped::new("user", "console_no_user"));
    if typed.is_empty() {
        return Ok(None);
    }
    if let Ok(id) = typed.parse() {
        // Of who was removed there is still something to be told.
        return Ok(Some(id));
    }
    let name: Username = typed.parse().map_err(|_| nobody())?;
    match users::find(&seat.core, &name).await {
        Ok(user) => Ok(Some(user.id)),
        Err(AdminError::NoUser(_)) => Err(nobody()),
        Err(error) => Err(error.into()),
    }
}

/// A part of a list of logins, for the page at `place` with this query.
pub(super) async fn part(
    seat: &Seat,
    wanted: &WantedFamilies,
    place: &str,
    query: &[(&str, &str)],
) -> Result<Value, Trouble> {
    let mut listed = families::list(&seat.core, wanted, LISTED + 1, seat.visit.now).await?;
    let next = next_of(&mut listed, |family| family.id);
    let with = |after: &str| {
        let pairs: Vec<(&str, &str)> = query.iter().copied().chain([("after", after)]).collect();
        seat.at(place, &pairs)
    };
    Ok(json!({
        "rows": listed.iter().map(|family| login_json(seat, family)).collect::<Vec<_>>(),
        "of_one_user": wanted.user.is_some(),
        "has_live": listed.iter().any(|family| family.state == "live"),
        "first_part": wanted.after.map(|_| with("")),
        "next_part": next.as_deref().map(with),
    }))
}

fn login_json(seat: &Seat, family: &FamilyView) -> Value {
    let device = user_agent::describe(family.user_agent.as_deref().unwrap_or_default());
    let place = format!("/logins/{}", family.id);
    let (state, reason) = family.state.split_once(": ").unwrap_or((&family.state, ""));
    json!({
        "id": family.id,
        "user": family.username,
        "user_place": seat.at(&format!("/users/{}", family.user_id), &[]),
        "client": family.client_id,
        "client_place": seat.client_place(&family.client_id, ""),
        "device": family.device,
        "program": device.program,
        "system": device.system,
        "address": family.address,
        "created_at": family.created_at,
        "last_used_at": family.last_used_at,
        "expires_at": family.expires_at,
        "scope": family.scope,
        "generation": family.generation,
        "bound": family.bound,
        "state": state,
        "reason": reason,
        "place": seat.at(&place, &[]),
        "end": (state == "live").then(|| seat.at(&format!("{place}/end"), &[])),
        "events": seat.at("/events", &[("family", &family.id.to_string())]),
    })
}

/// `GET /admin/logins/{id}`
pub(super) async fn show(seat: &Seat) -> ConsoleAnswer {
    let family = asked(seat).await?;
    let login = login_json(seat, &family);
    Ok(seat.page("console_login.html", json!({ "section": SECTION, "login": login })))
}

/// `GET /admin/logins/{id}/end`
pub(super) async fn ask(seat: &Seat) -> ConsoleAnswer {
    let family = asked(seat).await?;
    Ok(question(seat, &family))
}

/// `POST /admin/logins/{id}/end`: to the list of its user's logins, where whoever looks for a lost device goes on.
pub(super) async fn take(seat: &Seat, _: Form) -> ConsoleAnswer {
    let family = asked(seat).await?;
    match families::end(&seat.core, family.id, seat.visit.now).await {
        // Somebody else was quicker.
        Ok(()) | Err(AdminError::NoLiveFamily(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let place = match family.username {
        Some(_) => format!("/users/{}", family.user_id),
        None => format!("/logins/{}", family.id),
    };
    Ok(seat.done(&place, "ended"))
}

async fn asked(seat: &Seat) -> Result<FamilyView, Trouble> {
    families::show(&seat.core, seat.named()?, seat.visit.now).await?.ok_or(Trouble::Gone)
}

/// By which somebody tells one login from another.
fn facts(family: &FamilyView) -> Vec<(&'static str, String)> {
    let device = user_agent::describe(family.user_agent.as_deref().unwrap_or_default());
    let named = [family.device.as_deref(), device.program, device.system];
    let device = named.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let address = family.address.clone().unwrap_or_default();
    let facts = [("console_device", device), ("console_address", address)];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn question(seat: &Seat, family: &FamilyView) -> HttpResponse {
    let place = format!("/logins/{}", family.id);
    let name = match &family.username {
        Some(name) => format!("{name}, {}", family.client_id),
        None => family.client_id.to_string(),
    };
    let back = match family.username {
        Some(_) => seat.at(&format!("/users/{}", family.user_id), &[]),
        None => seat.at(&place, &[]),
    };
    let page = FormPage {
        text: "console_login_end",
        name: &name,
        sentences: &[],
        facts: facts(family),
        fields: Vec::new(),
        hidden: Vec::new(),
        action: seat.at(&format!("{place}/end"), &[]),
        back,
        section: SECTION,
    };
    page.show(seat, None)
}
