//! Proof that whoever shows a token holds its key (DPoP, RFC 9449): the rules alone, without I/O and without a clock.
//!
//! A [`Verifier`](crate::Verifier) does all of this itself. This is for whoever takes proofs elsewhere: an
//! authorization server, a gateway, a service that has its own way to read tokens. [`verify_proof`] judges one proof,
//! [`SeenProofs`] remembers it, so that it is good only once.
//!
//! ```
//! use heirloom_verifier::dpop::{ProofRequest, SeenProofs, verify_proof};
//!
//! // RFC 9449 §4.1
//! let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0V\
//!              jNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclU\
//!              wQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0\
//!              dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8i\
//!              giMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
//! let now = 1_562_262_616;
//!
//! let request = ProofRequest { method: "POST", url: "https://server.example.com/token", access_token: None };
//! let proof = verify_proof(proof, &request, now)?;
//! assert_eq!(proof.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"); // §6.1
//!
//! let seen = SeenProofs::new(10_000);
//! assert!(seen.remember(&proof, now).is_ok());
//! assert!(seen.remember(&proof, now).is_err()); // it came before
//! # Ok::<(), heirloom_verifier::dpop::InvalidProof>(())
//! ```

mod invalid;
mod key;
mod nonce;
mod object;
mod proof;
mod seen;
mod target;

pub use invalid::InvalidProof;
pub use key::ALGORITHMS;
pub use nonce::Nonces;
pub use proof::{Proof, ProofRequest, WINDOW, verify_proof};
pub use seen::{NotRemembered, SeenProofs};
