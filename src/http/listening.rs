//! The server under the routes: it accepts connections, counts them, and speaks HTTP on them, or TLS first.

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Request, TlsAcceptorConfig};
use actix_service::{IntoServiceFactory, ServiceFactoryExt as _, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory, ServiceResponse};
use rustls::ServerConfig;

use crate::http::connections::{Connections, Counted};

/// What connections are bound by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    pub(crate) workers: usize,
    /// So many are open at once, for each worker.
    pub(crate) of_a_worker: usize,
    /// How long an idle one stays.
    pub(crate) keep_alive: Duration,
    /// How long a handshake may take, and how long a request's head.
    pub(crate) header_timeout: Duration,
    /// How long open requests may take to finish when the server stops.
    pub(crate) drain_timeout: Duration,
}

impl ConnectionLimits {
    /// So many are open at once.
    pub(crate) fn most(&self) -> u32 {
        u32::try_from(self.of_a_worker.saturating_mul(self.workers)).unwrap_or(u32::MAX)
    }
}

/// A server with `app` in each worker, which speaks TLS if it is told how to.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) fn listen<F, I, S, B>(
    listener: TcpListener,
    tls: Option<ServerConfig>,
    limits: ConnectionLimits,
    connections: &Arc<Connections>,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError: Debug,
            Service: Service<Request, Future: 'static>,
            Future: 'static,
        > + 'static,
    B: MessageBody + 'static,
{
    // What did not shake hands yet is a connection like any other, and counted like any other: a smaller number of them
    // would let those who never do keep out everybody else.
    actix_tls::accept::max_concurrent_tls_connect(limits.of_a_worker);
    let builder = Server::build()
        .workers(limits.workers)
        .max_concurrent_connections(limits.of_a_worker)
        .shutdown_timeout(limits.drain_timeout.as_secs().max(1))
        .disable_signals();
    let (stopping, connections) = (builder.graceful_shutdown_signal(), Arc::clone(connections));
    /// Speaks HTTP on connections of one kind.
    macro_rules! http {
        () => {{
            let stopping = stopping.clone();
            let app = app().into_factory().map_err(|error: Error| error.error_response());
            HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(limits.keep_alive)
                .client_request_timeout(limits.header_timeout)
                .client_disconnect_timeout(FAREWELL)
                .finish(map_config(app, |()| AppConfig::default()))
        }};
    }
    let builder = match tls {
        None => {
            builder.listen("http", listener, move || Counted::new(http!().tcp(), Arc::clone(&connections)))?
        }
        Some(tls) => builder.listen("https", listener, move || {
            let handshake = TlsAcceptorConfig::default().handshake_timeout(limits.header_timeout);
            let served = http!().rustls_0_23_with_config(tls.clone(), handshake);
            Counted::new(served, Arc::clone(&connections))
        })?,
    };
    Ok(builder.run())
}

/// How long a connection may take to close.
const FAREWELL: Duration = Duration::from_secs(1);
