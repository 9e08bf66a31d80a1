//! Sending the mails that are due.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::event::{Event, MailEnd, MailLoss};
use crate::domain::letter::Letter;
use crate::domain::outbox::Outbox;
use crate::outbound::Budget;
use crate::outbound::mail::{MailWay, NotSent, OutgoingMail};
use crate::service::mail::letters::{LetterTimes, WrittenLetter};
use crate::service::mail::post_office::context;
use crate::service::messenger::{self, AttemptEnd, Courier, Errand, Room};
use crate::service::{Core, Failure};
use crate::store::Db;
use crate::store::mails::{self, StoredMail};
use crate::store::outbox::{self, NextAttempt, Settled};

/// How many mails are handed over at once.
const PLACES: usize = 4;

/// Hands mails over to the mail server.
#[derive(Debug)]
pub struct MailCourier {
    core: Arc<Core>,
    places: Arc<Budget>,
}

impl MailCourier {
    #[must_use]
    pub fn new(core: Arc<Core>) -> Self {
        Self { core, places: Budget::new(PLACES, PLACES) }
    }

    /// What a mail says; `None` when it cannot be told now, which the log says.
    fn write(&self, mail: &StoredMail) -> Option<WrittenLetter> {
        let id = mail.id;
        let opened = match self.core.mail.master.open(&context(id), &mail.sealed) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, mail = %id, "a mail cannot be sent: its letter does not open");
                return None;
            }
        };
        let Ok(letter) = serde_json::from_slice::<Letter>(&opened) else {
            tracing::error!(mail = %id, kind = mail.kind, "a mail cannot be sent: no such letter is known here");
            return None;
        };
        let times = LetterTimes { created_at: mail.created_at, good_until: mail.good_until };
        match self.core.mail.letters.write(&letter, &mail.language, times) {
            Ok(written) => Some(written),
            Err(error) => {
                tracing::error!(%error, mail = %id, kind = mail.kind, "a mail cannot be sent: its template fails");
                None
            }
        }
    }
}

impl Courier for MailCourier {
    type Lane = ();
    type Errand = StoredMail;
    const OUTBOX: Outbox = Outbox::Mails;
    /// Ten attempts in about two days. Servers that do not know us yet let the second one wait for minutes
    /// (greylisting).
    const PAUSES: &'static [TimeDelta] = &[
        TimeDelta::seconds(70),
        TimeDelta::minutes(4),
        TimeDelta::minutes(10),
        TimeDelta::minutes(30),
        TimeDelta::hours(1),
        TimeDelta::hours(3),
        TimeDelta::hours(6),
        TimeDelta::hours(12),
        TimeDelta::hours(24),
    ];

    fn db(&self) -> &Db {
        &self.core.db
    }

    fn spread(&self, pause: TimeDelta) -> TimeDelta {
        messenger::up_to_a_quarter_longer(pause)
    }

    async fn lanes(&self) -> Result<Vec<()>, Failure> {
        Ok(self.core.mail.is_on().then_some(()).into_iter().collect())
    }

    fn places<'a>(&'a self, (): &()) -> &'a Arc<Budget> {
        &self.places
    }

    async fn due(&self, (): &(), room: &Room, now: DateTime<Utc>) -> Result<Vec<StoredMail>, Failure> {
        let limit = i64::try_from(room.free).unwrap_or(i64::MAX);
        Ok(mails::due(&self.core.db, now, limit).await?)
    }

    async fn carry(&self, mail: &StoredMail, now: DateTime<Utc>) -> Result<AttemptEnd, Failure> {
        let Some(way) = &self.core.mail.way else { return Ok(AttemptEnd::Failed) };
        if mail.is_late(now) {
            return Ok(AttemptEnd::Unwanted);
        }
        let Some(written) = self.write(mail) else { return Ok(AttemptEnd::Failed) };
        Ok(send(way, mail, &written, now).await)
    }

    async fn settle(
        &self,
        mail: &StoredMail,
        carried: AttemptEnd,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let (id, user, letter) = (mail.id, mail.user, mail.kind.clone());
        let (settled, why) = match carried {
            AttemptEnd::Taken => (Settled::Delivered, None),
            AttemptEnd::Failed => (Settled::GivenUp, Some(MailEnd::TriedOften)),
            AttemptEnd::Unwanted if mail.is_late(now) => (Settled::GivenUp, Some(MailEnd::TooLate)),
            AttemptEnd::Unwanted => (Settled::GivenUp, Some(MailEnd::Refused)),
        };
        let settling = self.core.writer.write_sending(now, move |tx| {
            let letter = letter.clone();
            Box::pin(async move {
                mails::empty(tx, id).await?;
                let is_first = outbox::settle(tx, Outbox::Mails, id, (settled, now)).await?;
                if let Some(why) = why.filter(|_| is_first) {
                    let why = MailLoss::Undeliverable(id, why);
                    tx.record(Event::MailLost { user, letter, why });
                }
                Ok(is_first.then_some(()))
            })
        });
        settling.await?;
        Ok(())
    }
}

impl StoredMail {
    /// Whether nobody wants it any more.
    fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.good_until.is_some_and(|until| now >= until)
    }
}

impl Errand for StoredMail {
    fn attempt(&self) -> NextAttempt {
        NextAttempt { id: self.id, before: self.attempts }
    }

    fn place(&self) -> &'static str {
        "the mail server"
    }
}

async fn send(way: &MailWay, mail: &StoredMail, written: &WrittenLetter, now: DateTime<Utc>) -> AttemptEnd {
    let WrittenLetter { subject, text, html } = written;
    let outgoing = OutgoingMail { id: mail.id, to: &mail.recipient, sent_at: now, subject, text, html };
    let (id, attempt) = (mail.id, mail.attempt().number());
    match way.send(&outgoing).await {
        Ok(()) => AttemptEnd::Taken,
        Err(NotSent::NotNow(error)) => {
            tracing::warn!(error, mail = %id, attempt, "a mail could not be sent yet");
            AttemptEnd::Failed
        }
        Err(NotSent::Refused(error)) => {
            tracing::warn!(error, mail = %id, attempt, "a mail was refused");
            AttemptEnd::Unwanted
        }
    }
}
