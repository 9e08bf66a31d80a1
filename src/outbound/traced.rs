//! Calls as parts of traces: the other server is told which one, by W3C Trace Context.

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{FutureExt as _, SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use reqwest::{Client, Request, Response};

use crate::spans;

/// Sends a request, and tells the trace that is open how it went: to which host and with what status, no URL.
pub(super) async fn execute(client: &Client, mut request: Request) -> Result<Response, reqwest::Error> {
    let method = request.method().to_string();
    let host = request.url().host_str().unwrap_or_default().to_owned();
    let own = spans::below(method.clone().into(), SpanKind::Client);
    // A trace that is not ours to record goes on all the same.
    let context = own.clone().unwrap_or_else(Context::current);
    if context.has_active_span() {
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(request.headers_mut()));
    }
    let Some(own) = own else { return client.execute(request).await };
    let answer = client.execute(request).with_context(own.clone()).await;
    let span = own.span();
    span.set_attribute(KeyValue::new("http.request.method", method));
    span.set_attribute(KeyValue::new("server.address", host));
    match &answer {
        Ok(answer) => {
            let status = i64::from(answer.status().as_u16());
            span.set_attribute(KeyValue::new("http.response.status_code", status));
        }
        Err(_) => span.set_attribute(KeyValue::new("error.type", "no_answer")),
    }
    answer
}
