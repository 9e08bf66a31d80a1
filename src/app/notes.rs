//! What is allowed, and still better known: `heirloom config check` tells it, and fails for none of it.

use std::fs;
use std::path::Path;

use crate::domain::account_rules::{MailedSignIn, SignUp};
use crate::domain::lifetimes::LifetimeOverrides;
use crate::settings::{DatabaseUrl, Settings};
use crate::store::encryption::{Encryption, encryption};
use crate::store::private_file::is_open_to_others;

/// NIST SP 800-63B-4 §3.1.1.2, for passwords that are the only factor.
const ONLY_FACTOR: u32 = 15;

/// What an operator should know of these settings, a sentence each.
///
/// # Errors
/// When the database's URL cannot be read.
pub fn notes(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let notes = [
        way_to_the_database(settings)?,
        key_open_to_others("tls.key", settings.tls.key.as_deref()),
        key_open_to_others("mtls.key", settings.mtls.key.as_deref()),
        length_of_passwords(settings),
        passwords_of_apps(settings),
        lack_of_mail(settings),
        key_open_to_others("mail.password_file", settings.mail.password_file.as_deref()),
        accounts_without_mail(settings),
    ];
    let tokens = &settings.tokens;
    let lifetimes = LifetimeOverrides {
        access_ttl: Some(tokens.access_ttl),
        leeway: Some(tokens.leeway),
        ..LifetimeOverrides::default()
    };
    let cautions = lifetimes.cautions().map(|caution| format!("tokens: {caution}; docs/clients.md has more"));
    Ok(notes.into_iter().flatten().chain(cautions).collect())
}

fn length_of_passwords(settings: &Settings) -> Option<String> {
    let least = settings.passwords.min_length;
    (least < ONLY_FACTOR).then(|| {
        format!(
            "passwords.min_length is {least}; NIST SP 800-63B-4 asks for {ONLY_FACTOR} characters while the password is the \
             only factor"
        )
    })
}

fn lack_of_mail(settings: &Settings) -> Option<String> {
    let mail = &settings.mail;
    (mail.host.is_none() && mail.folder.is_none())
        .then(|| "mail is off, and with it all that needs it: set mail.host".to_owned())
}

fn accounts_without_mail(settings: &Settings) -> Option<String> {
    let (accounts, mail) = (&settings.accounts, &settings.mail);
    if mail.host.is_some() || mail.folder.is_some() {
        return None;
    }
    let mut wanted = Vec::new();
    if accounts.mailed_sign_in != MailedSignIn::Off {
        wanted.push(format!("accounts.mailed_sign_in is {}", accounts.mailed_sign_in));
    }
    if accounts.sign_up != SignUp::Off {
        wanted.push(format!("accounts.sign_up is {}", accounts.sign_up));
    }
    (!wanted.is_empty())
        .then(|| format!("{}, and there is no mail: it is off until mail.host is set", wanted.join(", ")))
}

/// RFC 9700 §2.4: an app that takes passwords teaches its users to type them anywhere.
fn passwords_of_apps(settings: &Settings) -> Option<String> {
    settings.passwords.simple_face.then(|| {
        "passwords.simple_face is true: apps may send their users' passwords to /login, and an operator's own apps for a \
         code. RFC 9700 §2.4 says that they must not; with false they send their users to /oauth/authorize"
            .to_owned()
    })
}

fn way_to_the_database(settings: &Settings) -> anyhow::Result<Option<String>> {
    let DatabaseUrl::Postgres(url) = &settings.database_url else { return Ok(None) };
    let told = match encryption(url.expose())? {
        Encryption::NotNeeded | Encryption::WithTheServer => return Ok(None),
        Encryption::NotWanted => {
            "may be reached over the network without TLS: whoever is in between reads and changes all of it"
        }
        Encryption::WithAnybody => {
            "is reached by TLS, but nothing makes sure that it is this server: whoever is in between can pose as it"
        }
    };
    let url = &settings.database_url;
    Ok(Some(format!("{url} {told}. Add sslmode=verify-full and sslrootcert=FILE to the URL.")))
}

fn key_open_to_others(setting: &str, path: Option<&Path>) -> Option<String> {
    let path = path?;
    is_open_to_others(&fs::metadata(path).ok()?).then(|| {
        format!("{setting}: {} is open to every user of this machine: `chmod 600` it.", path.display())
    })
}
