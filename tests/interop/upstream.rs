//! Providers as they are shipped, whose users come here.

use crate::languages::{folder, run};
use crate::process::{Place, block_on, eventually};
use crate::running::{Running, free_port};
use crate::world::{REDIRECT_URI, World};

/// A server whose users come from a provider at this URL, at a port of its own.
fn world(provider: &str, port: u16) -> World {
    let table = serde_json::json!([{
        "id": "works", "issuer": provider, "client_id": "heirloom", "client_secret": "a secret & more", "create": true,
    }]);
    let place = Place::sqlite()
        .with("HEIRLOOM_LISTEN", &format!("127.0.0.1:{port}"))
        .with("HEIRLOOM_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.0/8")
        .with("HEIRLOOM_SIGN_IN__PROVIDERS", &table.to_string());
    place.ok(&["migrate"]);
    let server = place.serve();
    World { place, server }
}

impl World {
    fn live_logins(&self) -> usize {
        let families = self.place.json(&["family", "list", "--json"]);
        families.as_array().unwrap().iter().filter(|it| it["state"] == "live").count()
    }
}

mod oidc_provider {
    use super::*;

    #[test]
    fn its_users_sign_in_here_and_out_there() {
        let (port, providers) = (free_port(), free_port());
        let (here, there) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{providers}"));
        let mut command = run("node", &[folder("oidc-provider/provider.mjs")]);
        command.env("ISSUER", &there).env("PORT", providers.to_string()).env("RELYING_PARTY", &here);
        let provider = Running::start("oidc-provider", command, providers);
        let world = world(&there, port);
        world.register("shop", "--public", &[]);
        let asked = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", "shop"),
                ("redirect_uri", REDIRECT_URI),
                ("response_type", "code"),
                ("scope", "openid profile email"),
                ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        block_on(async {
            // The button, the provider's pages, a name for the account here, the app's consent.
            let mut browser = world.browser().with_eyes_at(&there);
            let arrived = browser.visit(&format!("{here}/oauth/authorize?{asked}")).await.url;
            let code = arrived.query_pairs().find(|(name, _)| name == "code");
            let code = code.unwrap_or_else(|| panic!("{arrived}\n{}", provider.said())).1.into_owned();
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", "shop"),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                ("code", &code),
            ];
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            let request = world.server.http.post(format!("{here}/oauth/token")).body(form);
            let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await;
            assert_eq!(answer.unwrap().status(), 200);
            let users = world.place.json(&["user", "list", "--json"]);
            assert_eq!(users[0]["username"], "ana");
            assert_eq!(
                (&users[0]["email"], &users[0]["email_verified"]),
                (&"ana@works.example".into(), &true.into())
            );
            assert_eq!(world.live_logins(), 1);
            // A logout there is told here.
            browser.visit(&format!("{there}/session/end")).await;
            eventually("the logout is told", || async { world.live_logins() == 0 }).await;
        });
    }
}
