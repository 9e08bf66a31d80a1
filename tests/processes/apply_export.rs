//! What is there, as a file says it.

use crate::apply::*;
use crate::process::Place;

/// A store with much in it, that nobody wrote as a file.
fn furnished(place: &Place) {
    place.ok(&["client", "add", "plain", "--public"]);
    place.ok(&[
        "client",
        "add",
        "full",
        "--public",
        "--first-party",
        "--name",
        "Füll \"&\" <Co>",
        "--redirect-uri",
        "https://full.example/cb",
        "--redirect-uri",
        "com.example.full:/cb",
        "--post-logout-redirect-uri",
        "https://full.example/",
        "--origin",
        "capacitor://localhost",
        "--scope",
        "openid b a",
        "--audience",
        "https://x.example",
        "--audience",
        "plain-name",
        "--access-ttl",
        "90s",
        "--idle-ttl",
        "45d",
        "--absolute-ttl",
        "90d",
        "--leeway",
        "1500ms",
        "--grant",
        "authorization_code",
        "--grant",
        "refresh_token",
        "--grant",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]);
    add_confidential_ones(place);
    place.ok(&[
        "client",
        "add",
        "web.app/1",
        "--confidential",
        "--redirect-uri",
        "https://web.example/cb",
        "--code-protection",
        "pkce-or-nonce",
        "--serves",
        "https://x.example",
    ]);
    place.ok(&["client", "add", "gone", "--public"]);
    place.ok(&["client", "remove", "gone"]);
    place.ok(&["client", "update", "heirloom", "--access-ttl", "5m"]);
    place.ok(&["audience", "set", "https://x.example", "--algorithm", "EdDSA"]);
    write(
        place,
        "servers.toml",
        "[resource_servers.\"https://y.example\"]\nscope = \"\"\nroles = \"never\"\n\
         [resource_servers.\"https://z.example\"]\nscope = \"read\"\naccess_ttl = \"90s\"\nsigning_algorithm = \"RS256\"\n",
    );
    applied(place, &["-f", "servers.toml"]);
}

/// Clients that prove themselves: one by keys of its own.
fn add_confidential_ones(place: &Place) {
    place.ok(&[
        "client",
        "add",
        "robot",
        "--confidential",
        "--rotation",
        "every:1h",
        "--grant",
        "refresh_token",
    ]);
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}"#;
    let metadata = format!(
        r#"{{"jwks": {{"keys": [{jwk}]}}, "token_exchange": {{"audiences": ["https://x.example"], "impersonation": true}}}}"#
    );
    place.ok(&[
        "client",
        "add",
        "bank",
        "--confidential",
        "--profile",
        "fapi2",
        "--redirect-uri",
        "https://bank.example/cb",
        "--grant",
        "authorization_code",
        "--grant",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "--metadata",
        &metadata,
    ]);
}

fn is_a_fixed_point(from: &Place, to: &Place) {
    furnished(from);
    let exported = from.ok(&["export"]);
    write(from, "export.toml", &exported);
    assert_eq!(applied(from, &["-f", "export.toml"]), NOTHING, "{exported}");
    assert_eq!(applied(from, &["-f", "export.toml", "--prune"]), NOTHING);
    write(to, "export.toml", &exported);
    assert!(applied(to, &["-f", "export.toml"]).ends_with("Applied: 8 added, 1 changed, 0 removed.\n"));
    assert_eq!(to.ok(&["export"]), exported);
    let shown = |place: &Place, id: &str| {
        let mut client = place.json(&["client", "show", id]);
        client.as_object_mut().unwrap().remove("created_at");
        client
    };
    for id in ["plain", "full", "bank", "web.app/1", "robot", "heirloom"] {
        assert_eq!(shown(from, id), shown(to, id), "{id}");
    }
}

#[test]
fn an_export_applied_to_an_empty_store_is_exported_again() {
    is_a_fixed_point(&Place::sqlite().migrated(), &Place::postgres());
    is_a_fixed_point(&Place::postgres(), &Place::sqlite().migrated());
}
