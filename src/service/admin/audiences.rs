//! What an operator says of audiences: the algorithm that their access tokens are signed with.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::audience::Audience;
use crate::domain::event::{AudienceChange, Event};
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::error::AdminError;
use crate::service::admin::views::time;
use crate::service::clients::signing;
use crate::service::{Core, Failure};
use crate::store::audiences;

/// An audience with an algorithm of its own.
#[derive(Debug, Serialize)]
pub struct AudienceView {
    pub audience: Audience,
    pub algorithm: SigningAlgorithm,
    /// From when on its tokens are signed so; until then with what they were.
    pub signs_from: Option<String>,
}

impl AudienceView {
    fn of(core: &Core, audience: Audience, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Self {
        let signs_from = core.keys.with_signing_keys(|keys| keys.signs_from(algorithm, now));
        Self { audience, algorithm, signs_from: signs_from.map(time) }
    }
}

/// Those that there are, in order.
pub async fn list(core: &Core, now: DateTime<Utc>) -> Result<Vec<AudienceView>, AdminError> {
    let all = audiences::list(&core.db).await?;
    Ok(all
        .into_iter()
        .map(|(audience, algorithm)| AudienceView::of(core, audience, algorithm, now))
        .collect())
}

/// From when the key of this algorithm signs, the access tokens for an audience are signed with it.
pub async fn set(
    core: &Core,
    audience: Audience,
    algorithm: SigningAlgorithm,
    now: DateTime<Utc>,
) -> Result<AudienceView, AdminError> {
    signing::ask_for(core, algorithm, now).await.map_err(Failure::from)?;
    core.write(now, async |tx| {
        audiences::put(tx, &audience, algorithm).await?;
        let change = AudienceChange::AlgorithmSet;
        tx.record(Event::AudienceChanged { audience: audience.clone(), change });
        Ok(Some(()))
    })
    .await?;
    core.keys.reload(&core.db).await.map_err(Failure::from)?;
    Ok(AudienceView::of(core, audience, algorithm, now))
}

/// The access tokens for an audience are signed as those of all others.
pub async fn remove(core: &Core, audience: &Audience, now: DateTime<Utc>) -> Result<(), AdminError> {
    let removed = core.write(now, async |tx| {
        if !audiences::remove(tx, audience).await? {
            return Ok(None);
        }
        let change = AudienceChange::AlgorithmRemoved;
        tx.record(Event::AudienceChanged { audience: audience.clone(), change });
        Ok(Some(()))
    });
    removed.await?.ok_or_else(|| AdminError::NoAudience(audience.clone()))?;
    Ok(core.keys.reload(&core.db).await.map_err(Failure::from)?)
}
