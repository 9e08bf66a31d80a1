//! What a restore lost, done again: line by line of what was told before. What depends on the order of the lines is
//! gathered, and done when all of them are read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::event::{
    Concerned, EventChoice, EventLine, LostUserChange, Redo, ToldEvent, UnfitEventLine, UserSwitch,
};
use crate::domain::ids::{UserId, first_id_of};
use crate::domain::refusal::EndReason;
use crate::service::Core;
use crate::service::admin::error::AdminError;
use crate::service::admin::moving::import::Effect;
use crate::service::admin::redoing::{Redoing, Redone};
use crate::service::admin::users::{self, Change};
use crate::store::events::{self, WantedEvents};
use crate::store::{StoreError, clients, users as stored_users};

/// By whom events say that it was done.
const BY: &str = "recovery";

/// How many of whom an operator has to look after are named.
const NAMED: usize = 1000;

/// What was done, and what not, by the names of events.
#[derive(Debug, Default, Serialize)]
pub struct RecoveryReport {
    /// Done again, or to be done.
    pub done: BTreeMap<String, u64>,
    /// So already, or about what is not there.
    pub already: BTreeMap<String, u64>,
    pub by_hand: BTreeMap<String, LeftByHand>,
    /// Events that took no rights away, and lines of the log that are no events.
    pub nothing: u64,
    /// From before the time that was named.
    pub before: u64,
    /// Events that this release does not know.
    pub unknown: BTreeMap<String, u64>,
    /// Events in a form that this release does not know.
    pub of_later_form: u64,
}

/// What an operator has to see to.
#[derive(Debug, Default, Serialize)]
pub struct LeftByHand {
    pub count: u64,
    pub hint: &'static str,
    /// Users' names, clients, or ids: not all, if there are many.
    pub of: BTreeSet<String>,
}

/// What of a user waits for the last line.
#[derive(Debug, Default)]
struct UserLosses {
    removed: Option<String>,
    /// The last word on whether the user may log in, with its label.
    switched: Option<(DateTime<Utc>, String, UserSwitch)>,
    logins_ended: Option<(DateTime<Utc>, String)>,
    distrusted: BTreeMap<String, Distrusted>,
}

#[derive(Debug)]
struct Distrusted {
    at: DateTime<Utc>,
    decided_by: &'static [&'static str],
    hint: &'static str,
}

/// Lines on their way.
pub struct Applying {
    core: Core,
    effect: Effect,
    batch: i64,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    users: BTreeMap<UserId, UserLosses>,
    keys_replaced: Option<DateTime<Utc>>,
    report: RecoveryReport,
}

impl Applying {
    /// Passes over what happened before `since`; `batch` families of a client end in one transaction.
    #[must_use]
    pub fn new(core: &Core, effect: Effect, since: DateTime<Utc>, batch: i64, now: DateTime<Utc>) -> Self {
        Self {
            core: core.acting_for(BY),
            effect,
            batch,
            since,
            now,
            users: BTreeMap::new(),
            keys_replaced: None,
            report: RecoveryReport::default(),
        }
    }

    fn redoing(&self) -> Redoing<'_> {
        Redoing { core: &self.core, effect: self.effect, batch: self.batch, now: self.now }
    }

    /// Takes a line. What cannot be read changes nothing, and what was taken before it stands.
    pub async fn take(&mut self, line: &str) -> Result<Result<(), UnfitEventLine>, AdminError> {
        let told = match line.parse() {
            Ok(EventLine::Event(told)) => told,
            Ok(EventLine::OfLaterForm) => {
                self.report.of_later_form += 1;
                return Ok(Ok(()));
            }
            Ok(EventLine::OfTheLog) => {
                self.report.nothing += 1;
                return Ok(Ok(()));
            }
            Err(unfit) => return Ok(Err(unfit)),
        };
        if told.at < self.since {
            self.report.before += 1;
            return Ok(Ok(()));
        }
        match Redo::of(&told) {
            Ok(redo) => self.redo(&told, redo).await.map(Ok),
            Err(unfit) => Ok(Err(unfit)),
        }
    }

    async fn redo(&mut self, told: &ToldEvent, redo: Redo) -> Result<(), AdminError> {
        let label = told.label();
        match redo {
            Redo::Nothing => self.report.nothing += 1,
            Redo::Unknown => *self.report.unknown.entry(label).or_default() += 1,
            // Its row is written with what it tells of: the store has lost neither.
            _ if self.is_known(told).await? => self.report.count(label, Redone::Already),
            Redo::Act(act) => {
                let redone = self.redoing().act(&act, told.at).await?;
                self.report.count(label, redone);
            }
            Redo::OfUser(user, change) => self.gather((user, told.at), label, change),
            Redo::ReplaceKeys => self.keys_replaced = self.keys_replaced.max(Some(told.at)),
            Redo::ByHand(concerned, hint) => match self.named(concerned).await? {
                Some(name) => self.report.leave(label, hint, name),
                None => self.report.count(label, Redone::Already),
            },
        }
        Ok(())
    }

    async fn is_known(&self, told: &ToldEvent) -> Result<bool, StoreError> {
        match told.id {
            Some(id) => events::is_known(&self.core.db, id).await,
            None => Ok(false),
        }
    }

    fn gather(&mut self, (user, at): (UserId, DateTime<Utc>), label: String, change: LostUserChange) {
        let lost = self.users.entry(user).or_default();
        match change {
            LostUserChange::Remove => lost.removed = Some(label),
            LostUserChange::EndLogins => lost.logins_ended = lost.logins_ended.take().max(Some((at, label))),
            LostUserChange::Distrust { decided_by, hint } => {
                let first = Distrusted { at, decided_by, hint };
                let known = lost.distrusted.entry(label).or_insert(first);
                known.at = known.at.max(at);
            }
            LostUserChange::Switch(switch) => {
                if lost.switched.as_ref().is_none_or(|(last, ..)| *last <= at) {
                    lost.switched = Some((at, label, switch));
                }
            }
        }
    }

    /// Who is named to the operator; `None` for who is not there.
    async fn named(&self, concerned: Concerned) -> Result<Option<String>, StoreError> {
        Ok(match concerned {
            Concerned::User(id) => {
                stored_users::find(&self.core.db, id).await?.map(|user| user.username.to_string())
            }
            Concerned::Client(id) => {
                clients::find(&self.core.db, &id, self.now).await?.map(|client| client.id.to_string())
            }
            Concerned::Thing(name) => Some(name),
            Concerned::Nobody => Some(String::new()),
        })
    }

    /// Does what waited for the last line.
    pub async fn finish(mut self) -> Result<RecoveryReport, AdminError> {
        if let Some(at) = self.keys_replaced {
            let redone = self.redoing().replace_keys(at).await?;
            self.report.count("key.replaced".to_owned(), redone);
        }
        for (user, lost) in std::mem::take(&mut self.users) {
            self.finish_user(user, lost).await?;
        }
        Ok(self.report)
    }

    async fn finish_user(&mut self, id: UserId, lost: UserLosses) -> Result<(), AdminError> {
        let known = stored_users::find(&self.core.db, id).await?;
        let Some(known) = known.filter(|_| lost.removed.is_none()) else {
            return self.remove(id, lost).await;
        };
        let name = known.username.to_string();
        if let Some((at, label, switch)) = lost.switched {
            let is_decided = self.is_decided(id, at, &["disabled", "enabled"]).await?;
            match switch {
                UserSwitch::Disabled if known.disabled_at.is_none() && !is_decided => {
                    if self.effect == Effect::Write {
                        users::change(&self.core, id, Change::Disable, self.now).await?;
                    }
                    self.report.count(label, Redone::Done);
                }
                UserSwitch::Enabled if known.disabled_at.is_some() && !is_decided => {
                    self.report.leave(label, "heirloom user enable NAME", name.clone());
                }
                UserSwitch::Disabled | UserSwitch::Enabled => self.report.count(label, Redone::Already),
            }
        }
        if let Some((at, label)) = lost.logins_ended {
            let redone = if self.is_decided(id, at, &["logins_ended"]).await? {
                Redone::Already
            } else {
                self.redoing().end_logins(id, after(at), EndReason::Operator).await?
            };
            self.report.count(label, redone);
        }
        for (label, Distrusted { at, decided_by, hint }) in lost.distrusted {
            if self.is_decided(id, at, decided_by).await? {
                self.report.count(label, Redone::Already);
                continue;
            }
            let redone = self.redoing().end_logins(id, after(at), EndReason::PasswordChanged).await?;
            self.report.count(label.clone(), redone);
            self.report.leave(label, hint, name.clone());
        }
        Ok(())
    }

    /// Removes a user, if that was lost. Whatever else was done to who is not there is done.
    async fn remove(&mut self, id: UserId, lost: UserLosses) -> Result<(), AdminError> {
        if let Some(label) = lost.removed {
            let is_there = stored_users::find(&self.core.db, id).await?.is_some();
            if is_there && self.effect == Effect::Write {
                users::remove(&self.core, id, None, self.now).await?;
            }
            self.report.count(label, if is_there { Redone::Done } else { Redone::Already });
        }
        let of_switch = lost.switched.map(|(_, label, _)| label);
        let of_logins = lost.logins_ended.map(|(_, label)| label);
        for label in of_switch.into_iter().chain(of_logins).chain(lost.distrusted.into_keys()) {
            self.report.count(label, Redone::Already);
        }
        Ok(())
    }

    /// Whether the store knows of such a later change of the user: somebody has decided since.
    async fn is_decided(
        &self,
        user: UserId,
        at: DateTime<Utc>,
        changes: &[&str],
    ) -> Result<bool, AdminError> {
        let wanted = WantedEvents {
            user: Some(user),
            family: None,
            name: EventChoice::one("user.changed"),
            since: first_id_of(at),
            before: Uuid::max(),
        };
        let known = events::list(&self.core.db, &wanted, 1000).await?;
        let change = |fields: &str| -> Option<String> {
            let fields: Map<String, Value> = serde_json::from_str(fields).ok()?;
            Some(fields.get("change")?.as_str()?.to_owned())
        };
        Ok(known
            .iter()
            .filter_map(|event| change(&event.fields))
            .any(|change| changes.contains(&change.as_str())))
    }
}

/// The end of the millisecond that an event's id tells: what it ended had begun by then.
fn after(at: DateTime<Utc>) -> DateTime<Utc> {
    at + TimeDelta::milliseconds(1)
}

impl RecoveryReport {
    fn count(&mut self, label: String, redone: Redone) {
        match redone {
            Redone::Done => *self.done.entry(label).or_default() += 1,
            Redone::Already => *self.already.entry(label).or_default() += 1,
            Redone::ByHand(hint) => self.leave(label, hint, String::new()),
        }
    }

    fn leave(&mut self, label: String, hint: &'static str, name: String) {
        let left = self.by_hand.entry(label).or_default();
        left.count += 1;
        left.hint = hint;
        if !name.is_empty() && left.of.len() < NAMED {
            left.of.insert(name);
        }
    }
}
