//! What surrounds every request: its arrival time, its id, its deadline, its line in the log.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, web};
use chrono::{DateTime, Utc};
use opentelemetry::trace::FutureExt as _;

use crate::clock::Stopwatch;
use crate::crypto::random;
use crate::domain::ids::uuid_v7;
use crate::domain::reading::Reading;
use crate::http::body::Body;
use crate::http::error::{Problem, Standard, causes};
use crate::http::held_body::HeldBody;
use crate::http::{Web, traces, upload};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When a request's last byte was read: its `now`, fixed while it is worked on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival(pub(crate) DateTime<Utc>);

impl FromRequest for Arrival {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let arrival = request.extensions().get::<Self>().copied();
        ready(arrival.ok_or_else(|| actix_web::error::ErrorInternalServerError("the edge is not installed")))
    }
}

/// The outermost layer. It logs a line a request (at `debug` where nothing has changed), with ids only: no query, no
/// body, no header of the client's but a request id of harmless form.
pub(crate) async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let watch = Stopwatch::start();
    let mut request = request;
    let held = HeldBody::of(&mut request);
    let Some(web) = request.app_data::<web::Data<Web>>().cloned() else {
        return Err(actix_web::error::ErrorInternalServerError("the routes are not configured"));
    };
    let id = request_id(&request, web.clock.now());
    let method = request.method().clone();
    let traced = web.traces.as_ref().and_then(|traces| traces.begin(&request));
    let end = |route: &str, status| traced.as_ref().and_then(|it| traces::end(it, route, &method, status));
    let is_upload = upload::is_upload(&web, &request);
    let patience = if is_upload { upload::PATIENCE } else { web.deadline };
    let answer = async {
        // Whoever holds a body back does not hold the time back: no code lives longer by that.
        if !is_upload {
            Body::receive(&mut request, web.body_limit).await;
        }
        let reading = web.clock.read();
        request.extensions_mut().insert(Arrival(reading.now));
        request.extensions_mut().insert(reading);
        next.call(request).await
    };
    let in_time = match &traced {
        Some(context) => tokio::time::timeout(patience, answer.with_context(context.clone())).await,
        None => tokio::time::timeout(patience, answer).await,
    };
    let answered = in_time.unwrap_or_else(|_| Err(Standard(Problem::Deadline).into()));
    match answered {
        Ok(mut response) => {
            let status = response.status();
            let cause = response.response().error().map(causes);
            // It tries all routes once more.
            let pattern = || response.request().match_pattern().unwrap_or_else(|| "(no route)".to_owned());
            let is_told = web.metrics.is_some() || traced.is_some();
            let route = is_told.then(pattern);
            if let (Some(metrics), Some(route)) = (&web.metrics, &route) {
                metrics.count(route, &method, status, watch.elapsed());
            }
            let trace = route.as_ref().and_then(|route| end(route, status));
            let line = Line { id: &id, method: method.as_str(), status, trace, watch, cause };
            line.log(|| route.unwrap_or_else(pattern));
            set_id(response.headers_mut(), &id);
            if web.is_stopping() {
                // RFC 9112 §9.6: the next request goes to another server.
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            Ok(response.map_body(|_, body| held.until_answered(body)))
        }
        Err(error) => {
            let status = error.as_response_error().status_code();
            if let Some(metrics) = &web.metrics {
                metrics.count("(unanswered)", &method, status, watch.elapsed());
            }
            let (trace, cause) = (end("(unanswered)", status), Some(causes(&error)));
            let line = Line { id: &id, method: method.as_str(), status, trace, watch, cause };
            line.log(|| "(unanswered)".to_owned());
            Err(Unanswered { error, id, held }.into())
        }
    }
}

/// Answers nothing, and so writes nothing, at a time that cannot be believed.
pub(crate) async fn in_good_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let reading = request.extensions().get::<Reading>().copied();
    let web = request.app_data::<web::Data<Web>>().cloned();
    if let (Some(web), Some(reading)) = (web, reading)
        && let Err(astray) = web.core.clock_watch.check(reading)
    {
        let refused = HttpResponse::from_error(Standard(Problem::Astray(astray)));
        return Ok(request.into_response(refused).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// A request that got no answer of its handler's: what is said instead carries the request's id too.
#[derive(Debug)]
struct Unanswered {
    error: Error,
    id: String,
    held: HeldBody,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Unanswered {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.error.error_response();
        set_id(response.headers_mut(), &self.id);
        response.map_body(|_, body| self.held.until_answered(body).boxed())
    }
}

/// The client's own id when it is short and plain, a new one otherwise.
fn request_id(request: &ServiceRequest, now: DateTime<Utc>) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(plain).map_or_else(|| uuid_v7(now, random::bytes()).to_string(), ToOwned::to_owned)
}

fn set_id(headers: &mut actix_web::http::header::HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
}

/// What the log says of a request.
struct Line<'a> {
    id: &'a str,
    method: &'a str,
    status: StatusCode,
    /// That of its trace, if it is traced.
    trace: Option<String>,
    watch: Stopwatch,
    cause: Option<String>,
}

impl Line<'_> {
    /// Asks for the path only if the line is written.
    fn log(&self, path: impl FnOnce() -> String) {
        let Self { id, method, trace, watch, cause, .. } = self;
        let (status, trace, cause) = (self.status.as_u16(), trace.as_deref(), cause.as_deref());
        let ms = f64::from(u32::try_from(watch.elapsed().as_micros()).unwrap_or(u32::MAX)) / 1e3;
        match status {
            500.. => tracing::error!(target: "request", id, method, path = path(), status, ms, trace, cause),
            // That nothing has changed is no news, and ten thousand services ask all the time.
            304 => tracing::debug!(target: "request", id, method, path = path(), status, ms, trace),
            _ => tracing::info!(target: "request", id, method, path = path(), status, ms, trace, cause),
        }
    }
}
