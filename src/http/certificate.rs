//! The certificate that a client showed when its connection was made (RFC 8705): to this server itself, or to a trusted
//! proxy, which tells of it (RFC 9440).

use actix_http::Extensions;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::certificate::ClientCertificate;
use crate::http::Web;
use crate::http::error::Problem;
use crate::http::web::Entrance;

const SEVERAL: Problem =
    Problem::Malformed("The proxy's header with the client's certificate stands there twice.");
const NO_CERTIFICATE: Problem = Problem::Malformed(
    "The proxy's header with the client's certificate does not hold one as RFC 9440 has it.",
);

/// The certificate of whoever sent a request, if there is one.
///
/// # Errors
/// [`Problem::Malformed`] when a trusted proxy tells of one that cannot be read.
pub(crate) fn presented(web: &Web, request: &HttpRequest) -> Result<Option<ClientCertificate>, Problem> {
    match &web.entrance {
        Entrance::Main { client_cert_header: None, .. } | Entrance::Admin | Entrance::Metrics => Ok(None),
        Entrance::Main { client_cert_header: Some(name), .. } => told_by_proxy(web, request, name),
        // RFC 9440 §4: whatever a header says there, the client itself wrote.
        Entrance::MutualTls => Ok(request.conn_data::<ClientCertificate>().cloned()),
    }
}

/// Notes what a client showed when it connected, for its requests.
pub(crate) fn note_shown<T>(stream: &TlsStream<T>, connection: &mut Extensions) {
    let (_, session) = stream.get_ref();
    let mut shown = session.peer_certificates().unwrap_or_default().iter().map(|it| it.to_vec());
    // One that cannot be read does not get through the handshake.
    if let Some(Ok(certificate)) = shown.next().map(|own| ClientCertificate::read(own, shown.collect())) {
        connection.insert(certificate);
    }
}

fn told_by_proxy(
    web: &Web,
    request: &HttpRequest,
    name: &HeaderName,
) -> Result<Option<ClientCertificate>, Problem> {
    // RFC 9440 §4: of nobody else, for anybody may write anything.
    if !web.trusted_proxies.has_sent(request) {
        return Ok(None);
    }
    let mut headers = request.headers().get_all(name);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return if request.headers().contains_key(name) { Err(SEVERAL) } else { Ok(None) };
    };
    told(header.to_str().map_err(|_| NO_CERTIFICATE)?)
}

/// What the proxy's header says.
pub(super) fn told(header: &str) -> Result<Option<ClientCertificate>, Problem> {
    let text = header.trim();
    // Some proxies send it with each request, and nothing in it where there is no certificate.
    if text.is_empty() {
        return Ok(None);
    }
    // RFC 9651 §3.3.5: a byte sequence.
    let base64 = text.strip_prefix(':').and_then(|text| text.strip_suffix(':')).ok_or(NO_CERTIFICATE)?;
    let der = STANDARD.decode(base64).map_err(|_| NO_CERTIFICATE)?;
    ClientCertificate::read(der, Vec::new()).map(Some).map_err(|_| NO_CERTIFICATE)
}
