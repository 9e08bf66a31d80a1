use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::crypto::hasher::{Dearest, Hasher};
use crate::crypto::password_hash::Verdict;
use crate::domain::secrets::Password;

mod made_elsewhere;

use made_elsewhere::{FIREBASE, MADE_ELSEWHERE, OF_FIREBASE, OF_KEYCLOAK, PASSWORD};

fn today() -> Params {
    Params::new(32, 1, 1, None).unwrap()
}

fn rules() -> HashRules {
    HashRules { today: today(), firebase: Some(FirebaseConfig::read(FIREBASE).unwrap()) }
}

fn accepted(text: &str) -> Result<PasswordHash, UnfitHash> {
    rules().accept(&GivenHash::Text(text.to_owned()))
}

fn of_keycloak(algorithm: &str, iterations: u32, value: &str) -> Result<PasswordHash, UnfitHash> {
    let parameters = match algorithm {
        "argon2" => json!({
            "hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]
        }),
        _ => json!({}),
    };
    let credential = json!({
        "credentialData":
            json!({ "hashIterations": iterations, "algorithm": algorithm, "additionalParameters": parameters })
                .to_string(),
        "secretData":
            json!({ "value": value, "salt": "AAECAwQFBgcICQoLDA0ODw==", "additionalParameters": {} }).to_string(),
    });
    rules().accept(&GivenHash::Keycloak(serde_json::from_value(credential).unwrap()))
}

fn verdict(stored: &PasswordHash, typed: &str) -> Verdict {
    let mut hasher = Hasher::new(today(), Arc::default());
    let key = FirebaseConfig::read(FIREBASE).unwrap().signer_key;
    let typed = Password::new(typed.to_owned()).unwrap();
    hasher.verify(&typed, (Some(stored), Some(&key)), &Dearest::new(today()))
}

fn is_right_once(what: &str, stored: &PasswordHash, password: &str) {
    let Verdict::RightOutdated(new) = verdict(stored, password) else {
        panic!("{what}: the password is right, and is to be stored anew")
    };
    assert!(new.as_str().starts_with("$argon2id$v=19$m=32,t=1,p=1$"), "{what}");
    assert_eq!(verdict(&new, password), Verdict::Right, "{what}");
    for wrong in ["correct h0rse", "Correct horse", "pässwörd", "x", ""] {
        assert_eq!(verdict(stored, wrong), Verdict::Wrong, "{what}: {wrong}");
    }
}

#[test]
fn what_other_systems_made_is_right_once_and_argon2id_from_then_on() {
    for (made_by, password, text) in MADE_ELSEWHERE {
        let stored = accepted(text).unwrap_or_else(|unfit| panic!("{made_by}: {text}: {unfit}"));
        is_right_once(&format!("{made_by}: {text}"), &stored, password);
        assert_eq!(accepted(stored.as_str()), Ok(stored), "what is exported can be imported");
    }
    for (algorithm, iterations, value) in OF_KEYCLOAK {
        let stored = of_keycloak(algorithm, iterations, value).unwrap();
        is_right_once(algorithm, &stored, PASSWORD);
        assert_eq!(accepted(stored.as_str()), Ok(stored), "what is exported can be imported");
    }
}

#[test]
fn a_hash_of_one_bit_more_is_another_one() {
    for (made_by, password, text) in MADE_ELSEWHERE {
        let stored = accepted(text).unwrap().as_str().to_owned();
        // Of the output in the middle, where every bit of a letter counts.
        let at = if stored.starts_with('{') { 12 } else { stored.len() - 12 };
        let other = if &stored[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &stored[..at], &stored[at + 1..]);
        let changed = PasswordHash::from_stored(changed);
        assert_eq!(verdict(&changed, password), Verdict::Wrong, "{made_by}: {text}");
    }
}

#[test]
fn bcrypt_takes_the_first_72_bytes_as_it_did_elsewhere() {
    let stored = accepted("$2b$08$XcQIeQ2I3/0erPWeT8kon.L0heSGXoS8MWS/R.JUK8ulPf3BrI8UC").unwrap();
    assert!(matches!(verdict(&stored, &"x".repeat(80)), Verdict::RightOutdated(_)));
    assert_eq!(verdict(&stored, &"x".repeat(71)), Verdict::Wrong);
}

#[test]
fn a_hash_that_takes_a_key_matches_nothing_without() {
    let stored = accepted(OF_FIREBASE).unwrap();
    assert!(stored.signer_key().is_some());
    let mut hasher = Hasher::new(today(), Arc::default());
    let typed = Password::new("user1password".to_owned()).unwrap();
    let mut verify = |key: Option<&crate::crypto::foreign_hash::SignerKey>| {
        hasher.verify(&typed, (Some(&stored), key), &Dearest::new(today()))
    };
    assert_eq!(verify(None), Verdict::Wrong);
    assert_eq!(verify(crate::crypto::foreign_hash::SignerKey::new(vec![7; 64]).as_ref()), Verdict::Wrong);
    let without = HashRules { today: today(), firebase: None };
    assert_eq!(without.accept(&GivenHash::Text(OF_FIREBASE.to_owned())), Err(UnfitHash::NoSignerKey));
    let other = stored.as_str().replace(",k=", ",k=0000");
    assert_eq!(accepted(&other), Err(UnfitHash::Unreadable("Firebase's scrypt")));
    let at = other.find(",k=").unwrap() + 3;
    let other = format!("{}{}{}", &stored.as_str()[..at], "0123456789abcdef", &stored.as_str()[at + 16..]);
    assert_eq!(accepted(&other), Err(UnfitHash::OtherSignerKey));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table with a row for each bound")]
fn what_is_too_cheap_or_too_dear_is_refused_with_the_bound() {
    let b22 = "abcdefghijklmnopqrstuu";
    let b31 = "abcdefghijklmnopqrstuvwxyzabcdu";
    let (salt, out) = ("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let crypt = "y".repeat(86);
    for (text, said) in [
        (format!("$2b$07${b22}{b31}"), "bcrypt with cost 7 is too cheap to guess: the least is 8"),
        (format!("$2b$15${b22}{b31}"), "bcrypt with cost 15 is too dear to check: the most is 14"),
        (
            format!("$pbkdf2-sha256$i=999${salt}${out}"),
            "PBKDF2 with iterations 999 is too cheap to guess: the least is 1000",
        ),
        (
            format!("pbkdf2_sha256$3000001$seasalt12345${out}="),
            "PBKDF2 with iterations 3000001 is too dear to check: the most is 3000000",
        ),
        // Two blocks of output take twice as long.
        (
            format!("$pbkdf2-sha1$i=1600000${salt}${out}"),
            "PBKDF2 with iterations 3200000 is too dear to check: the most is 3000000",
        ),
        (
            format!("$scrypt$ln=9,r=8,p=1${salt}${out}"),
            "scrypt with KiB of memory 512 is too cheap to guess: the least is 1024",
        ),
        (
            format!("$scrypt$ln=18,r=8,p=1${salt}${out}"),
            "scrypt with KiB of memory 262144 is too dear to check: the most is 131072",
        ),
        (
            format!("$scrypt$ln=17,r=8,p=9${salt}${out}"),
            "scrypt with KiB to pass over 1179648 is too dear to check: the most is 1048576",
        ),
        (
            format!("$scrypt$ln=63,r=4294967295,p=4294967295${salt}${out}"),
            "scrypt with KiB of memory 2305843009213693951 is too dear to check: the most is 131072",
        ),
        (
            format!("$argon2id$v=19$m=16,t=900,p=1${salt}${out}"),
            "argon2 with KiB of memory 16 is too cheap to guess: the least is 32",
        ),
        (
            format!("$argon2id$v=19$m=131073,t=1,p=1${salt}${out}"),
            "argon2 with KiB of memory 131073 is too dear to check: the most is 131072",
        ),
        (
            format!("$argon2i$v=19$m=131072,t=9,p=1${salt}${out}"),
            "argon2 with KiB to pass over 1179648 is too dear to check: the most is 1048576",
        ),
        (
            format!("$6$rounds=999$saltsalt${crypt}"),
            "SHA-crypt with rounds 999 is too cheap to guess: the least is 1000",
        ),
        (
            format!("$6$rounds=1000001$saltsalt${crypt}"),
            "SHA-crypt with rounds 1000001 is too dear to check: the most is 1000000",
        ),
        (format!("$6$abc${crypt}"), "SHA-crypt with letters of salt 3 is too cheap to guess: the least is 4"),
        (
            "{SSHA}tt5amJzuc96QzQW4lsvOwKY0LNg=".to_owned(),
            "salted SHA with bytes of salt 0 is too cheap to guess: the least is 4",
        ),
        (
            format!("$pbkdf2-sha256$i=20000$AAEC${out}"),
            "PBKDF2 with bytes of salt 3 is too cheap to guess: the least is 8",
        ),
        (
            format!("$pbkdf2-sha256$i=20000${salt}$AAEC"),
            "PBKDF2 with bytes of output 3 is too cheap to guess: the least is 16",
        ),
    ] {
        assert_eq!(accepted(&text).map_err(|unfit| unfit.to_string()), Err(said.to_owned()), "{text}");
        // Nor does it cost anything if it stands in the database.
        if text.starts_with('$') && !text.starts_with("$argon2") {
            assert!(PasswordHash::from_stored(text).foreign_cost().is_none());
        }
    }
}

#[test]
fn what_cannot_be_taken_along_is_refused_by_name() {
    for (text, said) in [
        ("", "it is of no kind that is known here"),
        ("!", "it is of no kind that is known here"),
        ("correct horse", "it is of no kind that is known here"),
        ("$1$salt$hash", "MD5-crypt is not taken along: it is too cheap to guess"),
        ("$P$BsaltsaltW", "phpass is not taken along: it is too cheap to guess"),
        ("$y$j9T$salt$hash", "yescrypt is not taken along: nothing here verifies it"),
        ("{SHA}hash", "SHA-1 without salt is not taken along: it is too cheap to guess"),
        ("{CRYPT}$1$salt$hash", "MD5-crypt is not taken along: it is too cheap to guess"),
        ("md5$salt$hash", "MD5 is not taken along: it is too cheap to guess"),
        ("$2x$08$abc", "bcrypt $2x$ is not taken along: it was made with a bug that makes passwords alike"),
        ("$2b$08$abc", "it begins like bcrypt, and cannot be read as that"),
        ("$argon2id$v=19$m=4096,t=3,p=4$short", "it begins like argon2, and cannot be read as that"),
        (
            "$argon2id$v=18$m=4096,t=3,p=4$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
            "it begins like argon2, and cannot be read as that",
        ),
        (
            "$argon2id$v=19$m=4096,t=3,p=4,data=AAEC$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
            "it begins like argon2, and cannot be read as that",
        ),
        (
            "$scrypt$ln=x,r=8,p=1$AAECAwQFBgcICQoL$AAECAwQFBgcICQoLDA0ODw",
            "it begins like scrypt, and cannot be read as that",
        ),
        ("$scrypt$ln=12,r=8,p=1$AAECAwQFBgcICQoL", "it begins like scrypt, and cannot be read as that"),
        (
            "scrypt$1000$seasalt12345$8$5$AAECAwQFBgcICQoLDA0ODw==",
            "it begins like scrypt, and cannot be read as that",
        ),
        (
            "$pbkdf2-sha384$i=20000$AAECAwQFBgcICQoL$AAECAwQFBgcICQoLDA0ODw",
            "it begins like PBKDF2, and cannot be read as that",
        ),
        (
            "$pbkdf2-sha256$i=020000$AAECAwQFBgcICQoL$AAECAwQFBgcICQoLDA0ODw",
            "it begins like PBKDF2, and cannot be read as that",
        ),
        (
            "$pbkdf2-sha256$i=20000$AAECAwQFBgcICQoL$AAECAwQFBgcICQoLDA0ODw$",
            "it begins like PBKDF2, and cannot be read as that",
        ),
        ("$6$saltsalt$tooshort", "it begins like SHA-crypt, and cannot be read as that"),
        ("{SSHA}***", "it begins like salted SHA, and cannot be read as that"),
        ("{SSHA384}AAECAwQFBgcICQoLDA0ODw", "it begins like salted SHA, and cannot be read as that"),
        ("$firebase-scrypt$a$b$c$d", "it begins like Firebase's scrypt, and cannot be read as that"),
    ] {
        assert_eq!(accepted(text).map_err(|unfit| unfit.to_string()), Err(said.to_owned()), "{text}");
    }
    let said = |refused: Result<PasswordHash, UnfitHash>| refused.unwrap_err().to_string();
    assert_eq!(
        said(of_keycloak("hmac-sha1", 20_000, "AAECAwQFBgcICQoLDA0ODw==")),
        "it is of no kind that is known here"
    );
    assert!(said(of_keycloak("argon2", 5, "not base64")).starts_with("it begins like argon2"));
}

#[test]
fn a_projects_hash_parameters_are_read_whole() {
    let read = |text: &str| FirebaseConfig::read(text).map(|config| config.signer_key.id());
    let id = read(FIREBASE).unwrap();
    assert_eq!(read(&FIREBASE.replace("  ", "\t").replace(",\n", "\n")), Ok(id));
    for (gone, said) in [
        ("algorithm", "algorithm is missing"),
        ("base64_signer_key", "base64_signer_key is missing"),
        ("base64_salt_separator", "base64_salt_separator is missing"),
        ("rounds", "rounds is missing"),
        ("mem_cost", "mem_cost is missing"),
    ] {
        assert_eq!(read(&FIREBASE.replace(gone, "other")).unwrap_err().to_string(), said);
    }
    assert_eq!(read(&FIREBASE.replace("SCRYPT", "BCRYPT")), Err(InvalidFirebaseConfig::OtherAlgorithm));
    assert_eq!(
        read(&FIREBASE.replace("rounds: 8", "rounds: x")),
        Err(InvalidFirebaseConfig::Unreadable("rounds"))
    );
    let short = read(&FIREBASE.replace("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZ", ""));
    assert_eq!(short, Err(InvalidFirebaseConfig::Unreadable("base64_signer_key")));
}
