//! `/admin/v1/keys`

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::right::{Area, Right};
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::naming::{duration, member};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::{object_if_any, query};
use crate::http::body::Body;
use crate::service::admin::error::AdminError;
use crate::service::admin::keys;
use crate::service::admin::views::{KeysView, SigningKeyView, time};

const READ: Right = Right::Read(Area::Keys);
const WRITE: Right = Right::Write(Area::Keys);

/// All keys, in one part.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllKeys {
    items: Vec<SigningKeyView>,
    /// It always is null.
    #[schema(required)]
    next: Option<String>,
    /// The ids of the master keys, the active one first.
    master_keys: Vec<String>,
}

/// The signing keys, all of them in one part, and which master keys there are.
#[utoipa::path(get, path = "/admin/v1/keys", tag = "keys", operation_id = "listKeys",
    responses(
        (status = 200, body = AllKeys),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, now| {
            query(&asked.request, &[])?;
            let KeysView { signing_keys: items, master_keys } = keys::list(&core, now);
            Ok(HttpResponse::Ok().json(AllKeys { items, next: None, master_keys }))
        })
        .await
}

/// Which keys.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateBody {
    /// Those of this algorithm alone, instead of those that sign where nobody asks for any.
    algorithm: Option<String>,
    /// When the next one begins to sign, such as 1h, instead of what `keys.publish_ahead` says.
    after: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NextKey {
    kid: String,
    signs_from: String,
}

/// Publishes the next key; it signs once verifiers have had the time to learn of it.
#[utoipa::path(post, path = "/admin/v1/keys/rotate", tag = "keys", operation_id = "rotateKeys",
    request_body(content = Option<RotateBody>),
    responses(
        (status = 200, body = NextKey),
        Refusals,
    ))]
pub(super) async fn rotate(asked: AdminRequest, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let RotateBody { algorithm, after } = object_if_any(&asked.request, body)?;
            let after = duration("after", after.as_deref())?;
            if after.is_some_and(|after| after > MONTH) {
                return Err(AdminProblem::Unfit("after: it is 30d at most.".to_owned()));
            }
            let rotated = keys::rotate(&core, named(algorithm.as_deref())?, after, now).await;
            let (kid, signs_from) = rotated.map_err(AdminError::from)?;
            Ok(HttpResponse::Ok().json(NextKey { kid, signs_from: time(signs_from) }))
        })
        .await
}

/// As long as the setting `keys.publish_ahead` may be.
const MONTH: std::time::Duration = std::time::Duration::from_hours(24 * 30);

/// Which keys.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawBody {
    /// Those of this algorithm alone.
    algorithm: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewKey {
    /// What signs from now on.
    kid: String,
}

/// A key leaked: signs with new ones at once and withdraws all others, with all access tokens that they signed.
#[utoipa::path(post, path = "/admin/v1/keys/withdraw", tag = "keys", operation_id = "withdrawKeys",
    request_body(content = Option<WithdrawBody>),
    responses(
        (status = 200, body = NewKey),
        Refusals,
    ))]
pub(super) async fn withdraw(asked: AdminRequest, body: Body) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            let WithdrawBody { algorithm } = object_if_any(&asked.request, body)?;
            let kid =
                keys::replace(&core, named(algorithm.as_deref())?, now).await.map_err(AdminError::from)?;
            Ok(HttpResponse::Ok().json(NewKey { kid }))
        })
        .await
}

fn named(algorithm: Option<&str>) -> Result<Option<SigningAlgorithm>, AdminProblem> {
    algorithm.map(|text| member("algorithm", text)).transpose()
}
