//! Status lists: how soon a logout reaches services that verify offline, and what it costs that many ask.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hdrhistogram::Histogram;
use heirloom_verifier::{Verifier, VerifyError};
use serde::Deserialize;
use serde_json::json;

use super::Bench;
use crate::logins::{log_in, username};
use crate::now;
use crate::polling::{ListPlace, Polled, fetch, poll};
use crate::processes::Server;
use crate::world::{World, service_of};

/// Services that verify offline.
const SERVICES: usize = 10;

/// The interval of status lists by default.
const INTERVAL: Duration = Duration::from_secs(5);

/// Services that ask for a list again when it is an interval old.
const POLLERS: f64 = 10_000.0;

/// A login as the services see it.
struct Login {
    refresh_token: String,
    access_token: String,
    ended: Option<Instant>,
    /// At which services it was refused.
    refused: [bool; SERVICES],
}

/// What the services answered.
struct Answers {
    delays: Histogram<u64>,
    wrong: u64,
}

impl Bench<'_> {
    /// Every service asks about every login again and again, while one after another is ended.
    pub(super) async fn revocations(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("logouts, at ten services that verify offline");
        let server = world.place.serve()?;
        let services =
            futures_util::future::try_join_all((0..SERVICES).map(|_| service_of(&server).build())).await?;
        let http = reqwest::Client::new();
        let mut logins = Vec::new();
        for number in 0..if self.arguments.quick { 20 } else { 60 } {
            let tokens = log_in(&http, &server, &username(number)).await?;
            let (refresh_token, access_token) = (tokens.refresh_token, tokens.access_token);
            logins.push(Login { refresh_token, access_token, ended: None, refused: [false; SERVICES] });
        }
        let mut answers = Answers { delays: Histogram::new_with_bounds(1, 120_000, 3)?, wrong: 0 };
        // They meet the list.
        ask(&services, &mut logins, &mut answers).await?;
        let began = now();
        let mut next = 0;
        while logins.iter().any(|login| login.refused.contains(&false)) {
            ensure!(began.elapsed() < INTERVAL * 12, "a logout did not reach a service in a minute");
            // At no fixed time of an interval.
            if began.elapsed() >= Duration::from_millis(431) * u32::try_from(next)? && next < logins.len() {
                let body = json!({ "refresh_token": logins[next].refresh_token });
                let answer =
                    http.post(format!("http://{}/logout", server.address)).json(&body).send().await?;
                answer.error_for_status()?;
                logins[next].ended = Some(now());
                next += 1;
            }
            ask(&services, &mut logins, &mut answers).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ensure!(answers.wrong == 0, "{} wrong answers", answers.wrong);
        let seconds = |quantile| answers.delays.value_at_quantile(quantile) as f64 / 1e3;
        let detail = format!(
            "{} logouts at {SERVICES} services, interval {INTERVAL:?}: p50 {:.1} s, the last {:.1} s; no wrong answer \
             before or after",
            logins.len(),
            seconds(0.5),
            seconds(1.0)
        );
        let goal = (INTERVAL + Duration::from_secs(1)).as_secs_f64();
        self.report.at_most("a logout is refused offline: p99", seconds(0.99), "s", goal, detail);
        Ok(())
    }

    /// Of a list in which one of a hundred logins was ended.
    pub(super) async fn pollers(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("10,000 services that ask for a status list");
        let server = world.place.serve()?;
        let http = reqwest::Client::new();
        let login = log_in(&http, &server, &username(0)).await?;
        // Whatever was measured before may have filled the first.
        let (number, index) = entry_of(&login.access_token)?;
        let list = ListPlace { address: &server.address, number };
        world.end_one_in_a_hundred((number, index)).await?;
        // The server has seen them.
        tokio::time::sleep(INTERVAL * 2).await;
        let lasting = INTERVAL * if self.arguments.quick { 1 } else { 3 };
        let per_second = POLLERS / INTERVAL.as_secs_f64();
        let known = fetch(list).await?;
        let (quiet, unchanged) = polled(&server, (list, &known.tag), per_second, lasting).await?;
        ensure!(unchanged.unchanged > 0, "nothing was asked");
        let body = json!({ "refresh_token": login.refresh_token });
        let answer = http.post(format!("http://{}/logout", server.address)).json(&body).send().await?;
        answer.error_for_status()?;
        let ended = now();
        let newer = loop {
            let newer = fetch(list).await?;
            if newer.tag != known.tag {
                break newer;
            }
            ensure!(ended.elapsed() < INTERVAL * 2, "a logout did not change the list");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let (busy, all) = polled(&server, (list, &known.tag), per_second, INTERVAL).await?;
        ensure!(all.unchanged == 0, "{} services were told that nothing had changed", all.unchanged);
        let share = 100.0 * quiet;
        let detail = format!(
            "{per_second:.0} requests a second, {} answers 304, {} of 200; in an interval after a logout, in which all \
             {} fetched the list: {:.1} % of a core",
            unchanged.unchanged,
            unchanged.fetched,
            all.fetched,
            100.0 * busy
        );
        self.report.at_most("10,000 services ask for a status list", share, "% of a core", 6.0, detail);
        self.report.at_most("the list, 1 % ended, with gzip", newer.bytes as f64, "B", 3072.0, String::new());
        Ok(())
    }
}

/// Asks every service about every login once.
async fn ask(services: &[Verifier], logins: &mut [Login], answers: &mut Answers) -> anyhow::Result<()> {
    for (place, service) in services.iter().enumerate() {
        for login in &mut *logins {
            match (service.verify(&login.access_token).await, login.ended) {
                (Ok(_), _) if login.refused[place] => answers.wrong += 1,
                (Ok(_), _) => {}
                (Err(VerifyError::Revoked { .. }), Some(ended)) => {
                    if !std::mem::replace(&mut login.refused[place], true) {
                        answers.delays.saturating_record(u64::try_from(ended.elapsed().as_millis())?.max(1));
                    }
                }
                (Err(VerifyError::Revoked { .. }), None) => answers.wrong += 1,
                (Err(error), _) => bail!("a service cannot tell: {error}"),
            }
        }
    }
    Ok(())
}

/// The list that an access token has its entry in, and which that is.
fn entry_of(access_token: &str) -> anyhow::Result<(u32, u32)> {
    #[derive(Deserialize)]
    struct Claims {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        status_list: Entry,
    }
    #[derive(Deserialize)]
    struct Entry {
        uri: String,
        idx: u32,
    }
    let payload = access_token.split('.').nth(1).context("not a JWT")?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    let Entry { uri, idx } = claims.status.status_list;
    Ok((uri.rsplit('/').next().unwrap_or_default().parse()?, idx))
}

/// The share of a core that the server took, and what it answered.
async fn polled(
    server: &Server,
    (list, tag): (ListPlace<'_>, &str),
    per_second: f64,
    lasting: Duration,
) -> anyhow::Result<(f64, Polled)> {
    let (before, began) = (server.cpu()?, now());
    let polled = poll(list, tag, per_second, lasting).await?;
    Ok(((server.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64(), polled))
}
