//! Logins that are bound to a key: each refresh brings a proof of it, which the server verifies.

use super::Bench;
use crate::processes::Server;
use crate::proofs::Proofs;
use crate::report::median;
use crate::world::{How, Measured, World};

impl Bench<'_> {
    /// Bound and unbound refreshes of the same families in turn.
    pub(super) async fn bound(&mut self, world: &World, maximum: f64) -> anyhow::Result<()> {
        self.progress.phase("logins that are bound to a key");
        let few = 100_000.min(self.arguments.families);
        let lasting = self.arguments.lasting() / 2;
        let how = How { lasting, among: Some(few), counted: false, ..self.closed() };
        let enough = (1.5 * maximum * (lasting.as_secs_f64() + 1.0)).ceil();
        let mut proofs = Proofs::new()?;
        let (mut ratios, mut detail) = (vec![], String::new());
        for _ in 0..self.arguments.repeats().max(3) {
            world.bind(few, None).await?;
            let unbound = self.measure(world, &world.place.serve()?, how).await?;
            world.bind(few, Some(&proofs.thumbprint())).await?;
            let server = world.place.serve()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "some hundred thousand"
            )]
            proofs.make(&server.address, enough as usize)?;
            let bound = self.measure_proving(world, &server, how, &proofs).await?;
            ratios.push(bound.driven.per_second() / unbound.driven.per_second());
            detail = format!("unbound {}; bound {}", unbound.describe(), bound.describe());
        }
        world.bind(few, None).await?;
        self.report.at_least("a bound refresh against an unbound one", median(ratios), "x", 0.75, detail);
        Ok(())
    }

    /// With a proof of the key in each request.
    async fn measure_proving(
        &self,
        world: &World,
        server: &Server,
        how: How,
        proofs: &Proofs,
    ) -> anyhow::Result<Measured> {
        Self::all_served(world.measure(server, &self.postgres, how, Some(proofs)).await?)
    }
}
