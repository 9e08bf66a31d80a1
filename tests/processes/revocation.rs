//! A resource service that verifies offline learns of a login's end from the server's status list.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::process::{Place, Server, block_on, eventually};

struct ResourceService {
    url: String,
    // What it reads from ends with this.
    child: Child,
}

impl ResourceService {
    fn start(server: &Server) -> Self {
        let keys = format!("{}/.well-known/jwks.json", server.url);
        let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
        command.args([
            "resource-service",
            "--issuer",
            &server.url,
            "--jwks-url",
            &keys,
            "--listen",
            "127.0.0.1:0",
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { url: line.trim().rsplit_once(' ').unwrap().1.to_owned(), child }
    }

    async fn answers(&self, access_token: &str) -> (u16, String) {
        let request = reqwest::Client::new().get(format!("{}/profile", self.url)).bearer_auth(access_token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

impl Drop for ResourceService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_learned_of(place: &Place) {
    place.add_user("ana");
    let server = place.serve();
    let service = ResourceService::start(&server);
    block_on(async {
        let (ends, stays) = (server.log_in("ana").await, server.log_in("ana").await);
        for token in [&ends, &stays] {
            assert_eq!(service.answers(&token.access).await.0, 200);
        }
        let ended = server.post("/logout", &serde_json::json!({ "refresh_token": ends.refresh })).await;
        assert_eq!(ended.0, 204);
        eventually("the service refuses it", || async {
            assert_eq!(service.answers(&stays.access).await.0, 200, "nobody ended this one");
            let (status, body) = service.answers(&ends.access).await;
            assert!(status == 200 || body.contains("The access token was revoked."), "{status} {body}");
            status == 401
        })
        .await;
    });
}

#[test]
fn a_service_learns_of_a_logout_by_itself_on_sqlite() {
    is_learned_of(&Place::sqlite());
}

#[test]
fn a_service_learns_of_a_logout_by_itself_on_postgres() {
    is_learned_of(&Place::postgres());
}
