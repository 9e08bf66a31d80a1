//! What a development server has from the start: a user, and a client for an app of either kind.

use chrono::{DateTime, Utc};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use serde_json::Map;

use super::app::Surroundings;
use super::place::DevPlace;
use crate::crypto::random;
use crate::domain::client::{ClientKind, Party};
use crate::domain::ids::ClientId;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::service::Core;
use crate::service::admin::client_changes::ClientChanges;
use crate::service::admin::clients;
use crate::service::admin::error::AdminError;
use crate::service::admin::users::{self, NewUser};

pub(super) const USER: &str = "ana";
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// One with a server of its own, which keeps a secret.
const APP: &str = "app";
/// One in a browser, or on a phone.
const BROWSER_APP: &str = "browser-app";
/// The API of the app, as access tokens name it: a name, whatever its port.
const API: &str = "http://localhost/api";
/// Where `offline_access` is among them, nobody gets refresh tokens who does not ask for it.
const SCOPE: &str = "openid profile email roles";

/// Of a loopback address the port is free.
const BACK: [&str; 2] = ["http://localhost/callback", "http://127.0.0.1/callback"];
const AFTERWARDS: [&str; 4] =
    ["http://localhost/", "http://localhost", "http://127.0.0.1/", "http://127.0.0.1"];

/// What is chosen of it.
pub(super) struct SeedChoice<'a> {
    /// Where users may be sent back to, beside the usual places.
    pub(super) redirect_uris: &'a [String],
    /// What the user may do.
    pub(super) role: String,
}

/// What apps are told.
pub(super) struct Seeds {
    pub(super) app: Surroundings,
    pub(super) browser_app: Surroundings,
}

/// Makes what is not there yet, and writes down what apps are told.
///
/// # Errors
/// When the store refuses, or a file cannot be written.
pub(super) async fn sow(
    core: &Core,
    place: &DevPlace,
    wanted: SeedChoice<'_>,
    now: DateTime<Utc>,
) -> anyhow::Result<Seeds> {
    let SeedChoice { redirect_uris, role } = wanted;
    add_user(core, role, now).await?;
    let before = place.surroundings(false).ok();
    let kept = |name: &str| before.as_ref().and_then(|it| it.get(name)).map(ToOwned::to_owned);
    let new_secret = add_client(core, APP, ClientKind::Confidential(Vec::new()), redirect_uris, now).await?;
    add_client(core, BROWSER_APP, ClientKind::Public, redirect_uris, now).await?;
    let secret = match new_secret.or_else(|| kept("CLIENT_SECRET")) {
        Some(secret) => secret,
        None => clients::rotate_secret(core, &APP.parse()?, std::time::Duration::ZERO, now)
            .await?
            .expose()
            .to_owned(),
    };
    let session = kept("SESSION_SECRET").unwrap_or_else(|| URL_SAFE_NO_PAD.encode(random::bytes::<32>()));
    let common = |id: &str| {
        let pairs = [("ISSUER", core.issuer.as_str()), ("CLIENT_ID", id), ("AUDIENCE", API)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let secrets = [("CLIENT_SECRET".to_owned(), secret), ("SESSION_SECRET".to_owned(), session)];
    let seeds = Seeds {
        app: common(APP).into_iter().chain(secrets).collect::<Vec<_>>().into(),
        browser_app: common(BROWSER_APP).to_vec().into(),
    };
    place.keep(&seeds.app, false)?;
    place.keep(&seeds.browser_app, true)?;
    Ok(seeds)
}

async fn add_user(core: &Core, role: String, now: DateTime<Utc>) -> anyhow::Result<()> {
    let user = NewUser {
        username: USER.parse()?,
        password: Some(Password::new(PASSWORD.to_owned())?),
        email: Some("ana@example.com".to_owned()),
        email_verified: true,
        claims: StandardClaims { name: Some("Ana Lund".to_owned().try_into()?), ..StandardClaims::default() },
        roles: vec![role],
    };
    match users::add(core, user, now).await {
        Ok(_) | Err(AdminError::UsernameTaken(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives the secret of a client that is new and has one. One that is there stays as its developer has made it, but for
/// the redirect URIs of this start.
async fn add_client(
    core: &Core,
    id: &str,
    kind: ClientKind,
    redirect_uris: &[String],
    now: DateTime<Utc>,
) -> anyhow::Result<Option<String>> {
    let id: ClientId = id.parse()?;
    let known = match clients::show(core, &id, now).await {
        Ok(known) => known,
        Err(AdminError::NoClient(_)) => {
            let made = clients::register(core, id, kind, said(redirect_uris)?, now).await?;
            return Ok(made.client_secret.map(|secret| secret.expose().to_owned()));
        }
        Err(AdminError::ClientRemoved(id)) => {
            anyhow::bail!("the client {id} was removed: `heirloom dev --reset` begins anew")
        }
        Err(error) => return Err(error.into()),
    };
    let (mut all, before) = (known.redirect_uris.clone(), known.redirect_uris.len());
    all.extend(redirect_uris.iter().filter(|uri| !known.redirect_uris.contains(uri)).cloned());
    if all.len() > before {
        let changes = ClientChanges { redirect_uris: Some(all), ..ClientChanges::default() };
        clients::change(core, &id, changes, now).await?;
    }
    Ok(None)
}

/// What a new client is.
fn said(redirect_uris: &[String]) -> anyhow::Result<ClientChanges> {
    let back = BACK.into_iter().map(ToOwned::to_owned).chain(redirect_uris.iter().cloned());
    Ok(ClientChanges {
        party: Some(Party::First),
        name: Some("The app".to_owned()),
        redirect_uris: Some(back.collect()),
        post_logout_redirect_uris: Some(AFTERWARDS.map(ToOwned::to_owned).to_vec()),
        scopes: Some(SCOPE.parse()?),
        audiences: Some(vec![API.parse()?]),
        // Its access tokens are for the API, so that the ID token tells what the scopes open.
        metadata: Some(Map::from_iter([("scope_claims_in_id_token".to_owned(), true.into())])),
        ..ClientChanges::default()
    })
}
