//! `/admin/v1/users/import`: users who move in, as lines of JSON. All of them are taken in first, whoever sends them
//! has an answer, and then a server carries it out.

use std::time::Duration;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpMessage as _, HttpRequest, web};
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::domain::idempotency_key::RequestFingerprint;
use crate::domain::right::{Area, Right};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::made::{KeyHeader, begun};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::query;
use crate::http::error::Problem;
use crate::service::Core;
use crate::service::admin::imports::jobs::ImportJobView;
use crate::service::admin::imports::upload::{self, Upload};
use crate::service::admin::moving::import::Effect;
use crate::service::admin::once::Once;

const WRITE: Right = Right::Write(Area::Users);

/// Imports users as lines of JSON, in the background: `Location` says where it tells how far it is. docs/moving-in.md
/// says what a line is.
#[utoipa::path(post, path = "/admin/v1/users/import", tag = "users", operation_id = "importUsers",
    params(
        ("dry_run" = Option<bool>, Query, description = "Tell what would be done, and change nothing"),
        KeyHeader,
    ),
    request_body(
        description = "A user a line; HEIRLOOM_ADMIN__IMPORT_LIMIT bytes at most",
        content((String = "application/x-ndjson"), (String = "application/jsonl")),
    ),
    responses(
        (status = 202, body = ImportJobView, headers(("Location", description = "Where the job is"))),
        Refusals,
    ))]
pub(super) async fn import(asked: AdminRequest, payload: web::Payload) -> Answered {
    asked
        .opens_for(WRITE, async |core, caller, now| {
            let effect = wanted_effect(&asked.request)?;
            check_head(&asked.request, asked.web.import_limit)?;
            let key = asked.idempotency_key()?;
            let upload = Upload::begin(&core, &caller, effect, now).await?;
            let _unfinished = Unfinished { core: core.clone(), upload: upload.id(), now };
            let (upload, request) = receive(&asked, &core, upload, payload).await?;
            let now = asked.web.clock.now();
            let location = format!("{}/admin/v1/jobs/{}", asked.web.url, upload.id());
            let answer = |job: &ImportJobView| begun(location.clone(), job);
            let keyed = key.map(|key| (key, request.finish()));
            asked
                .once(
                    (&core, &caller),
                    keyed,
                    async |claim| Ok(answer(&upload.queue(&core, &Once::by(claim, &answer), now).await?)),
                    now,
                )
                .await
        })
        .await
}

fn wanted_effect(request: &HttpRequest) -> Result<Effect, AdminProblem> {
    match query(request, &["dry_run"])?.get("dry_run") {
        None | Some("false") => Ok(Effect::Write),
        Some("true") => Ok(Effect::Tell),
        Some(_) => Err(AdminProblem::Unfit("dry_run is true or false.".to_owned())),
    }
}

/// What is wrong before anything is read.
fn check_head(request: &HttpRequest, limit: usize) -> Result<(), AdminProblem> {
    let content_type = request.content_type();
    let is_lines = ["application/x-ndjson", "application/jsonl"]
        .iter()
        .any(|known| content_type.eq_ignore_ascii_case(known));
    if !is_lines {
        let what = "Send a JSON object a line, with Content-Type: application/x-ndjson.";
        return Err(Problem::Malformed(what).into());
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| limit < length) {
        return Err(Problem::TooLarge.into());
    }
    Ok(())
}

/// Takes in all that is sent, as it comes.
async fn receive(
    asked: &AdminRequest,
    core: &Core,
    mut upload: Upload,
    mut payload: web::Payload,
) -> Result<(Upload, RequestFingerprint), AdminProblem> {
    let (limit, patience) = (asked.web.import_limit, asked.web.deadline);
    let place = asked.request.uri().to_string();
    let mut request = RequestFingerprint::new(asked.request.method().as_str(), &place);
    let mut left = limit;
    while let Some(part) = next(&mut payload, patience).await? {
        left = left.checked_sub(part.len()).ok_or(Problem::TooLarge)?;
        request.update(&part);
        upload.take(core, &part).await?;
    }
    if !upload.take_end(core).await? {
        return Err(AdminProblem::Unfit("There is no line in the body.".to_owned()));
    }
    Ok((upload, request))
}

/// The next part of what is sent: whoever sends nothing for as long as another request may take has left.
async fn next(payload: &mut web::Payload, patience: Duration) -> Result<Option<web::Bytes>, Problem> {
    let part = tokio::time::timeout(patience, payload.next()).await.map_err(|_| Problem::Deadline)?;
    part.transpose().map_err(|_| Problem::Malformed("The request body could not be read."))
}

/// What was taken in of a request is forgotten with the request, unless it was queued: also if whoever sends it leaves,
/// and nobody goes on with it.
struct Unfinished {
    core: Core,
    upload: Uuid,
    now: DateTime<Utc>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // There is none any more when the server is being stopped: the janitor forgets it then.
        let Ok(runtime) = Handle::try_current() else { return };
        let (core, id, now) = (self.core.clone(), self.upload, self.now);
        runtime.spawn(async move {
            if let Err(error) = upload::discard(&core, id, now).await {
                // The janitor forgets it.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "an unfinished import was not forgotten"
                );
            }
        });
    }
}
