//! Users who move in, a batch in a transaction. What was imported before is known by its line, whatever became of the
//! user since: an import that was interrupted can be run again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::crypto::hash_forms::{FirebaseConfig, HashRules};
use crate::crypto::random;
use crate::crypto::totp::TotpSecret;
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::domain::import_job::RefusedLine;
use crate::domain::upstream::{UpstreamLink, UpstreamSubject};
use crate::domain::user::User;
use crate::service::admin::moving::line::{LineLink, ReadLine, UnfitLine};
use crate::service::keys::signer_keys;
use crate::service::users::totp;
use crate::service::{Core, Failure};
use crate::store::import_work::{self, ImportStep, Lease};
use crate::store::imported_users::{self, ImportedUser};
use crate::store::{StoreError, Tx, totp_secrets, upstream_links, users};

/// What hashes must be. The key of a Firebase project is kept with it: servers verify its users' passwords with it.
///
/// # Errors
/// [`Failure::Store`].
pub async fn begin(
    core: &Core,
    firebase: Option<FirebaseConfig>,
    effect: Effect,
) -> Result<HashRules, Failure> {
    if let (Some(config), Effect::Write) = (&firebase, effect) {
        signer_keys::keep(&core.keys, &core.db, &config.signer_key).await?;
    }
    Ok(core.passwords.hash_rules(firebase))
}

/// Whether an import, or what else may be tried first, changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Write,
    /// It tells what it would do.
    Tell,
}

/// Lines that are to be imported together: of different names and ids.
#[derive(Debug, Default)]
pub struct Batch {
    users: Vec<ImportedUser>,
    lines: Vec<u64>,
    names: HashSet<String>,
    ids: HashSet<UserId>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Moved {
    pub imported: u64,
    /// So many were there, from the same line.
    pub there: u64,
    /// By the numbers of their lines.
    pub refused: Vec<(u64, UnfitLine)>,
}

impl Batch {
    /// Takes a line in; gives it back when it has a name or an id that is in the batch already.
    ///
    /// # Errors
    /// The line.
    pub fn add(&mut self, number: u64, line: ReadLine, now: DateTime<Utc>) -> Result<(), Box<ReadLine>> {
        let key = line.username.key();
        let is_there = self.names.contains(&key) || line.id.is_some_and(|id| self.ids.contains(&id));
        if is_there {
            return Err(Box::new(line));
        }
        self.names.insert(key.clone());
        self.ids.extend(line.id);
        self.lines.push(number);
        self.users.push(imported(line, key, now));
        Ok(())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

fn imported(line: ReadLine, key: String, now: DateTime<Utc>) -> ImportedUser {
    let digest = line.digest();
    let user = User {
        id: line.id.unwrap_or_else(|| UserId::new(now, random::bytes())),
        username: line.username,
        email: line.email,
        email_verified: line.email_verified,
        claims: line.claims,
        roles: line.roles,
        created_at: line.created_at.unwrap_or(now),
        last_login_at: line.last_login_at,
        disabled_at: line.disabled_at,
    };
    let email_key = user.verified_email_key();
    let made = |told: LineLink| UpstreamLink {
        who: UpstreamSubject { issuer: told.issuer, subject: told.subject },
        label: told.label,
        created_at: now,
        last_used_at: None,
    };
    let links = line.upstream_links.into_iter().map(made).collect();
    let ReadLine { password_hash, totp, .. } = line;
    ImportedUser { user, key, email_key, password_hash, totp, links, digest }
}

/// Links those who were added. Who belongs to somebody else's account by one of the links is not there after all.
async fn link(tx: &mut Tx, users: &[ImportedUser], added: &mut HashSet<UserId>) -> Result<(), StoreError> {
    let linked: Vec<_> =
        users.iter().filter(|it| !it.links.is_empty() && added.contains(&it.user.id)).collect();
    let links: Vec<_> = linked.iter().flat_map(|it| it.links.iter().map(|link| (it.user.id, link))).collect();
    if links.is_empty() || upstream_links::insert_all(tx, &links).await? == links.len() {
        return Ok(());
    }
    // One by one, it tells whose they are.
    for it in &linked {
        upstream_links::delete_of(tx, it.user.id).await?;
    }
    for it in linked {
        for link in &it.links {
            if !upstream_links::insert(tx, it.user.id, link).await? {
                users::delete(tx, it.user.id).await?;
                added.remove(&it.user.id);
                break;
            }
        }
    }
    Ok(())
}

/// Gives those who were added their apps. The code that an app shows now may have been used where its user comes from,
/// so it is spent.
async fn add_apps(
    tx: &mut Tx,
    sealed: &[(UserId, Vec<u8>)],
    added: &HashSet<UserId>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let of_added = sealed.iter().filter(|(user, _)| added.contains(user));
    let of_added: Vec<_> = of_added.map(|(user, sealed)| (*user, sealed.as_slice())).collect();
    if of_added.is_empty() {
        return Ok(());
    }
    totp_secrets::insert_all(tx, &of_added, TotpSecret::step_at(now), now).await
}

/// Imports a batch: all of it that can be, in one transaction.
///
/// # Errors
/// [`Failure::Store`]; whether it was imported is then unknown, and the next try tells.
pub async fn write(core: &Core, batch: Batch, now: DateTime<Utc>) -> Result<Moved, Failure> {
    Ok(write_step(core, batch, None, now).await?.unwrap_or_default())
}

/// The same as a step of a job, which is noted in the same transaction. `None` when the job is somebody else's by now:
/// then nothing is imported.
pub(in crate::service::admin) async fn write_step(
    core: &Core,
    batch: Batch,
    step: Option<(Lease, ImportStep)>,
    now: DateTime<Utc>,
) -> Result<Option<Moved>, Failure> {
    let sealed = |it: &ImportedUser| {
        it.totp.as_ref().map(|secret| (it.user.id, totp::seal(&core.keys, it.user.id, secret)))
    };
    let apps: Arc<[_]> = batch.users.iter().filter_map(sealed).collect();
    let (batch, step) = (Arc::new(batch), Arc::new(step));
    let written = core.writer.write_sending(now, move |tx| {
        let (batch, apps, step) = (Arc::clone(&batch), Arc::clone(&apps), Arc::clone(&step));
        Box::pin(async move {
            let users = &batch.users;
            let mut added = imported_users::insert(tx, users, now).await?;
            link(tx, users, &mut added).await?;
            add_apps(tx, &apps, &added, now).await?;
            let moved = of_written(tx, &batch, &added).await?;
            if moved.imported > 0 {
                tx.record(Event::UsersImported { count: moved.imported });
            }
            if let Some((lease, step)) = step.as_ref()
                && !import_work::advance(tx, *lease, &step_with(step, &moved)).await?
            {
                return Ok(None);
            }
            Ok(Some(moved))
        })
    });
    Ok(written.await?)
}

/// A step to which this belongs, too.
pub(in crate::service::admin) fn step_with(step: &ImportStep, moved: &Moved) -> ImportStep {
    let refused = |(line, unfit): &(u64, UnfitLine)| RefusedLine { line: *line, reason: unfit.to_string() };
    ImportStep {
        lines_done: step.lines_done,
        imported: step.imported + moved.imported,
        there: step.there + moved.there,
        refused: step.refused.iter().cloned().chain(moved.refused.iter().map(refused)).collect(),
    }
}

/// What became of a batch of which these were added.
async fn of_written(tx: &mut Tx, batch: &Batch, added: &HashSet<UserId>) -> Result<Moved, StoreError> {
    let mut moved = Moved { imported: count(added.len()), ..Moved::default() };
    let rest = batch.users.iter().zip(&batch.lines).filter(|(it, _)| !added.contains(&it.user.id));
    let rest: Vec<_> = rest.map(|(user, line)| (user, *line)).collect();
    if rest.is_empty() {
        return Ok(moved);
    }
    for (_, line, standing) in standings(tx, &rest).await? {
        match standing {
            LineStanding::LinkTaken => moved.refused.push((line, UnfitLine::LinkTaken)),
            LineStanding::Same => moved.there += 1,
            LineStanding::NameTaken => moved.refused.push((line, UnfitLine::NameTaken)),
            LineStanding::EmailTaken => moved.refused.push((line, UnfitLine::EmailTaken)),
            // It was there a moment ago, or its id is.
            LineStanding::IdTaken | LineStanding::Free => moved.refused.push((line, UnfitLine::IdTaken)),
        }
    }
    Ok(moved)
}

/// What an import would do, and has seen in the lines so far.
#[derive(Debug, Default)]
pub struct DryRun {
    /// A name's hash, and the line's.
    seen: HashMap<u64, u64>,
    ids: HashSet<UserId>,
    /// The hashes of verified addresses.
    emails: HashSet<u64>,
    links: HashSet<UpstreamSubject>,
}

impl DryRun {
    /// What would become of a batch.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn tell(&mut self, core: &Core, batch: Batch) -> Result<Moved, Failure> {
        let mut moved = Moved::default();
        let all: Vec<_> = batch.users.iter().zip(batch.lines.iter().copied()).collect();
        // It is not committed: there is nothing to commit.
        let mut tx = core.db.begin().await?;
        for (user, line, standing) in standings(&mut tx, &all).await? {
            match (standing, self.standing(user)) {
                (LineStanding::Same, _) | (LineStanding::Free, LineStanding::Same) => moved.there += 1,
                (LineStanding::NameTaken, _) | (LineStanding::Free, LineStanding::NameTaken) => {
                    moved.refused.push((line, UnfitLine::NameTaken));
                }
                (LineStanding::IdTaken, _) | (LineStanding::Free, LineStanding::IdTaken) => {
                    moved.refused.push((line, UnfitLine::IdTaken));
                }
                (LineStanding::EmailTaken, _) | (LineStanding::Free, LineStanding::EmailTaken) => {
                    moved.refused.push((line, UnfitLine::EmailTaken));
                }
                (LineStanding::LinkTaken, _) | (LineStanding::Free, LineStanding::LinkTaken) => {
                    moved.refused.push((line, UnfitLine::LinkTaken));
                }
                (LineStanding::Free, LineStanding::Free) => moved.imported += 1,
            }
        }
        Ok(moved)
    }

    /// Among the lines so far.
    fn standing(&mut self, user: &ImportedUser) -> LineStanding {
        let hasher = self.seen.hasher().clone();
        let hash = |bytes: &[u8]| std::hash::BuildHasher::hash_one(&hasher, bytes);
        let digest = hash(&user.digest);
        match self.seen.get(&hash(user.key.as_bytes())) {
            Some(seen) if *seen == digest => return LineStanding::Same,
            Some(_) => return LineStanding::NameTaken,
            None => {}
        }
        if self.ids.contains(&user.user.id) {
            return LineStanding::IdTaken;
        }
        let email = user.email_key.as_ref().map(|key| hash(key.as_bytes()));
        if email.is_some_and(|email| !self.emails.insert(email)) {
            return LineStanding::EmailTaken;
        }
        if user.links.iter().any(|link| !self.links.insert(link.who.clone())) {
            return LineStanding::LinkTaken;
        }
        self.ids.insert(user.user.id);
        self.seen.insert(hash(user.key.as_bytes()), digest);
        LineStanding::Free
    }
}

/// What is in a line's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineStanding {
    Free,
    /// A user who came from the same line.
    Same,
    NameTaken,
    IdTaken,
    EmailTaken,
    LinkTaken,
}

async fn standings<'a>(
    tx: &mut Tx,
    lines: &[(&'a ImportedUser, u64)],
) -> Result<Vec<(&'a ImportedUser, u64, LineStanding)>, StoreError> {
    let users: Vec<&ImportedUser> = lines.iter().map(|(user, _)| *user).collect();
    let known = imported_users::digests(tx, &users).await?;
    let ids = imported_users::taken_ids(tx, &users).await?;
    let emails = imported_users::taken_emails(tx, &users).await?;
    let mut taken = HashSet::new();
    for link in users.iter().flat_map(|it| &it.links) {
        if upstream_links::is_taken(tx, &link.who).await? {
            taken.insert(&link.who);
        }
    }
    let standing = |user: &ImportedUser| match known.get(&user.key) {
        Some(digest) if digest.as_deref() == Some(&user.digest) => LineStanding::Same,
        Some(_) => LineStanding::NameTaken,
        None if ids.contains(&user.user.id) => LineStanding::IdTaken,
        None if user.email_key.as_ref().is_some_and(|key| emails.contains(key)) => LineStanding::EmailTaken,
        None if user.links.iter().any(|link| taken.contains(&link.who)) => LineStanding::LinkTaken,
        None => LineStanding::Free,
    };
    Ok(lines.iter().map(|(user, line)| (*user, *line, standing(user))).collect())
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
