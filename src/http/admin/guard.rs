//! Whatever is done here is done with an access token that has the right to it.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use crate::domain::right::Right;
use crate::http::admin::problem::{AdminProblem, AdminRefusal};
use crate::http::{Web, protected};
use crate::service::Core;
use crate::service::admin::caller;

/// Does what a token with this right opens.
pub(super) async fn opened(
    (web, request, now): (&Web, &HttpRequest, DateTime<Utc>),
    right: Right,
    work: impl AsyncFnOnce(Core) -> Result<HttpResponse, AdminProblem>,
) -> Result<HttpResponse, AdminRefusal> {
    let opened = protected::shown_to((web, request, now), None, async |shown| {
        let core = caller::entitled(&web.core, shown, right, now).await?;
        work(core).await
    });
    opened.await.map_err(|(scheme, problem)| AdminRefusal { scheme, problem })
}
