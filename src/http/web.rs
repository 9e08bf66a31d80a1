//! What every request handler can ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use serde_json::Value;

use crate::clock::Clock;
use crate::domain::web_origin::WebOrigin;
use crate::http::address::TrustedProxies;
use crate::http::metrics::counted::Metrics;
use crate::http::pages::renderer::Pages;
use crate::http::traces::Traces;
use crate::service::Core;

/// The listener that a request came by: what is served there, and how it sees clients' certificates.
#[derive(Debug, Clone)]
pub(crate) enum Entrance {
    /// That of the issuer's own URL.
    Main {
        /// The header in which trusted proxies tell of certificates.
        client_cert_header: Option<HeaderName>,
        /// Whether the administration is there, too.
        has_admin: bool,
    },
    /// That of the administration alone.
    Admin,
    /// That of monitoring alone.
    Metrics,
    /// That of clients which show their certificates when they connect.
    MutualTls,
}

/// What every request handler can ask for.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    pub(crate) entrance: Entrance,
    /// The URL that clients know this entrance by.
    pub(crate) url: String,
    /// The path of that URL, below which everything is served; empty for most.
    pub(crate) base: String,
    /// The URL of the listener for clients' certificates, if there is one.
    pub(crate) mutual_tls_url: Option<String>,
    /// The pages that people see.
    pub(crate) pages: Arc<Pages>,
    /// Whether users may remove their own accounts there.
    pub(crate) account_deletion: bool,
    /// Sites of other domains that may use this server's passkeys.
    pub(crate) related_origins: Vec<WebOrigin>,
    /// What the operator chose, as the console shows it: secrets are masked.
    pub(crate) settings: Arc<Value>,
    /// What is counted for monitoring, if it reads that.
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// Which requests are traced, if any.
    pub(crate) traces: Option<Arc<Traces>>,
    /// The services' world.
    pub(crate) core: Arc<Core>,
    /// The time of a request's arrival comes from here.
    pub(crate) clock: Clock,
    /// The longest body that is read, in bytes.
    pub(crate) body_limit: usize,
    /// The longest body of users who move in, in bytes.
    pub(crate) import_limit: usize,
    /// How long a request may take: shorter than clients wait.
    pub(crate) deadline: Duration,
    /// How long a JWKS may be kept by whoever fetched it.
    pub(crate) jwks_max_age: Duration,
    /// Whether the server was told to stop.
    pub(crate) stopping: Arc<AtomicBool>,
    /// The proxies that are believed when they say whom they forward for.
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
}

impl Web {
    /// Whether the server was told to stop: who asks should go elsewhere.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The same for another entrance, which has nothing below a path.
    pub(crate) fn alone(&self, entrance: Entrance, url: String) -> Self {
        Self { entrance, base: String::new(), url, ..self.clone() }
    }

    /// The URL that clients know the place of a request by, without its query.
    pub(crate) fn url_of(&self, request: &HttpRequest) -> String {
        let path = request.path();
        format!("{}{}", self.url, path.strip_prefix(&self.base).unwrap_or(path))
    }

    /// Whether browsers reach this server by https: cookies are for that alone then.
    pub(crate) fn is_https(&self) -> bool {
        self.core.issuer.as_str().starts_with("https://")
    }
}
