//! Traces: what a request spends its time on, for those requests that are traced.
//!
//! Where no trace is open, as for all requests of a server without a collector, a span costs a look at its thread.

use std::borrow::Cow;

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::trace::SdkTracer;

/// Who makes the spans of a trace: it goes with the trace's context, so that a process may have several.
#[derive(Debug, Clone)]
struct Maker(SdkTracer);

/// A context in which spans are made by this tracer, below the one that is open in it.
pub(crate) fn made_by(tracer: SdkTracer, context: &Context) -> Context {
    context.with_value(Maker(tracer))
}

/// Does the work in a span of its own, if a trace is open.
pub(crate) async fn span<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    match below(name.into(), SpanKind::Internal) {
        Some(context) => work.with_context(context).await,
        None => work.await,
    }
}

/// A context with a new span below the one that is open, if one is. It ends when nobody has the context any more.
pub(crate) fn below(name: Cow<'static, str>, kind: SpanKind) -> Option<Context> {
    let parent = Context::current();
    let Maker(tracer) = parent.get::<Maker>()?;
    let span = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, &parent);
    Some(parent.with_span(span))
}
