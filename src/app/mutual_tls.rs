//! The listener for clients' certificates, beside the one where all others come (RFC 8705 §5).

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;

use super::parts;
use crate::http::Web;
use crate::http::address::TrustedProxies;
use crate::http::listening::Listener;
use crate::http::web::Entrance;
use crate::settings::{HttpsUrl, Settings};
use crate::tls::{Files, Tls};

/// That listener, bound.
#[derive(Debug)]
pub(super) struct MutualTls {
    socket: TcpListener,
    address: SocketAddr,
    url: HttpsUrl,
    tls: Arc<Tls>,
}

impl MutualTls {
    /// Binds its address, if the settings name one.
    ///
    /// # Errors
    /// When that cannot be done.
    pub(super) fn bind(settings: &Settings, tls: Option<Arc<Tls>>) -> anyhow::Result<Option<Self>> {
        let (Some(listen), Some(tls)) = (&settings.mtls.listen, tls) else { return Ok(None) };
        let (socket, address) = parts::bind(listen).context("mtls.listen")?;
        Ok(Some(Self { socket, address, url: settings.mtls_url_at(listen, address), tls }))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn tls(&self) -> &Arc<Tls> {
        &self.tls
    }

    /// The same with what the `main` entrance has.
    ///
    /// # Errors
    /// When the library cannot do what is wanted.
    pub(super) fn beside(self, main: &Web) -> anyhow::Result<Listener> {
        let web = Web {
            entrance: Entrance::MutualTls,
            base: parts::path_of(self.url()),
            url: self.url().to_owned(),
            // A proxy that passes such a connection on cannot add a header to what is in it: whatever stands there, the
            // client wrote.
            trusted_proxies: Arc::new(TrustedProxies::new(Vec::new())),
            ..main.clone()
        };
        let tls = Some(self.tls.server_config_asking_clients()?);
        Ok(Listener { socket: self.socket, tls, web })
    }
}

/// The certificate of that listener, if there is to be one: its own, or that of the server.
///
/// # Errors
/// When there is neither, or it cannot be used.
pub(super) fn certificate(
    settings: &Settings,
    server: Option<&Arc<Tls>>,
) -> anyhow::Result<Option<Arc<Tls>>> {
    let mtls = &settings.mtls;
    if mtls.listen.is_none() {
        return Ok(None);
    }
    match (mtls.certificate.clone(), mtls.key.clone()) {
        (Some(certificate), Some(key)) => Tls::load(Files { section: "mtls", certificate, key }).map(Some),
        (Some(_), None) => anyhow::bail!("mtls.certificate is set, so mtls.key must be, too"),
        (None, Some(_)) => anyhow::bail!("mtls.key is set, so mtls.certificate must be, too"),
        (None, None) => server.map(Arc::clone).map(Some).context(
            "mtls.listen is set, so it needs a certificate: set mtls.certificate and mtls.key, or tls.certificate and \
             tls.key",
        ),
    }
}
