//! The store: whether it answers and takes writes, its schema, clock, connections and keys.

use chrono::TimeDelta;

use super::finding::Finding;
use crate::app::checking::{check_keys, check_place, check_writable, no_subjects};
use crate::app::distributing;
use crate::app::opening::{OldSchema, Seen, connect, master_keys_found, see_to_schema};
use crate::app::parts::{check_clients, known_clients};
use crate::clock::Clock;
use crate::master_keys;
use crate::service::clock_watch::ClockWatch;
use crate::service::keys::ring::Keys;
use crate::settings::{DatabaseUrl, Settings};
use crate::store::{Db, StoreError, recovery, server_room};

/// Past this a clock is on its way to be off.
const NOTABLE: TimeDelta = TimeDelta::seconds(1);

pub(super) async fn look(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let url = &settings.database_url;
    let mut found = Vec::new();
    if let Err(error) = master_keys::given(settings) {
        found.push(Finding::wrong("keys", format!("{error:#}")));
    }
    match url {
        DatabaseUrl::SqliteMemory => {
            found.push(Finding::note("database", "the store is in memory: it ends with its server"));
            return found;
        }
        DatabaseUrl::Sqlite(path) if !path.exists() => {
            let place = check_place(path).map(|()| format!("there is no {url} yet: a start makes it"));
            found.push(Finding::of("database", place));
            return found;
        }
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => {}
    }
    let db = match connect(settings).await {
        Ok(db) => db,
        Err(error) => {
            found.push(Finding::wrong("database", format!("{error:#}")));
            return found;
        }
    };
    found.extend(look_into(settings, &db, clock).await);
    db.close().await;
    found
}

async fn look_into(settings: &Settings, db: &Db, clock: &Clock) -> Vec<Finding> {
    let url = &settings.database_url;
    let answers = db.time().await.map(|_| ()).map_err(|error| match error {
        StoreError::ReadOnly => {
            anyhow::anyhow!("{url} takes no writes: it is a standby, or its disk is full")
        }
        other => anyhow::Error::from(other).context(format!("cannot read {url}")),
    });
    let answers = answers.map(|()| format!("{url} answers"));
    let is_there = answers.is_ok();
    let mut found = vec![Finding::of("database", answers)];
    if !is_there {
        return found;
    }
    found.push(time(settings, db, clock).await);
    found.extend(connections(settings, db).await);
    match see_to_schema(db, settings, OldSchema::LeaveAlone).await {
        Ok(Seen::Old) => {
            found.push(Finding::note("schema", "it is older than this binary: a start brings it up to date"));
            return found;
        }
        Ok(Seen::Current | Seen::MigratedTo(_)) => found.push(Finding::ok("schema", "it fits this binary")),
        Err(error) => {
            found.push(Finding::wrong("schema", format!("{error:#}")));
            return found;
        }
    }
    match distributing::look(db).await {
        Ok(None) => {}
        Ok(Some(says)) => found.push(Finding::ok("distribution", says)),
        Err(error) => found.push(Finding::wrong("distribution", format!("{error:#}"))),
    }
    let writes = check_writable(db).await.map(|()| "writes work".to_owned());
    found.push(Finding::of("database", writes));
    found.extend(keys(settings, db, clock).await);
    if let Ok((clients, ..)) = known_clients(settings, &no_subjects(), clock.clone()) {
        let fit = check_clients(db, &clients).await.map(|()| "all lifetimes fit the settings".to_owned());
        found.push(Finding::of("clients", fit));
    }
    found.extend(restored(db, clock).await);
    found
}

async fn time(settings: &Settings, db: &Db, clock: &Clock) -> Finding {
    const ABOUT: &str = "clock";
    let watch = ClockWatch::new(settings.tokens.leeway);
    if let Err(error) = watch.compare(db, || clock.read()).await {
        return Finding::wrong(ABOUT, format!("the database's clock cannot be read: {error}"));
    }
    if let Err(astray) = watch.check(clock.read()) {
        return Finding::wrong(ABOUT, format!("{astray}: no server starts so"));
    }
    match db.time().await {
        Ok(Some(database)) => {
            let off = clock.now() - database;
            let says =
                format!("{} ms between this machine's and the database's", off.num_milliseconds().abs());
            if off.abs() > NOTABLE { Finding::note(ABOUT, says) } else { Finding::ok(ABOUT, says) }
        }
        Ok(None) => Finding::ok(ABOUT, "there is no other to compare this machine's with"),
        Err(error) => Finding::wrong(ABOUT, format!("the database's clock cannot be read: {error}")),
    }
}

async fn connections(settings: &Settings, db: &Db) -> Option<Finding> {
    const ABOUT: &str = "connections";
    let ours = settings.database.max_connections;
    let room = match server_room::of(db).await {
        Ok(room) => room?,
        Err(error) => return Some(Finding::note(ABOUT, format!("they cannot be counted: {error}"))),
    };
    let (all, others) = (i64::from(room.for_everybody), room.of_others);
    let says = format!(
        "the server has {all} connections, others use {others} now, and each of your servers takes up to {ours} \
         (database.max_connections)"
    );
    Some(if i64::from(ours) > all {
        Finding::wrong(ABOUT, format!("{says}: that is more than there are"))
    } else if i64::from(ours) + others > all {
        Finding::note(ABOUT, format!("{says}: together that is more than there are"))
    } else {
        Finding::ok(ABOUT, says)
    })
}

async fn keys(settings: &Settings, db: &Db, clock: &Clock) -> Vec<Finding> {
    const ABOUT: &str = "keys";
    if let Err(error) = check_keys(settings, db).await {
        return vec![Finding::wrong(ABOUT, format!("{error:#}"))];
    }
    let master = match master_keys_found(settings, db).await {
        Ok(Some(master)) => master,
        Ok(None) => return vec![Finding::ok(ABOUT, "there are none yet: a start makes them")],
        Err(error) => return vec![Finding::wrong(ABOUT, format!("{error:#}"))],
    };
    let (keys, now) = (Keys::new(master), clock.now());
    if let Err(error) = keys.reload(db).await {
        return vec![Finding::wrong(ABOUT, error.to_string())];
    }
    vec![match keys.with_signing_keys(|keys| keys.signing_since(now)) {
        Some(since) => {
            let days = (now - since).num_days();
            Finding::ok(
                ABOUT,
                format!("the master key opens all; the signing key has signed for {days} days"),
            )
        }
        None => Finding::wrong(ABOUT, "no key signs: `heirloom keys rotate` makes one"),
    }]
}

async fn restored(db: &Db, clock: &Clock) -> Option<Finding> {
    let now = clock.now();
    let refusal = match recovery::refusal(db, now).await {
        Ok(refusal) => refusal.filter(|it| now < it.from)?,
        Err(error) => return Some(Finding::wrong("recovery", error.to_string())),
    };
    let says = format!(
        "a token came that is ahead of the store: was it restored, or did it fail over? Logins wait for your word until {}: \
         `heirloom recovery open` or `heirloom recovery decline`",
        refusal.from.format("%Y-%m-%d %H:%M UTC")
    );
    Some(Finding::wrong("recovery", says))
}
