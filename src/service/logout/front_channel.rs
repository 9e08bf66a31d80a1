//! What a browser that signs out loads, so that apps notice (OpenID Connect Front-Channel Logout 1.0).

use chrono::{DateTime, Utc};
use url::Url;

use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::redirect_uri;
use crate::service::clients::known_clients::KnownClient;
use crate::service::{Core, Failure};

/// One app that the browser tells.
#[derive(Debug)]
pub struct FrontChannel {
    /// What people are told that the app is called.
    pub app: String,
    /// What is loaded: with `iss` and `sid` (§2).
    pub uri: Url,
}

/// How many frames a page has: each is another app's page, which the browser loads.
const FRAMES: usize = 50;

/// What to load for these families' clients, the first [`FRAMES`]: nothing for those that have no front-channel URI.
pub(crate) async fn of(
    core: &Core,
    families: impl Iterator<Item = (ClientId, FamilyId)>,
    now: DateTime<Utc>,
) -> Result<Vec<FrontChannel>, Failure> {
    let mut all = Vec::new();
    for (client, family) in families {
        if all.len() == FRAMES {
            break;
        }
        let Some(known) = core.client(&client, now).await? else { continue };
        let uri = uri_of(core, &known, family);
        all.extend(uri.map(|uri| FrontChannel { app: known.client.display_name().to_owned(), uri }));
    }
    Ok(all)
}

fn uri_of(core: &Core, known: &KnownClient, family: FamilyId) -> Option<Url> {
    let mut uri = known.client.metadata.frontchannel_logout_uri.as_ref()?.url().clone();
    // §2: scheme, host and port are those of one of its redirect URIs.
    let source = redirect_uri::source_of(uri.as_str());
    if !known.client.redirect_uris.iter().any(|own| redirect_uri::source_of(own) == source) {
        return None;
    }
    uri.query_pairs_mut().append_pair("iss", core.issuer.as_str()).append_pair("sid", &family.to_string());
    Some(uri)
}
