//! Secrets of clients that files name.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::apply::*;
use crate::process::block_on;

const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";

#[test]
fn a_secret_is_named_and_never_shown() {
    both(|place| {
        let place = place.with("BILLING_SECRET", SECRET);
        let file = |secret: &str| {
            format!(
                "[clients.billing]\nkind = \"confidential\"\ngrants = [\"client_credentials\"]\n\
                 audiences = [\"https://orders.example.com\"]\n{secret}\n"
            )
        };
        // A value in the file is not repeated by what is said of it.
        for wrong in [
            format!("secret = \"{SECRET}\""),
            format!("secret = {{ value = \"{SECRET}\" }}"),
            format!("secret = {{ env = \"{SECRET}\" }}"),
            "secret = { env = \"A\", file = \"b\" }".to_owned(),
        ] {
            write(&place, "config/a.toml", &file(&wrong));
            let (code, printed, said) = apply(&place, &["-f", "config"]);
            assert_eq!((code, printed.as_str()), (1, ""), "{wrong}");
            assert!(said.contains("config/a.toml:5:10: a secret never stands in a file"), "{wrong}: {said}");
            assert!(!said.contains(SECRET), "{said}");
        }
        write(&place, "config/short.secret", "too short\n");
        for (wrong, told) in [
            ("secret = { env = \"MISSING\" }", "there is no variable MISSING"),
            ("secret = { file = \"missing.secret\" }", "cannot read config/missing.secret"),
            ("secret = { file = \"short.secret\" }", "it must have at least 32 characters"),
        ] {
            write(&place, "config/a.toml", &file(wrong));
            let (code, _, said) = apply(&place, &["-f", "config"]);
            assert_eq!(code, 1);
            assert!(said.contains(told) && !said.contains("too short"), "{said}");
        }
        let server = place.serve();
        let status = |secret: &str| block_on(own_token(&server, secret)).0;
        // Without any, another command makes one.
        write(&place, "config/a.toml", &file(""));
        let (code, _, said) = apply(&place, &["-f", "config"]);
        assert_eq!(
            (
                code,
                said.contains("`heirloom client rotate-secret billing` makes one")
                    || said.contains("client billing has no secret yet")
            ),
            (0, true),
            "{said}"
        );
        write(&place, "config/a.toml", &file("secret = { env = \"BILLING_SECRET\" }"));
        let printed = applied(&place, &["-f", "config"]);
        assert!(
            printed.contains("~ client billing\n    + secret = { env = \"BILLING_SECRET\" }\n"),
            "{printed}"
        );
        assert_eq!(status(SECRET), 200);
        // Another one, beside the first for a day.
        write(&place, "config/billing.secret", &format!("{OTHER_SECRET}\n"));
        write(&place, "config/a.toml", &file("secret = { file = \"billing.secret\" }"));
        let (code, json, said) = apply(&place, &["-f", "config", "--json"]);
        assert_eq!(code, 0, "{said}");
        let change = serde_json::from_str::<Value>(&json).unwrap()["changes"][0].clone();
        assert_eq!(
            change["fields"],
            json!({ "secret": { "before": null, "after": { "file": "billing.secret" } } })
        );
        assert!(![SECRET, OTHER_SECRET].iter().any(|secret| json.contains(secret)), "{json}");
        assert_eq!(applied(&place, &["-f", "config"]), NOTHING);
        thread::sleep(Duration::from_millis(2500));
        assert_eq!((status(OTHER_SECRET), status(SECRET)), (200, 200));
        // The first comes back: it would end tomorrow.
        write(&place, "config/a.toml", &file("secret = { env = \"BILLING_SECRET\" }"));
        assert!(applied(&place, &["-f", "config"]).contains("+ secret"), "it ends tomorrow");
        assert_eq!(applied(&place, &["-f", "config"]), NOTHING);
        let rotated = events(&place, "client.changed");
        assert_eq!(rotated.iter().filter(|event| event["change"] == "secret_rotated").count(), 3);
    });
}
