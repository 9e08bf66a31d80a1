//! The official SDKs of the Model Context Protocol as clients of a small MCP server that the verifier protects. They
//! know nothing but that server's URL: a challenge and RFC 9728 lead them to Heirloom, where they register themselves.

use std::net::TcpListener;
use std::process::Command;
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use heirloom_verifier::actix::{Protect, metadata};
use heirloom_verifier::{AccessToken, Verifier};
use serde_json::{Value, json};

use crate::process::{Place, block_on};
use crate::program::{node, python};
use crate::world::{Proof, Registered, World};

const SCOPE: &str = "tools:call";

#[test]
fn the_mcp_sdk_for_javascript_finds_its_way() {
    finds_its_way(node("mcp.mjs"));
}

#[test]
fn the_mcp_sdk_for_python_finds_its_way() {
    finds_its_way(python("mcp_client.py"));
}

fn finds_its_way(mut program: Command) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let place = Place::sqlite()
        .with("HEIRLOOM_REGISTRATION__MODE", "open")
        .with("HEIRLOOM_REGISTRATION__SCOPES", &format!("openid offline_access {SCOPE}"))
        .with("HEIRLOOM_REGISTRATION__AUDIENCES", &url);
    let world = World::with(place);
    let _tools = Tools::serve(listener, &url, &world.server.url);
    program.env("MCP_URL", &url).env("SUBJECT", world.subject());
    let unregistered = Registered { id: String::new(), proof: Proof::None };
    world.run(program, &unregistered, &mut world.browser());
}

/// An MCP server with one tool, which says who calls.
struct Tools {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Tools {
    fn serve(listener: TcpListener, url: &str, issuer: &str) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let builder = Verifier::builder(issuer).jwks_url(format!("{issuer}/.well-known/jwks.json"));
        let builder = builder.resource(url).scopes_supported([SCOPE]).resource_name("Tools");
        let thread = thread::spawn(move || {
            rt::System::new().block_on(async move {
                let verifier = builder.build().await.unwrap();
                let server = HttpServer::new(move || {
                    let protected = Protect::new(&verifier).require_scope(SCOPE);
                    App::new()
                        .configure(metadata(&verifier))
                        .service(web::resource("/mcp").wrap(protected).route(web::post().to(answer)))
                });
                let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { handle: receiver.recv().unwrap(), thread: Some(thread) }
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        block_on(self.handle.stop(false));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// JSON-RPC, as far as a server without state needs it (MCP 2025-06-18, Streamable HTTP).
async fn answer(access: AccessToken, request: web::Json<Value>) -> HttpResponse {
    let result = match request["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "tools", "version": "1" },
        }),
        Some("tools/list") => json!({
            "tools": [{ "name": "whoami", "description": "Who calls", "inputSchema": { "type": "object" } }],
        }),
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": access.subject }] }),
        Some(name) if name.starts_with("notifications/") => return HttpResponse::Accepted().finish(),
        _ => {
            let error = json!({ "code": -32601, "message": "Method not found" });
            return HttpResponse::Ok().json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }));
        }
    };
    HttpResponse::Ok().json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
}
