use super::*;
use crate::crypto::passwords::{Passwords, PoolSize};

fn rules() -> HashRules {
    let params = argon2::Params::new(32, 1, 1, None).unwrap();
    Passwords::start(params, PoolSize { threads: 1, queue: 1 }).unwrap().hash_rules(None)
}

fn read(line: &str) -> Result<ReadLine, String> {
    ReadLine::read(line.as_bytes(), &rules()).map_err(|unfit| unfit.to_string())
}

fn digest(line: &str) -> Vec<u8> {
    read(line).unwrap().digest()
}

const WHOLE: &str = r#"{"id":"6f4c2a1e-8d1b-4b53-9c62-0d6b9d2f7a11","username":"Ana","email":"ana@example.com","email_verified":true,"claims":{"name":"Ana Ortega","birthdate":"1999","address":{"country":"AT"},"updated_at":1700000000},"roles":["admin","editor"],"password_hash":"$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq","totp":{"secret":"GEZDGNBVGY3TQOJQ","algorithm":"SHA1","digits":6,"period":30},"upstream_links":[{"issuer":"https://id.example","subject":"a-1","label":"ana"}],"created_at":"2020-01-31T12:00:00.123456Z","last_login_at":"2025-01-31T12:00:00Z","disabled_at":"2025-02-01T12:00:00Z"}"#;

#[test]
fn a_line_is_written_as_it_was_read() {
    let line = read(WHOLE).unwrap();
    assert_eq!(line.to_json(), WHOLE);
    let user = User {
        id: line.id.unwrap(),
        username: line.username,
        email: line.email,
        email_verified: line.email_verified,
        claims: line.claims,
        roles: line.roles,
        created_at: line.created_at.unwrap(),
        last_login_at: line.last_login_at,
        disabled_at: line.disabled_at,
    };
    let belongings = Belongings {
        password_hash: line.password_hash.as_ref(),
        totp: line.totp.as_ref(),
        links: &line.upstream_links,
    };
    assert_eq!(write(&user, &belongings), WHOLE);
    let least = r#"{"username":"ana"}"#;
    assert_eq!(read(least).unwrap().to_json(), least);
    assert!(read(least).unwrap().password_hash.is_none());
}

#[test]
fn the_same_line_has_the_same_digest_however_it_is_written() {
    let same = digest(r#"{"username":"ana","email":"ana@example.com","roles":["a","b"]}"#);
    for line in [
        r#" { "roles" : [ "a", "b" ], "email":"ana@example.com", "username":"ana" } "#,
        r#"{"username":"ana","email":"ana@example.com","roles":["a","b"],"email_verified":false,"claims":{}}"#,
        r#"{"username":"an\u0061","email":"ana@example.com","roles":["a","b"],"id":null,"password_hash":null}"#,
    ] {
        assert_eq!(digest(line), same, "{line}");
    }
    for line in [
        r#"{"username":"Ana","email":"ana@example.com","roles":["a","b"]}"#,
        r#"{"username":"ana","email":"ana@example.net","roles":["a","b"]}"#,
        r#"{"username":"ana","email":"ana@example.com","roles":["b","a"]}"#,
        r#"{"username":"ana","email":"ana@example.com","email_verified":true,"roles":["a","b"]}"#,
        r#"{"username":"ana","email":"ana@example.com","roles":["a","b"],"claims":{"name":"Ana"}}"#,
        r#"{"username":"ana","email":"ana@example.com","roles":["a","b"],"disabled_at":"2025-02-01T12:00:00Z"}"#,
        r#"{"username":"ana","email":"ana@example.com","roles":["a","b"],"password_hash":"{SSHA}tt5amJzuc96QzQW4lsvOwKY0LNiF0Fpr"}"#,
        r#"{"username":"ana","email":"ana@example.com","roles":["a","b"],"totp":{"secret":"GEZDGNBVGY3TQOJQ"}}"#,
    ] {
        assert_ne!(digest(line), same, "{line}");
    }
    assert_eq!(digest(WHOLE), digest(&WHOLE.replace("12:00:00Z", "13:00:00+01:00")));
    let app = r#"{"secret":"GEZDGNBVGY3TQOJQ","algorithm":"SHA1","digits":6,"period":30}"#;
    for same in [
        r#"{"secret":"gezdgnbvgy3tqojq"}"#,
        r#"{"secret":"GEZDGNBVGY3TQOJQ","algorithm":"HmacSHA1","digits":null}"#,
    ] {
        assert_eq!(digest(WHOLE), digest(&WHOLE.replace(app, same)), "{same}");
    }
    let other = WHOLE.replace("GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJR");
    assert_ne!(digest(WHOLE), digest(&other));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table with a row for each mistake")]
fn a_bad_line_is_refused_with_the_member_and_the_reason() {
    let members = "`id`, `username`, `email`, `email_verified`, `claims`, `roles`, `password_hash`, `totp`, \
                   `upstream_links`, `created_at`, `last_login_at`, `disabled_at`";
    for (line, said) in [
        ("ana", "it is not a JSON object"),
        (r#"["ana"]"#, "it is not a JSON object"),
        (r#"{"username":"ana""#, "EOF while parsing an object (column 17)"),
        (r#"{"username":"ana"} {}"#, "trailing characters (column 20)"),
        (r#"{"username":"ana","username":"ben"}"#, "duplicate member `username` (column 28)"),
        (
            r#"{"username":"ana","totp_secret":"x"}"#,
            &format!("unknown member `totp_secret`, expected one of {members} (column 31)"),
        ),
        ("{}", "username is missing"),
        (r#"{"username":null}"#, "username is missing"),
        (r#"{"username":7}"#, "username must be a text"),
        (
            r#"{"username":""}"#,
            "username: a username must have 1 to 255 bytes and must not have control characters",
        ),
        (r#"{"username":" ana"}"#, "username: a username must not begin or end with a blank"),
        (
            r#"{"username":"a\u200bna"}"#,
            "username: a username must not have characters that cannot be seen, such as U+200B",
        ),
        (
            r#"{"username":"ana","email":"ana"}"#,
            "email: a mail address must be like ana@example.com, with 254 bytes at most",
        ),
        (r#"{"username":"ana","email":["a@b.c"]}"#, "email must be a text"),
        (r#"{"username":"ana","email_verified":"yes"}"#, "email_verified must be true or false"),
        (r#"{"username":"ana","email_verified":true}"#, "email_verified is true, and there is no email"),
        (r#"{"username":"ana","roles":"admin"}"#, "roles must be an array of texts"),
        (r#"{"username":"ana","roles":["admin",7]}"#, "roles must be an array of texts"),
        (
            r#"{"username":"ana","roles":[" admin"]}"#,
            "roles: a role must have 1 to 255 bytes, no blanks at its ends and no characters that cannot be seen",
        ),
        (r#"{"username":"ana","claims":"x"}"#, "claims must be an object"),
        (
            r#"{"username":"ana","claims":{"birthdate":"1.2.1999"}}"#,
            "claims: a birthdate must be YYYY-MM-DD, 0000-MM-DD or YYYY",
        ),
        (r#"{"username":"ana","id":7}"#, "id must be a text"),
        (r#"{"username":"ana","id":"7"}"#, "id must be a UUID"),
        (
            r#"{"username":"ana","id":"6F4C2A1E-8D1B-4B53-9C62-0D6B9D2F7A11"}"#,
            "id must be a UUID with hyphens in lower case",
        ),
        (
            r#"{"username":"ana","id":"00000000-0000-0000-0000-000000000000"}"#,
            "id must be a UUID with hyphens in lower case",
        ),
        (r#"{"username":"ana","created_at":1700000000}"#, "created_at must be a text"),
        (
            r#"{"username":"ana","disabled_at":"yesterday"}"#,
            "disabled_at must be a time such as 2026-01-31T12:00:00Z",
        ),
        (r#"{"username":"ana","password_hash":7}"#, "password_hash must be a text or Keycloak's credential"),
        (
            r#"{"username":"ana","password_hash":"secret"}"#,
            "password_hash: it is of no kind that is known here",
        ),
        (
            r#"{"username":"ana","password_hash":{"credentialData":"{}"}}"#,
            "password_hash: missing member `secretData`",
        ),
        (
            r#"{"username":"ana","password_hash":{"credentialData":"{}","secretData":"{}","type":"password"}}"#,
            "password_hash: unknown member `type`, expected `credentialData` or `secretData`",
        ),
        (
            r#"{"username":"ana","password_hash":{"credentialData":"{}","secretData":"{}"}}"#,
            "password_hash: it begins like Keycloak's credential, and cannot be read as that",
        ),
        (
            r#"{"username":"ana","password_hash":"$firebase-scrypt$a$b"}"#,
            "password_hash: Firebase's scrypt needs the project's hash parameters: give the file with them as \
             --firebase-config",
        ),
    ] {
        assert_eq!(read(line).map(drop), Err(said.to_owned()), "{line}");
    }
    for (app, said) in [
        (r#""GEZDGNBVGY3TQOJQ""#, "totp: it must be an object with a secret, or Keycloak's credential"),
        ("{}", "totp: missing member `secret`"),
        (r#"{"secret":7}"#, "totp: secret must be a text"),
        (
            r#"{"secret":"GEZDGNBVGY3TQOJQ","counter":1}"#,
            "totp: unknown member `counter`, expected one of `secret`, `algorithm`, `digits`, `period`",
        ),
        (
            r#"{"secret":"not base32"}"#,
            "totp: secret is not base32, which has the letters A to Z and the digits 2 to 7 (RFC 4648 §6)",
        ),
        (r#"{"secret":"GEZDGNBV"}"#, "totp: secret has 5 bytes; there must be 10 to 64"),
        (
            r#"{"secret":"GEZDGNBVGY3TQOJQ","algorithm":"SHA256"}"#,
            "totp: algorithm must be SHA1: codes are made by nothing else here",
        ),
        (
            r#"{"secret":"GEZDGNBVGY3TQOJQ","algorithm":1}"#,
            "totp: algorithm must be SHA1: codes are made by nothing else here",
        ),
        (
            r#"{"secret":"GEZDGNBVGY3TQOJQ","digits":8}"#,
            "totp: digits must be 6: codes have no other number of them here",
        ),
        (
            r#"{"secret":"GEZDGNBVGY3TQOJQ","digits":"6"}"#,
            "totp: digits must be 6: codes have no other number of them here",
        ),
        (
            r#"{"secret":"GEZDGNBVGY3TQOJQ","period":60}"#,
            "totp: period must be 30: codes change at no other pace here",
        ),
    ] {
        let line = format!(r#"{{"username":"ana","totp":{app}}}"#);
        assert_eq!(read(&line).map(drop), Err(said.to_owned()), "{app}");
    }
    let said = ReadLine::read(b"{\"username\":\"\xff\"}", &rules()).map(drop).unwrap_err();
    assert_eq!(said.to_string(), "it is not UTF-8");
    let said = read(r#"{"username":"ana","claims":{"shoe_size":"40"}}"#).map(drop).unwrap_err();
    assert!(said.starts_with("claims: unknown member `shoe_size`, expected one of `name`"), "{said}");
}

#[test]
fn an_app_comes_from_keycloak_as_its_credential() {
    let app = |data: &str, secret: &str| {
        let app = serde_json::json!({ "credentialData": data, "secretData": secret });
        read(&serde_json::json!({ "username": "ana", "totp": app }).to_string())
            .map(|line| line.totp.unwrap())
    };
    let usual = r#"{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}"#;
    let with = |before: &str, after: &str| usual.replace(before, after);
    let (good, written) = (r#"{"value":"nHUqhPmN5E4tSVQXBmYW"}"#, r#"{"value":"GEZDGNBVGY3TQOJQ"}"#);
    // Its bytes are the secret, unless it says otherwise.
    assert_eq!(app(usual, good).unwrap().expose(), b"nHUqhPmN5E4tSVQXBmYW");
    let encoded = with("\"counter\":0", r#""secretEncoding":"BASE32""#);
    assert_eq!(app(&encoded, written).unwrap().expose(), b"1234567890");
    let unreadable = "it cannot be read as Keycloak's credential";
    for (data, secret, said) in [
        (with("totp", "hotp"), good, "it is counted (HOTP): nothing here makes such codes"),
        (with("SHA1", "SHA256"), good, "algorithm must be SHA1: codes are made by nothing else here"),
        (with(":6", ":8"), good, "digits must be 6: codes have no other number of them here"),
        (with("30", "60"), good, "period must be 30: codes change at no other pace here"),
        (
            encoded.replace("BASE32", "HEX"),
            written,
            "secret is not base32, which has the letters A to Z and the digits 2 to 7 (RFC 4648 §6)",
        ),
        (usual.to_owned(), r#"{"value":"short"}"#, "secret has 5 bytes; there must be 10 to 64"),
        (usual.to_owned(), "{}", unreadable),
        ("{}".to_owned(), good, unreadable),
    ] {
        assert_eq!(app(&data, secret).map(drop), Err(format!("totp: {said}")), "{data} {secret}");
    }
}
