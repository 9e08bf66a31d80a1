//! What is shown of the settings: `config print`, `Debug`, `.env.example`, and the table behind them.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use super::{Settings, SettingsFolder, load};
use crate::settings::{env_example, table::SETTINGS};

const SECRETS: [(&str, &str); 2] = [
    ("HEIRLOOM_MASTER_KEY", "hush"),
    ("HEIRLOOM_DATABASE_URL", "postgres://u:hush@h/d?sslpassword=hush&a=b"),
];

#[test]
fn the_table_has_every_field_and_nothing_else() {
    let fields = serde_json::to_value(Settings::default()).unwrap();
    let mut keys = BTreeSet::new();
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Object(section) => keys.extend(section.keys().map(|field| format!("{name}.{field}"))),
            _ => _ = keys.insert(name.clone()),
        }
    }
    let table: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
    assert_eq!(keys, table);
    assert_eq!(table.len(), SETTINGS.len(), "no key stands there twice");
}

#[test]
fn every_setting_can_be_set_by_its_variable() {
    let samples = [
        ("issuer", "https://id.test"),
        ("master_key", "key"),
        ("master_key_file", "key"),
        ("pages.logo", "logo.svg"),
        ("pages.templates", "pages"),
        ("tls.certificate", "certificate.pem"),
        ("tls.key", "key.pem"),
        ("admin.role", "operators"),
        ("admin.listen", "127.0.0.1:9443"),
        ("admin.import_limit", "1048576"),
        ("metrics.listen", "127.0.0.1:9464"),
        ("traces.endpoint", "http://127.0.0.1:4318/v1/traces"),
        ("mtls.listen", "127.0.0.1:8443"),
        ("mtls.url", "https://mtls.id.test"),
        ("mtls.certificate", "certificate.pem"),
        ("mtls.key", "key.pem"),
        ("mtls.client_cert_header", "Client-Cert"),
        ("mtls.client_ca", "clients.pem"),
        ("registration.redirect_schemes", "cursor vscode"),
        ("registration.audiences", "https://tools.example/mcp https://other.example/mcp"),
        ("mail.host", "mail.example.com"),
        ("mail.port", "2525"),
        ("mail.user", "heirloom"),
        ("mail.password", "hush"),
        ("mail.password_file", "password"),
        ("mail.from", "no-reply@example.com"),
        ("mail.reply_to", "help@example.com"),
        ("mail.folder", "mails"),
        ("outbound.ca_file", "ca.pem"),
        ("passkeys.rp_id", "id.test"),
        ("passkeys.rp_name", "The Shop"),
        ("passkeys.related_origins", "https://shop.test https://id.other.test"),
        ("sign_in.providers", r#"[{"id":"x","issuer":"https://x.example","client_id":"h"}]"#),
    ];
    for setting in SETTINGS.iter() {
        let sample = samples.iter().find(|(key, _)| *key == setting.key).map(|(_, sample)| *sample);
        let number = setting.key.ends_with("threads") || setting.key.ends_with("workers");
        let value = sample.or(setting.default.text()).or(number.then_some("2")).unwrap();
        let given = (setting.variable(), if value.is_empty() { "10.0.0.0/8" } else { value });
        // Its others are nothing without a listener.
        let listens = setting.key == "mtls.listen" || !setting.key.starts_with("mtls.");
        let listener = (!listens).then_some(("HEIRLOOM_MTLS__LISTEN", "127.0.0.1:8443"));
        let has_name = setting.key.starts_with("mail.password");
        let name = has_name.then_some(("HEIRLOOM_MAIL__USER", "heirloom"));
        // It is a part of the issuer's host.
        let issuer = (setting.key == "passkeys.rp_id").then_some(("HEIRLOOM_ISSUER", "https://id.test"));
        let all: Vec<_> =
            [(given.0.as_str(), given.1)].into_iter().chain(listener).chain(name).chain(issuer).collect();
        let settings = load(&all);
        let from = &settings.to_json()[setting.key]["from"];
        assert_eq!(from, &json!(format!("the variable {}", setting.variable())));
        assert!(!settings.to_json()[setting.key]["value"].is_null());
    }
}

#[test]
fn the_example_in_the_repository_is_up_to_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
    let found = fs::read_to_string(file).unwrap();
    assert_eq!(found, env_example(), ".env.example must hold what settings::env_example() gives");
}

#[test]
fn docker_compose_passes_every_setting_of_a_section_on() {
    let file = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docker-compose.yml")).unwrap();
    let missing: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| !setting.section().is_empty())
        .map(|setting| format!("      {}:", setting.variable()))
        .filter(|line| !file.lines().any(|it| it.starts_with(line)))
        .collect();
    assert!(
        missing.is_empty(),
        "docker-compose.yml lacks, among the server's variables:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_example_is_a_file_that_can_be_used_as_it_is() {
    let settings = SettingsFolder::new().with(".env", &env_example()).load(&[]).unwrap();
    assert_eq!(settings.issuer.unwrap().as_str(), "http://127.0.0.1:8080");
}

#[test]
fn the_example_with_everything_taken_in_gives_the_defaults() {
    let all: String = env_example()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.starts_with("HEIRLOOM_")).unwrap_or(line))
        .filter(|line| *line != "HEIRLOOM_ISSUER=http://127.0.0.1:8080")
        .flat_map(|line| [line, "\n"])
        .collect();
    let settings = SettingsFolder::new().with(".env", &all).load(&[]).unwrap();
    let values = |settings: &Settings| serde_json::to_value(settings).unwrap();
    assert_eq!(values(&settings), values(&Settings::default()));
    for setting in SETTINGS.iter() {
        let written = env_example().matches(&format!("{}=", setting.variable())).count();
        assert_eq!(written, 1, "{}", setting.key);
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let odd = [
        ("HEIRLOOM_DATA_DIR", "a \"quoted\" \\ dir\t\u{1}é"),
        ("HEIRLOOM_TOKENS__ACCESS_TTL", "5400s"),
        ("HEIRLOOM_HTTP__TRUSTED_PROXIES", "10.0.0.0/8,::1"),
        ("HEIRLOOM_HTTP__WORKERS", "3"),
        ("HEIRLOOM_KEYS__ALGORITHM", "EdDSA"),
    ];
    for variables in [&[][..], &odd] {
        let settings = load(variables);
        let again =
            SettingsFolder::new().with("heirloom.toml", &settings.to_toml_string()).load(&[]).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&settings).unwrap());
    }
}

#[test]
fn what_is_printed_names_the_origins() {
    let place = SettingsFolder::new().with("heirloom.toml", "[tokens]\naccess_ttl = \"5400s\"\n");
    let place = place.with(".env", "HEIRLOOM_LOG__FORMAT=json\n");
    let toml = place.load(&[("HEIRLOOM_HTTP__BODY_LIMIT", "2048")]).unwrap().to_toml_string();
    let squeezed: Vec<String> =
        toml.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        r#"listen = "127.0.0.1:8080" # default"#,
        "# issuer = # not set: http:// and the listen address",
        "[tokens]",
        r#"access_ttl = "1h 30m" # from heirloom.toml"#,
        "body_limit = 2048 # from the variable HEIRLOOM_HTTP__BODY_LIMIT",
        r#"format = "json" # from HEIRLOOM_LOG__FORMAT in .env"#,
        "trusted_proxies = [] # default",
    ] {
        assert!(squeezed.iter().any(|found| found == line), "{toml}\nlacks {line}");
    }
    let columns: BTreeSet<Option<usize>> =
        toml.lines().filter(|line| line.contains(" = ")).map(|line| line.rfind("  # ")).collect();
    assert_eq!(columns.len(), 1, "{toml}");
}

#[test]
fn what_is_printed_for_programs_has_value_and_origin() {
    let json = load(&[("HEIRLOOM_JANITOR__BATCH", "5")]).to_json();
    assert_eq!(json["janitor.batch"], json!({ "value": 5, "from": "the variable HEIRLOOM_JANITOR__BATCH" }));
    assert_eq!(json["http.workers"], json!({ "value": null, "from": "the default" }));
    assert_eq!(json.as_object().unwrap().len(), SETTINGS.len());
}

#[test]
fn secrets_are_masked_everywhere() {
    let settings = load(&SECRETS);
    for shown in
        [settings.to_toml_string(), settings.to_json().to_string(), format!("{settings:?} {settings:#?}")]
    {
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("postgres://u:***@h/d?sslpassword=***&a=b"), "{shown}");
    }
    assert_eq!(settings.to_json()["master_key"]["value"], "(set)");
    assert_eq!(settings.master_key.unwrap().expose(), "hush");
}
