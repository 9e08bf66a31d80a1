//! Configuration as files, for real, on both stores.

use std::fs;
use std::process::Output;
use std::thread;

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::process::{Place, Server, Tokens, block_on, execute};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub fn both(test: impl Fn(Place)) {
    test(Place::sqlite().migrated());
    test(Place::postgres());
}

pub fn write(place: &Place, name: &str, text: &str) {
    let path = place.folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs `apply`; gives its exit code, and what it prints and says, without what goes to the log.
pub fn apply(place: &Place, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = place.run_with(&[&["apply"], arguments].concat(), "");
    let said = String::from_utf8(stderr).unwrap();
    let said = said.split_inclusive('\n').filter(|line| !line.contains(" audit: ")).collect();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), said)
}

/// One that must succeed; gives what it prints.
pub fn applied(place: &Place, arguments: &[&str]) -> String {
    let (code, printed, said) = apply(place, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    printed
}

pub const NOTHING: &str = "Nothing to do: the store is as the files say.\n";

pub fn events(place: &Place, name: &str) -> Vec<Value> {
    let listed = place.json(&["event", "list", "--name", name, "--json"]);
    listed.as_array().unwrap().clone()
}

/// Runs a statement behind everybody's back.
fn sql(place: &Place, on_postgres: bool, statement: &str) {
    if on_postgres {
        return execute(place.url(), statement);
    }
    let file = place.folder.path().join("heirloom-data/heirloom.db");
    let url = format!("sqlite:{}", file.display());
    let statement = statement.to_owned();
    thread::spawn(move || {
        block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    })
    .join()
    .unwrap();
}

/// From now on no row of a table is written that `when` holds for.
fn forbid(place: &Place, on_postgres: bool, table: &str, when: &str) {
    let name = format!("forbidden_{table}");
    if on_postgres {
        sql(
            place,
            true,
            &format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'forbidden'; END $$; \
                 CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW WHEN ({when}) \
                 EXECUTE FUNCTION {name}()"
            ),
        );
        return;
    }
    for what in ["INSERT", "UPDATE"] {
        let trigger = format!(
            "CREATE TRIGGER {name}_{what} BEFORE {what} ON {table} WHEN {when} \
             BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        );
        sql(place, false, &trigger);
    }
}

/// The file in docs/configuration.md that has everything in it.
fn example() -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
    let (_, block) = page.split_once("```toml\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

pub async fn own_token(server: &Server, secret: &str) -> (u16, Value) {
    let form = "grant_type=client_credentials&resource=https%3A%2F%2Forders.example.com";
    let request = server.http.post(format!("{}/oauth/token", server.url)).basic_auth("billing", Some(secret));
    let answer =
        request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[test]
fn the_example_of_the_documentation_is_applied_and_serves() {
    both(|place| {
        let place = place.with("BILLING_SECRET", SECRET);
        write(&place, "config/all.toml", &example());
        write(&place, "config/notes.txt", "this is no configuration");
        let (code, plan, said) = apply(&place, &["-f", "config", "--dry-run"]);
        assert_eq!((code, said.as_str()), (2, ""), "{plan}");
        assert!(plan.ends_with("Plan: 4 to add, 0 to change, 0 to remove.\n"), "{plan}");
        assert!(
            plan.contains("+ resource server https://orders.example.com\n    + access_ttl        = \"5m\"\n"),
            "{plan}"
        );
        assert!(plan.contains("    + secret    = { env = \"BILLING_SECRET\" }\n"), "{plan}");
        assert_eq!(
            place.json(&["client", "list", "--json"]).as_array().unwrap().len(),
            1,
            "nothing was changed"
        );
        let printed = applied(&place, &["-f", "config"]);
        assert_eq!(
            printed,
            plan.replace(
                "Plan: 4 to add, 0 to change, 0 to remove.",
                "Applied: 4 added, 0 changed, 0 removed."
            )
        );
        assert_eq!(apply(&place, &["-f", "config", "--dry-run"]), (0, NOTHING.to_owned(), String::new()));
        let shop = place.json(&["client", "show", "shop"]);
        for (member, value) in [
            ("kind", json!("public")),
            ("first_party", json!(true)),
            ("grants", json!(["authorization_code", "refresh_token"])),
            ("access_ttl", json!("10m")),
            ("scope", json!("email openid orders:read profile")),
        ] {
            assert_eq!(shop[member], value, "{shop}");
        }
        assert_eq!(shop["metadata"]["refresh_tokens_end_with_session"], true);
        assert_eq!(place.json(&["client", "show", "bank"])["metadata"]["security_profile"], "fapi2");
        for event in events(&place, "client.changed").iter().chain(&events(&place, "audience.changed")) {
            assert_eq!(event["by"], "apply", "{event}");
        }
        let server = place.serve();
        let (status, answer) = block_on(own_token(&server, SECRET));
        assert_eq!((status, &answer["expires_in"]), (200, &json!(300)), "{answer}");
        let token =
            Tokens { access: answer["access_token"].as_str().unwrap().to_owned(), refresh: String::new() };
        assert_eq!(token.claim("scope"), "orders:read orders:write");
    });
}

#[test]
fn a_second_apply_writes_nothing() {
    for (place, on_postgres) in [(Place::sqlite().migrated(), false), (Place::postgres(), true)] {
        let place = place.with("BILLING_SECRET", SECRET);
        write(&place, "all.toml", &example());
        applied(&place, &["-f", "all.toml"]);
        let before = events(&place, "*");
        // Whoever opens the store tries to add the built-in client.
        for (table, when) in [
            ("clients", "NEW.id <> 'heirloom'"),
            ("client_secrets", "NEW.client_id <> ''"),
            ("resource_servers", "NEW.audience <> ''"),
            ("audiences", "NEW.audience <> ''"),
            ("file_applications", "NEW.id > 0"),
        ] {
            forbid(&place, on_postgres, table, when);
        }
        assert_eq!(applied(&place, &["-f", "all.toml"]), NOTHING);
        assert_eq!(applied(&place, &["-f", "all.toml", "--prune"]), NOTHING);
        assert_eq!(events(&place, "*"), before);
        // What does change something meets them.
        write(&place, "more.toml", "[clients.more]\nkind = \"public\"\n");
        let (code, printed, _) = apply(&place, &["-f", "all.toml", "-f", "more.toml"]);
        assert_eq!((code, printed.as_str()), (1, ""));
    }
}

#[test]
fn what_fails_half_way_leaves_nothing() {
    for (place, on_postgres) in [(Place::sqlite().migrated(), false), (Place::postgres(), true)] {
        forbid(&place, on_postgres, "clients", "NEW.id = 'b'");
        write(
            &place,
            "all.toml",
            "[clients.a]\nkind = \"public\"\n[clients.b]\nkind = \"public\"\n\
             [resource_servers.\"https://orders.example\"]\nscope = \"read\"\n",
        );
        let (code, printed, said) = apply(&place, &["-f", "all.toml"]);
        assert_eq!((code, printed.as_str()), (1, ""), "{said}");
        assert!(place.refused(&["client", "show", "a"]).contains("there is no client a"));
        assert!(!place.ok(&["export"]).contains("orders.example"));
        assert_eq!(events(&place, "client.changed"), Vec::<Value>::new());
    }
}

#[test]
fn pruning_takes_away_only_what_files_brought_in() {
    both(|place| {
        place.ok(&["client", "add", "by-hand", "--public"]);
        place.ok(&["client", "add", "adopted", "--public"]);
        let all = "[clients.adopted]\nkind = \"public\"\nname = \"Adopted\"\n\
                   [clients.ours]\nkind = \"public\"\nfirst_party = true\ngrants = [\"refresh_token\"]\n\
                   [resource_servers.\"https://a.example\"]\nsigning_algorithm = \"EdDSA\"\n\
                   [resource_servers.\"https://b.example\"]\n";
        write(&place, "a.toml", all);
        assert!(applied(&place, &["-f", "a.toml"]).ends_with("Applied: 3 added, 1 changed, 0 removed.\n"));
        place.add_user("ana");
        let server = place.serve();
        let login = json!({ "username": "ana", "password": crate::process::PASSWORD, "client_id": "ours" });
        let tokens = Tokens::of(block_on(server.post("/login", &login)));
        write(&place, "a.toml", "[resource_servers.\"https://b.example\"]\n");
        assert_eq!(applied(&place, &["-f", "a.toml"]), NOTHING, "what no file names stays");
        let (code, plan, _) = apply(&place, &["-f", "a.toml", "--prune", "--dry-run"]);
        assert_eq!(
            (code, plan.as_str()),
            (
                2,
                "- resource server https://a.example\n- client ours\nPlan: 0 to add, 0 to change, 2 to remove.\n"
            )
        );
        let (code, printed, said) = apply(&place, &["-f", "a.toml", "--prune"]);
        assert_eq!(
            (code, printed.ends_with("Applied: 0 added, 0 changed, 2 removed.\n")),
            (0, true),
            "{said}"
        );
        assert_eq!(
            said.lines().last(),
            Some("note: with client ours its logins end, and its id is never given out again")
        );
        let refresh = json!({ "refresh_token": tokens.refresh, "client_id": "ours" });
        assert_eq!(block_on(server.post("/refresh", &refresh)).0, 401);
        assert_eq!(events(&place, "family.ended").len(), 1);
        for stays in ["by-hand", "adopted", "heirloom"] {
            place.ok(&["client", "show", stays]);
        }
        assert_eq!(place.json(&["audience", "list", "--json"]), json!([]), "its algorithm went with it");
        assert_eq!(applied(&place, &["-f", "a.toml", "--prune"]), NOTHING);
    });
}

#[test]
fn of_replicas_that_apply_at_once_one_changes_things_and_the_others_find_them_so() {
    both(|place| {
        let place = place.with("BILLING_SECRET", SECRET);
        write(&place, "all.toml", &example());
        for round in 0..3 {
            if round > 0 {
                let text = example().replace(
                    "orders:read orders:write\"  # the",
                    &format!("orders:read round:{round}\"  # the"),
                );
                write(&place, "all.toml", &text.replace("The Shop", &format!("The Shop {round}")));
            }
            let results: Vec<_> = thread::scope(|scope| {
                let running: Vec<_> =
                    (0..6).map(|_| scope.spawn(|| apply(&place, &["-f", "all.toml", "--prune"]))).collect();
                running.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert!(results.iter().all(|(code, ..)| *code == 0), "{results:?}");
            let changed = results.iter().filter(|(_, printed, _)| printed.contains("Applied: ")).count();
            let idle = results.iter().filter(|(_, printed, _)| printed == NOTHING).count();
            assert_eq!((changed, idle), (1, 5), "{results:?}");
        }
        assert_eq!(
            events(&place, "client.changed").len(),
            3 + 2 + 2,
            "{:?}",
            events(&place, "client.changed")
        );
        assert_eq!(events(&place, "audience.changed").len(), 2 + 2);
    });
}

#[test]
fn what_was_changed_by_hand_is_as_the_files_say_again() {
    both(|place| {
        write(&place, "a.toml", "[clients.a]\nkind = \"public\"\nname = \"A\"\nscope = \"read\"\n");
        applied(&place, &["-f", "a.toml"]);
        place.ok(&[
            "client",
            "update",
            "a",
            "--name",
            "B",
            "--access-ttl",
            "1h",
            "--metadata",
            r#"{"client_uri": "https://a.example/"}"#,
        ]);
        let (code, json, _) = apply(&place, &["-f", "a.toml", "--dry-run", "--json"]);
        let plan: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((code, &plan["applied"], &plan["change"]), (2, &json!(false), &json!(1)));
        let fields = json!({
            "name": { "before": "B", "after": "A" },
            "access_ttl": { "before": "1h", "after": null },
            "metadata.client_uri": { "before": "https://a.example/", "after": null },
        });
        assert_eq!(
            plan["changes"],
            json!([{ "action": "change", "kind": "client", "id": "a", "fields": fields }])
        );
        assert_eq!(
            applied(&place, &["-f", "a.toml"]),
            "~ client a\n    - access_ttl          = \"1h\"\n    - metadata.client_uri = \"https://a.example/\"\n    \
             ~ name                = \"B\" -> \"A\"\nApplied: 0 added, 1 changed, 0 removed.\n"
        );
        assert_eq!(place.json(&["client", "show", "a"])["name"], "A");
    });
}
