//! `heirloom dev`: a server in `./.heirloom` to develop an app with, and the app beside it.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::process::{PASSWORD, Place, Server, block_on, eventually};

/// A folder where an app is developed, at any port that is free.
fn place() -> Place {
    Place::sqlite()
}

impl Place {
    fn kept(&self, name: &str) -> PathBuf {
        self.folder.path().join(".heirloom").join(name)
    }

    /// A variable that an app is told.
    fn variable(&self, file: &str, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.kept(file)).unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        found.map(ToOwned::to_owned)
    }

    /// Whose commands work on the development server's store.
    fn beside(self) -> Self {
        self.with("HEIRLOOM_DATA_DIR", ".heirloom")
    }

    fn names(&self) -> Vec<String> {
        let users = self.json(&["user", "list", "--json"]);
        users.as_array().unwrap().iter().map(|it| it["username"].as_str().unwrap().to_owned()).collect()
    }
}

impl Server {
    /// Asks for authorization as an app with this redirect URI does; gives the status.
    fn asks_for(&self, client: &str, redirect_uri: &str) -> u16 {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", client),
                ("redirect_uri", redirect_uri),
                ("scope", "openid profile"),
                ("resource", "http://localhost/api"),
                ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let stays = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = format!("{}/oauth/authorize?{query}", self.url);
        block_on(async { stays.get(url).send().await.unwrap().status().as_u16() })
    }

    /// What a client is told that proves itself with this secret.
    fn knows(&self, secret: &str) -> u16 {
        let url = format!("{}/oauth/introspect", self.url);
        let request = self.http.post(url).basic_auth("app", Some(secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body("token=x");
        block_on(async { request.send().await.unwrap().status().as_u16() })
    }
}

#[test]
fn an_app_finds_a_user_clients_and_its_settings() {
    let place = place();
    let server = place.serve_with(&["dev", "--redirect-uri", "https://tunnel.example.com/back"]);
    assert!(server.url.starts_with("http://localhost:"), "{}", server.url);
    assert_eq!(place.variable("app.env", "ISSUER"), Some(server.url.clone()));
    block_on(server.log_in("ana"));
    for client in ["app", "browser-app"] {
        for port in [3000, 5173] {
            let status = server.asks_for(client, &format!("http://localhost:{port}/callback"));
            assert_eq!(status, 303, "{client} at {port}");
        }
        assert_eq!(server.asks_for(client, "https://tunnel.example.com/back"), 303);
        assert_eq!(server.asks_for(client, "https://other.example.com/callback"), 400);
    }
    let secret = place.variable("app.env", "CLIENT_SECRET").unwrap();
    assert_eq!((server.knows(&secret), server.knows("hcs_another")), (200, 401));
    assert_eq!(place.variable("browser-app.env", "CLIENT_ID").as_deref(), Some("browser-app"));
    assert_eq!(place.variable("browser-app.env", "CLIENT_SECRET"), None);
    assert_eq!(fs::read_to_string(place.kept(".gitignore")).unwrap(), "*\n");
    drop(server);
    let users = place.beside().json(&["user", "list", "--json"]);
    assert_eq!((&users[0]["username"], &users[0]["roles"]), (&json!("ana"), &json!(["heirloom-admin"])));
}

#[test]
fn mails_are_files() {
    let place = place();
    let server = place.serve_with(&["dev"]);
    let said = block_on(async {
        let page = server.http.get(format!("{}/forgot", server.url)).send().await.unwrap();
        let cookies = page.headers().get_all(SET_COOKIE).iter();
        let cookies: Vec<_> =
            cookies.map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
        let body = page.text().await.unwrap();
        let csrf = body.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap();
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrf", csrf), ("username", "ana")])
            .finish();
        let request =
            server.http.post(format!("{}/forgot", server.url)).header(COOKIE, cookies.join("; ")).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.send().await.unwrap().status().as_u16()
    });
    assert_eq!(said, 200);
    let mails = || fs::read_dir(place.kept("mails")).map_or(0, Iterator::count);
    block_on(eventually("a mail", async || mails() == 1));
}

#[test]
fn a_start_finds_what_was_there_and_reset_forgets_it() {
    let place = place();
    place.serve_with(&["dev"]).kill();
    let kept = ["CLIENT_SECRET", "SESSION_SECRET"].map(|name| place.variable("app.env", name).unwrap());
    let place = place.beside();
    place.ok_with(&["user", "add", "ben", "--password-stdin"], PASSWORD);
    place.ok(&["client", "update", "app", "--name", "Mine"]);
    fs::create_dir_all(place.kept("mails")).unwrap();
    for file in ["mails/one.eml", "notes.txt"] {
        fs::write(place.kept(file), "hello").unwrap();
    }

    let server = place.serve_with(&["dev"]);
    assert_eq!(kept, ["CLIENT_SECRET", "SESSION_SECRET"].map(|it| place.variable("app.env", it).unwrap()));
    assert_eq!(server.knows(&kept[0]), 200);
    block_on(server.log_in("ben"));
    drop(server);
    assert_eq!(place.names(), ["ana", "ben"]);
    assert_eq!(place.json(&["client", "show", "app"])["name"], "Mine", "the developer's changes stay");

    // A secret that is lost is replaced.
    fs::remove_file(place.kept("app.env")).unwrap();
    let server = place.serve_with(&["dev"]);
    let another = place.variable("app.env", "CLIENT_SECRET").unwrap();
    assert_eq!((server.knows(&another), server.knows(&kept[0])), (200, 401));
    drop(server);

    let server = place.serve_with(&["dev", "--reset"]);
    assert_eq!(server.knows(&another), 401);
    assert_eq!(server.knows(&place.variable("app.env", "CLIENT_SECRET").unwrap()), 200);
    drop(server);
    assert_eq!(place.names(), ["ana"]);
    assert!(!place.kept("mails/one.eml").exists() && place.kept("notes.txt").exists());
}

#[test]
fn an_app_is_told_of_the_server_and_gives_the_exit_code() {
    let place = place();
    let script = "echo \"$CLIENT_ID ${CLIENT_SECRET:-none} $AUDIENCE $ISSUER\" >told; exit 7";
    let told = || fs::read_to_string(place.folder.path().join("told")).unwrap();
    let run = |more: &[&str]| {
        let output = place.run_with(&[&["dev"], more, &["--", "/bin/sh", "-c", script]].concat(), "");
        assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let line = run(&[]);
    let variable = |name| place.variable("app.env", name).unwrap();
    let expected = format!("app {} http://localhost/api {}\n", variable("CLIENT_SECRET"), variable("ISSUER"));
    assert_eq!(told(), expected);
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains("ana signs in with \"correct horse battery staple\""), "{line}");

    let line = run(&["--public", "--json"]);
    let json: Value = serde_json::from_str(&line).unwrap();
    let issuer = json["issuer"].as_str().unwrap();
    assert_eq!(told(), format!("browser-app none http://localhost/api {issuer}\n"));
    assert_eq!(json["variables"]["CLIENT_ID"], "browser-app");
    assert_eq!(
        (&json["username"], &json["password"], &json["mails"], &json["variables_file"]),
        (&json!("ana"), &json!(PASSWORD), &json!(".heirloom/mails"), &json!(".heirloom/browser-app.env"))
    );
}

#[test]
fn the_app_ends_with_the_server_and_all_that_it_started() {
    let place = place().with("PATH", "/usr/bin:/bin");
    let file = place.folder.path().join("alive");
    for signal in ["TERM", "INT"] {
        // As `go run` and others, it starts the program itself, and does not tell it to end.
        let program = "trap 'rm alive; exit' TERM INT; touch alive; while :; do sleep 0.1; done";
        let mut server = place.serve_with(&["dev", "--", "/bin/sh", "-c", &format!("({program}) & wait")]);
        block_on(eventually("the app runs", async || file.exists()));
        server.signal(signal);
        assert_eq!(server.wait().0, Some(0), "{signal}");
        block_on(eventually("the app has ended", async || !file.exists()));
    }
}

#[test]
fn whoever_comes_second_in_a_folder_uses_the_server_that_is_there() {
    let place = place();
    let server = place.serve_with(&["dev"]);
    let at = format!("at {}", server.url);
    let told = place.refused(&["dev"]);
    assert_eq!(
        told,
        format!(
            "heirloom: `heirloom dev` runs in this folder already, {at}: use that one, or stop it first\n"
        )
    );
    let told = place.refused(&["dev", "--reset", "--", "/bin/true"]);
    assert_eq!(told, format!("heirloom: `heirloom dev` runs in this folder, {at}: stop it before --reset\n"));
    let line = place.ok(&["dev", "--", "/bin/sh", "-c", "echo app at $ISSUER"]);
    assert!(line.ends_with(&format!("app {at}\n")), "{line}");
    block_on(server.log_in("ana"));
}

#[test]
fn a_port_in_use_is_told_with_one_that_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = place();
    let told = place.refused(&["dev", "--port", &port.to_string()]);
    let begins =
        format!("heirloom: port {port} is in use: stop what listens there, or take another one, by `--port ");
    let rest = told.strip_prefix(&begins).unwrap_or_else(|| panic!("{told}"));
    let free = rest.split('`').next().unwrap();
    assert_eq!(rest, format!("{free}` or HEIRLOOM_LISTEN=127.0.0.1:{free}\n"));
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0, "nothing is left behind");
    let line = place.ok(&["dev", "--port", free, "--", "/bin/true"]);
    assert!(line.contains(&format!("http://localhost:{free},")), "{line}");
    // The same where the folder is there.
    assert_eq!(place.refused(&["dev", "--port", &port.to_string()]), told);
    drop(taken);
    let line = place.with("HEIRLOOM_LISTEN", &format!("localhost:{port}")).ok(&["dev", "--", "/bin/true"]);
    assert!(line.contains(&format!("http://localhost:{port},")), "{line}");
}

#[test]
fn somebody_at_the_other_address_of_this_machine_counts_too() {
    let Ok(taken) = TcpListener::bind("[::1]:0") else { return println!("this machine has no IPv6") };
    let port = taken.local_addr().unwrap().port().to_string();
    let told = place().refused(&["dev", "--port", &port]);
    assert!(told.contains(&format!("port {port} is in use")), "{told}");
}

#[test]
fn what_cannot_be_says_what_to_do() {
    let place = place().with("HEIRLOOM_LISTEN", "0.0.0.0:8080");
    assert_eq!(
        place.refused(&["dev"]),
        "heirloom: `heirloom dev` serves this machine alone, and HEIRLOOM_LISTEN names 0.0.0.0: take it away, or use \
         `heirloom serve`\n"
    );
    assert!(!place.kept("").exists());
    let place = place.with("HEIRLOOM_LISTEN", "127.0.0.1:0");
    assert_eq!(
        place.refused(&["dev", "--", "nosuchthing", "run"]),
        "heirloom: there is no command nosuchthing to run beside `heirloom dev`: install it, or correct what stands \
         behind `--`\n"
    );
    // Its client was removed.
    let place = place.beside();
    place.ok(&["client", "remove", "app"]);
    let told = place.refused(&["dev"]);
    assert_eq!(told, "heirloom: the client app was removed: `heirloom dev --reset` begins anew\n");
    place.ok(&["dev", "--reset", "--", "/bin/true"]);
}

#[test]
fn another_store_and_a_real_deployment_s_settings_are_left_alone() {
    let place = place()
        .with("HEIRLOOM_DATABASE_URL", "postgres://heirloom:secret@db.example.com/heirloom")
        .with("HEIRLOOM_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        .with("HEIRLOOM_ISSUER", "https://login.example.com")
        .with("HEIRLOOM_MAIL__HOST", "mail.example.com")
        .with("HEIRLOOM_TLS__CERTIFICATE", "missing.pem")
        .with("HEIRLOOM_PAGES__NAME", "The Works");
    let server = place.serve_with(&["dev"]);
    block_on(server.log_in("ana"));
    assert!(place.kept("heirloom.db").exists() && place.kept("master.key").exists());
    let page = block_on(async {
        server.http.get(format!("{}/account", server.url)).send().await.unwrap().text().await.unwrap()
    });
    assert!(page.contains("The Works"), "what else the settings say counts");
}

#[test]
fn the_doctor_looks_at_it() {
    let place = place();
    let examined = |code: i32| {
        let output = place.run_with(&["doctor", "--json"], "");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    };
    let server = place.serve_with(&["dev"]);
    let found = examined(0);
    assert!(found.contains("this is the server of `heirloom dev` in ./.heirloom"), "{found}");
    assert!(found.contains("sqlite:.heirloom/heirloom.db answers"), "{found}");
    assert!(found.contains(&format!("{}/.well-known/openid-configuration answers", server.url)), "{found}");
    drop(server);
    assert!(examined(1).contains("does not answer"));
    let elsewhere = place.with("HEIRLOOM_DATABASE_URL", "sqlite::memory:");
    let told = String::from_utf8(elsewhere.run_with(&["doctor", "--json"], "").stdout).unwrap();
    assert!(!told.contains("heirloom dev"), "who names a store means that one: {told}");
}
