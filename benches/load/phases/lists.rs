//! The administration's lists, however long they are.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hdrhistogram::Histogram;
use serde_json::Value;

use super::Bench;
use crate::now;
use crate::processes::Server;
use crate::store::Store;
use crate::world::World;

/// Things in each list.
const MANY: usize = 1_000_000;

/// What the list's thing of a number has as its place.
type Place<'a> = &'a dyn Fn(usize) -> String;

/// Whoever administers by a program.
const ADMIN: [&str; 8] = [
    "client",
    "add",
    "ops",
    "--confidential",
    "--grant",
    "client_credentials",
    "--scope",
    "heirloom:users.read heirloom:families.read heirloom:events.read",
];

impl Bench<'_> {
    /// Pages anywhere in lists of a million: what a page takes must not hang on where it is.
    pub(super) async fn lists(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("a million users and events");
        let store = Store::open(&self.postgres.url).await?;
        store.seed_lists(MANY).await?;
        let server = world.place.serve()?;
        let client: Value = serde_json::from_str(&world.place.output(&ADMIN)?)?;
        let token = client_token(&server, &client).await?;
        let families = self.arguments.families;
        let user = |number: usize| format!("person{number:07}");
        let family = |number: usize| format!("019ac000-0000-7000-8000-{number:012x}");
        let event = |number: usize| format!("019ac000-0000-7000-9000-{number:012x}");
        self.progress.phase("pages of long lists");
        let lists: [(&str, &str, usize, Place<'_>); 6] = [
            ("users", "users?", MANY, &user),
            ("users whose names begin alike", "users?q=person00&", MANY / 10, &user),
            ("families", "families?", families, &family),
            ("families of one client", "families?client=heirloom&", families, &family),
            ("events", "events?", MANY, &event),
            ("events of one name", "events?name=family.ended&", MANY, &event),
        ];
        for (what, list, length, place) in lists {
            let url = format!("http://{}/admin/v1/{list}", server.address);
            let times = self.pages(&url, &token, length, place).await?;
            let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
            let detail = format!("50 of {length}, {} pages: p50 {:.2} ms", times.len(), at(0.5));
            self.report.at_most(&format!("a page of {what}: p99"), at(0.99), "ms", 20.0, detail);
        }
        Ok(())
    }

    /// Times in microseconds, a page after another, none beside its neighbour.
    async fn pages(
        &self,
        url: &str,
        token: &str,
        length: usize,
        place: Place<'_>,
    ) -> anyhow::Result<Histogram<u64>> {
        let http = reqwest::Client::new();
        let mut times = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        let pages = if self.arguments.quick { 500 } else { 2000 };
        for page in 0..pages {
            // Far from each other, and never a whole page before the list's end.
            let number = 100 + page * 7919 % (length - 200);
            let after = URL_SAFE_NO_PAD.encode(place(number));
            let began = now();
            let answer = http.get(format!("{url}after={after}")).bearer_auth(token).send().await?;
            let answer: Value = answer.error_for_status()?.json().await?;
            times.record(u64::try_from(began.elapsed().as_micros())?)?;
            let items = answer["items"].as_array().context("no items")?;
            ensure!(items.len() == 50, "{} things after {after} at {url}", items.len());
        }
        Ok(times)
    }
}

async fn client_token(server: &Server, client: &Value) -> anyhow::Result<String> {
    let member = |name: &str| client[name].as_str().map(ToOwned::to_owned).context("a client with a secret");
    let form = [("grant_type", "client_credentials"), ("scope", ADMIN[7])];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let url = format!("http://{}/oauth/token", server.address);
    let request = reqwest::Client::new().post(url).timeout(Duration::from_secs(10));
    let request = request.basic_auth(member("client_id")?, Some(member("client_secret")?)).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    answer["access_token"].as_str().map(ToOwned::to_owned).context("no access token")
}
