//! `/admin/v1/registration-tokens`: initial access tokens (RFC 7591 §1.2).

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::right::{Area, Right};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::made::{KeyHeader, created};
use crate::http::admin::naming::duration;
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::{object_if_any, query};
use crate::http::body::Body;
use crate::service::admin::once::Once;
use crate::service::admin::registration_tokens::{self, LIFETIMES, NewRegistrationToken, USES};
use crate::service::admin::views::RegistrationTokenView;

const READ: Right = Right::Read(Area::Clients);
const WRITE: Right = Right::Write(Area::Clients);

/// The tokens that are still good for something, the oldest first.
#[utoipa::path(get, path = "/admin/v1/registration-tokens", tag = "clients", operation_id = "listRegistrationTokens",
    params(Part),
    responses(
        (status = 200, body = inline(Listed<RegistrationTokenView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, now| {
            let part = Part::asked(&query(&asked.request, &["limit", "after"])?)?;
            let listed =
                registration_tokens::list(&core, part.after_parsed()?, part.with_one_more(), now).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |token| token.id.to_string())))
        })
        .await
}

/// A token to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTokenBody {
    /// How many clients it registers: 1 to 1,000,000, one if not told.
    uses: Option<i64>,
    /// For how long it is good, such as 7d, which it is if not told; 10 years at most.
    expires: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewToken {
    /// What whoever registers shows; it is told here and never again.
    token: String,
    #[serde(flatten)]
    about: RegistrationTokenView,
}

/// Makes a token with which clients register themselves.
#[utoipa::path(post, path = "/admin/v1/registration-tokens", tag = "clients", operation_id = "createRegistrationToken",
    params(KeyHeader),
    request_body(content = Option<NewTokenBody>),
    responses(
        (status = 201, body = NewToken, headers(("Location", description = "Where the token is removed"))),
        Refusals,
    ))]
pub(super) async fn create(asked: AdminRequest, body: Body) -> Answered {
    asked
        .makes(WRITE, body, async |core, claim, body, now| {
            let NewTokenBody { uses, expires } = object_if_any(&asked.request, body)?;
            let uses = uses.unwrap_or(1);
            if !USES.contains(&uses) {
                return Err(AdminProblem::Unfit("uses: it is a number from 1 to 1000000.".to_owned()));
            }
            let expires = duration("expires", Some(expires.as_deref().unwrap_or("7d")))?.unwrap_or_default();
            if !LIFETIMES.contains(&expires) {
                return Err(AdminProblem::Unfit("expires: it is a duration from 1s to 3650d.".to_owned()));
            }
            let answer = |(about, secret): &NewRegistrationToken| {
                let token = NewToken { token: secret.expose().to_owned(), about: about.clone() };
                created(format!("{}/{}", asked.place(), about.id), None, &token)
            };
            let made =
                registration_tokens::add_once(core, uses, expires, &Once::by(claim, &answer), now).await?;
            Ok(answer(&made))
        })
        .await
}

/// Removes a token.
#[utoipa::path(delete, path = "/admin/v1/registration-tokens/{id}", tag = "clients", operation_id = "removeRegistrationToken",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204),
        Refusals,
    ))]
pub(super) async fn remove(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let id = id.parse().map_err(|_| AdminProblem::NotThere("registration token"))?;
            registration_tokens::remove(&core, id, now).await?;
            Ok(HttpResponse::NoContent().finish())
        })
        .await
}
