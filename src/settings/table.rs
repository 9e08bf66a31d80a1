//! The one list of all settings, in the order in which they are shown.

use super::setting::{
    Default::{Text, Unset},
    Kind::{
        Algorithm, Audiences, CodeProtection, Colour, Database, Duration, EdDsaName, Filter, Format, Header,
        HttpsUrl, Issuer, Listen, Networks, Number, Path, Registration, Schemes, Scopes, Secret, Switch,
        Words,
    },
    Setting,
};

/// Where the embedded store is within the data folder.
pub(super) const DATABASE_FILE: &str = "heirloom.db";

/// Variables with our prefix that only `docker-compose.yml` reads, from the same `.env`.
pub(super) const COMPOSE_ONLY: [&str; 2] = ["HEIRLOOM_IMAGE", "HEIRLOOM_PUBLISH"];

pub(super) static SETTINGS: &[Setting] = &[
    Setting::new(
        "listen",
        Text("127.0.0.1:8080"),
        Listen,
        "Where the server listens; port 0 takes a free one.",
    ),
    Setting::new(
        "issuer",
        Unset("http:// and the listen address"),
        Issuer,
        "The URL that clients and resource services know this server by; without a slash at the end.",
    ),
    Setting::new(
        "database_url",
        Text("sqlite:./heirloom-data/heirloom.db"),
        Database,
        "The store: sqlite:PATH, sqlite::memory: or postgres://…; if not set, heirloom.db in the data folder.",
    ),
    Setting::new(
        "data_dir",
        Text("./heirloom-data"),
        Path,
        "The folder of the embedded store and of a master key made by the server.",
    ),
    Setting::new(
        "master_key",
        Unset("on the embedded store, made in the data folder"),
        Secret,
        "32 bytes in base64 (heirloom keys new-master); several with commas, the first one active.",
    ),
    Setting::new(
        "master_key_file",
        Unset("no file"),
        Path,
        "A file with the master keys, instead of the setting itself.",
    ),
    Setting::new("tokens.access_ttl", Text("15m"), Duration, "How long an access token is valid."),
    Setting::new("tokens.idle_ttl", Text("7d"), Duration, "How long a login lasts without a refresh."),
    Setting::new("tokens.absolute_ttl", Text("90d"), Duration, "How long a login lasts at most."),
    Setting::new(
        "tokens.leeway",
        Text("30s"),
        Duration,
        "How long a spent refresh token may be retried, at most half of access_ttl; 0s is strict.",
    ),
    Setting::new(
        "sign_in.idle_ttl",
        Text("1d"),
        Duration,
        "How long a browser stays signed in without being used.",
    ),
    Setting::new(
        "sign_in.absolute_ttl",
        Text("14d"),
        Duration,
        "How long a browser stays signed in at most.",
    ),
    Setting::new("pages.name", Text("Heirloom"), Words, "What the pages call this server."),
    Setting::new(
        "pages.logo",
        Unset("the name alone"),
        Path,
        "A picture for the pages: .svg, .png, .webp or .jpg.",
    ),
    Setting::new("pages.accent", Text("#0b57d0"), Colour, "The colour of buttons and links."),
    Setting::new(
        "pages.templates",
        Unset("the built-in ones"),
        Path,
        "A folder whose files stand in for built-in templates, and for texts (en.json, de.json).",
    ),
    Setting::new(
        "pages.account_deletion",
        Text("false"),
        Switch,
        "Whether users may delete their own accounts, for good, at /account/delete.",
    ),
    Setting::new(
        "registration.mode",
        Text("off"),
        Registration,
        "Who may register a client: off, initial_access_token (heirloom registration-token new) or open.",
    ),
    Setting::new(
        "registration.metadata_documents",
        Text("false"),
        Switch,
        "Whether a client's id may be the URL of a document that describes it, as MCP clients have it.",
    ),
    Setting::new(
        "registration.code_protection",
        Text("pkce"),
        CodeProtection,
        "How a registered client that authenticates protects its codes: pkce, pkce-or-nonce or optional.",
    ),
    Setting::new(
        "registration.scopes",
        Text("openid profile email offline_access"),
        Scopes,
        "The scopes that clients may have which no operator added, with spaces.",
    ),
    Setting::new(
        "registration.audiences",
        Text(""),
        Audiences,
        "The services that such clients may choose with `resource`, with spaces: an MCP server's URL.",
    ),
    Setting::new(
        "registration.redirect_schemes",
        Text(""),
        Schemes,
        "Schemes that such clients' redirect URIs may have, with spaces: cursor vscode, for tools that need them.",
    ),
    Setting::new(
        "registration.per_hour",
        Text("20"),
        Number,
        "How many clients one address may register in an hour at one server, where registration is open.",
    ),
    Setting::new(
        "registration.unused_ttl",
        Text("7d"),
        Duration,
        "How long a registered client stays that nobody signs in with.",
    ),
    Setting::new(
        "registration.longest_rotation_period",
        Text("0s"),
        Duration,
        "How long the period may be in which the refresh tokens of a client that registered itself rotate. 0s lets them \
         rotate with every refresh only.",
    ),
    Setting::new(
        "registration.allowed_networks",
        Text(""),
        Networks,
        "Networks beside the public ones that the URLs of such clients may lead to, by http too: strangers reach them \
         through this server.",
    ),
    Setting::new(
        "passwords.min_length",
        Text("8"),
        Number,
        "Characters that a new password has at least; NIST SP 800-63B-4 asks for 15 while it is the only factor.",
    ),
    Setting::new("passwords.memory_kib", Text("19456"), Number, "Memory of one argon2id hash in KiB."),
    Setting::new("passwords.iterations", Text("2"), Number, "Passes of argon2id over that memory."),
    Setting::new("passwords.parallelism", Text("1"), Number, "Lanes of one argon2id hash."),
    Setting::new(
        "passwords.threads",
        Unset("one for each core"),
        Number,
        "Hashes computed at the same time; one fewer while refreshes come, if there are several.",
    ),
    Setting::new(
        "passwords.queue",
        Text("64"),
        Number,
        "Logins that may wait for a hash before one gets a 503.",
    ),
    Setting::new(
        "limits.account_attempts",
        Text("10"),
        Number,
        "Wrong passwords for one account from one address, in the window, before the next has to wait.",
    ),
    Setting::new(
        "limits.account_attempts_everywhere",
        Text("100"),
        Number,
        "The same from all addresses together; it does not hold back who is known at an address.",
    ),
    Setting::new(
        "limits.address_attempts",
        Text("100"),
        Number,
        "Wrong passwords from one address for all accounts; behind a proxy, set http.trusted_proxies.",
    ),
    Setting::new(
        "limits.attempts_window",
        Text("10m"),
        Duration,
        "How long it takes until that many wrong passwords are forgiven.",
    ),
    Setting::new(
        "limits.logins_per_user",
        Text("1000"),
        Number,
        "Live logins of one user; of more, those that were unused for the longest time end.",
    ),
    Setting::new(
        "limits.waiting_requests",
        Text("300"),
        Number,
        "Device codes and pushed requests from one address, in the window, for clients that anybody can pose as.",
    ),
    Setting::new("limits.waiting_window", Text("10m"), Duration, "The time that they are counted in."),
    Setting::new(
        "limits.fetches",
        Text("120"),
        Number,
        "Documents that are fetched in an hour because one address named them: of clients that nobody signed in with, \
         and lists of sectors.",
    ),
    Setting::new(
        "keys.algorithm",
        Text("ES256"),
        Algorithm,
        "What is signed with where no client or audience asks for another algorithm: ES256, EdDSA or RS256.",
    ),
    Setting::new(
        "keys.eddsa_name",
        Text("EdDSA"),
        EdDsaName,
        "What EdDSA is called in tokens and in new keys: EdDSA, or Ed25519 for services that know RFC 9864.",
    ),
    Setting::new(
        "keys.publish_ahead",
        Text("10m"),
        Duration,
        "How long the next signing key is published before it signs.",
    ),
    Setting::new(
        "keys.poll_every",
        Text("5s"),
        Duration,
        "How often a replica looks for the others' new keys.",
    ),
    Setting::new(
        "status_lists.interval",
        Text("5s"),
        Duration,
        "How soon services that read the status lists learn of an ended login: whole seconds.",
    ),
    Setting::new(
        "events.retention",
        Text("90d"),
        Duration,
        "How long the database keeps what happened (heirloom event list); 0s keeps none of it there.",
    ),
    Setting::new(
        "dpop.require_nonce",
        Text("false"),
        Switch,
        "Whether clients that prove a key (DPoP) need a nonce of the server's, which all replicas agree on.",
    ),
    Setting::new(
        "dpop.nonce_lifetime",
        Text("5m"),
        Duration,
        "How long a nonce is handed out, in whole seconds; it is good for as long again.",
    ),
    Setting::new(
        "mtls.listen",
        Unset("there is no such listener"),
        Listen,
        "Where clients show their certificates to the server itself, by TLS, beside where all others come.",
    ),
    Setting::new(
        "mtls.url",
        Unset("https:// and the address of that listener, but only where the issuer is not set either"),
        HttpsUrl,
        "The URL that clients know that listener by; without a slash at the end.",
    ),
    Setting::new(
        "mtls.certificate",
        Unset("that of tls.certificate"),
        Path,
        "A file with that listener's certificate and those that vouch for it, in PEM.",
    ),
    Setting::new("mtls.key", Unset("that of tls.key"), Path, "A file with that certificate's private key."),
    Setting::new(
        "mtls.client_cert_header",
        Unset("no header is believed"),
        Header,
        "The header in which trusted proxies tell of the client's certificate, in the form of RFC 9440.",
    ),
    Setting::new(
        "mtls.client_ca",
        Unset("nobody vouches, and tls_client_auth is not offered"),
        Path,
        "Certificate authorities that vouch for clients' certificates: a file in PEM.",
    ),
    Setting::new("http.workers", Unset("one for every two cores"), Number, "Threads that serve requests."),
    Setting::new("http.body_limit", Text("65536"), Number, "The longest request body in bytes."),
    Setting::new("http.request_timeout", Text("10s"), Duration, "How long a request may take."),
    Setting::new(
        "http.header_timeout",
        Text("5s"),
        Duration,
        "How long a request's header may take to arrive.",
    ),
    Setting::new("http.keep_alive", Text("75s"), Duration, "How long an idle connection stays open."),
    Setting::new(
        "http.drain_delay",
        Text("0s"),
        Duration,
        "How long the server still takes requests when it is told to stop, while /readyz says 503; 5s in the image.",
    ),
    Setting::new(
        "http.drain_timeout",
        Text("10s"),
        Duration,
        "How long open requests may take to finish after that.",
    ),
    Setting::new("http.max_connections", Text("10000"), Number, "Open connections of one worker at most."),
    Setting::new(
        "http.trusted_proxies",
        Text(""),
        Networks,
        "Proxies whose forwarding headers are believed: networks or addresses with commas.",
    ),
    Setting::new(
        "outbound.allowed_networks",
        Text(""),
        Networks,
        "Networks beside the public ones that your own clients' URLs may lead to, by http too. Clients that you did not \
         add yourself do not reach them.",
    ),
    Setting::new(
        "outbound.ca_file",
        Unset("only those of the machine"),
        Path,
        "Certificate authorities for https to clients' URLs: a file in PEM.",
    ),
    Setting::new(
        "outbound.timeout",
        Text("5s"),
        Duration,
        "How long fetching or calling a client's URL may take.",
    ),
    Setting::new(
        "outbound.body_limit",
        Text("65536"),
        Number,
        "The longest document that is fetched from a client's URL in bytes.",
    ),
    Setting::new(
        "tls.certificate",
        Unset("plain http, for a proxy in front"),
        Path,
        "A file with the server's certificate and those that vouch for it, in PEM.",
    ),
    Setting::new("tls.key", Unset("no key"), Path, "A file with the certificate's private key, in PEM."),
    Setting::new(
        "tls.reload_every",
        Text("30s"),
        Duration,
        "How often both files are looked at for a new certificate.",
    ),
    Setting::new(
        "database.max_connections",
        Text("10"),
        Number,
        "Database connections of one server, divided among its workers.",
    ),
    Setting::new(
        "database.batch_rotations",
        Text("true"),
        Switch,
        "Whether refreshes that arrive together are written together; an engine that cannot is noticed at the start.",
    ),
    Setting::new(
        "database.acquire_timeout",
        Text("3s"),
        Duration,
        "How long a request waits for a connection.",
    ),
    Setting::new(
        "database.statement_cache",
        Text("100"),
        Number,
        "Prepared statements kept for each connection; 0 behind a pooler in transaction mode.",
    ),
    Setting::new("janitor.every", Text("1m"), Duration, "How often expired logins are deleted."),
    Setting::new("janitor.batch", Text("1000"), Number, "How many one statement deletes."),
    Setting::new("log.format", Text("pretty"), Format, "How a line is written: pretty or json."),
    Setting::new("log.filter", Text("info"), Filter, "What is logged, such as info,heirloom=debug."),
];

/// The setting with this key.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
