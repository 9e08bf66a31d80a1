//! `/scim/v2/Users`

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::ids::UserId;
use crate::domain::right::{Area, Right};
use crate::domain::scim::patch::operations;
use crate::domain::scim::resource::UserResource;
use crate::http::admin::guard::AdminRequest;
use crate::http::body::Body;
use crate::http::scim::reading::{Query, known, meant_for, object, posted_query, projection, query};
use crate::http::scim::refusal::{ScimProblem, ScimRefusal};
use crate::http::scim::telling::{resource, with_list, with_user};
use crate::service::Core;
use crate::service::admin::caller::AdminCaller;
use crate::service::admin::provisioning;

const READ: Right = Right::Read(Area::Users);
const WRITE: Right = Right::Write(Area::Users);

type Told = Result<HttpResponse, ScimRefusal>;

/// Does what a token with this right opens.
async fn opens(
    asked: &AdminRequest,
    right: Right,
    work: impl AsyncFnOnce(Core, AdminCaller, DateTime<Utc>) -> Result<HttpResponse, ScimProblem>,
) -> Told {
    asked.entitles(right, work).await.map_err(|(scheme, problem)| ScimRefusal { scheme, problem })
}

/// The URL of all users.
fn place(asked: &AdminRequest) -> String {
    format!("{}/scim/v2/Users", asked.web.url)
}

pub(super) async fn list(asked: AdminRequest) -> Told {
    opens(&asked, READ, async |core, caller, _| find(&asked, &core, &caller, query(&asked.request)?).await)
        .await
}

pub(super) async fn search(asked: AdminRequest, body: Body) -> Told {
    opens(&asked, READ, async |core, caller, _| {
        let query = posted_query(&object(&asked.request, body)?)?;
        find(&asked, &core, &caller, query).await
    })
    .await
}

async fn find(
    asked: &AdminRequest,
    core: &Core,
    caller: &AdminCaller,
    query: Query,
) -> Result<HttpResponse, ScimProblem> {
    let Query { wanted, start, projection } = query;
    let (total, users) = provisioning::list(core, caller, &wanted).await?;
    let place = place(asked);
    let told = users.iter().map(|user| Value::Object(resource(user, &place, &projection)));
    Ok(with_list(total, start, &told.collect::<Vec<_>>()))
}

pub(super) async fn show(asked: AdminRequest, id: web::Path<String>) -> Told {
    opens(&asked, READ, async |core, caller, _| {
        let (projection, known) = (projection(&asked.request)?, known(&asked.request)?);
        let user = provisioning::show(&core, &caller, named(&id)?).await?;
        if known.is_some_and(|known| known == "*" || known == user.version) {
            return Ok(HttpResponse::NotModified().finish());
        }
        Ok(with_user(HttpResponse::Ok(), &user, &place(&asked), &projection))
    })
    .await
}

pub(super) async fn create(asked: AdminRequest, body: Body) -> Told {
    opens(&asked, WRITE, async |core, caller, now| {
        let projection = projection(&asked.request)?;
        let sent = UserResource::sent(object(&asked.request, body)?)?;
        let user = provisioning::create(&core, &caller, sent, now).await?;
        Ok(with_user(HttpResponse::Created(), &user, &place(&asked), &projection))
    })
    .await
}

pub(super) async fn replace(asked: AdminRequest, id: web::Path<String>, body: Body) -> Told {
    opens(&asked, WRITE, async |core, caller, now| {
        let (projection, seen) = (projection(&asked.request)?, meant_for(&asked.request)?);
        let id = named(&id)?;
        let sent = UserResource::sent(object(&asked.request, body)?)?;
        let user = provisioning::replace(&core, &caller, id, &sent, seen, now).await?;
        Ok(with_user(HttpResponse::Ok(), &user, &place(&asked), &projection))
    })
    .await
}

pub(super) async fn patch(asked: AdminRequest, id: web::Path<String>, body: Body) -> Told {
    opens(&asked, WRITE, async |core, caller, now| {
        let (projection, seen) = (projection(&asked.request)?, meant_for(&asked.request)?);
        let id = named(&id)?;
        let operations = operations(object(&asked.request, body)?)?;
        let user = provisioning::patch(&core, &caller, id, &operations, seen, now).await?;
        Ok(with_user(HttpResponse::Ok(), &user, &place(&asked), &projection))
    })
    .await
}

pub(super) async fn remove(asked: AdminRequest, id: web::Path<String>) -> Told {
    opens(&asked, WRITE, async |core, caller, now| {
        let seen = meant_for(&asked.request)?;
        provisioning::remove(&core, &caller, named(&id)?, seen, now).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

fn named(id: &str) -> Result<UserId, ScimProblem> {
    id.parse().map_err(|_| ScimProblem::no_user())
}
