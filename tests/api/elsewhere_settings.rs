//! How providers stand in the settings, and what is said of those that do not fit.

use std::ffi::OsString;

use heirloom::domain::upstream::ProviderKind;
use heirloom::settings::{LoadFrom, Settings};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::signer::changed;

const VARIABLE: &str = "HEIRLOOM_SIGN_IN__PROVIDERS";

/// The settings with this text for the variable.
fn load(text: &str) -> Result<Settings, String> {
    let environment = vec![(OsString::from(VARIABLE), OsString::from(text))];
    let folder = Folder::new();
    let from = LoadFrom { environment, working_dir: folder.path().to_owned(), ..LoadFrom::default() };
    Settings::load(&from).map_err(|error| error.to_string())
}

fn works(changes: &Value) -> Value {
    let usual = json!({
        "id": "works", "issuer": "https://id.example/t/", "client_id": "heirloom", "client_secret": "hush",
    });
    changed(&usual, changes)
}

#[test]
fn providers_stand_in_a_file_in_the_order_of_their_buttons() {
    let folder = Folder::new();
    let secret = folder.keep("secret", "hush\n");
    let file = format!(
        "[[sign_in.providers]]\nid = \"works\"\nissuer = \"https://id.example\"\nclient_id = \"heirloom\"\n\
         create = true\nroles_claim = \"groups\"\nroles = {{ staff = \"editor\" }}\n\
         [[sign_in.providers]]\nid = \"hub\"\nkind = \"github\"\nclient_id = \"h\"\nclient_secret_file = {secret:?}\n"
    );
    folder.keep("heirloom.toml", file);
    let from = LoadFrom { working_dir: folder.path().to_owned(), ..LoadFrom::default() };
    let providers = Settings::load(&from).unwrap().sign_in.providers.read().unwrap();
    let ids: Vec<&str> = providers.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["works", "hub"]);
    assert!(providers[0].creates_accounts && providers[0].roles.is_some());
    assert_eq!((providers[0].name.as_str(), providers[0].kind.clone()), ("works", ProviderKind::OpenId));
    assert_eq!(providers[1].issuer, "https://github.com");
    assert_eq!(providers[1].client_secret.as_ref().unwrap().expose(), "hush");
}

#[test]
fn what_does_not_fit_is_told_and_no_secret_is() {
    let one = |changes: Value| json!([works(&changes)]).to_string();
    let more = "of the provider \"works\"";
    for (text, said) in [
        ("[".to_owned(), "tables of providers as in docs/settings.md, or the same as JSON".to_owned()),
        ("[1]".to_owned(), "tables of providers as in docs/settings.md, or the same as JSON".to_owned()),
        (
            json!([{ "issuer": "x" }]).to_string(),
            "of provider 1 of the list other members: missing field `id`".to_owned(),
        ),
        (
            one(json!({ "id": "Works" })),
            "of the provider \"Works\" an id of 1 to 32 lower-case letters".to_owned(),
        ),
        (one(json!({ "secret": "hush" })), format!("{more} other members: unknown field `secret`")),
        (one(json!({ "issuer": null })), format!("{more} an issuer")),
        (one(json!({ "issuer": "id.example" })), format!("{more} an issuer that is an https URL")),
        (one(json!({ "issuer": "https://id.example?a" })), format!("{more} an issuer that is an https URL")),
        (one(json!({ "client_secret": 7 })), format!("{more} a client_secret that is a text")),
        (one(json!({ "client_secret": "" })), format!("{more} a client_secret that is not empty")),
        (
            one(json!({ "client_secret_file": "/nowhere" })),
            format!("{more} client_secret or client_secret_file, not both"),
        ),
        (
            one(json!({ "client_secret": null, "client_secret_file": "/nowhere" })),
            format!("{more} a client_secret_file that can be read: /nowhere:"),
        ),
        (one(json!({ "scopes": "email" })), format!("{more} openid among its scopes")),
        (one(json!({ "roles": { "a": "b" } })), format!("{more} a roles_claim beside roles")),
        (
            one(json!({ "roles_claim": "g", "roles": { "a": " " } })),
            format!("{more} other roles: a role must have"),
        ),
        (one(json!({ "api": "https://x.example" })), format!("{more} no api: that is for GitHub")),
        (one(json!({ "kind": "github", "hand_over": true })), format!("{more} no hand_over")),
        (one(json!({ "kind": "github", "client_secret": null })), format!("{more} a client_secret")),
        (json!([works(&json!({})), works(&json!({}))]).to_string(), "the id \"works\" once".to_owned()),
        (
            json!([works(&json!({ "hand_over": true })), works(&json!({ "id": "b", "hand_over": true }))])
                .to_string(),
            "hand_over at one provider".to_owned(),
        ),
        (
            json!([
                works(&json!({ "home_domains": ["A.example"] })),
                works(&json!({ "id": "b", "home_domains": ["a.example"] }))
            ])
            .to_string(),
            "\"a.example\" among the home_domains of one provider".to_owned(),
        ),
    ] {
        let told = load(&text).unwrap_err();
        let beginning =
            format!("\"sign_in.providers\" (not shown, from the variable {VARIABLE}): expected {said}");
        assert!(told.starts_with(&beginning), "{text}: {told}");
        assert!(!told.contains("hush"), "{told}");
    }
    let shown = load(&one(json!({}))).unwrap().to_toml_string();
    assert!(shown.contains("https://id.example/t/") && !shown.contains("hush"), "{shown}");
}
