//! The forms in which other systems write passwords' hashes, and the one form of each kind that is stored.

mod firebase;
mod keycloak;
mod text;

use std::borrow::Cow;

use argon2::Params;

use crate::crypto::foreign_hash::DJANGO_BCRYPT;
use crate::crypto::password_hash::PasswordHash;
use crate::crypto::unfit_hash::UnfitHash;

use text::{encoded, pbkdf2, unpadded};

pub use firebase::{FirebaseConfig, InvalidFirebaseConfig};
pub use keycloak::KeycloakCredential;

/// A hash as another system wrote it down.
#[derive(Debug)]
pub enum GivenHash {
    Text(String),
    Keycloak(KeycloakCredential),
}

/// What hashes of other systems must be.
#[derive(Debug)]
pub struct HashRules {
    /// How this server hashes: argon2 may be as cheap or as dear as that.
    pub(super) today: Params,
    pub(super) firebase: Option<FirebaseConfig>,
}

impl HashRules {
    /// Takes a hash along, in the form that is stored.
    ///
    /// # Errors
    /// [`UnfitHash`].
    pub fn accept(&self, given: &GivenHash) -> Result<PasswordHash, UnfitHash> {
        let stored = match given {
            GivenHash::Keycloak(credential) => Cow::Owned(credential.stored()?),
            GivenHash::Text(text) => match text.strip_prefix("$firebase-scrypt$") {
                Some(rest) => Cow::Owned(firebase::stored(rest, self.firebase.as_ref())?),
                None => stored_form(text)?,
            },
        };
        PasswordHash::checked(stored.into_owned(), &self.today)
    }
}

/// Those that people have, and that are not taken along.
const REFUSED: [(&str, &str, &str); 14] = [
    ("$1$", "MD5-crypt", "it is too cheap to guess"),
    ("$apr1$", "MD5-crypt", "it is too cheap to guess"),
    ("$P$", "phpass", "it is too cheap to guess"),
    ("$H$", "phpass", "it is too cheap to guess"),
    ("$2x$", "bcrypt $2x$", "it was made with a bug that makes passwords alike"),
    ("$y$", "yescrypt", "nothing here verifies it"),
    ("$7$", "scrypt in the form of crypt(3)", "nothing here reads it"),
    ("$bcrypt-sha256$", "passlib's bcrypt over HMAC", "nothing here verifies it"),
    ("{SHA}", "SHA-1 without salt", "it is too cheap to guess"),
    ("{SHA256}", "SHA-256 without salt", "it is too cheap to guess"),
    ("{SHA512}", "SHA-512 without salt", "it is too cheap to guess"),
    ("{MD5}", "MD5", "it is too cheap to guess"),
    ("{SMD5}", "MD5", "it is too cheap to guess"),
    ("md5$", "MD5", "it is too cheap to guess"),
];

fn stored_form(text: &str) -> Result<Cow<'_, str>, UnfitHash> {
    // LDAP servers write so what crypt(3) made.
    let text = text.strip_prefix("{CRYPT}").unwrap_or(text);
    if let Some((_, kind, why)) = REFUSED.iter().find(|(prefix, ..)| text.starts_with(prefix)) {
        return Err(UnfitHash::Refused(kind, why));
    }
    if let Some(hash) = text.strip_prefix("argon2$").filter(|hash| hash.starts_with("argon2")) {
        return Ok(Cow::Owned(format!("${hash}")));
    }
    if let Some(hash) = text.strip_prefix("bcrypt$") {
        return Ok(Cow::Borrowed(hash));
    }
    if text.starts_with(DJANGO_BCRYPT) {
        return Ok(Cow::Borrowed(text));
    }
    let parts: Vec<&str> = text.split('$').collect();
    Ok(match parts[..] {
        ["pbkdf2_sha1", iterations, salt, output] => {
            Cow::Owned(pbkdf2("sha1", iterations, &encoded(salt), output))
        }
        ["pbkdf2_sha256", iterations, salt, output] => {
            Cow::Owned(pbkdf2("sha256", iterations, &encoded(salt), output))
        }
        ["scrypt", n, salt, r, p, output] => {
            let n: u64 = n.parse().map_err(|_| UnfitHash::Unreadable("scrypt"))?;
            if !n.is_power_of_two() {
                return Err(UnfitHash::Unreadable("scrypt"));
            }
            Cow::Owned(format!("$scrypt$ln={},r={r},p={p}${}${}", n.ilog2(), encoded(salt), unpadded(output)))
        }
        // passlib writes `.` for `+`.
        ["", "pbkdf2", iterations, salt, output] => {
            Cow::Owned(pbkdf2("sha1", iterations, &salt.replace('.', "+"), &output.replace('.', "+")))
        }
        ["", ident @ ("pbkdf2-sha256" | "pbkdf2-sha512"), iterations, salt, output]
            if !iterations.starts_with("i=") =>
        {
            let digest = ident.trim_start_matches("pbkdf2-");
            Cow::Owned(pbkdf2(digest, iterations, &salt.replace('.', "+"), &output.replace('.', "+")))
        }
        _ => Cow::Borrowed(text),
    })
}

#[cfg(test)]
mod tests;
