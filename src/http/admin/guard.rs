//! Whatever is done here is done with an access token that has the right to it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use crate::domain::right::Right;
use crate::http::admin::problem::{AdminProblem, AdminRefusal};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Scheme};
use crate::http::{Web, protected};
use crate::service::Core;
use crate::service::admin::caller::{self, AdminCaller, Unentitled};

pub(super) type Answered = Result<HttpResponse, AdminRefusal>;

/// A request that has to show a token.
pub(in crate::http) struct AdminRequest {
    pub(in crate::http) web: web::Data<Web>,
    pub(in crate::http) request: HttpRequest,
    now: DateTime<Utc>,
}

impl FromRequest for AdminRequest {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let web = web::Data::from_request(request, payload).into_inner();
        let arrival = Arrival::from_request(request, payload).into_inner();
        let asked = web.and_then(|web| {
            let Arrival(now) = arrival?;
            Ok(Self { web, request: request.clone(), now })
        });
        ready(asked)
    }
}

impl AdminRequest {
    /// The URL that was asked for.
    pub(in crate::http) fn place(&self) -> String {
        self.web.url_of(&self.request)
    }

    /// Does what a token with this right opens, as of the request's time.
    pub(super) async fn opens(
        &self,
        right: Right,
        work: impl AsyncFnOnce(Core, DateTime<Utc>) -> Result<HttpResponse, AdminProblem>,
    ) -> Answered {
        self.opens_for(right, async |core, _, now| work(core, now).await).await
    }

    /// The same where it matters who asks.
    pub(super) async fn opens_for(
        &self,
        right: Right,
        work: impl AsyncFnOnce(Core, AdminCaller, DateTime<Utc>) -> Result<HttpResponse, AdminProblem>,
    ) -> Answered {
        let opened = self.entitles(right, work).await;
        opened.map_err(|(scheme, problem)| AdminRefusal { scheme, problem })
    }

    /// The same where problems are told in another way.
    pub(in crate::http) async fn entitles<P: From<Problem> + From<Unentitled>>(
        &self,
        right: Right,
        work: impl AsyncFnOnce(Core, AdminCaller, DateTime<Utc>) -> Result<HttpResponse, P>,
    ) -> Result<HttpResponse, (Scheme, P)> {
        let (web, request, now) = (&self.web, &self.request, self.now);
        protected::shown_to((web, request, now), None, async |shown| {
            let (core, caller) = caller::entitled(&web.core, shown, right, now).await?;
            work(core, caller, now).await
        })
        .await
    }
}
