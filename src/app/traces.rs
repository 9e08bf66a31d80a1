//! Where traces go.

use std::sync::Arc;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use crate::app::parts::authorities;
use crate::http::traces::Traces;
use crate::outbound::Collector;
use crate::settings::Settings;

/// What ends with the server: the traces that wait are delivered first.
#[derive(Debug)]
pub(super) struct Exporting(SdkTracerProvider);

/// Traces as the settings want them, if they do.
///
/// # Errors
/// When the certificates for the way to the collector cannot be read.
pub(super) fn start(settings: &Settings) -> anyhow::Result<Option<(Exporting, Arc<Traces>)>> {
    let it = &settings.traces;
    let Some(endpoint) = &it.endpoint else { return Ok(None) };
    let (runtime, timeout) = (tokio::runtime::Handle::current(), settings.outbound.timeout);
    let authorities = authorities(&settings.outbound)?;
    let collector = Collector::new(runtime, endpoint.as_str(), timeout, authorities.as_deref());
    let collector = collector.context("traces.endpoint")?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(timeout)
        .build()
        .context("traces.endpoint")?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name("heirloom").with_attribute(version).build();
    // Which requests are traced is decided before there is a span.
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_batch_exporter(exporter);
    let provider = provider.with_resource(resource).build();
    let maker = provider.tracer_with_scope(InstrumentationScope::builder("heirloom").build());
    let traces = Traces::new(maker, it.one_in.get(), it.trusted_networks.clone());
    Ok(Some((Exporting(provider), Arc::new(traces))))
}

/// Delivers what waits.
pub(super) async fn end(exporting: Exporting) {
    // It waits for the collector, on a thread of its own.
    let ended = tokio::task::spawn_blocking(move || exporting.0.shutdown()).await;
    let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended.map_err(anyhow::Error::from));
    if let Err(error) = ended {
        tracing::warn!(error = format!("{error:#}"), "the last traces could not be delivered");
    }
}
