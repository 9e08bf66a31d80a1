//! A client proves with its certificate who it is (RFC 8705 §2). That it has the certificate's key, TLS has proved.

use chrono::{DateTime, Utc};

use crate::domain::certificate::ClientCertificate;
use crate::domain::client::{AuthMethod, Client};
use crate::service::clients::client_jwt;
use crate::service::{Core, Failure};

/// Whether a certificate is one that the client registered, in the way in which it did. The log says why one is not.
///
/// # Errors
/// [`Failure::NotFetched`] when the client's keys cannot be had now.
pub(crate) async fn proves(
    core: &Core,
    client: &Client,
    shown: Option<&ClientCertificate>,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let is_self_signed = client.authenticates_by(AuthMethod::SelfSignedTlsClientAuth);
    if !is_self_signed && !client.authenticates_by(AuthMethod::TlsClientAuth) {
        return Ok(false);
    }
    let judged = match shown {
        None => Err("there is none: is the proxy or the listener for it passed by?"),
        Some(certificate) if !certificate.is_current(now) => Err("it is not good yet, or has expired"),
        Some(certificate) if is_self_signed => {
            let is_registered = |keys: &_| has(keys, certificate);
            let found = client_jwt::found_by_keys(core, client, is_registered, now).await?;
            found.ok_or("it is of none of the client's keys")
        }
        Some(certificate) => is_vouched_for(core, client, certificate, now),
    };
    if let Err(why) = judged {
        tracing::info!(client = client.id.as_str(), why, "a client's certificate was refused");
    }
    Ok(judged.is_ok())
}

fn has(keys: &crate::domain::client::PublicJwks, certificate: &ClientCertificate) -> Option<()> {
    keys.has_certificate(certificate).then_some(())
}

/// RFC 8705 §2.1: of its holder's name, and of who gave it to that holder.
fn is_vouched_for(
    core: &Core,
    client: &Client,
    certificate: &ClientCertificate,
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    // Whoever registered a client saw to it that there is exactly one.
    if !client.metadata.certificate_names().all(|name| certificate.is_named(&name)) {
        return Err("it names another holder");
    }
    let authorities = core.client_authorities.as_ref().ok_or("mtls.client_ca does not name any authority")?;
    if authorities.vouch_for(certificate, now) { Ok(()) } else { Err("no authority vouches for it") }
}
