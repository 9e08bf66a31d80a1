//! Mail: queued in the transaction that wants it, written and sent by whichever replica has time.
//!
//! Nobody who asks for a mail waits for the mail server, or learns how it is. Without one, and without a folder in its
//! place, mail is off: what needs it asks [`PostOffice::is_on`] first.

pub mod courier;
pub mod letters;
pub(crate) mod notices;
pub(crate) mod post_office;

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, MailLoss};
use crate::service::Core;
use crate::service::keys::resealing;
use crate::service::keys::ring::Keys;
use crate::service::writer::Writer;
use crate::store::sealed_rows::SealedTable;
use crate::store::{StoreError, Tx};

pub use post_office::{MailLimits, NewMail, PostOffice, Queued};

/// Queues a mail in the transaction that wants it.
///
/// # Errors
/// [`StoreError`].
pub async fn queue(
    core: &Core,
    tx: &mut Tx,
    new: &NewMail<'_>,
    now: DateTime<Utc>,
) -> Result<Queued, StoreError> {
    if !core.mail.is_on() {
        return Ok(Queued::Off);
    }
    if let Err(limit) = core.mail.queue(tx, new, now).await? {
        let (letter, why) = (new.letter.kind().to_owned(), MailLoss::Limited(limit));
        core.tell(Event::MailLost { user: new.user, letter, why });
        return Ok(Queued::OverLimit);
    }
    Ok(Queued::Yes)
}

/// Seals anew the letters that wait under another master key than the active one.
///
/// # Errors
/// [`StoreError`].
pub async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<(), StoreError> {
    resealing::reseal((keys, writer), SealedTable::Mails, post_office::context, now).await
}
