//! The server under the routes: it accepts connections, counts them, and speaks HTTP on them, or TLS first. All its
//! listeners share the workers, and what they may hold.

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
use crate::http::web::Entrance;
use crate::http::{Web, certificate};

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

/// Where connections are accepted.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// How TLS is spoken there, if it is.
    pub(crate) tls: Option<ServerConfig>,
    /// What is known of who comes that way.
    pub(crate) web: Web,
}

/// A server with an `app` in each worker for each of its listeners.
///
/// # Errors
/// When a listener cannot be used.
pub(crate) fn listen<F, I, S, B>(
    listeners: impl IntoIterator<Item = Listener>,
    limits: ConnectionLimits,
    connections: &Arc<Connections>,
    app: F,
) -> io::Result<Server>
where
    F: Fn(&Web) -> I + Send + Clone + 'static,
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
    let mut builder = Server::build()
        .workers(limits.workers)
        .max_concurrent_connections(limits.of_a_worker)
        .shutdown_timeout(limits.drain_timeout.as_secs().max(1))
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    /// Speaks HTTP on connections of one kind, of which something may be noted first.
    macro_rules! http {
        ($app:expr, $stopping:expr $(, $note:expr)?) => {{
            let stopping = $stopping.clone();
            let app = $app.into_factory().map_err(|error: Error| error.error_response());
            HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(limits.keep_alive)
                .client_request_timeout(limits.header_timeout)
                .client_disconnect_timeout(FAREWELL)
                $(.on_connect_ext($note))?
                .finish(map_config(app, |()| AppConfig::default()))
        }};
    }
    for Listener { socket, tls, web } in listeners {
        let (app, stopping, connections) = (app.clone(), stopping.clone(), Arc::clone(connections));
        let handshake = move || TlsAcceptorConfig::default().handshake_timeout(limits.header_timeout);
        builder = match (tls, &web.entrance) {
            (None, _) => builder.listen("http", socket, move || {
                Counted::new(http!(app(&web), stopping).tcp(), Arc::clone(&connections))
            })?,
            (Some(tls), Entrance::Main { .. } | Entrance::Admin | Entrance::Metrics) => {
                builder.listen("https", socket, move || {
                    let served = http!(app(&web), stopping).rustls_0_23_with_config(tls.clone(), handshake());
                    Counted::new(served, Arc::clone(&connections))
                })?
            }
            (Some(tls), Entrance::MutualTls) => builder.listen("mutual TLS", socket, move || {
                let served = http!(app(&web), stopping, certificate::note_shown);
                let served = served.rustls_0_23_with_config(tls.clone(), handshake());
                Counted::new(served, Arc::clone(&connections))
            })?,
        };
    }
    Ok(builder.run())
}

/// How long a connection may take to close.
const FAREWELL: Duration = Duration::from_secs(1);
