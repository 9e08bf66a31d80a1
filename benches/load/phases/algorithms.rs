//! What access tokens are signed with.

use anyhow::ensure;
use serde_json::Value;

use super::Bench;
use crate::processes::Server;
use crate::report::median;
use crate::world::{How, Measured, World};

impl Bench<'_> {
    /// Refreshes that sign with ES256 and with `EdDSA` in turn.
    pub(super) async fn algorithms(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("EdDSA beside ES256");
        let (mut ratios, mut detail) = (vec![], String::new());
        for _ in 0..self.arguments.repeats().max(3) {
            let usual = self.signed_with(world, "ES256").await?;
            let faster = self.signed_with(world, "EdDSA").await?;
            ratios.push(faster.driven.per_second() / usual.driven.per_second());
            detail = format!("ES256 {}; EdDSA {}", usual.describe(), faster.describe());
        }
        self.report.at_least("a refresh with EdDSA against ES256", median(ratios), "x", 1.15, detail);
        Ok(())
    }

    async fn signed_with(&self, world: &World, algorithm: &str) -> anyhow::Result<Measured> {
        let place = world.place.clone().with("HEIRLOOM_KEYS__ALGORITHM", algorithm);
        // A new key signs at once in the place of one that leaked.
        place.run(&["keys", "rotate", "--compromised"], "")?;
        let server = place.serve()?;
        let signs = signs_with(&server).await?;
        ensure!(signs == algorithm, "the server signs with {signs}, not with {algorithm}");
        let how = How { lasting: self.arguments.lasting() / 2, counted: false, ..self.closed() };
        self.measure(world, &server, how).await
    }
}

/// The algorithm of the key that stands first, which is the one that signs.
async fn signs_with(server: &Server) -> anyhow::Result<String> {
    let keys = reqwest::get(format!("http://{}/.well-known/jwks.json", server.address)).await?;
    let keys: Value = keys.error_for_status()?.json().await?;
    Ok(keys["keys"][0]["alg"].as_str().unwrap_or_default().to_owned())
}
