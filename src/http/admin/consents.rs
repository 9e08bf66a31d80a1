//! `/admin/v1/consents`

use actix_web::{HttpResponse, web};

use crate::domain::right::{Area, Right};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::naming::{client_named, user_named};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::query;
use crate::service::admin::consents;
use crate::service::admin::views::ConsentView;

/// What a user agreed to, by client.
#[utoipa::path(get, path = "/admin/v1/consents", tag = "users", operation_id = "listConsents",
    params(Part, ("user" = String, Query, description = "Whose: the id or the name")),
    responses(
        (status = 200, body = inline(Listed<ConsentView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(Right::Read(Area::Users), async |core, _| {
            let query = query(&asked.request, &["limit", "after", "user"])?;
            let part = Part::asked(&query)?;
            let user = query.get("user").ok_or_else(|| AdminProblem::Unfit("Say whose: user.".to_owned()))?;
            let (user, after) = (user_named(&core, user).await?, part.after_parsed()?);
            let limit = u32::try_from(part.with_one_more()).unwrap_or(u32::MAX);
            let listed = consents::list(&core, user, after.as_ref(), limit).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |consent| consent.client_id.to_string())))
        })
        .await
}

/// Takes a consent back, and with it every login that the client has of the user.
#[utoipa::path(delete, path = "/admin/v1/consents/{user}/{client}", tag = "users", operation_id = "withdrawConsent",
    params(("user" = String, Path, description = "The id or the name"), ("client" = String, Path)),
    responses(
        (status = 204),
        Refusals,
    ))]
pub(super) async fn withdraw(asked: AdminRequest, named: web::Path<(String, String)>) -> Answered {
    asked
        .opens(Right::Write(Area::Users), async |core, now| {
            let (user, client) = &*named;
            let (user, client) = (user_named(&core, user).await?, client_named(client)?);
            consents::withdraw(&core, user, &client, now).await?;
            Ok(HttpResponse::NoContent().finish())
        })
        .await
}
