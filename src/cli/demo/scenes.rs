//! The story, a scene a function.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::Value;

use crate::cli::demo::stage::{APP, HASTY, PASSWORD, Stage, USER};
use crate::cli::demo::teller::{Teller, say, short};

/// What somebody holds after a login or a refresh.
#[derive(Clone)]
struct Held {
    access: String,
    refresh: String,
}

impl Held {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    /// The generation that the refresh token names (bytes 20 to 23).
    fn generation(&self) -> u32 {
        let encoded = self.refresh.strip_prefix("hrt1_").unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
        bytes.get(20..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    /// One of the access token's claims.
    fn claim(&self, name: &str) -> Value {
        let payload = self.access.split('.').nth(1).unwrap_or_default();
        let json = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
        let claims: Value = serde_json::from_slice(&json).unwrap_or_default();
        claims.get(name).cloned().unwrap_or_default()
    }
}

fn description(answer: &Value) -> &str {
    answer.get("error_description").and_then(Value::as_str).unwrap_or_default()
}

pub(super) async fn tell(stage: &Stage, teller: &mut Teller) -> anyhow::Result<()> {
    println!(
        "{}",
        teller.paint("1", "Heirloom: refresh tokens that rotate, and never log an honest user out")
    );
    println!("   authorization server   {}   (SQLite in memory)", stage.server);
    println!("   resource service       {}   (another process: it has the public key's URL)", stage.service);
    let first = log_in(stage, teller).await?;
    use_access_token(stage, teller, &first).await?;
    let second = refresh(stage, teller, &first).await?;
    lose_a_response(stage, teller, &first, &second).await?;
    let_an_access_token_expire(stage, teller).await?;
    let last = steal(stage, teller, &second).await?;
    both_are_out(stage, teller, &last).await
}

async fn log_in(stage: &Stage, teller: &mut Teller) -> anyhow::Result<Held> {
    teller.scene("Log in: a family begins");
    let (status, answer) = stage.log_in(APP).await?;
    let held = Held::of(&answer);
    teller.check(
        status == StatusCode::OK,
        &format!("{status}: an access token for 15 minutes, a refresh token for 7 days"),
    );
    say(&format!("family  {}", held.claim("sid").as_str().unwrap_or_default()));
    say(&format!("refresh {}  generation {}", short(&held.refresh), held.generation()));
    teller.curl(&format!(
        "curl -s {}/login --json '{{\"username\":\"{USER}\",\n  \"password\":\"{PASSWORD}\",\"client_id\":\"{APP}\"}}'",
        stage.server
    ));
    Ok(held)
}

async fn use_access_token(stage: &Stage, teller: &mut Teller, held: &Held) -> anyhow::Result<()> {
    teller.scene("Use the access token: the resource service verifies it offline");
    let (status, profile) = stage.visit("/profile", &held.access).await?;
    let same = profile.get("sub") == Some(&held.claim("sub"));
    teller.check(
        status == StatusCode::OK && same,
        &format!("{status}: it knows who you are, your scopes and your roles"),
    );
    let (status, answer) = stage.visit("/profile", "rubbish").await?;
    teller.check(
        status == StatusCode::UNAUTHORIZED,
        &format!("{status} for rubbish: {}", description(&answer)),
    );
    teller.curl(&format!("curl -s {}/profile -H \"Authorization: Bearer $ACCESS\"", stage.service));
    Ok(())
}

async fn refresh(stage: &Stage, teller: &mut Teller, held: &Held) -> anyhow::Result<Held> {
    teller.scene("Refresh: the family moves on by one generation");
    let (status, answer) = stage.refresh(&held.refresh).await?;
    let next = Held::of(&answer);
    teller.check(
        status == StatusCode::OK && next.generation() == held.generation() + 1,
        &format!("{status}: generation {} handed out {}", held.generation(), next.generation()),
    );
    teller.curl(&format!(
        "curl -s {}/refresh --json \"{{\\\"refresh_token\\\":\\\"$REFRESH\\\",\n  \\\"client_id\\\":\\\"{APP}\\\"}}\"",
        stage.server
    ));
    Ok(next)
}

async fn lose_a_response(stage: &Stage, teller: &mut Teller, held: &Held, next: &Held) -> anyhow::Result<()> {
    teller.scene("Lose a response: the train went into a tunnel, the app tries again");
    let (status, answer) = stage.refresh(&held.refresh).await?;
    let again = Held::of(&answer);
    teller.check(
        status == StatusCode::OK && again.refresh == next.refresh,
        &format!("{status}: the very same successor, {}", short(&again.refresh)),
    );
    teller.check(
        again.claim("jti") == next.claim("jti"),
        "the same access token too (same jti): retries multiply nothing",
    );
    say("Run the last curl twice and compare. Nothing was written the second time.");
    Ok(())
}

async fn let_an_access_token_expire(stage: &Stage, teller: &mut Teller) -> anyhow::Result<()> {
    teller.scene("Let an access token expire: this client's live for one second");
    let (_, answer) = stage.log_in(HASTY).await?;
    let held = Held::of(&answer);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let (status, answer) = stage.visit("/profile", &held.access).await?;
    teller.check(status == StatusCode::UNAUTHORIZED, &format!("{status}: {}", description(&answer)));
    teller.curl(&format!("# the same login as above, with \"client_id\":\"{HASTY}\""));
    Ok(())
}

async fn steal(stage: &Stage, teller: &mut Teller, copied: &Held) -> anyhow::Result<Held> {
    teller.scene("Steal a token: somebody copies one, and its owner goes on");
    let (_, answer) = stage.refresh(&copied.refresh).await?;
    let (_, answer) = stage.refresh(&Held::of(&answer).refresh).await?;
    let owner = Held::of(&answer);
    say(&format!(
        "the thief holds generation {}, the owner has moved on to {}",
        copied.generation(),
        owner.generation()
    ));
    let (status, answer) = stage.refresh(&copied.refresh).await?;
    teller.check(status == StatusCode::UNAUTHORIZED, &format!("{status} for the thief:"));
    say(&format!("  {}", description(&answer)));
    teller.curl("# refresh twice with what you got, then once more with the first token");
    Ok(owner)
}

async fn both_are_out(stage: &Stage, teller: &mut Teller, owner: &Held) -> anyhow::Result<()> {
    teller.scene("Both are out: nobody can tell them apart, so the family is over");
    let (status, answer) = stage.refresh(&owner.refresh).await?;
    teller.check(status == StatusCode::UNAUTHORIZED, &format!("{status} for the owner, in the same words"));
    say(&format!("  {}", description(&answer)));
    let (status, _) = stage.visit("/profile", &owner.access).await?;
    teller.check(
        status == StatusCode::OK,
        &format!("{status} for the owner's last access token: checked offline, it is good until it"),
    );
    say("  expires. That is why access tokens are short-lived.");
    let (status, answer) = stage.log_in(APP).await?;
    let fresh = Held::of(&answer);
    let other = fresh.claim("sid") != owner.claim("sid");
    teller.check(
        status == StatusCode::OK && other,
        &format!("{status}: the owner logs in again, a new family begins"),
    );
    Ok(())
}

/// What the reader can do now.
pub(super) fn invite(stage: &Stage, teller: &Teller) {
    println!("\n{}", teller.paint("1", "Your turn"));
    say("Both processes stay up until you press Ctrl-C. In another terminal:");
    teller.curl(&format!(
        "T=$(curl -s {0}/login --json '{{\"username\":\"{USER}\",\n  \"password\":\"{PASSWORD}\",\"client_id\":\"{APP}\"}}')\n\
         ACCESS=$(echo \"$T\" | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')\n\
         REFRESH=$(echo \"$T\" | sed 's/.*\"refresh_token\":\"\\([^\"]*\\).*/\\1/')\n\
         curl -s {1}/dashboard -H \"Authorization: Bearer $ACCESS\"\n\
         curl -s {0}/refresh --json \"{{\\\"refresh_token\\\":\\\"$REFRESH\\\",\n  \\\"client_id\\\":\\\"{APP}\\\"}}\"\n\
         curl -s {0}/.well-known/jwks.json",
        stage.server, stage.service
    ));
}
