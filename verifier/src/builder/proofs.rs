//! What a service asks of tokens that are bound to a key, and of proofs.

use crate::binding::{Binding, Demand};
use crate::builder::{BuildError, Builder};
use crate::dpop::{Nonces, SeenProofs};
use crate::place::Place;

#[derive(Debug)]
pub(super) struct Proofs {
    public_url: Option<String>,
    pub(super) demand: Demand,
    capacity: usize,
    nonces: Option<Nonces>,
}

impl Default for Proofs {
    fn default() -> Self {
        Self { public_url: None, demand: Demand::AnyToken, capacity: 200_000, nonces: None }
    }
}

impl Builder {
    /// Your service's URL as clients call it, before any proxy: what stands before the path that your service sees. The
    /// extractor, middleware and layer of this crate need it to know what a proof has to be made for (RFC 9449 §4.3);
    /// they do not ask the request, which says whatever its sender wants.
    ///
    /// Unless set, it is the host of the [`Self::resource`], or else of the first [`Self::audience`] that is an http or
    /// https URL. If that is none either, they take no proofs, and so no tokens that are bound to a key.
    ///
    /// ```
    /// // A proxy hands https://example.com/shop/orders on as /orders.
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com")
    ///     .audience("orders")
    ///     .public_url("https://example.com/shop");
    /// ```
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.proofs.public_url = Some(url.into());
        self
    }

    /// Takes only tokens that are bound to a key, and so worth nothing to a thief who has not got it: others are
    /// refused with [`VerifyError::UnboundToken`](crate::VerifyError::UnboundToken).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::VerifyError;
    ///
    /// let verifier = sample().require_bound_tokens().build().await?;
    /// assert_eq!(verifier.verify(TOKEN).await, Err(VerifyError::UnboundToken));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn require_bound_tokens(mut self) -> Self {
        self.proofs.demand = Demand::BoundTokens;
        self
    }

    /// How many proofs to remember, so that none is good twice; 200,000 unless set. Each takes up to 100 bytes for the
    /// minute in which it could come again. More within a minute are refused with
    /// [`VerifyError::TooManyProofs`](crate::VerifyError::TooManyProofs) (503).
    ///
    /// ```
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.proof_capacity(1_000_000); // 16,000 requests a second
    /// ```
    #[must_use]
    pub fn proof_capacity(mut self, proofs: usize) -> Self {
        self.proofs.capacity = proofs;
        self
    }

    /// Asks proofs for a nonce (RFC 9449 §9), made of a secret of 32 random bytes that all replicas of the service
    /// share: so nobody can make proofs today for next week. Clients are told the nonce when they lack it, and send
    /// another proof. That a proof is good once, each replica still knows for itself.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::Presented;
    ///
    /// let verifier = sample().proof_nonces([7; 32]).build().await?;
    /// let presented = Presented::with_proof(BOUND_TOKEN, PROOF, "GET", "https://api.example.com/orders");
    /// let refused = verifier.verify_presented(&presented).await.unwrap_err();
    /// assert_eq!(refused.code(), Some("use_dpop_nonce"));
    /// assert!(refused.nonce().is_some()); // for the header DPoP-Nonce
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn proof_nonces(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.proofs.nonces = Some(Nonces::new(secret));
        self
    }
}

impl Proofs {
    /// `names` are what the service is called, the one that counts most first.
    pub(super) fn binding<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Result<Binding, BuildError> {
        let place = match self.public_url {
            Some(url) => Some(Place::at(&url).ok_or(BuildError::InvalidPublicUrl)?),
            None => names.into_iter().find_map(Place::host_of),
        };
        Ok(Binding { demand: self.demand, place, seen: SeenProofs::new(self.capacity), nonces: self.nonces })
    }
}
