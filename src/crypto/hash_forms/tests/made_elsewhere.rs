//! Hashes that other systems made, and the passwords that they are of.

pub(super) const PASSWORD: &str = "correct horse";
pub(super) const LETTERS: &str = "pässwörd 🦀";

/// A project's hash parameters and a user of it, from the documentation of <https://github.com/firebase/scrypt>.
pub(super) const FIREBASE: &str = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: \
     jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,\n  \
     base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n";
pub(super) const OF_FIREBASE: &str = "$firebase-scrypt$42xEC+ixf3L2lw==$\
     lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";

/// Each made by the library that it is called after: bcrypt 5.0.0, Django 5.2.19, libpass 1.9.4 and argon2-cffi 25.1.0
/// for Python, and crypt(3) of glibc 2.36.
pub(super) const MADE_ELSEWHERE: [(&str, &str, &str); 31] = [
    ("bcrypt", PASSWORD, "$2a$08$7gZw7msa46dyQsfWBc7CZOXhX4MCnb5dUNc/dfMry03/WIvZfsO.K"),
    ("bcrypt", PASSWORD, "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq"),
    ("libpass", PASSWORD, "$2y$08$aIa0AjMjCdLvOt/Q01rdK.Omm9z31ZS/uWm6z..5Dr6eYA7RVoI0i"),
    ("bcrypt", LETTERS, "$2b$08$sa9tfaT8ai.0LgJZzjU.dO2w8jskM1Pbh/LTetLsTGrQN7lPJV9V."),
    (
        "bcrypt",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "$2b$08$XcQIeQ2I3/0erPWeT8kon.L0heSGXoS8MWS/R.JUK8ulPf3BrI8UC",
    ),
    ("Django", PASSWORD, "pbkdf2_sha256$20000$seasalt12345$9BQgfo89rRZoeOFLnV0brhASdD8RaTr4cCUEz945eF8="),
    ("Django", PASSWORD, "pbkdf2_sha1$20000$seasalt12345$JzFEsl8D9ZW5+1CRrHyYRVWNppQ="),
    (
        "Django",
        PASSWORD,
        "argon2$argon2id$v=19$m=4096,t=2,p=2$VVRyQnZ2Y3lRM0pqcVV2cmFBajNjVw$j7bcC++PsTSLCmiug9ajPFFTOwChCCH2vOpbSuHYzDo",
    ),
    ("Django", PASSWORD, "bcrypt_sha256$$2b$08$iBwnU3F7em6FNF/DqaIIc.FbR3GxBeOjX2SKhlIIF2Y3Xd1zEx59S"),
    ("Django", PASSWORD, "bcrypt$$2b$08$sFABW/P9i.ntwd5RlbmAc.OO6doWdbwOEsAP/lbuK8gOVxLfnvQFe"),
    (
        "Django",
        PASSWORD,
        "scrypt$4096$seasalt12345$8$5$HB+nCGvDu9gYIJCzZFIek0RvAOP3F1BW+QdBSO0cv+1rKyKT12tvbBQEflaeM/ngZf6nb68+/Xn4rgEBjLk4zA==",
    ),
    (
        "libpass",
        PASSWORD,
        "$scrypt$ln=12,r=8,p=1$pzSmVOo9h3AuZey9l/Kesw$EnFFRFc3JFhPK1EmJLVgVzFru35Ax5sGZ5YvipaILe0",
    ),
    ("libpass", PASSWORD, "$pbkdf2$20000$ek9pLaVUqjWGECJkbO2dcw$qd0pchPOC9PoYUhdXOiPLTrtyho"),
    (
        "libpass",
        PASSWORD,
        "$pbkdf2-sha256$20000$l7L2HmOsNUaodS5FaO09Rw$GdIbpZO3yb/heEBpgYy./iujAul2FleLdaMDjfb9nJQ",
    ),
    (
        "libpass",
        PASSWORD,
        "$pbkdf2-sha512$20000$/l/rXUvpvZfyHkPoHQPgXA$mOxT8..QlthcTN8toikwKfJulbIm2NtDe5JJqgpOUQkx3pm6YSX7ir3AGzrGaMpC5yDW80L5hz081YDFDjZXgQ",
    ),
    (
        "libpass",
        PASSWORD,
        "$argon2id$v=19$m=4096,t=3,p=4$ZSyFkFJqrXVOSUlpzfmfEw$HQEmWMedsi8LbDcpebMuyBdnAyhAKDxruBjrLPM6t2c",
    ),
    (
        "argon2",
        PASSWORD,
        "$argon2d$v=19$m=2048,t=2,p=1$9bz2bxSLiDrC+Oe4ij8r3w$wlsy8XTDk/xeP5JkBoG7O+igjTMmi/KHVC+RnIfwUkM",
    ),
    (
        "argon2",
        PASSWORD,
        "$argon2i$v=19$m=2048,t=2,p=1$u7lUWepypguGrponPpzPfQ$mSYzGocXaJWbuLZ6KhOSybEID6ROGcqFqquBJqpBri0",
    ),
    (
        "argon2",
        PASSWORD,
        "$argon2id$v=19$m=2048,t=2,p=1$ESTEoV5RvVXgVGSmQus6tg$UiluScIM0JqS3m8qeIWAju4+mSoY6GxMjhXsaq4+iiU",
    ),
    (
        "argon2",
        PASSWORD,
        "$argon2i$v=16$m=2048,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uJS1tqWxTaykx9aUd2aTln1xGLt1vwJeY4YKKms7/k0",
    ),
    ("libpass", PASSWORD, "$5$rounds=1000$etDseRaJqDoDUhTI$byEJZJFqVrf1eGo9yrbg.c1/8DNoR6f2cQKddSAAv2/"),
    ("libpass", PASSWORD, "$5$bTP/HqvSaV9dJAOC$iL4J4jjdOYATNWOMIEMu/JzRUxfv5HrQ2K.LJZKcK63"),
    (
        "libpass",
        LETTERS,
        "$6$8/pC1mwgYjet9tTv$UMWH2Zn9Xik6Rb3yVmKTEwJPVck1YcR7EcaZqqinQE512n6y/DU7dFgtzU7SRqfuDeWDpQ.vNL09MOW1Wl6jy/",
    ),
    ("glibc", PASSWORD, "$5$rounds=1000$abcdefgh12345678$yfljludskUJ6SdQJCOpxEn/6maeB3.VKerbRl6YQtV0"),
    (
        "glibc",
        PASSWORD,
        "$6$abcdefgh12345678$hH3FjZZkD.RuGmIukoJ6X1/ojxI7Q6oXs70HmGNrON9WfqbLQ0xd/ksJZ6H.4WbnNfveboF8T745gOj/MOnsv.",
    ),
    (
        "glibc",
        "long long long long long long long long long long long long long long long long long long long long ",
        "$6$abcd$1BFzm.cgyvNBaVYrO1ruClLsrQ4hJeIWwrjscrA6jHC2fKdstH.KeI75qKx3NncJ2GfbmguWuUaC0A5F1X3l/0",
    ),
    ("libpass", PASSWORD, "{SSHA}tt5amJzuc96QzQW4lsvOwKY0LNiF0Fpr"),
    ("libpass", PASSWORD, "{SSHA256}Bario48N2CwYKB2VKfuya+17wyNPDB88ZZK2NVtIvwafc25Nybm39g=="),
    (
        "libpass",
        PASSWORD,
        "{SSHA512}KPh9Lra26+mNYYUhbt8AkpQhWTti3Pz1LSxqwGTHhc/Kg6YPJbk79MOGuaKXWCD4fhHTFnotykQqBSXJ7hzDBpwzRqiVUsr5",
    ),
    (
        "libpass",
        PASSWORD,
        "{CRYPT}$6$rounds=2000$CfB1uEDBAkrqXbY1$xQrYHcqQCWMqNJsLqRfN8ts93iqHypha/a/OAp8of9rlcQ88tLx4fxkKFrd6EhBQUb9DiX8rOszjNlO9LFWBh.",
    ),
    ("Firebase", "user1password", OF_FIREBASE),
];

/// Keycloak's own parameters of 2026 and of before, computed with Python's `hashlib` and argon2-cffi: the salt is the
/// bytes from 0 to 15.
pub(super) const OF_KEYCLOAK: [(&str, u32, &str); 4] = [
    (
        "pbkdf2-sha512",
        210_000,
        "l4pqr0UVqxiWEnbGDBV//hzeVcB7ZgsFnr5Z+SZYIYjhXWCECCVC/oKM2WWMwBzQGCBfe2yb+20zK3Rr1rkPjg==",
    ),
    (
        "pbkdf2-sha256",
        27_500,
        "qnA427fe69fAjkevcHZvnm7vp3MewnxKL4g2WLfI7U6teQVH1eR2L5DfcV0psPIfjGPtlZbkpnogYX+2TaSl6w==",
    ),
    (
        "pbkdf2",
        20_000,
        "fniHe4wujMvABtTa8nlrXUNDmQbEVpEAOGSrBOKjUxr8fq0EhOTrbtwxv0kDHkCeZpDFXImqFMKFND2GDrIqXQ==",
    ),
    ("argon2", 5, "I9aBicNnH49yuiIjQJC85giAQWszITIjdobXf3FdYMg="),
];
