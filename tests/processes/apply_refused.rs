//! Configuration in files that is wrong, or cannot become so.

use std::fs;

use serde_json::json;

use crate::apply::*;
use crate::process::{PASSWORD, Place, Tokens, block_on};

#[test]
fn of_files_with_one_mistake_nothing_is_applied() {
    both(|place| {
        write(&place, "config/10-good.toml", "[clients.good]\nkind = \"public\"\n");
        write(
            &place,
            "config/20-half.toml",
            "[clients.half]\nkind = \"public\"\nredirect_uris = [\"https://a.exam",
        );
        for arguments in [&["-f", "config"][..], &["-f", "config", "--dry-run"], &["-f", "config", "--prune"]]
        {
            let (code, printed, said) = apply(&place, arguments);
            assert_eq!((code, printed.as_str()), (1, ""));
            assert!(said.starts_with("heirloom: config/20-half.toml:3:"), "{said}");
        }
        assert!(place.refused(&["client", "show", "good"]).contains("there is no client good"));
        // What is on its way to become a file of the folder is not one yet.
        fs::rename(
            place.folder.path().join("config/20-half.toml"),
            place.folder.path().join("config/.20-half.toml"),
        )
        .unwrap();
        assert!(applied(&place, &["-f", "config"]).ends_with("Applied: 1 added, 0 changed, 0 removed.\n"));
    });
}

/// A file, and what is told of it: where the mistake is, and what would be right.
const MISTAKES: &[(&str, &str)] = &[
    (
        "[clients.a]\nkind = \"public\"\n\n  redirect_uri = []",
        "4:3: unknown field \"redirect_uri\" of client a: did you mean \"redirect_uris\"?",
    ),
    (
        "[clients.a]\nkind = \"public\"\ncolour = 1",
        "3:1: unknown field \"colour\" of client a: expected one of kind, profile, name",
    ),
    (
        "[clients.a]\nkind = \"public\"\njwks_uri = \"\"",
        "3:1: unknown field \"jwks_uri\" of client a: it belongs into the table \"metadata\"",
    ),
    (
        "[clients.a]\nkind = \"public\"\n[clients.a.metadata]\nclient_url = \"https://a.example\"",
        "4:1: unknown field \"client_url\" of the metadata of client a: did you mean \"client_uri\"?",
    ),
    (
        "[clients.a]\nkind = \"public\"\n[clients.a.metadata]\nclient_uri = \"ftp://a.example\"",
        "4:14: the metadata of client a: it must be an http or https URL",
    ),
    (
        "[clients.a]\nkind = \"public\"\nmetadata.token_exchange = { audience = [] }",
        "3:29: unknown field \"audience\" of token_exchange in the metadata of client a: did you mean \"audiences\"?",
    ),
    (
        "[clients.a]\nkind = \"open\"",
        "2:8: client a: unknown variant `open`, expected `public` or `confidential`",
    ),
    ("[clients.a]\nname = \"A\"", "1:10: client a lacks its kind: \"public\" or \"confidential\""),
    (
        "[clients.a]\nkind = \"public\"\naccess_ttl = \"soon\"",
        "3:14: client a: expected a duration such as \"30s\", \"15m\" or \"7d\"",
    ),
    (
        "[clients.a]\nkind = \"public\"\naccess_ttl = \"25h\"",
        "1:10: client a: the access-token lifetime must be between 1s and 24h",
    ),
    (
        "[clients.a]\nkind = \"public\"\nscope = \"read, write\"",
        "3:9: client a: scopes have spaces between them: \"read write\"",
    ),
    (
        "[clients.a]\nkind = \"public\"\naudiences = [\"https://a.example\", \"b c\"]",
        "3:35: client a: an audience must be a URI",
    ),
    (
        "[clients.a]\nkind = \"public\"\nredirect_uris = \"https://a.example/cb\"",
        "3:17: client a: invalid type: string",
    ),
    (
        "[clients.a]\nkind = \"public\"\nredirect_uris = [\"http://a.example/cb\"]",
        "1:10: client a: http://a.example/cb: ",
    ),
    (
        "[clients.a]\nkind = \"public\"\ngrants = [\"client_credentials\"]",
        "1:10: client a: a public client cannot use client_credentials",
    ),
    (
        "[clients.a]\nkind = \"public\"\nsecret = { env = \"A\" }",
        "1:10: client a does not authenticate with a secret: leave \"secret\" out",
    ),
    ("[clients.\"a b\"]\nkind = \"public\"", "1:10: a client id must be 1 to 255 visible ASCII characters"),
    ("clients = 1", "1:1: expected tables [clients.ID]"),
    ("clients.a = 1", "1:9: expected a table [clients.ID]"),
    ("[clients.a]\nkind = \"public\"\n[clients.a]", "3:"),
    (
        "[clients.a]\nkind = \"public\"\nname = \"a\\u0000b\"",
        "3:8: a text must not hold the character U+0000",
    ),
    (
        "[resource_servers.x]\nscopes = \"read\"",
        "2:1: unknown field \"scopes\" of resource server x: did you mean \"scope\"?",
    ),
    ("[resource_servers.x]\nroles = true", "2:9: resource server x: "),
    (
        "[resource_servers.x]\nroles = \"yes\"",
        "2:9: resource server x: unknown variant `yes`, expected one of `never`, `with_scope`, `always`",
    ),
    (
        "[resource_servers.x]\nsigning_algorithm = \"HS256\"",
        "2:21: resource server x: unknown variant `HS256`",
    ),
    (
        "[resource_servers.x]\naccess_ttl = \"0s\"",
        "1:19: resource server x: the access-token lifetime must be between 1s and 24h",
    ),
    ("[resource_servers.\"a#b\"]", "1:19: an audience must be a URI"),
    ("[client.a]", "1:2: unknown table \"client\": did you mean \"clients\"?"),
    (
        "[providers.google]",
        "1:2: there is no table \"providers\": where users may sign in instead is a setting of the server",
    ),
    (
        "[policies]",
        "1:2: there is no table \"policies\": what holds for all clients are settings of the server",
    ),
    ("[roles.admin]", "1:2: there is no table \"roles\": a role is a word that users have"),
    ("[scopes.read]", "1:2: there is no table \"scopes\": a scope needs no entry of its own"),
    ("kind = ", "1:8: this is not TOML: "),
];

#[test]
fn each_mistake_is_told_with_its_place_and_what_would_be_right() {
    let place = Place::sqlite().migrated();
    for (text, told) in MISTAKES {
        write(&place, "a.toml", text);
        let (code, printed, said) = apply(&place, &["-f", "a.toml", "--dry-run"]);
        assert_eq!((code, printed.as_str()), (1, ""), "{text}");
        assert!(
            said.starts_with(&format!("heirloom: a.toml:{told}")),
            "{text}\nshould be told {told}\nis told {said}"
        );
    }
    // All of them at once, in every file.
    write(&place, "config/a.toml", "[clients.a]\nkind = \"public\"\nname = 1\n[clients.b]\n");
    write(
        &place,
        "config/b.toml",
        "[clients.c]\nkind = \"public\"\nnam = \"C\"\n[clients.a]\nkind = \"public\"\n",
    );
    let (_, _, said) = apply(&place, &["-f", "config"]);
    let places: Vec<&str> =
        said.trim_start_matches("heirloom: ").lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["config/a.toml:3:8", "config/a.toml:4:10", "config/b.toml:3:1"], "{said}");
    write(&place, "config/a.toml", "[clients.a]\nkind = \"public\"\n");
    write(&place, "config/b.toml", "\n[clients.a]\nkind = \"public\"\n");
    let (_, _, said) = apply(&place, &["-f", "config"]);
    assert_eq!(
        said,
        "heirloom: config/b.toml:2:10: client a is declared twice: at config/a.toml:1:10, too\n"
    );
    fs::create_dir(place.folder.path().join("empty")).unwrap();
    assert_eq!(apply(&place, &["-f", "empty"]).2, "heirloom: there is no .toml file in empty\n");
    assert!(apply(&place, &["-f", "nowhere"]).2.starts_with("heirloom: cannot read nowhere"));
}

#[test]
fn what_cannot_become_so_is_refused_with_its_place() {
    both(|place| {
        place.ok(&["client", "add", "secretive", "--confidential"]);
        place.ok(&["client", "add", "gone", "--public"]);
        place.ok(&["client", "remove", "gone"]);
        for (text, told) in [
            (
                "[clients.secretive]\nkind = \"public\"",
                "client secretive: it is confidential, and stays so: choose another id for one of the other kind",
            ),
            (
                "[clients.gone]\nkind = \"public\"",
                "client gone: the client gone was removed; an id is never given out twice",
            ),
            (
                "[clients.a]\nkind = \"confidential\"\nmetadata.token_endpoint_auth_method = \"private_key_jwt\"",
                "client a: ",
            ),
        ] {
            write(&place, "a.toml", text);
            let (code, printed, said) = apply(&place, &["-f", "a.toml"]);
            assert_eq!((code, printed.as_str()), (1, ""), "{text}");
            assert!(said.starts_with(&format!("heirloom: a.toml:1:10: {told}")), "{text}: {said}");
        }
    });
}

#[test]
fn what_may_end_logins_is_said_twice() {
    both(|place| {
        let file = |rotation: &str| {
            format!(
                "[clients.a]\nkind = \"public\"\nfirst_party = true\ngrants = [\"refresh_token\"]\n{rotation}\n"
            )
        };
        write(&place, "a.toml", &file("metadata.refresh_token_rotation = \"every:1h\""));
        applied(&place, &["-f", "a.toml"]);
        place.add_user("ana");
        let server = place.serve();
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "a" });
        Tokens::of(block_on(server.post("/login", &login)));
        write(&place, "a.toml", &file(""));
        let (code, printed, said) = apply(&place, &["-f", "a.toml"]);
        assert_eq!((code, printed.as_str()), (1, ""));
        assert!(
            said.contains("live logins of a: 1") && said.contains("--yes changes it all the same"),
            "{said}"
        );
        assert!(
            applied(&place, &["-f", "a.toml", "--yes"])
                .contains("- metadata.refresh_token_rotation = \"every:1h\"")
        );
    });
}
