//! The way to the collector of traces, which the operator chose.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use tokio::runtime::Handle;

use crate::domain::error_causes::with_causes;

/// Delivers traces. Whoever exports them may wait on any thread; the requests are the runtime's.
#[derive(Debug)]
pub(crate) struct Collector {
    client: Client,
    runtime: Handle,
    /// Whether the log has it that nothing can be delivered.
    told: AtomicBool,
}

impl Collector {
    /// Not reached yet.
    ///
    /// # Errors
    /// When a certificate is none, or nobody is there to vouch for a server that is reached by https.
    pub(crate) fn new(
        runtime: Handle,
        url: &str,
        timeout: Duration,
        extra_ca: Option<&[u8]>,
    ) -> Result<Self, reqwest::Error> {
        let extra = extra_ca.map(Certificate::from_pem_bundle).transpose()?.unwrap_or_default();
        // A machine without certificate authorities can tell its neighbour all the same.
        let is_secure = url.starts_with("https:");
        let client = if is_secure {
            Client::builder().tls_certs_merge(extra)
        } else {
            Client::builder().tls_certs_only([])
        };
        let client = client
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(timeout)
            .user_agent("Heirloom")
            .build()?;
        Ok(Self { client, runtime, told: AtomicBool::new(false) })
    }

    fn note(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let cause = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(with_causes(error.as_ref())),
        };
        match cause {
            None if self.told.swap(false, Ordering::Relaxed) => tracing::info!("traces are delivered again"),
            Some(cause) if !self.told.swap(true, Ordering::Relaxed) => {
                tracing::warn!(cause, "traces cannot be delivered; those that wait too long are dropped");
            }
            None | Some(_) => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let response = client.execute(request.try_into()?).await?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.extend(response.headers().clone());
            }
            Ok::<_, HttpError>(answer.body(response.bytes().await?)?)
        });
        let answer = sent.await.unwrap_or_else(|error| Err(error.into()));
        self.note(&answer);
        answer
    }
}
