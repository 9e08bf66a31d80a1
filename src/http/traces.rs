//! Traces of requests: which are traced, what they continue, what is told of them.
//!
//! A trace that a request names (W3C Trace Context) is continued. Whether a request is traced is decided here, once in
//! so many requests; whoever sends it decides only where the operator believes them, as each costs something.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use ipnet::IpNet;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use crate::crypto::random;
use crate::http::method;
use crate::spans;

/// Which requests are traced, and by whom.
#[derive(Debug)]
pub(crate) struct Traces {
    tracer: SdkTracer,
    /// One request of so many.
    one_in: u32,
    /// Those who decide for us.
    trusted: Vec<IpNet>,
    propagator: TraceContextPropagator,
}

impl Traces {
    pub(crate) fn new(tracer: SdkTracer, one_in: u32, trusted: Vec<IpNet>) -> Self {
        Self { tracer, one_in, trusted, propagator: TraceContextPropagator::new() }
    }

    /// The context that a request is worked on in; `None` where there is nothing to tell, nor to pass on.
    pub(crate) fn begin(&self, request: &ServiceRequest) -> Option<Context> {
        let parent = self.propagator.extract_with_context(&Context::new(), &Headers(request.headers()));
        let continues = parent.has_active_span();
        if !self.is_wanted(request, &parent) {
            return continues.then_some(parent);
        }
        let method = told_method(request.method());
        let span = self.tracer.span_builder(method).with_kind(SpanKind::Server);
        let span = span.start_with_context(&self.tracer, &parent);
        Some(spans::made_by(self.tracer.clone(), &parent.with_span(span)))
    }

    fn is_wanted(&self, request: &ServiceRequest, parent: &Context) -> bool {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let is_trusted = peer.is_some_and(|peer| self.trusted.iter().any(|network| network.contains(&peer)));
        if parent.has_active_span() && is_trusted {
            return parent.span().span_context().is_sampled();
        }
        random::jitter(u64::from(self.one_in)) == 0
    }
}

/// What is told of a request at its end, and the id of its trace if it was traced. No address, path, query, or name:
/// the attributes of OpenTelemetry's conventions for HTTP servers, as far as they hold nothing of whoever asked.
pub(crate) fn end(context: &Context, route: &str, method: &Method, status: StatusCode) -> Option<String> {
    let span = context.span();
    let of_span = span.span_context();
    if !span.is_recording() {
        return None;
    }
    let method = told_method(method);
    span.update_name(format!("{method} {route}"));
    span.set_attribute(KeyValue::new("http.request.method", method));
    span.set_attribute(KeyValue::new("http.route", route.to_owned()));
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
        span.set_status(Status::error(""));
    }
    Some(of_span.trace_id().to_string())
}

/// OpenTelemetry's conventions have a word for methods that nobody knows.
fn told_method(method: &Method) -> &'static str {
    method::known(method).unwrap_or("_OTHER")
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
