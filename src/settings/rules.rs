//! What values must keep to besides their form: bounds, and settings that must fit each other.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use url::Url;

use crate::domain::lifetimes::duration_text;
use crate::domain::user::check_role;

use super::{
    addresses::HttpsUrl,
    database_url::DatabaseUrl,
    layers::Layers,
    mail::MailTls,
    problem::{GivenValue, SettingProblem},
    table,
    values::Settings,
};

/// A rule that does not hold.
pub(super) struct Broken {
    /// The setting to change.
    key: &'static str,
    expected: String,
    /// The setting it does not fit.
    other: Option<&'static str>,
}

/// All rules that do not hold.
pub(super) fn broken(settings: &Settings) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (key, value, bounds) in numbers(settings) {
        if !bounds.contains(&value) {
            let expected = format!("a number from {} to {}", bounds.start(), bounds.end());
            broken.push(Broken { key, expected, other: None });
        }
    }
    for (key, value, bounds) in durations(settings) {
        if !bounds.contains(&value) {
            let (from, to) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
            broken.push(Broken { key, expected: format!("a duration from {from} to {to}"), other: None });
        }
    }
    let (interval, lifetime) = (settings.status_lists.interval, settings.dpop.nonce_lifetime);
    for (key, value) in [("status_lists.interval", interval), ("dpop.nonce_lifetime", lifetime)] {
        if value.subsec_nanos() > 0 {
            let expected = "a duration of whole seconds".to_owned();
            broken.push(Broken { key, expected, other: None });
        }
    }
    if let Some(expected) = settings.database_url.expected() {
        broken.push(Broken { key: "database_url", expected: expected.to_owned(), other: None });
    }
    if let Err(unfit) = check_role(&settings.admin.role) {
        broken.push(Broken { key: "admin.role", expected: unfit.to_string(), other: None });
    }
    if let Err(unfit) = settings.sign_in.providers.read() {
        broken.push(Broken { key: "sign_in.providers", expected: unfit.to_string(), other: None });
    }
    let pairs = conflicts(settings).into_iter().chain(clashes(settings)).chain(conflicts_of_mail(settings));
    for (holds, key, expected, other) in pairs {
        if !holds {
            broken.push(Broken { key, expected: expected.to_owned(), other: Some(other) });
        }
    }
    broken
}

impl Broken {
    /// Whether it speaks of one of these keys: a rule says nothing about a value that could not be read.
    pub(super) fn is_about(&self, keys: &[&str]) -> bool {
        keys.contains(&self.key) || self.other.is_some_and(|other| keys.contains(&other))
    }

    /// The same in the operator's own words: the values as written, and where.
    pub(super) fn problem(self, layers: &Layers) -> Option<SettingProblem> {
        let given = |key| {
            let setting = table::setting(key)?;
            let (text, origin) = layers.shown(setting);
            Some(GivenValue::new(setting, text, origin))
        };
        let other = self.other.and_then(given);
        Some(SettingProblem::BadValue { given: given(self.key)?, expected: self.expected, other })
    }
}

fn numbers(settings: &Settings) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
    let Settings { registration, passwords, limits, mail, admin, http, outbound, database, janitor, .. } =
        settings;
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    vec![
        ("registration.per_hour", registration.per_hour.into(), 1..=1_000_000),
        // NIST SP 800-63B-4 §3.1.1.2: never fewer than eight, and 64 must be allowed.
        ("passwords.min_length", passwords.min_length.into(), 8..=64),
        // RFC 9106 §3.1. That the memory is 8 KiB a lane at least is seen to below.
        ("passwords.memory_kib", passwords.memory_kib.into(), 8..=u32::MAX.into()),
        ("passwords.iterations", passwords.iterations.into(), 1..=u32::MAX.into()),
        ("passwords.parallelism", passwords.parallelism.into(), 1..=0x00FF_FFFF),
        ("passwords.threads", passwords.threads.map_or(1, wide), 1..=1024),
        ("passwords.queue", wide(passwords.queue), 1..=100_000),
        ("limits.account_attempts", limits.account_attempts.into(), 1..=1_000_000),
        ("limits.account_attempts_everywhere", limits.account_attempts_everywhere.into(), 1..=1_000_000),
        ("limits.address_attempts", limits.address_attempts.into(), 1..=1_000_000),
        ("limits.logins_per_user", limits.logins_per_user.into(), 1..=1_000_000),
        ("limits.waiting_requests", limits.waiting_requests.into(), 1..=1_000_000),
        ("limits.fetches", limits.fetches.into(), 1..=1_000_000),
        ("mail.port", mail.port.unwrap_or(1).into(), 1..=u16::MAX.into()),
        ("mail.per_address", mail.per_address.into(), 1..=1_000_000),
        ("mail.per_account", mail.per_account.into(), 1..=1_000_000),
        ("admin.import_limit", wide(admin.import_limit), 1024..=64 * 1024 * 1024 * 1024),
        ("http.workers", http.workers.map_or(1, wide), 1..=1024),
        ("http.body_limit", wide(http.body_limit), 1024..=16 * 1024 * 1024),
        ("http.max_connections", wide(http.max_connections), 1..=1_000_000),
        ("outbound.body_limit", wide(outbound.body_limit), 1024..=1024 * 1024),
        ("database.max_connections", database.max_connections.into(), 1..=10_000),
        ("database.statement_cache", wide(database.statement_cache), 0..=10_000),
        ("janitor.batch", janitor.batch.into(), 1..=100_000),
    ]
}

fn durations(settings: &Settings) -> Vec<(&'static str, Duration, RangeInclusive<Duration>)> {
    const MOMENT: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(24);
    // Ten years: far from what a time in the database can hold.
    const LONGEST: Duration = Duration::from_hours(24 * 3650);
    let Settings {
        tokens,
        sign_in,
        registration,
        limits,
        keys,
        status_lists,
        events,
        dpop,
        mail,
        http,
        tls,
        outbound,
        database,
        janitor,
        ..
    } = settings;
    vec![
        ("tokens.access_ttl", tokens.access_ttl, SECOND..=DAY),
        ("tokens.idle_ttl", tokens.idle_ttl, SECOND..=LONGEST),
        ("tokens.absolute_ttl", tokens.absolute_ttl, SECOND..=LONGEST),
        ("sign_in.idle_ttl", sign_in.idle_ttl, SECOND..=LONGEST),
        ("sign_in.absolute_ttl", sign_in.absolute_ttl, SECOND..=LONGEST),
        ("limits.attempts_window", limits.attempts_window, SECOND..=DAY),
        ("limits.waiting_window", limits.waiting_window, SECOND..=DAY),
        ("registration.unused_ttl", registration.unused_ttl, SECOND..=LONGEST),
        (
            "registration.longest_rotation_period",
            registration.longest_rotation_period,
            Duration::ZERO..=LONGEST,
        ),
        ("keys.publish_ahead", keys.publish_ahead, MOMENT..=30 * DAY),
        ("keys.poll_every", keys.poll_every, MOMENT..=DAY),
        ("status_lists.interval", status_lists.interval, SECOND..=60 * MINUTE),
        ("events.retention", events.retention, Duration::ZERO..=LONGEST),
        ("dpop.nonce_lifetime", dpop.nonce_lifetime, 10 * SECOND..=60 * MINUTE),
        // Less than the pause after the first attempt.
        ("mail.timeout", mail.timeout, MOMENT..=MINUTE),
        ("mail.limit_window", mail.limit_window, SECOND..=7 * DAY),
        ("http.request_timeout", http.request_timeout, MOMENT..=DAY),
        ("http.header_timeout", http.header_timeout, MOMENT..=DAY),
        ("http.keep_alive", http.keep_alive, MOMENT..=DAY),
        ("http.drain_delay", http.drain_delay, Duration::ZERO..=DAY),
        ("http.drain_timeout", http.drain_timeout, MOMENT..=DAY),
        ("outbound.timeout", outbound.timeout, MOMENT..=60 * SECOND),
        ("tls.reload_every", tls.reload_every, MOMENT..=DAY),
        ("database.acquire_timeout", database.acquire_timeout, MOMENT..=DAY),
        ("janitor.every", janitor.every, MOMENT..=DAY),
    ]
}

/// Mail: where it goes, and as whom.
fn conflicts_of_mail(settings: &Settings) -> Vec<(bool, &'static str, &'static str, &'static str)> {
    let Settings { mail, database_url, .. } = settings;
    let is_here = |host: &String| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    vec![
        (
            mail.tls != MailTls::None || mail.host.as_ref().is_none_or(is_here),
            "mail.tls",
            "implicit or starttls for another machine than this one, as with",
            "mail.host",
        ),
        (mail.folder.is_none() || mail.host.is_none(), "mail.folder", "nothing beside", "mail.host"),
        (
            mail.folder.is_none() || !matches!(database_url, DatabaseUrl::Postgres(_)),
            "mail.folder",
            "nothing where the store is not the embedded one, as with",
            "database_url",
        ),
        (
            mail.password.is_none() || mail.password_file.is_none(),
            "mail.password",
            "nothing beside",
            "mail.password_file",
        ),
        (mail.password.is_none() || mail.user.is_some(), "mail.user", "a name beside", "mail.password"),
        (
            mail.password_file.is_none() || mail.user.is_some(),
            "mail.user",
            "a name beside",
            "mail.password_file",
        ),
    ]
}

/// Whether a domain is the issuer's host, or one that it is in.
fn is_of_issuer(settings: &Settings, domain: &str) -> bool {
    let Some(issuer) = &settings.issuer else { return false };
    let url = Url::parse(issuer.as_str()).ok();
    let host = url.as_ref().and_then(Url::domain).unwrap_or_default();
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.') && !domain.is_empty())
}

/// Whether it holds, the key to change, and what is expected in view of another key.
fn conflicts(settings: &Settings) -> Vec<(bool, &'static str, &'static str, &'static str)> {
    const ALONE: &str = "nothing without";
    let Settings { tokens, sign_in, passwords, passkeys, keys, tls, mtls, events, .. } = settings;
    let is_issuer =
        |url: &HttpsUrl| settings.issuer.as_ref().is_some_and(|issuer| issuer.as_str() == url.as_str());
    let is_plain = settings.issuer.as_ref().is_some_and(|issuer| issuer.as_str().starts_with("http:"));
    vec![
        (tokens.leeway <= tokens.access_ttl / 2, "tokens.leeway", "at most half of", "tokens.access_ttl"),
        (tokens.idle_ttl <= tokens.absolute_ttl, "tokens.idle_ttl", "at most", "tokens.absolute_ttl"),
        (sign_in.idle_ttl <= sign_in.absolute_ttl, "sign_in.idle_ttl", "at most", "sign_in.absolute_ttl"),
        (
            u64::from(passwords.memory_kib) >= 8 * u64::from(passwords.parallelism),
            "passwords.memory_kib",
            "at least eight times",
            "passwords.parallelism",
        ),
        // Browsers refuse every other one (Web Authentication §5.1.3).
        (
            passkeys.rp_id.as_deref().is_none_or(|id| is_of_issuer(settings, id)),
            "passkeys.rp_id",
            "the host, or a domain that it is in, of",
            "issuer",
        ),
        // A replica that looks too seldom would not know the next key when the others begin to sign with it.
        (keys.poll_every <= keys.publish_ahead, "keys.poll_every", "at most", "keys.publish_ahead"),
        (
            !events.chain || !events.retention.is_zero(),
            "events.chain",
            "false where nothing is kept by",
            "events.retention",
        ),
        (tls.certificate.is_none() || !is_plain, "issuer", "an https URL beside", "tls.certificate"),
        (
            settings.master_key.is_none() || settings.master_key_file.is_none(),
            "master_key",
            "nothing beside",
            "master_key_file",
        ),
        // What is made of the address alone is for trying things out, as the issuer is that is made so.
        (
            mtls.listen.is_none() || mtls.url.is_some() || settings.issuer.is_none(),
            "mtls.url",
            "an https URL that leads to",
            "mtls.listen",
        ),
        (mtls.url.as_ref().is_none_or(|url| !is_issuer(url)), "mtls.url", "another URL than", "issuer"),
        (mtls.url.is_none() || mtls.listen.is_some(), "mtls.url", ALONE, "mtls.listen"),
        (mtls.certificate.is_none() || mtls.listen.is_some(), "mtls.certificate", ALONE, "mtls.listen"),
        (mtls.key.is_none() || mtls.listen.is_some(), "mtls.key", ALONE, "mtls.listen"),
    ]
}

/// The same of the listeners: each has an address of its own.
fn clashes(settings: &Settings) -> Vec<(bool, &'static str, &'static str, &'static str)> {
    let Settings { mtls, admin, metrics, .. } = settings;
    vec![
        (
            admin.listen.as_ref().is_none_or(|it| it.port() == 0 || *it != settings.listen),
            "admin.listen",
            "another address than",
            "listen",
        ),
        (
            admin.listen.as_ref().is_none_or(|it| it.port() == 0 || Some(it) != mtls.listen.as_ref()),
            "admin.listen",
            "another address than",
            "mtls.listen",
        ),
        (
            metrics.listen.as_ref().is_none_or(|it| it.port() == 0 || *it != settings.listen),
            "metrics.listen",
            "another address than",
            "listen",
        ),
        (
            metrics.listen.as_ref().is_none_or(|it| it.port() == 0 || Some(it) != admin.listen.as_ref()),
            "metrics.listen",
            "another address than",
            "admin.listen",
        ),
        (
            metrics.listen.as_ref().is_none_or(|it| it.port() == 0 || Some(it) != mtls.listen.as_ref()),
            "metrics.listen",
            "another address than",
            "mtls.listen",
        ),
        (
            mtls.listen.as_ref().is_none_or(|it| it.port() == 0 || *it != settings.listen),
            "mtls.listen",
            "another address than",
            "listen",
        ),
    ]
}
