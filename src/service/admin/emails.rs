//! Verified addresses that were never compared with the others': those of a database that an older release filled, or
//! still fills. One account has a verified address; of several that had the same, the oldest keeps it.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::service::writer::Writer;
use crate::store::{StoreError, users};

/// How many are read at once.
const PART: i64 = 1000;

/// Sees to all of them.
///
/// # Errors
/// [`StoreError`]; what was done is done.
pub async fn settle(writer: &Writer, now: DateTime<Utc>) -> Result<(), StoreError> {
    loop {
        let part = users::unsettled_emails(writer.db(), PART).await?;
        if part.is_empty() {
            return Ok(());
        }
        for (user, email) in part {
            let settled = writer.write_sending(now, move |tx| {
                let email = email.clone();
                Box::pin(async move {
                    if let Some(email) = email
                        && users::settle_email(tx, user, &email).await?
                    {
                        return Ok(Some(()));
                    }
                    if !users::unmark_email(tx, user).await? {
                        return Ok(None);
                    }
                    tx.record(Event::UserChanged { user, change: UserChange::EmailUnverified });
                    Ok(Some(()))
                })
            });
            match settled.await {
                // Another process was faster, or somebody proves the same address now: the next round tells.
                Ok(_) | Err(StoreError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
