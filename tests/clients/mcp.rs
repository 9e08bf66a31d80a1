//! The official SDKs of the Model Context Protocol as clients of a small MCP server that the verifier protects. They
//! know nothing but that server's URL: a challenge and RFC 9728 lead them to Heirloom, where they register
//! themselves, or show the URL of a document.

use std::net::TcpListener;
use std::process::Command;
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use heirloom_verifier::actix::{Protect, metadata};
use heirloom_verifier::{AccessToken, Verifier};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::process::{Place, block_on};
use crate::program::{Program, node, python};
use crate::remote::{Remote, authority};
use crate::world::{Proof, Registered, World};

const SCOPE: &str = "tools:call";

#[test]
fn the_mcp_sdk_for_javascript_registers_and_finds_its_way() {
    registers_and_finds_its_way(node("mcp.mjs"));
}

#[test]
fn the_mcp_sdk_for_python_registers_and_finds_its_way() {
    registers_and_finds_its_way(python("mcp_client.py"));
}

#[test]
fn the_mcp_sdk_for_javascript_finds_its_way_by_its_document() {
    finds_its_way_by_its_document(node("mcp.mjs"));
}

#[test]
fn the_mcp_sdk_for_python_finds_its_way_by_its_document() {
    finds_its_way_by_its_document(python("mcp_client.py"));
}

fn registers_and_finds_its_way(program: Command) {
    let workshop = Workshop::open();
    workshop.run(program);
    assert_eq!(workshop.registered(), 1);
}

/// Registration is open, but nobody needs it.
fn finds_its_way_by_its_document(mut program: Command) {
    let workshop = Workshop::open();
    program.env("METADATA_URL", &workshop.document.url);
    workshop.run(program);
    assert_eq!(workshop.registered(), 0);
    let asked = workshop.document.remote.asked();
    assert!(!asked.is_empty(), "the document was read");
    assert!(asked.iter().all(|request| request.starts_with("GET /tool/client.json ")), "{asked:?}");
}

/// An MCP server, Heirloom, and a tool that has a document.
pub struct Workshop {
    pub world: World,
    pub document: Document,
    url: String,
    _tools: Tools,
}

impl Workshop {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let place = Place::sqlite()
            .with("HEIRLOOM_REGISTRATION__MODE", "open")
            .with("HEIRLOOM_REGISTRATION__METADATA_DOCUMENTS", "true")
            .with("HEIRLOOM_REGISTRATION__SCOPES", &format!("openid offline_access {SCOPE}"))
            .with("HEIRLOOM_REGISTRATION__AUDIENCES", &url)
            .with("HEIRLOOM_REGISTRATION__ALLOWED_NETWORKS", "127.0.0.0/8,::1/128")
            .with("HEIRLOOM_OUTBOUND__CA_FILE", authority().file.to_str().unwrap());
        let world = World::with(place);
        let tools = Tools::serve(listener, &url, &world.server.url);
        Self { world, document: Document::publish(), url, _tools: tools }
    }

    fn run(&self, program: Command) {
        let mut program = self.start(program);
        program.goes_on_until("done", &mut self.world.browser());
        program.ends();
    }

    /// Starts a tool.
    pub fn start(&self, mut program: Command) -> Program {
        program.env("MCP_URL", &self.url).env("SUBJECT", self.world.subject());
        self.world.start(program, &Registered { id: String::new(), proof: Proof::None })
    }

    /// How many clients registered themselves.
    fn registered(&self) -> usize {
        let clients = self.world.place.json(&["client", "list", "--json"]);
        clients.as_array().unwrap().iter().filter(|client| client["client_id"] != "heirloom").count()
    }
}

/// The tool's metadata document, at a server that speaks https (draft-ietf-oauth-client-id-metadata-document).
pub struct Document {
    remote: Remote,
    pub url: String,
    _runtime: Runtime,
}

impl Document {
    fn publish() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let remote = runtime.block_on(Remote::start_secure());
        let url = remote.at("/tool/client.json");
        let document = json!({
            "client_id": url,
            "client_name": "An agent",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        remote.give(&document, "");
        Self { remote, url, _runtime: runtime }
    }
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
