//! The story, a scene a function.

use reqwest::StatusCode;
use serde_json::Value;

use crate::cli::demo::curl;
use crate::cli::demo::held::Held;
use crate::cli::demo::stage::{APP, HASTY, HASTY_SECONDS, LEEWAY_MINUTES, PASSWORD, Stage, USER};
use crate::cli::demo::teller::{Teller, say, short};

/// What thief and owner are told, in these words.
const REUSED: &str = "The refresh token was already used. This login has been ended. Please log in again.";

/// The status lists' interval, and the second within which the service asks again, are over then.
const HEARD_SECONDS: u64 = 7;

pub(super) async fn tell(stage: &Stage, teller: &mut Teller) -> anyhow::Result<()> {
    introduce(stage, teller);
    let first = log_in(stage, teller).await?;
    use_access_token(stage, teller, &first).await?;
    let second = refresh(stage, teller, &first).await?;
    lose_a_response(stage, teller, &first, &second).await?;
    let_an_access_token_expire(stage, teller).await?;
    let last = steal(stage, teller, &second).await?;
    both_are_out(stage, teller, &last).await
}

fn introduce(stage: &Stage, teller: &Teller) {
    teller.title("Heirloom: refresh tokens that rotate, and never log an honest user out");
    teller.fact("server", &stage.server);
    teller.fact("service", &stage.service);
    say("The server runs here, on SQLite in memory. The resource service is another \
         process: of the server it knows the public keys' URL, and nothing else.");
    teller.curl(&curl::prepare(stage));
}

async fn log_in(stage: &Stage, teller: &mut Teller) -> anyhow::Result<Held> {
    teller.scene("Log in: a family begins");
    let (status, answer) = stage.log_in(APP).await?;
    let held = Held::of(&answer);
    teller.check(
        status == StatusCode::OK && held.generation() == 1,
        &format!("{status}: an access token for 15 minutes, a refresh token for 7 days"),
    );
    teller.fact("sub", &format!("{}  the user, {USER}", held.text("sub")));
    teller.fact("sid", &format!("{}  the family", held.text("sid")));
    teller.fact("exp", &held.expires_at());
    teller.fact("refresh", &held_text(&held));
    teller.curl(&curl::log_in());
    Ok(held)
}

async fn use_access_token(stage: &Stage, teller: &mut Teller, held: &Held) -> anyhow::Result<()> {
    teller.scene("Use the access token: the resource service verifies it offline");
    let (status, profile) = stage.visit("/profile", &held.access).await?;
    let same = ["sub", "sid", "exp"].iter().all(|name| profile.get(name) == Some(&held.claim(name)));
    teller.check(
        status == StatusCode::OK && same,
        &format!("{status}: it read user, family and expiry, and did not ask the server"),
    );
    teller.fact("scopes", &words(&profile, "scopes"));
    teller.fact("roles", &words(&profile, "roles"));
    let (status, answer) = stage.visit("/profile", "rubbish").await?;
    teller.check(
        status == StatusCode::UNAUTHORIZED,
        &format!("{status} for rubbish: {}", description(&answer)),
    );
    teller.curl(&curl::visit());
    Ok(())
}

async fn refresh(stage: &Stage, teller: &mut Teller, held: &Held) -> anyhow::Result<Held> {
    teller.scene("Refresh: the family moves on by one generation");
    let (status, answer) = stage.refresh(&held.refresh).await?;
    let next = Held::of(&answer);
    teller.check(
        status == StatusCode::OK && next.generation() == held.generation() + 1,
        &format!("{status}: another access token, and the successor"),
    );
    teller.fact("refresh", &held_text(&next));
    teller.curl(&curl::refresh());
    Ok(next)
}

async fn lose_a_response(stage: &Stage, teller: &mut Teller, held: &Held, next: &Held) -> anyhow::Result<()> {
    teller.scene("Lose a response: the train went into a tunnel, the app tries again");
    say(&format!(
        "It never got the successor, so it sends the token that it has. This app's may come back for {LEEWAY_MINUTES} \
         minutes, so that you have the time to read; usual are 30 seconds."
    ));
    let (status, answer) = stage.refresh(&held.refresh).await?;
    let again = Held::of(&answer);
    teller.check(
        status == StatusCode::OK && again.refresh == next.refresh,
        &format!("{status}: the very same successor. Nobody is logged out"),
    );
    teller.fact("refresh", &held_text(&again));
    let same = ["jti", "iat", "exp"].iter().all(|name| again.claim(name) == next.claim(name));
    teller.check(same, "the same access too (jti, iat and exp): retries multiply nothing");
    teller.fact("jti", &again.text("jti"));
    teller.curl(&curl::lose_a_response());
    Ok(())
}

async fn let_an_access_token_expire(stage: &Stage, teller: &mut Teller) -> anyhow::Result<()> {
    teller.scene("Let an access token expire");
    let (_, answer) = stage.log_in(HASTY).await?;
    let held = Held::of(&answer);
    let (status, _) = stage.visit("/profile", &held.access).await?;
    teller.check(
        status == StatusCode::OK,
        &format!(
            "{status}: good, until {}. This client's live for {HASTY_SECONDS} seconds",
            held.expires_at()
        ),
    );
    teller.wait(HASTY_SECONDS).await;
    let (status, answer) = stage.visit("/profile", &held.access).await?;
    teller.check(
        status == StatusCode::UNAUTHORIZED && description(&answer) == "The access token expired.",
        &format!("{status}:"),
    );
    teller.quote(description(&answer));
    teller.curl(&curl::expire());
    Ok(())
}

async fn steal(stage: &Stage, teller: &mut Teller, copied: &Held) -> anyhow::Result<Held> {
    teller.scene("Steal a token: somebody copies one, and its owner goes on");
    teller.fact("thief", &held_text(copied));
    let (_, answer) = stage.refresh(&copied.refresh).await?;
    let (status, answer) = stage.refresh(&Held::of(&answer).refresh).await?;
    let owner = Held::of(&answer);
    teller.check(
        status == StatusCode::OK && owner.generation() == copied.generation() + 2,
        &format!("{status} for the owner, twice:"),
    );
    teller.fact("owner", &held_text(&owner));
    let (status, answer) = stage.refresh(&copied.refresh).await?;
    refused(teller, "the thief", status, &answer);
    teller.curl(&curl::steal());
    Ok(owner)
}

async fn both_are_out(stage: &Stage, teller: &mut Teller, owner: &Held) -> anyhow::Result<()> {
    teller.scene("Both are out: nobody can tell them apart, so the family is over");
    let (status, answer) = stage.refresh(&owner.refresh).await?;
    refused(teller, "the owner", status, &answer);
    teller.wait(HEARD_SECONDS).await;
    let (status, _) = stage.visit("/profile", &owner.access).await?;
    teller.check(
        status == StatusCode::UNAUTHORIZED,
        &format!(
            "{status} for the owner's last access token, though it expires at {}: the service verifies offline, and \
             reads in the server's status list that the login was ended",
            owner.expires_at()
        ),
    );
    let (status, answer) = stage.log_in(APP).await?;
    let fresh = Held::of(&answer);
    let another = fresh.generation() == 1 && fresh.claim("sid") != owner.claim("sid");
    teller.check(
        status == StatusCode::OK && another,
        &format!("{status}: the owner logs in again, and another family begins"),
    );
    teller.fact("sid", &fresh.text("sid"));
    teller.curl(&curl::both_are_out());
    Ok(())
}

/// What the reader can do now.
pub(super) fn invite(stage: &Stage, teller: &Teller) {
    teller.title("Your turn");
    teller.fact("user", USER);
    teller.fact("password", PASSWORD);
    teller.fact("server", &stage.server);
    teller.fact("service", &stage.service);
    say("Paste the curl lines of the story into another terminal, in their order. Then these:");
    teller.curl(&curl::more());
    println!();
    say("Ctrl-C ends it.");
}

fn refused(teller: &mut Teller, whom: &str, status: StatusCode, answer: &Value) {
    let told = description(answer);
    teller.check(status == StatusCode::UNAUTHORIZED && told == REUSED, &format!("{status} for {whom}:"));
    teller.quote(told);
}

fn held_text(held: &Held) -> String {
    format!("{}  generation {}", short(&held.refresh), held.generation())
}

fn description(answer: &Value) -> &str {
    answer.get("error_description").and_then(Value::as_str).unwrap_or_default()
}

fn words(answer: &Value, name: &str) -> String {
    let list = answer.get(name).and_then(Value::as_array);
    let words: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    words.join(" ")
}
