//! What an access token is bound to (RFC 7800).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// `cnf`: the key that whoever shows the token has to hold, named by its thumbprint. If it names two, both have to be
/// held. The verifier checks it: it is here for the record.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heirloom_verifier::Presented;
///
/// let verifier = sample().build().await?;
/// let presented = Presented::with_proof(BOUND_TOKEN, PROOF, "GET", "https://api.example.com/orders");
/// let access = verifier.verify_presented(&presented).await?;
/// let confirmation = access.confirmation.as_ref().unwrap();
/// assert!(confirmation.key_thumbprint.is_some() && confirmation.certificate_thumbprint.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Members")]
#[non_exhaustive]
pub struct Confirmation {
    /// `jkt`: of a key that signs proofs (RFC 9449 §6.1).
    pub key_thumbprint: Option<String>,
    /// `x5t#S256`: of a client's certificate (RFC 8705 §3.1).
    pub certificate_thumbprint: Option<String>,
    /// Whether this is all that it says, and it says something.
    pub(crate) understood: bool,
}

#[derive(Deserialize)]
struct Members {
    jkt: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl From<Members> for Confirmation {
    fn from(members: Members) -> Self {
        let some = members.jkt.is_some() || members.x5t_s256.is_some();
        Self {
            key_thumbprint: members.jkt,
            certificate_thumbprint: members.x5t_s256,
            understood: some && members.others.is_empty(),
        }
    }
}
