//! Who has tokens: owners, honest and patient; other programs, thieves, and those who end logins.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;

use crate::asking::{Login, Way, Who, parts};
use crate::history::{Asked, Said};
use crate::world::World;

/// What becomes of a login.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// Its owner is alone with it.
    Kept,
    /// Two programs have it, and tell each other nothing.
    Shared,
    /// Somebody takes a copy, and uses it as the owner does.
    Stolen,
    Ended(Way),
}

/// Logs in again and again, until all is over.
pub async fn live(world: Arc<World>, who: Who, fate: Fate, number: u64) {
    let mut rng = SmallRng::seed_from_u64(world.run.seed().wrapping_mul(1_000_003).wrapping_add(number));
    while world.run.healed().is_none() {
        let Some((login, token)) = world.log_in(any_server(&world, &mut rng), &who).await else {
            if matches!(fate, Fate::Ended(Way::Disabling)) && !world.run.is_lossless() {
                world.let_in_again(any_server(&world, &mut rng), &who.user).await;
            }
            sleep(Duration::from_millis(rng.random_range(20..200))).await;
            continue;
        };
        let (mut one, mut other) = (rng.fork(), rng.fork());
        let world = &world;
        match fate {
            Fate::Kept => keep(world, &login, token, &mut one).await,
            Fate::Shared => {
                tokio::join!(
                    keep(world, &login, token.clone(), &mut one),
                    keep(world, &login, token, &mut other)
                );
            }
            Fate::Stolen => {
                let Some(token) = use_for_a_while(world, &login, token, &mut one).await else { continue };
                let began = world.run.moment();
                world.run.note(login.family, Asked::Theft, Said::Done, began);
                tokio::join!(
                    keep(world, &login, token.clone(), &mut one),
                    keep(world, &login, token, &mut other)
                );
            }
            Fate::Ended(way) => {
                let Some(token) = use_for_a_while(world, &login, token, &mut one).await else { continue };
                let ending = end(world, &login, token.clone(), way, &mut other);
                tokio::join!(keep(world, &login, token, &mut one), ending);
            }
        }
    }
}

fn any_server(world: &World, rng: &mut SmallRng) -> usize {
    rng.random_range(0..world.replicas.len())
}

/// A few refreshes, some in the leeway of the last one; the token that it leaves, unless the family has ended.
async fn use_for_a_while(world: &World, login: &Login, token: String, rng: &mut SmallRng) -> Option<String> {
    let mut token = token;
    for _ in 0..rng.random_range(0..12) {
        if world.run.healed().is_some() {
            return Some(token);
        }
        match world.present(any_server(world, rng), login, &token).await {
            (Said::Refused, _) => return None,
            (_, Some(successor)) => token = successor,
            _ => {}
        }
        world.pause(rng).await;
    }
    Some(token)
}

/// An owner: keeps the token that it got last in its file, and sends it until there is an answer. Sometimes it dies
/// before it has written the answer down, sometimes two of its threads refresh at once.
async fn keep(world: &World, login: &Login, token: String, rng: &mut SmallRng) {
    let mut file = token;
    loop {
        let began = world.run.moment();
        let (said, successor) = if rng.random_bool(0.05) && world.replicas.len() > 1 {
            let (one, other) = tokio::join!(world.present(0, login, &file), world.present(1, login, &file));
            if one.1.as_deref().map(generation) > other.1.as_deref().map(generation) { one } else { other }
        } else {
            world.present(any_server(world, rng), login, &file).await
        };
        match (said, successor) {
            (Said::Refused, _) => return insist(world, login, &file).await,
            (_, Some(_)) if rng.random_bool(0.02) => {
                // Some come back within the leeway, some after that.
                if rng.random_bool(0.3) {
                    world.absence().await;
                }
            }
            (_, Some(successor)) => {
                file = successor;
                if world.run.healed().is_some_and(|healed| began > healed) {
                    return;
                }
            }
            // As clients do that are told to come back; in a hurry, as hours are short here.
            _ => sleep(Duration::from_millis(rng.random_range(50..400))).await,
        }
        world.pause(rng).await;
    }
}

/// Whose token was refused tries it everywhere: it must be good for nothing.
async fn insist(world: &World, login: &Login, token: &str) {
    for server in 0..world.replicas.len() {
        world.present(server, login, token).await;
    }
}

fn generation(token: &str) -> u32 {
    parts(token).1
}

/// Ends a login, and says so until it is done.
async fn end(world: &World, login: &Login, token: String, way: Way, rng: &mut SmallRng) {
    world.pause(rng).await;
    while !world.end(any_server(world, rng), login, &token, way).await {
        sleep(Duration::from_millis(rng.random_range(20..150))).await;
        if world.run.healed().is_some_and(|healed| world.run.moment() > healed + 20_000_000) {
            return;
        }
    }
    // Nobody who is told so is served.
    insist(world, login, &token).await;
    while matches!(way, Way::Disabling) && !world.let_in_again(any_server(world, rng), &login.who.user).await
    {
        sleep(Duration::from_millis(50)).await;
    }
}
