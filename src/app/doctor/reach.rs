//! Ways in and out: the issuer's URL, proxies, cookies, mail.

use url::{Host, Url};

use super::finding::Finding;
use crate::app::mail;
use crate::settings::{Issuer, Settings};

pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(issuer) = &settings.issuer {
        found.extend(secrecy(issuer));
        found.extend(ends_of_tls(settings, issuer));
    } else {
        let says = "issuer is not set: it is the address that the server listens on, and changes with that";
        found.push(Finding::note("issuer", says));
    }
    if settings.mail.host.is_some() {
        let greeted = mail::greet(settings).await.map(|()| format!("{} greets back", mail_host(settings)));
        found.push(Finding::of("mail", greeted));
    }
    found
}

fn mail_host(settings: &Settings) -> &str {
    settings.mail.host.as_deref().unwrap_or_default()
}

/// Whoever is in between reads what goes by http.
fn secrecy(issuer: &Issuer) -> Option<Finding> {
    let url = Url::parse(issuer.as_str()).ok()?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    if url.scheme() == "https" {
        return Some(Finding::ok("cookies", "the issuer is https: browsers send them by that alone"));
    }
    (!is_here).then(|| {
        let says = "the issuer is http: passwords, tokens and the cookies of sign-ins can be read on the way, and there \
                    are no passkeys";
        Finding::wrong("cookies", says)
    })
}

/// Where another ends TLS, it forwards for everybody.
fn ends_of_tls(settings: &Settings, issuer: &Issuer) -> Option<Finding> {
    let is_https = issuer.as_str().starts_with("https://");
    let (own, proxies) = (settings.tls.certificate.is_some(), &settings.http.trusted_proxies);
    if is_https && !own && proxies.is_empty() {
        let says = "the issuer is https and there is no tls.certificate, so a proxy is in front: without its address in \
                    http.trusted_proxies all people count as one, whose wrong passwords slow everybody down";
        return Some(Finding::wrong("proxies", says));
    }
    let named = proxies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    (!proxies.is_empty()).then(|| Finding::ok("proxies", format!("believed are {named}")))
}
