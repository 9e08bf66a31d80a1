//! `/admin/v1/families`

use std::time::Duration;

use actix_web::{HttpResponse, rt, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::{ClientId, FamilyId, UserId};
use crate::domain::right::{Area, Right};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::naming::{client_named, user_named};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::{object, query};
use crate::http::body::Body;
use crate::service::Core;
use crate::service::admin::families::{self, WantedFamilies};
use crate::service::admin::views::FamilyView;

const READ: Right = Right::Read(Area::Families);
const WRITE: Right = Right::Write(Area::Families);

/// So many families end in one transaction.
const BATCH: i64 = 500;

/// Families, the newest first. Of a client's, those that have not ended.
#[utoipa::path(get, path = "/admin/v1/families", tag = "families", operation_id = "listFamilies",
    params(
        Part,
        ("user" = Option<String>, Query, description = "Those of a user, by the id or the name"),
        ("client" = Option<String>, Query, description = "Those of a client that have not ended"),
    ),
    responses(
        (status = 200, body = inline(Listed<FamilyView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, now| {
            let query = query(&asked.request, &["limit", "after", "user", "client"])?;
            let part = Part::asked(&query)?;
            let user = match query.get("user") {
                Some(user) => Some(user_named(&core, user).await?),
                None => None,
            };
            let client = query.get("client").map(client_named).transpose()?;
            let wanted = WantedFamilies { user, client, after: part.after_parsed()? };
            let listed = families::list(&core, &wanted, part.with_one_more(), now).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |family| family.id.to_string())))
        })
        .await
}

/// One family.
#[utoipa::path(get, path = "/admin/v1/families/{id}", tag = "families", operation_id = "getFamily",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = FamilyView),
        Refusals,
    ))]
pub(super) async fn show(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(READ, async |core, now| {
            let family = families::show(&core, family_named(&id)?, now).await?.ok_or(NO_FAMILY)?;
            Ok(HttpResponse::Ok().json(family))
        })
        .await
}

/// Ends a family, with the sign-in that it came from.
#[utoipa::path(delete, path = "/admin/v1/families/{id}", tag = "families", operation_id = "endFamily",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204),
        Refusals,
    ))]
pub(super) async fn end(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            families::end(&core, family_named(&id)?, now).await?;
            Ok(HttpResponse::NoContent().finish())
        })
        .await
}

/// Whose families are to end: one of the three.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndFamilies {
    /// All of a user, by the id or the name, with all sign-ins.
    user: Option<String>,
    /// All of a client; its users stay signed in at the pages.
    client: Option<String>,
    /// All there are, with all sign-ins.
    all: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndedFamilies {
    /// How many have ended.
    ended: u64,
}

/// Ends all families of a user, of a client, or all there are. What takes long goes on after the answer: 202.
#[utoipa::path(post, path = "/admin/v1/families/end", tag = "families", operation_id = "endFamilies",
    request_body = EndFamilies,
    responses(
        (status = 200, body = EndedFamilies),
        (status = 202, description = "They are being ended"),
        Refusals,
    ))]
pub(super) async fn end_many(asked: AdminRequest, body: Body) -> Answered {
    let patience = asked.web.deadline / 2;
    asked
        .opens(WRITE, async |core, now| {
            let whose = match object(&asked.request, body)? {
                EndFamilies { user: Some(user), client: None, all: None } => {
                    Whose::User(user_named(&core, &user).await?)
                }
                EndFamilies { user: None, client: Some(client), all: None } => {
                    Whose::Client(client_named(&client)?)
                }
                EndFamilies { user: None, client: None, all: Some(true) } => Whose::Everybody,
                _ => {
                    let what = "Send one of user, client, or all, which is true.";
                    return Err(AdminProblem::Unfit(what.to_owned()));
                }
            };
            let ending = rt::spawn(async move { whose.end(&core, now).await });
            match tokio::time::timeout(patience.max(Duration::from_secs(1)), ending).await {
                Ok(Ok(ended)) => Ok(HttpResponse::Ok().json(EndedFamilies { ended: ended? })),
                // It was cancelled: the server stops.
                Ok(Err(_)) => Err(crate::service::Failure::Busy.into()),
                Err(_) => Ok(HttpResponse::Accepted().finish()),
            }
        })
        .await
}

enum Whose {
    User(UserId),
    Client(ClientId),
    Everybody,
}

impl Whose {
    async fn end(self, core: &Core, now: chrono::DateTime<chrono::Utc>) -> Result<u64, AdminProblem> {
        let count = |ended: usize| u64::try_from(ended).unwrap_or(u64::MAX);
        Ok(match self {
            Self::User(user) => count(families::end_of_user(core, user, now).await?),
            Self::Client(client) => families::end_of_client(core, &client, BATCH, now).await?,
            Self::Everybody => count(families::end_all(core, BATCH, now).await?),
        })
    }
}

const NO_FAMILY: AdminProblem = AdminProblem::NotThere("family");

fn family_named(id: &str) -> Result<FamilyId, AdminProblem> {
    id.parse().map_err(|_| NO_FAMILY)
}
