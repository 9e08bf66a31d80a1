//! The row that the model of the rotation protocol writes (`tests/model`), against the statements that write the real
//! one: whatever the row is and whatever is asked of it, both become the same.

use chrono::TimeDelta;
use heirloom::domain::family::{Family, State, Step};
use heirloom::domain::ids::FamilyId;
use heirloom::domain::refresh_token::Generation;
use heirloom::domain::refusal::EndReason;
use heirloom::store::families::{self, FastPath};
use uuid::Uuid;

use crate::harness::*;
use crate::row::{Moment, Read, Row, Spans, Standing, Wanted, generation};

const SPANS: Spans = Spans { tick: 20, idle: 50, absolute: 90 };

#[derive(Debug, Clone, Copy)]
enum Asked {
    Bet { presented: u8, now: Moment },
    Swap { read: Read, wanted: Wanted, now: Moment },
    End { now: Moment },
}

/// Rows of three generations, and whatever comes near them.
fn cases() -> Vec<(Row, Asked)> {
    let at = |tick| Moment { tick, order: 0 };
    let mut cases = Vec::new();
    for (current, rotated) in (1..=3).flat_map(|current| [0, 1, 3].map(|tick| (current, at(tick)))) {
        for (base, standing) in [0, 1, 2]
            .into_iter()
            .flat_map(|base| [Standing::Live, Standing::Revoked].map(|standing| (base, standing)))
        {
            let row = Row { generation: current, base, rotated_at: rotated, standing };
            if base >= current {
                continue;
            }
            for (presented, tick) in (1..=4).flat_map(|presented| (0..=6).map(move |tick| (presented, tick)))
            {
                cases.push((row, Asked::Bet { presented, now: at(tick) }));
            }
            for (generation, tick) in (1..=3).flat_map(|generation| [0, 1, 3].map(|tick| (generation, tick)))
            {
                for wanted in
                    [Wanted { generation, base }, Wanted { generation: generation + 1, base: generation }]
                {
                    let read = Read { generation, rotated_at: at(tick) };
                    cases.push((row, Asked::Swap { read, wanted, now: at(3) }));
                }
            }
            cases.push((row, Asked::End { now: at(3) }));
        }
    }
    cases
}

/// What the model's row becomes, if anything.
fn modelled(row: Row, asked: Asked) -> Option<Row> {
    match asked {
        Asked::Bet { presented, now } => row.bet(presented, now, &SPANS),
        Asked::Swap { read, wanted, now } => row.swap(read, wanted, now),
        Asked::End { .. } => Some(row.ended(Standing::Reused)).filter(|ended| *ended != row),
    }
}

/// Asks the database; whether it did anything.
async fn done(app: &TestApp, family: &Family, asked: Asked) -> bool {
    let db = &app.core.db;
    match asked {
        Asked::Bet { presented, now } => {
            let now = now.real(&SPANS);
            let attempt = FastPath {
                id: family.id,
                presented: generation(presented),
                secret_hash: family.secret_hash.clone(),
                key: None,
                now,
                idle_since: now - TimeDelta::seconds(SPANS.idle),
            };
            families::rotate(db, &attempt).await.unwrap().is_some()
        }
        Asked::Swap { read, wanted, now } => {
            let read = Family {
                generation: generation(read.generation),
                rotated_at: read.rotated_at.real(&SPANS),
                ..family.clone()
            };
            let base = Generation::new(i64::from(wanted.base));
            let step = Step { generation: generation(wanted.generation), base };
            let now = now.real(&SPANS);
            let plain = families::advance(db, &read, step, now).await.unwrap();
            plain.is_some()
        }
        Asked::End { now } => {
            let now = now.real(&SPANS);
            let ended = app
                .core
                .write(now, async |tx| families::end(tx, family.id, EndReason::Reuse, now).await)
                .await;
            ended.unwrap().is_some()
        }
    }
}

both_stores! {
    async fn the_modelled_row_becomes_what_the_real_one_becomes(app) {
        let cases = cases();
        let start = Moment::START.real(&SPANS);
        let families: Vec<Family> = (1..).zip(&cases).map(|(number, (row, _))| {
            Family { id: FamilyId(Uuid::from_u128(number)), ..row.family(&SPANS) }
        }).collect();
        app.core.write(start, async |tx| {
            for family in &families {
                families::insert(tx, family).await?;
                if let State::Ended { reason, .. } = family.state {
                    families::end(tx, family.id, reason, start).await?;
                }
            }
            Ok(Some(()))
        }).await.unwrap();
        let mut changed = [0; 3];
        for (family, (row, asked)) in families.iter().zip(&cases) {
            let expected = modelled(*row, *asked);
            assert_eq!(done(&app, family, *asked).await, expected.is_some(), "{row:?} {asked:?}");
            changed[match asked { Asked::Bet { .. } => 0, Asked::Swap { .. } => 1, Asked::End { .. } => 2 }] += usize::from(expected.is_some());
            let wanted = expected.unwrap_or(*row).family(&SPANS);
            let found = families::find(&app.core.db, family.id).await.unwrap().unwrap();
            assert_eq!(
                (found.generation, found.base, found.rotated_at, found.state == State::Live),
                (wanted.generation, wanted.base, wanted.rotated_at, wanted.state == State::Live),
                "{row:?} {asked:?}"
            );
        }
        assert!(changed.iter().all(|changed| *changed > 5), "each statement holds sometimes: {changed:?}");
        assert!(cases.len() > 3 * changed.iter().sum::<usize>(), "and mostly it does not");
    }
}
