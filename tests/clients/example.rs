//! The example of a web app, as its reader would run it.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::browser::Browser;
use crate::process::{block_on, eventually};
use crate::program::{Ended, repository, venv};
use crate::world::World;

#[test]
fn the_example_signs_a_user_in_and_out() {
    let world = World::new();
    let example = Example::start(&world);
    block_on(async {
        example.is_up().await;
        let mut browser = world.browser().with_eyes_at(&example.url);
        assert!(example.home(&mut browser).await.contains("Sign in"));
        let arrival = browser.visit(&format!("{}/sign-in", example.url)).await;
        assert_eq!(arrival.url.as_str(), format!("{}/", example.url));
        assert!(arrival.body.contains("Hello, ana"), "{}", arrival.body);
        assert!(example.home(&mut browser).await.contains("Hello, ana"));

        // What has expired is refreshed, and nobody is asked; a login that was ended is over.
        while world.place.json(&["family", "list", "--json"])[0]["generation"] == 1 {
            assert!(example.home(&mut browser).await.contains("Hello, ana"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(example.home(&mut browser).await.contains("Hello, ana"));
        world.place.ok(&["family", "revoke", "--user", "ana"]);
        assert!(example.home(&mut browser).await.contains("Sign in"));

        browser.visit(&format!("{}/sign-in", example.url)).await;
        let arrival = browser.visit(&format!("{}/sign-out", example.url)).await;
        assert!(arrival.url.as_str().starts_with(&format!("{}/", example.url)), "{}", arrival.url);
        assert!(example.home(&mut browser).await.contains("Sign in"));
    });
}

#[test]
fn the_example_says_so_when_nobody_signed_in() {
    let world = World::new();
    let example = Example::start(&world);
    block_on(async {
        example.is_up().await;
        let mut browser = world.browser().with_eyes_at(&example.url).deciding("deny");
        let arrival = browser.visit(&format!("{}/sign-in", example.url)).await;
        assert!(arrival.body.contains("access_denied"), "{}", arrival.body);
        // A callback that nobody here asked for.
        let arrival = browser.visit(&format!("{}/callback?code=c&state=s", example.url)).await;
        assert!(arrival.body.contains("You are not signed in"), "{}", arrival.body);
    });
}

struct Example {
    url: String,
    _process: Ended,
}

impl Example {
    fn start(world: &World) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let url = format!("http://127.0.0.1:{port}");
        let (callback, home) = (format!("{url}/callback"), format!("{url}/"));
        let add = [
            "client",
            "add",
            "example",
            "--confidential",
            "--name",
            "The example",
            "--scope",
            "openid profile",
        ];
        let places = ["--redirect-uri", callback.as_str(), "--post-logout-redirect-uri", home.as_str()];
        let registered = world.place.json(&[add.as_slice(), &places].concat());
        world.place.ok(&["client", "update", "example", "--access-ttl", "3s", "--leeway", "1s"]);
        let mut command = Command::new(venv().join("bin/python"));
        command.arg(repository().join("deploy/example-client/app.py"));
        command.env("ISSUER", &world.server.url).env("PORT", port);
        command.env("CLIENT_SECRET", registered["client_secret"].as_str().unwrap());
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { url, _process: Ended(process) }
    }

    async fn is_up(&self) {
        eventually("the example answers", || async { reqwest::get(&self.url).await.is_ok() }).await;
    }

    async fn home(&self, browser: &mut Browser) -> String {
        browser.visit(&self.url).await.body
    }
}
