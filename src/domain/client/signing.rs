//! What a client wants to be signed with.

use crate::domain::client::{Client, ClientMetadata};
use crate::domain::signing_algorithm::{SigningAlgorithm, SigningWish};

impl ClientMetadata {
    /// Every algorithm that it names.
    pub fn signing_algorithms(&self) -> impl Iterator<Item = SigningAlgorithm> {
        let named = [
            self.id_token_signed_response_alg,
            self.userinfo_signed_response_alg,
            self.introspection_signed_response_alg,
        ];
        named.into_iter().flatten()
    }
}

impl Client {
    /// For its ID tokens and logout tokens (OpenID Connect Core §2, Back-Channel Logout §2.6).
    #[must_use]
    pub fn id_token_signing(&self) -> SigningWish {
        self.wish(self.metadata.id_token_signed_response_alg)
    }

    /// For what it asks at the userinfo endpoint (OpenID Connect Core §5.3.2); `None` where it gets JSON.
    #[must_use]
    pub fn userinfo_signing(&self) -> Option<SigningWish> {
        let algorithm = self.metadata.userinfo_signed_response_alg?;
        Some(self.wish(Some(algorithm)))
    }

    /// For what it is told of tokens (RFC 9701 §6).
    #[must_use]
    pub fn introspection_signing(&self) -> SigningWish {
        self.wish(self.metadata.introspection_signed_response_alg)
    }

    fn wish(&self, algorithm: Option<SigningAlgorithm>) -> SigningWish {
        SigningWish { algorithm, since: self.created_at }
    }
}
