//! Users who move out.

use crate::domain::upstream::UpstreamLink;
use crate::domain::user::Username;
use crate::service::Core;
use crate::service::admin::error::AdminError;
use crate::service::admin::moving::line::{self, Belongings, LineLink};
use crate::service::users::totp;
use crate::store::users::{self, StoredUser};
use crate::store::{totp_secrets, upstream_links};

/// Up to `limit` users as lines, by name: those after another one, or the first. Gives the last one's name, too; `None`
/// when there are no more.
///
/// # Errors
/// [`AdminError::UnreadableTotp`]: elsewhere, its user would be let in by the password alone. [`AdminError::Service`].
pub async fn lines(
    core: &Core,
    after: Option<&Username>,
    limit: i64,
) -> Result<Option<(Vec<String>, Username)>, AdminError> {
    let part = users::list_stored(&core.db, after.map(Username::key).as_deref(), limit).await?;
    let Some(last) = part.last().map(|stored| stored.user.username.clone()) else { return Ok(None) };
    let links = upstream_links::of_names(&core.db, after, &last).await?;
    let apps = totp_secrets::of_names(&core.db, after, &last).await?;
    let line = |stored: &StoredUser| {
        let user = &stored.user;
        let links: Vec<LineLink> = links.get(&user.id).into_iter().flatten().map(link).collect();
        let totp = apps.get(&user.id).map(|read| totp::open(&core.keys, read)).transpose();
        let totp = totp.map_err(|cause| AdminError::UnreadableTotp(user.username.clone(), cause))?;
        let password_hash = stored.password_hash.as_ref();
        Ok(line::write(user, &Belongings { password_hash, totp: totp.as_ref(), links: &links }))
    };
    let written = part.iter().map(line).collect::<Result<_, AdminError>>()?;
    Ok(Some((written, last)))
}

fn link(link: &UpstreamLink) -> LineLink {
    let UpstreamLink { who, label, .. } = link;
    LineLink { issuer: who.issuer.clone(), subject: who.subject.clone(), label: label.clone() }
}
