//! Users who move out.

use crate::domain::upstream::UpstreamLink;
use crate::domain::user::Username;
use crate::service::admin::moving::line::{self, LineLink};
use crate::service::{Core, Failure};
use crate::store::upstream_links;
use crate::store::users::{self, StoredUser};

/// Up to `limit` users as lines, by name: those after another one, or the first. Gives the last one's name, too; `None`
/// when there are no more.
///
/// # Errors
/// [`Failure::Store`].
pub async fn lines(
    core: &Core,
    after: Option<&Username>,
    limit: i64,
) -> Result<Option<(Vec<String>, Username)>, Failure> {
    let part = users::list_stored(&core.db, after.map(Username::key).as_deref(), limit).await?;
    let Some(last) = part.last().map(|stored| stored.user.username.clone()) else { return Ok(None) };
    let links = upstream_links::of_names(&core.db, after, &last).await?;
    let line = |stored: &StoredUser| {
        let links: Vec<LineLink> = links.get(&stored.user.id).into_iter().flatten().map(link).collect();
        line::write(&stored.user, stored.password_hash.as_ref(), &links)
    };
    Ok(Some((part.iter().map(line).collect(), last)))
}

fn link(link: &UpstreamLink) -> LineLink {
    let UpstreamLink { who, label, .. } = link;
    LineLink { issuer: who.issuer.clone(), subject: who.subject.clone(), label: label.clone() }
}
