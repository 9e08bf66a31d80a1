//! `/admin/v1/jobs`: what goes on after its request was answered.

use actix_web::{HttpResponse, web};
use uuid::Uuid;

use crate::domain::right::{Area, Right};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::query;
use crate::service::admin::imports::jobs::{self, ImportJobView, RefusedLineView};

const READ: Right = Right::Read(Area::Users);
const WRITE: Right = Right::Write(Area::Users);

/// Jobs, the newest first.
#[utoipa::path(get, path = "/admin/v1/jobs", tag = "users", operation_id = "listJobs",
    params(Part),
    responses(
        (status = 200, body = inline(Listed<ImportJobView>)),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let part = Part::asked(&query(&asked.request, &["limit", "after"])?)?;
            let listed = jobs::list(&core, part.after_parsed()?, part.with_one_more()).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |job| job.id.to_string())))
        })
        .await
}

/// How far a job is.
#[utoipa::path(get, path = "/admin/v1/jobs/{id}", tag = "users", operation_id = "getJob",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = ImportJobView),
        Refusals,
    ))]
pub(super) async fn show(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked.opens(READ, async |core, _| Ok(HttpResponse::Ok().json(jobs::get(&core, named(&id)?).await?))).await
}

/// The lines that were refused so far, by their numbers.
#[utoipa::path(get, path = "/admin/v1/jobs/{id}/refused-lines", tag = "users", operation_id = "listRefusedLines",
    params(("id" = uuid::Uuid, Path), Part),
    responses(
        (status = 200, body = inline(Listed<RefusedLineView>)),
        Refusals,
    ))]
pub(super) async fn list_refused(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let part = Part::asked(&query(&asked.request, &["limit", "after"])?)?;
            let (after, limit) = (part.after_parsed()?, part.with_one_more());
            let listed = jobs::refused(&core, named(&id)?, after, limit).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |refused| refused.line.to_string())))
        })
        .await
}

/// Cancels a job that has not ended: what is done is done, and no more is.
#[utoipa::path(delete, path = "/admin/v1/jobs/{id}", tag = "users", operation_id = "cancelJob",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 204),
        Refusals,
    ))]
pub(super) async fn cancel(asked: AdminRequest, id: web::Path<String>) -> Answered {
    asked
        .opens(WRITE, async |core, now| {
            jobs::cancel(&core, named(&id)?, now).await?;
            Ok(HttpResponse::NoContent().finish())
        })
        .await
}

fn named(id: &str) -> Result<Uuid, AdminProblem> {
    id.parse().map_err(|_| AdminProblem::NotThere("job"))
}
