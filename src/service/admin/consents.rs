//! What users agreed to, as operators see it.

use chrono::{DateTime, Utc};

use crate::domain::ids::{ClientId, UserId};
use crate::service::admin::error::AdminError;
use crate::service::admin::views::ConsentView;
use crate::service::users::account;
use crate::service::{Core, Failure};
use crate::store::consents;

/// Up to `limit` things that a user agreed to, by client: those after another client, or the first. What was agreed to
/// of a client that has become another one since does not count, and is here.
pub async fn list(
    core: &Core,
    user: UserId,
    after: Option<&ClientId>,
    limit: u32,
) -> Result<Vec<ConsentView>, Failure> {
    let given = consents::of_user(&core.db, user, after, limit).await?;
    Ok(given.into_iter().map(ConsentView::from).collect())
}

/// Takes a consent back, and with it every family that the client has of the user.
pub async fn withdraw(
    core: &Core,
    user: UserId,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    if account::withdraw(core, user, client, now).await? {
        Ok(())
    } else {
        Err(AdminError::NoConsent(client.clone()))
    }
}
