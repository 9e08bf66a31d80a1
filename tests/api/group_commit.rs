//! Rotations in batches against rotations one by one: the result of each must be the same.

use heirloom::domain::ids::FamilyId;
use heirloom::domain::refresh_token::{Generation, RefreshToken};
use heirloom::domain::secrets::{FamilySecret, SecretHash};
use heirloom::figures::BatchFigures;
use heirloom::settings::DatabaseUrl;
use heirloom::store::families::{self, FastPath};
use heirloom::store::group_commit::{Batching, GroupCommit};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::database::with_database;
use crate::harness::*;
use crate::relay::Relay;

const FAMILIES: usize = 5;

/// The key that some families are bound to, and another.
const KEYS: [&str; 2] =
    ["0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"];

/// An attempt to rotate one of a few families, made by several at once.
#[derive(Debug, Clone)]
struct Presented {
    family: usize,
    /// How far from the generation that is current: most are right.
    ahead: i64,
    secret_is_right: bool,
    key: Option<&'static str>,
    idle: bool,
    by: usize,
}

/// Families that present tokens at the same moment. None presents two different ones: which comes first would be
/// chance.
fn round() -> impl Strategy<Value = Vec<Presented>> {
    let presented = (
        0..FAMILIES,
        prop_oneof![6 => Just(0_i64), 1 => Just(-1), 1 => Just(1)],
        prop::bool::weighted(0.9),
        prop_oneof![1 => Just(None), 3 => Just(Some(KEYS[0])), 1 => Just(Some(KEYS[1]))],
        prop::bool::weighted(0.1),
        1..4_usize,
    );
    let presented = presented.prop_map(|(family, ahead, secret_is_right, key, idle, by)| Presented {
        family,
        ahead,
        secret_is_right,
        key,
        idle,
        by,
    });
    prop::collection::vec(presented, 1..8).prop_map(|mut all| {
        all.sort_by_key(|presented| presented.family);
        all.dedup_by_key(|presented| presented.family);
        all
    })
}

/// Two sets of families, alike but for their ids.
struct Twins {
    ids: [Vec<FamilyId>; 2],
    hash: SecretHash,
}

impl Twins {
    /// Clones the one family that is there; every other clone is bound to a key.
    async fn of(app: &TestApp, token: &RefreshToken, case: u128) -> Self {
        let id = |set: u128, number: usize| {
            FamilyId(Uuid::from_u128(
                (0x019a_c000_0000_7000_8000 << 48) + (case << 16) + (set << 8) + number as u128,
            ))
        };
        let ids = [0, 1].map(|set| (0..FAMILIES).map(|number| id(set, number)).collect::<Vec<_>>());
        for (number, id) in ids.iter().flat_map(|set| set.iter().enumerate()) {
            let literal = match app.store {
                Store::Sqlite => format!("x'{}'", id.0.simple()),
                Store::Postgres => format!("'{id}'"),
            };
            app.sql(&format!(
                "INSERT INTO families (id, {OTHERS}) SELECT {literal}, {OTHERS} FROM families ORDER BY id DESC LIMIT 1"
            ))
            .await;
            if Self::is_bound(number) {
                let key = KEYS[0];
                app.sql(&format!("UPDATE families SET key_thumbprint = '{key}' WHERE id = {literal}")).await;
            }
        }
        Self { ids, hash: token.secret.hash() }
    }

    fn is_bound(family: usize) -> bool {
        family % 2 == 1
    }

    async fn generation(&self, app: &TestApp, set: usize, family: usize) -> i64 {
        let family = families::find(&app.core.db, self.ids[set][family]).await.unwrap().unwrap();
        assert_eq!(family.base.map_or(0, Generation::number) + 1, family.generation.number());
        family.generation.number()
    }
}

const OTHERS: &str = "user_id, subject, client_id, scope, audiences, roles, key_thumbprint, secret_hash, generation, \
     base, rotated_at, auth_time, amr, acr, sign_in_session, device_name, user_agent, address, created_at, expires_at, \
     ended_at, end_reason";

both_stores! {
    async fn attempts_in_batches_have_the_same_results_as_one_by_one(app) {
        let tokens = app.ana_logged_in().await;
        let client = heirloom::domain::ids::ClientId::built_in();
        let token = app.core.keys.with_mac_keys(|keys| RefreshToken::open(&tokens.refresh, &client, keys)).unwrap();
        let batched = GroupCommit::new(app.core.db.with_own_connections(3), Batching::On, BatchFigures::new().unwrap());
        let single = GroupCommit::new(app.core.db.with_own_connections(3), Batching::Off, BatchFigures::new().unwrap());
        let mut runner = TestRunner::deterministic();
        let histories = prop::collection::vec(round(), 1..12);
        let mut rotated = 0;
        for case in 0..24 {
            let history = histories.new_tree(&mut runner).unwrap().current();
            let twins = Twins::of(&app, &token, case).await;
            for round in &history {
                app.clock.advance(SECOND);
                let mut outcomes = Vec::new();
                for (set, commit) in [&batched, &single].into_iter().enumerate() {
                    let mut attempts = Vec::new();
                    for presented in round {
                        let current = twins.generation(&app, set, presented.family).await;
                        let now = app.clock.now();
                        let wrong = FamilySecret::new([7; 16]).hash();
                        let attempt = FastPath {
                            id: twins.ids[set][presented.family],
                            presented: Generation::new((current + presented.ahead).max(1)).unwrap(),
                            secret_hash: if presented.secret_is_right { twins.hash.clone() } else { wrong },
                            key: presented.key.map(|key| key.parse().unwrap()),
                            now,
                            idle_since: if presented.idle { now } else { now - DAY },
                        };
                        attempts.extend(std::iter::repeat_n(attempt, presented.by));
                    }
                    outcomes.push(present(commit, attempts).await);
                }
                assert_eq!(outcomes[0], outcomes[1], "case {case}: {history:?}");
                let unproved = round.iter().zip(&outcomes[0]).filter(|(presented, _)| {
                    Twins::is_bound(presented.family) && presented.key != Some(KEYS[0])
                });
                assert!(unproved.into_iter().all(|(_, rotated)| *rotated == 0), "case {case}: {history:?}");
                rotated += outcomes[0].iter().sum::<usize>();
                for family in 0..FAMILIES {
                    let (one, other) =
                        (twins.generation(&app, 0, family).await, twins.generation(&app, 1, family).await);
                    assert_eq!(one, other, "case {case}: {history:?}");
                }
            }
        }
        assert!(rotated > 100, "most histories rotate something: {rotated}");
    }
}

/// Makes all attempts at once; gives for each group of equal ones, in order, how many succeeded.
async fn present(commit: &GroupCommit, attempts: Vec<FastPath>) -> Vec<usize> {
    let ids: Vec<_> = attempts.iter().map(|attempt| attempt.id).collect();
    let results =
        futures_util::future::join_all(attempts.into_iter().map(|attempt| commit.rotate(attempt))).await;
    let mut groups: Vec<(FamilyId, usize)> = Vec::new();
    for (id, result) in ids.into_iter().zip(results) {
        let grant = result.unwrap();
        assert!(grant.as_ref().is_none_or(|grant| grant.family == id), "the grant is its own family's");
        match groups.last_mut() {
            Some((last, rotated)) if *last == id => *rotated += usize::from(grant.is_some()),
            _ => groups.push((id, usize::from(grant.is_some()))),
        }
    }
    groups.into_iter().map(|(_, rotated)| rotated).collect()
}

/// Holds families back with a change of something that no attempt asks about.
async fn hold(app: &TestApp, tokens: &[Tokens]) -> Transaction<'static, Postgres> {
    let DatabaseUrl::Postgres(url) = &app.settings.database_url else { panic!("not PostgreSQL") };
    let mut holding = PgPool::connect(url.expose()).await.unwrap().begin().await.unwrap();
    for tokens in tokens {
        let id: Uuid = tokens.claims()["sid"].as_str().unwrap().parse().unwrap();
        let change = sqlx::query("UPDATE families SET device_name = 'another' WHERE id = $1").bind(id);
        assert_eq!(change.execute(&mut *holding).await.unwrap().rows_affected(), 1);
    }
    holding
}

/// The first keeps the worker busy until the others have gathered; they go as one batch, and wait for their rows, which
/// have changed when they get them.
async fn waits_for_its_rows(app: TestApp) {
    let moment = || tokio::time::sleep(std::time::Duration::from_millis(100));
    app.add_user("ana").await;
    let mut logins = Vec::new();
    for _ in 0..4 {
        logins.push(app.log_in("ana").await);
    }
    let (first, others) = logins.split_at(1);
    let holding = [hold(&app, first).await, hold(&app, others).await];
    let first = app.rotate(&first[0]);
    let others = async {
        moment().await;
        futures_util::future::join_all(others.iter().map(|tokens| app.rotate(tokens))).await
    };
    let letting_go = async {
        for held in holding {
            moment().await;
            moment().await;
            held.commit().await.unwrap();
        }
    };
    let (first, others, ()) = tokio::join!(first, others, letting_go);
    assert!(others.iter().chain([&first]).all(|tokens| tokens.generation() == 2));
    assert_eq!(app.number("SELECT COUNT(*) FROM families WHERE generation = 2 AND base = 1").await, 4);
}

#[test]
fn a_batch_that_waits_for_its_rows_loses_nobody() {
    run(Store::Postgres, |settings| settings.http.workers = Some(1), waits_for_its_rows);
}

/// More refreshes than a batch of one, at the same moment: all must be served.
async fn many_refresh_at_once(app: &TestApp) {
    let logins = futures_util::future::join_all((0..40).map(|_| app.log_in("ana"))).await;
    let rotated = futures_util::future::join_all(logins.iter().map(|tokens| app.rotate(tokens))).await;
    assert!(rotated.iter().all(|tokens| tokens.generation() == 2));
}

/// What a sharded engine answers to a batch: `feature_not_supported`.
const UNSUPPORTED: (&str, &str) = ("UNNEST", "0A000");

#[test]
fn an_engine_that_cannot_take_batches_is_noticed_at_the_start() {
    with_database(Store::Postgres, async |store, url| {
        let (relay, url) = Relay::to(&url).await;
        relay.refuse(UNSUPPORTED.0, UNSUPPORTED.1);
        let (app, stop) = start(store, &url, TestClock::new(), |_| {}).await;
        app.add_user("ana").await;
        for _ in 0..3 {
            many_refresh_at_once(&app).await;
        }
        assert_eq!(relay.refused(), 1, "the one question at the start");
        stop.end().await;
    });
}

#[test]
fn a_batch_that_the_engine_cannot_take_is_written_one_by_one() {
    with_database(Store::Postgres, async |store, url| {
        let (relay, url) = Relay::to(&url).await;
        let (app, stop) = start(store, &url, TestClock::new(), |_| {}).await;
        app.add_user("ana").await;
        relay.refuse(UNSUPPORTED.0, UNSUPPORTED.1);
        many_refresh_at_once(&app).await;
        assert!(relay.refused() > 0, "there were batches");
        stop.end().await;
    });
}
