//! One proof and its rules (RFC 9449 §4.2, §4.3).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::dpop::invalid::InvalidProof;
use crate::dpop::key::{Jwk, ProofKey};
use crate::dpop::object::{Object, Presence};
use crate::dpop::target;
use crate::jws::is_type;

/// How many seconds a proof may be old, or clocks apart: `iat` lies so far back or ahead at the most.
///
/// ```
/// assert_eq!(heirloom_verifier::dpop::WINDOW, 60);
/// ```
pub const WINDOW: i64 = 60;

/// An RSA key of 4096 bits and its signature need less than half of it.
const LONGEST_PROOF: usize = 4096;

/// A UUID has 36; whoever hashes more has 64.
const LONGEST_ID: usize = 256;

/// The request that a proof has to be made for.
///
/// ```
/// use heirloom_verifier::dpop::ProofRequest;
///
/// let request = ProofRequest {
///     method: "GET",
///     url: "https://api.example.com/orders?page=2",
///     access_token: Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
/// };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ProofRequest<'a> {
    /// As it stands in the request: case counts.
    pub method: &'a str,
    /// As the client called it, before any proxy; query and fragment are ignored.
    pub url: &'a str,
    /// The one that comes with the proof: `ath` must name it. `None` where there is none, as at a token endpoint.
    pub access_token: Option<&'a str>,
}

/// A proof that is right in itself. Whether it came before ([`SeenProofs`](crate::dpop::SeenProofs)), whether its key
/// is the one that a token is bound to, and whether it has the nonce that was asked for, is for the caller to say.
///
/// ```
/// use heirloom_verifier::dpop::{ProofRequest, verify_proof};
///
/// // RFC 9449 §7.1
/// let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0V\
///              jNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclU\
///              wQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0\
///              cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU\
///              8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plem\
///              AgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// let request = ProofRequest {
///     method: "GET",
///     url: "https://resource.example.org/protectedresource",
///     access_token: Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
/// };
/// let proof = verify_proof(proof, &request, 1_562_262_620)?;
/// assert_eq!((proof.jti.as_str(), proof.issued_at, proof.nonce), ("e1j3V_bKic8-LAEB", 1_562_262_618, None));
/// assert_eq!(proof.algorithm, "ES256");
/// # Ok::<(), heirloom_verifier::dpop::InvalidProof>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// Of its key (RFC 7638, SHA-256, base64url, 43 letters): what stands in a bound token's `cnf.jkt`.
    pub thumbprint: String,
    /// Its own id.
    pub jti: String,
    /// `iat`: when it was made, in seconds since 1970.
    pub issued_at: i64,
    /// What the server asked for, if it did.
    pub nonce: Option<String>,
    /// What it is signed with: one of [`ALGORITHMS`](crate::dpop::ALGORITHMS).
    pub algorithm: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Header {
    typ: String,
    alg: String,
    jwk: Option<Object<Jwk>>,
    crit: Presence,
}

#[derive(Deserialize)]
struct Claims {
    jti: Option<String>,
    htm: Option<String>,
    htu: Option<String>,
    iat: Option<f64>,
    ath: Option<String>,
    nonce: Option<String>,
}

/// Verifies the text of a `DPoP` header; `now` in seconds since 1970. A request that has more than one such header is
/// for the caller to refuse (RFC 9449 §4.3). What else the proof says of its key (`kid`, `x5c`) is not looked at: it
/// proves nothing but that its maker holds the key.
///
/// ```
/// use heirloom_verifier::dpop::{InvalidProof, ProofRequest, verify_proof};
///
/// let request = ProofRequest { method: "POST", url: "https://server.example.com/token", access_token: None };
/// let unsigned = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUiLCJqd2siOnt9fQ.e30."; // "alg": "none"
/// assert_eq!(verify_proof(unsigned, &request, 1_562_262_616), Err(InvalidProof::WrongAlgorithm));
/// ```
///
/// # Errors
/// [`InvalidProof`]: the first rule that it breaks.
pub fn verify_proof(proof: &str, request: &ProofRequest<'_>, now: i64) -> Result<Proof, InvalidProof> {
    if proof.len() > LONGEST_PROOF {
        return Err(InvalidProof::TooLong);
    }
    let (message, signature) = proof.rsplit_once('.').ok_or(InvalidProof::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(InvalidProof::Malformed)?;
    let header: Header = object(header)?;
    if !is_type(&header.typ, "dpop+jwt") {
        return Err(InvalidProof::WrongType);
    }
    if header.crit.0 {
        return Err(InvalidProof::CriticalExtension);
    }
    let Object(jwk) = header.jwk.ok_or(InvalidProof::MissingKey)?;
    let key = ProofKey::new(&header.alg, &jwk)?;
    let signature = decode(signature)?;
    let claims: Claims = object(claims)?;
    if !key.signed(message.as_bytes(), &signature) {
        return Err(InvalidProof::BadSignature);
    }
    let (jti, issued_at) = claims.judge(request, now)?;
    let (thumbprint, nonce, algorithm) = (key.thumbprint, claims.nonce, header.alg);
    Ok(Proof { thumbprint, jti, issued_at, nonce, algorithm })
}

impl Claims {
    /// Gives `jti` and `iat` of a proof that is for this request.
    fn judge(&self, request: &ProofRequest<'_>, now: i64) -> Result<(String, i64), InvalidProof> {
        let jti = required(self.jti.as_deref(), "jti")?;
        if jti.is_empty() || jti.len() > LONGEST_ID {
            return Err(InvalidProof::UnfitId);
        }
        if required(self.htm.as_deref(), "htm")? != request.method {
            return Err(InvalidProof::WrongMethod);
        }
        if !target::is_same(required(self.htu.as_deref(), "htu")?, request.url) {
            return Err(InvalidProof::WrongUrl);
        }
        // RFC 7519 §2: a NumericDate may have a fraction, and lies after 1970.
        let since =
            Duration::try_from_secs_f64(required(self.iat, "iat")?).map_err(|_| InvalidProof::Malformed)?;
        let issued_at = i64::try_from(since.as_secs()).map_err(|_| InvalidProof::TooNew)?;
        if now.saturating_sub(issued_at) > WINDOW {
            return Err(InvalidProof::TooOld);
        }
        if issued_at.saturating_sub(now) > WINDOW {
            return Err(InvalidProof::TooNew);
        }
        if let Some(token) = request.access_token
            && required(self.ath.as_deref(), "ath")?
                != URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
        {
            return Err(InvalidProof::WrongAccessToken);
        }
        Ok((jti.to_owned(), issued_at))
    }
}

fn required<T>(claim: Option<T>, name: &'static str) -> Result<T, InvalidProof> {
    claim.ok_or(InvalidProof::MissingClaim { name })
}

fn object<T: DeserializeOwned>(part: &str) -> Result<T, InvalidProof> {
    let Object(object) = serde_json::from_slice(&decode(part)?).map_err(|_| InvalidProof::Malformed)?;
    Ok(object)
}

fn decode(part: &str) -> Result<Vec<u8>, InvalidProof> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidProof::Malformed)
}
