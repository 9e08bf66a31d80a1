//! Relying parties as they are shipped, each through sign-in, refresh and sign-out.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use form_urlencoded::byte_serialize;

use crate::browser::Browser;
use crate::languages::{FAST, folder, installed, run};
use crate::process::{PASSWORD, Place, block_on, now};
use crate::running::{Running, free_port};
use crate::world::{AFTERWARDS, World};

/// What a relying party is asked for, below its own URL.
struct Paths {
    callback: &'static str,
    /// Where a visitor comes in.
    enter: &'static str,
    /// Where it shows who is signed in, and refreshes what has expired.
    shows: &'static str,
}

/// A relying party that runs, and where.
struct Party {
    name: &'static str,
    url: String,
    paths: Paths,
    process: Running,
}

impl Party {
    /// Registers it as a client, and starts it.
    fn start(
        world: &World,
        name: &'static str,
        paths: Paths,
        command: impl FnOnce(&World, &str) -> Command,
    ) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let more = ["--redirect-uri", &format!("{url}{}", paths.callback)];
        let bye = ["--post-logout-redirect-uri", &format!("{url}/bye")];
        let registered = world.register(name, "--confidential", &[more, bye].concat());
        world.place.ok(&["client", "update", name, "--access-ttl", "4s", "--leeway", "2s"]);
        let secret = registered["client_secret"].as_str().unwrap();
        let mut command = command(world, &url);
        command.envs([("ISSUER", world.server.url.as_str()), ("CLIENT_ID", name), ("CLIENT_SECRET", secret)]);
        command.env("OAUTH2_PROXY_CLIENT_SECRET", secret).env("PORT", port.to_string());
        Self { name, process: Running::start(name, command, port), url, paths }
    }

    async fn page(&self, browser: &mut Browser, path: &str) -> String {
        browser.visit(&format!("{}{path}", self.url)).await.body
    }

    async fn shows_ana(&self, browser: &mut Browser) {
        let page = self.page(browser, self.paths.shows).await;
        assert!(page.contains("ana"), "{}: {page}\n{}", self.name, self.process.said());
    }

    async fn signs_in(&self, world: &World) -> Browser {
        let mut browser = world.browser().with_eyes_at(&self.url);
        self.page(&mut browser, self.paths.enter).await;
        self.shows_ana(&mut browser).await;
        assert_eq!(world.generations().len(), 1, "{}", self.name);
        browser
    }

    /// It refreshes twice by itself, with the token that the first refresh gave, and nobody is asked.
    async fn refreshes(&self, world: &World, browser: &mut Browser) {
        let (before, began) = (world.generations()[0], now());
        while world.generations()[0] < before + 2 {
            assert!(
                began.elapsed() < Duration::from_mins(1),
                "{}: no refresh\n{}",
                self.name,
                self.process.said()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.shows_ana(browser).await;
            assert_eq!(world.generations().len(), 1, "{}: another login", self.name);
        }
    }

    /// Its user signs out there, and the login is over.
    async fn signs_out(&self, world: &World, browser: &mut Browser, path: &str) {
        self.page(browser, path).await;
        assert_eq!(world.generations(), [0; 0], "{}\n{}", self.name, self.process.said());
    }
}

impl World {
    /// How far each login has come that goes on.
    fn generations(&self) -> Vec<u64> {
        let families = self.place.json(&["family", "list", "--json"]);
        let live = families.as_array().unwrap().iter().filter(|it| it["state"] == "live");
        live.map(|it| it["generation"].as_u64().unwrap()).collect()
    }
}

mod oauth2_proxy {
    use super::*;

    fn command(world: &World, url: &str) -> Command {
        let mut command = run(installed("oauth2-proxy/oauth2-proxy"), &[]);
        let (issuer, address) = (&world.server.url, url.split_once("//").unwrap().1);
        command.env("OAUTH2_PROXY_CLIENT_ID", "proxy").args([
            "--provider=oidc",
            "--scope=openid profile email",
            "--code-challenge-method=S256",
            "--email-domain=*",
            // Nobody has verified Ana's address.
            "--insecure-oidc-allow-unverified-email",
            "--skip-provider-button",
            "--cookie-secure=false",
            "--cookie-secret=0123456789abcdef0123456789abcdef",
            "--cookie-refresh=3s",
            "--upstream=static://200",
            "--whitelist-domain=127.0.0.1:*",
            &format!("--oidc-issuer-url={issuer}"),
            &format!("--redirect-url={url}/oauth2/callback"),
            &format!("--http-address={address}"),
            &format!("--backend-logout-url={issuer}/oauth/logout?id_token_hint={{id_token}}"),
        ]);
        command
    }

    #[test]
    fn signs_in_refreshes_and_signs_out() {
        let world = World::new();
        let paths = Paths { callback: "/oauth2/callback", enter: "/", shows: "/oauth2/userinfo" };
        let party = Party::start(&world, "proxy", paths, command);
        block_on(async {
            let mut browser = party.signs_in(&world).await;
            party.refreshes(&world, &mut browser).await;
            // Its page of the docs: the provider's own sign-out comes after.
            let mut there = format!("{}/oauth/logout?client_id=proxy", world.server.url);
            write!(there, "&post_logout_redirect_uri={AFTERWARDS}").unwrap();
            let there: String = byte_serialize(there.as_bytes()).collect();
            party.signs_out(&world, &mut browser, &format!("/oauth2/sign_out?rd={there}")).await;
        });
    }
}

mod mod_auth_openidc {
    use super::*;

    #[test]
    fn signs_in_refreshes_and_signs_out() {
        let world = World::new();
        let place = Place::sqlite();
        fs::create_dir(place.folder.path().join("site")).unwrap();
        let page = "Hello, <!--#echo var=\"OIDC_CLAIM_preferred_username\" -->";
        place.folder.keep("site/index.shtml", page);
        let paths = Paths { callback: "/callback", enter: "/", shows: "/" };
        let party = Party::start(&world, "apache", paths, |_, _| {
            let mut command =
                run("apache2", &["-X".into(), "-f".into(), folder("mod_auth_openidc/httpd.conf")]);
            command.env("FOLDER", place.folder.path()).env("SITE_USER", "www-data");
            command
        });
        block_on(async {
            let mut browser = party.signs_in(&world).await;
            party.refreshes(&world, &mut browser).await;
            let bye: String = byte_serialize(format!("{}/bye", party.url).as_bytes()).collect();
            party.signs_out(&world, &mut browser, &format!("/callback?logout={bye}")).await;
        });
    }
}

mod spring {
    use super::*;

    /// With the one algorithm that it takes for ID tokens until it is told of others.
    #[test]
    fn signs_in_refreshes_and_signs_out() {
        let world = World::new();
        let paths = Paths { callback: "/login/oauth2/code/heirloom", enter: "/", shows: "/" };
        let party = Party::start(&world, "spring", paths, |world, _| {
            let metadata = r#"{"id_token_signed_response_alg": "RS256"}"#;
            world.place.ok(&["client", "update", "spring", "--metadata", metadata]);
            run("java", &[FAST.into(), "-jar".into(), installed("spring/shop-1.jar")])
        });
        block_on(async {
            let mut browser = party.signs_in(&world).await;
            party.refreshes(&world, &mut browser).await;
            party.signs_out(&world, &mut browser, "/logout").await;
        });
    }
}

mod auth_js {
    use super::*;

    #[test]
    fn signs_in_refreshes_and_signs_out() {
        let world = World::new();
        let paths =
            Paths { callback: "/auth/callback/heirloom", enter: "/auth/signin", shows: "/auth/session" };
        let party = Party::start(&world, "auth-js", paths, |_, _| run("node", &[folder("auth-js/app.mjs")]));
        block_on(async {
            let mut browser = party.signs_in(&world).await;
            party.refreshes(&world, &mut browser).await;
            // On a page of one's own it refreshes, too, and forgets what it got: the same token comes again and again.
            let came = world.generations()[0];
            let began = now();
            while world.generations()[0] < came + 3 {
                assert!(began.elapsed() < Duration::from_mins(1), "{}", party.process.said());
                tokio::time::sleep(Duration::from_millis(500)).await;
                let page = party.page(&mut browser, "/").await;
                assert!(page.contains("Hello, ana"), "{page}\n{}", party.process.said());
            }
            party.signs_out(&world, &mut browser, "/auth/signout").await;
        });
    }
}

mod oidc_client_ts {
    use crate::program::node;

    use super::*;

    #[test]
    fn signs_in_refreshes_and_signs_out() {
        let world = World::new();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let (callback, home) = (format!("{url}/callback"), format!("{url}/"));
        world.register(
            "spa",
            "--public",
            &["--redirect-uri", &callback, "--post-logout-redirect-uri", &home],
        );
        let mut command = node(folder("oidc-client-ts/visit.mjs").to_str().unwrap());
        command.env("PORT", port.to_string()).env("CHROMIUM", "/usr/bin/chromium").env("PASSWORD", PASSWORD);
        let registered = crate::world::Registered { id: "spa".to_owned(), proof: crate::world::Proof::None };
        let mut program = world.start(command, &registered);
        let mut browser = world.browser();
        program.goes_on_until("renewed", &mut browser);
        assert_eq!(world.generations(), [2]);
        program.tell("go on");
        program.goes_on_until("done", &mut browser);
        assert_eq!(world.generations(), [0; 0]);
        program.ends();
    }
}
