//! Which layer wins, and what values may look like.

use std::{ffi::OsString, net::SocketAddr, os::unix::ffi::OsStringExt, time::Duration};

use super::{LoadFrom, Settings, SettingsFolder, load};
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::settings::{DatabaseUrl, LogFormat, SettingOrigin, UnnamedFiles};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn files_of_the_folder_that_are_not_named_count_for_the_server_only() {
    let place = SettingsFolder::new()
        .with("heirloom.toml", "database_url = \"sqlite:a.db\"\n")
        .with(".env", "HEIRLOOM_ISSUER=https://a.example\n");
    let load = |config: Option<&str>, env_file: Option<&str>, variables: &[(&str, &str)]| {
        Settings::load(&LoadFrom {
            config: config.map(Into::into),
            env_file: env_file.map(Into::into),
            unnamed_files: UnnamedFiles::PassOver,
            working_dir: place.0.clone(),
            environment: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        })
    };
    let refused = load(None, None, &[]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "heirloom.toml of this folder counts for `serve`, `config` and `healthcheck` only, and nothing else says which \
         database is meant: add --config heirloom.toml if that one's is, or set HEIRLOOM_DATABASE_URL\n\
         .env of this folder counts for `serve`, `config` and `healthcheck` only, and nothing else says which database \
         is meant: add --env-file .env if that one's is, or set HEIRLOOM_DATABASE_URL"
    );
    assert!(
        load(None, Some(".env"), &[]).unwrap_err().to_string().starts_with("heirloom.toml of this folder")
    );
    let named = load(Some("heirloom.toml"), None, &[]).unwrap();
    assert_eq!((named.database_url.to_string(), named.issuer.is_none()), ("sqlite:a.db".to_owned(), true));
    let both = load(Some("heirloom.toml"), Some(".env"), &[]).unwrap();
    assert_eq!(both.origins.of("issuer").to_string(), "HEIRLOOM_ISSUER in .env",);
    for variable in [("HEIRLOOM_DATABASE_URL", "sqlite:b.db"), ("HEIRLOOM_DATA_DIR", "b")] {
        let settings = load(None, None, &[variable]).unwrap();
        assert!(settings.database_url.to_string().starts_with("sqlite:b"), "{}", settings.database_url);
        assert!(settings.issuer.is_none());
    }
    assert!(
        load(None, Some("missing.env"), &[]).unwrap_err().to_string().contains("cannot read missing.env")
    );
}

#[test]
fn files_of_other_programs_are_nothing_to_a_command() {
    let text =
        "DATABASE_URL=postgres://other\nPOSTGRES_PASSWORD=x\nHEIRLOOM_PUBLISH=8080\nHEIRLOOM_ISSUER=\n";
    let place = SettingsFolder::new().with(".env", text);
    let from = LoadFrom {
        unnamed_files: UnnamedFiles::PassOver,
        working_dir: place.0.clone(),
        ..LoadFrom::default()
    };
    assert_eq!(Settings::load(&from).unwrap().database_url.to_string(), "sqlite:./heirloom-data/heirloom.db");
}

#[test]
fn the_defaults_are_as_documented() {
    let settings = load(&[]);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert!(settings.issuer.is_none() && settings.master_key.is_none() && settings.master_key_file.is_none());
    assert_eq!(settings.database_url.to_string(), "sqlite:./heirloom-data/heirloom.db");
    assert_eq!(settings.data_dir.to_str(), Some("./heirloom-data"));
    assert_eq!(settings.tokens.access_ttl, 15 * MINUTE);
    assert_eq!(settings.tokens.idle_ttl, 7 * 24 * 60 * MINUTE);
    assert_eq!(settings.tokens.absolute_ttl, 90 * 24 * 60 * MINUTE);
    assert_eq!(settings.tokens.leeway, MINUTE / 2);
    let passwords = &settings.passwords;
    assert_eq!((passwords.memory_kib, passwords.iterations, passwords.parallelism), (19456, 2, 1));
    assert_eq!((passwords.threads, passwords.queue), (None, 64));
    assert_eq!(settings.keys.algorithm, SigningAlgorithm::Es256);
    assert_eq!((settings.keys.publish_ahead, settings.keys.poll_every), (10 * MINUTE, MINUTE / 12));
    assert_eq!(settings.status_lists.interval, MINUTE / 12);
    assert_eq!((settings.dpop.require_nonce, settings.dpop.nonce_lifetime), (false, 5 * MINUTE));
    assert_eq!((settings.http.workers, settings.http.body_limit), (None, 64 * 1024));
    assert_eq!((settings.http.request_timeout, settings.http.header_timeout), (MINUTE / 6, MINUTE / 12));
    assert_eq!((settings.http.keep_alive, settings.http.drain_timeout), (MINUTE * 5 / 4, MINUTE / 6));
    assert!(settings.http.drain_delay.is_zero(), "on a terminal nobody waits");
    assert!(settings.http.trusted_proxies.is_empty());
    assert_eq!((settings.database.max_connections, settings.database.acquire_timeout), (10, MINUTE / 20));
    assert_eq!((settings.janitor.every, settings.janitor.batch), (MINUTE, 1000));
    assert_eq!((settings.log.format, settings.log.filter.as_str()), (LogFormat::Pretty, "info"));
}

#[test]
fn each_layer_wins_over_the_one_before() {
    const KEY: &str = "tokens.access_ttl";
    let place = SettingsFolder::new();
    assert_eq!(place.load(&[]).unwrap().origins.of(KEY), &SettingOrigin::Default);

    let place = place.with("heirloom.toml", "[tokens]\naccess_ttl = \"20m\"\nidle_ttl = \"1d\"\n");
    let settings = place.load(&[]).unwrap();
    assert_eq!(settings.tokens.access_ttl, 20 * MINUTE);
    assert_eq!(settings.origins.of(KEY), &SettingOrigin::File("heirloom.toml".into()));

    let place = place.with(".env", "OTHER=1\nexport HEIRLOOM_TOKENS__ACCESS_TTL='1h 30m' # a comment\n");
    let settings = place.load(&[]).unwrap();
    assert_eq!(settings.tokens.access_ttl, 90 * MINUTE);
    assert_eq!(settings.tokens.idle_ttl, 24 * 60 * MINUTE, "a layer leaves alone what it does not name");
    assert_eq!(
        settings.origins.of(KEY),
        &SettingOrigin::EnvFile { variable: "HEIRLOOM_TOKENS__ACCESS_TTL".into(), file: ".env".into() }
    );

    let settings = place.load(&[("HEIRLOOM_TOKENS__ACCESS_TTL", "40m")]).unwrap();
    assert_eq!(settings.tokens.access_ttl, 40 * MINUTE);
    assert_eq!(settings.origins.of(KEY), &SettingOrigin::Variable("HEIRLOOM_TOKENS__ACCESS_TTL".into()));
}

#[test]
fn a_file_that_is_named_takes_the_place_of_the_usual_one() {
    let place = SettingsFolder::new()
        .with("heirloom.toml", "data_dir = \"one\"\n")
        .with("other.toml", "[log]\nformat = \"json\"\n");
    let settings = place.load_with(Some("other.toml"), &[]).unwrap();
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.data_dir.to_str(), Some("./heirloom-data"));
    assert_eq!(settings.origins.of("log.format"), &SettingOrigin::File("other.toml".into()));
}

#[test]
fn an_empty_value_is_as_if_it_were_not_set() {
    let place = SettingsFolder::new().with("heirloom.toml", "issuer = \"\"\ndata_dir = \"kept\"\n");
    let place = place.with(".env", "HEIRLOOM_DATA_DIR=\nHEIRLOOM_MASTER_KEY=\"\"\n");
    let settings = place.load(&[("HEIRLOOM_DATA_DIR", ""), ("HEIRLOOM_NO_SUCH", "")]).unwrap();
    assert_eq!(settings.data_dir.to_str(), Some("kept"));
    assert!(settings.issuer.is_none() && settings.master_key.is_none());
}

#[test]
fn what_others_set_is_passed_over() {
    let place =
        SettingsFolder::new().with(".env", "POSTGRES_PASSWORD=x\nHEIRLOOM_PUBLISH=8080\nHEIRLOOM_IMAGE=x\n");
    let others = [
        ("PATH", "/bin"),
        ("HEIRLOOM", "x"),
        ("HEIRLOOM_TOKEN", "x"),
        ("HEIRLOOM_CLIENT_ID", "ops"),
        ("HEIRLOOM_CLIENT_SECRET", "x"),
        ("HEIRLOOM_CLIENT_SECRET_FILE", "x"),
        ("HEIRLOOM_PORT", "tcp://10.0.0.1:8080"),
        ("HEIRLOOM_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("HEIRLOOM_SERVICE_HOST", "10.0.0.1"),
        ("HEIRLOOM_SERVICE_PORT_HTTP", "8080"),
        ("HEIRLOOM_DB_SERVICE_HOST", "10.0.0.2"),
        ("HEIRLOOM_DB_SERVICE_PORT", "5432"),
        ("HEIRLOOM_DB_PORT", "tcp://10.0.0.2:5432"),
        ("HEIRLOOM_DB_PORT_5432_TCP", "tcp://10.0.0.2:5432"),
    ];
    assert!(place.load(&others).is_ok());
}

#[test]
fn variables_of_others_may_be_of_any_bytes() {
    let odd = || OsString::from_vec(vec![b'x', 0xFF]);
    let environment = vec![(odd(), odd()), ("OTHER".into(), odd())];
    assert!(
        Settings::load(&LoadFrom {
            environment,
            working_dir: SettingsFolder::new().0.clone(),
            ..LoadFrom::default()
        })
        .is_ok()
    );
}

#[test]
fn the_store_is_in_the_data_folder_unless_it_is_named() {
    let place = SettingsFolder::new().with("heirloom.toml", "data_dir = \"/srv/heirloom\"\n");
    assert_eq!(place.load(&[]).unwrap().database_url.to_string(), "sqlite:/srv/heirloom/heirloom.db");
    let settings = place.load(&[("HEIRLOOM_DATABASE_URL", "sqlite::memory:")]).unwrap();
    assert!(matches!(settings.database_url, DatabaseUrl::SqliteMemory));
}

#[test]
fn stores_are_told_apart() {
    let url = |text| load(&[("HEIRLOOM_DATABASE_URL", text)]).database_url;
    for (text, path) in [("sqlite:a b.db", "a b.db"), ("sqlite:/a.db", "/a.db"), ("sqlite:///a.db", "/a.db")]
    {
        let DatabaseUrl::Sqlite(found) = url(text) else { panic!("{text}") };
        assert_eq!(found.to_str(), Some(path));
    }
    for text in
        ["postgres://u:p@h/d", "postgresql://h/d?sslmode=require", "postgres:///d?host=/run/postgresql"]
    {
        let DatabaseUrl::Postgres(found) = url(text) else { panic!("{text}") };
        assert_eq!(found.expose(), text, "the URL is kept as written");
    }
}

#[test]
fn proxies_are_a_text_with_commas_or_a_list() {
    let networks = |settings: Settings| {
        settings.http.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = ["10.0.0.0/8", "192.0.2.7/32", "::1/128"];
    let text = load(&[("HEIRLOOM_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,::1")]);
    assert_eq!(networks(text), expected);
    let list = "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.7\", \"::1\"]\n";
    assert_eq!(networks(SettingsFolder::new().with("heirloom.toml", list).load(&[]).unwrap()), expected);
}

#[test]
fn numbers_are_numbers_in_a_file_and_text_in_a_variable() {
    let place = SettingsFolder::new().with("heirloom.toml", "[http]\nworkers = 3\nbody_limit = 2048\n");
    let settings = place.load(&[("HEIRLOOM_HTTP__BODY_LIMIT", "4096")]).unwrap();
    assert_eq!((settings.http.workers, settings.http.body_limit), (Some(3), 4096));
}

#[test]
fn the_issuer_follows_the_bound_address_unless_it_is_set() {
    for (listen, bound, issuer) in [
        ("127.0.0.1:0", "127.0.0.1:4711", "http://127.0.0.1:4711"),
        ("localhost:8080", "127.0.0.1:8080", "http://localhost:8080"),
        ("0.0.0.0:8080", "0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "[::]:8080", "http://[::1]:8080"),
        ("id.test:80", "127.0.0.1:80", "http://id.test"),
    ] {
        let bound: SocketAddr = bound.parse().unwrap();
        assert_eq!(load(&[("HEIRLOOM_LISTEN", listen)]).issuer_at(bound).as_str(), issuer);
        let set = load(&[("HEIRLOOM_LISTEN", listen), ("HEIRLOOM_ISSUER", "https://id.test/tenant")]);
        assert_eq!(set.issuer_at(bound).as_str(), "https://id.test/tenant");
    }
}

#[test]
fn an_issuer_knows_its_path() {
    for (issuer, path) in
        [("https://id.test", ""), ("http://127.0.0.1:8080", ""), ("https://id.test/a/b", "/a/b")]
    {
        assert_eq!(load(&[("HEIRLOOM_ISSUER", issuer)]).issuer.unwrap().path(), path);
    }
}
