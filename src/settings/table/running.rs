//! How it is reached, and how it runs.

use crate::settings::setting::{
    Default::{Text, Unset},
    Kind::{Duration, Filter, Format, Header, HttpsUrl, Listen, Networks, Number, Path, Switch, Words},
    Setting,
};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "admin.role",
        Text("heirloom-admin"),
        Words,
        "The role of users who may administer the server by its API, as far as their tokens have the scopes for it.",
    ),
    Setting::new(
        "admin.listen",
        Unset("it is beside everything else"),
        Listen,
        "Where that API is, and nothing else: a listener that only operators reach.",
    ),
    Setting::new(
        "metrics.listen",
        Unset("there is no such listener"),
        Listen,
        "Where Prometheus reads the metrics, and nothing else: a listener that only monitoring reaches.",
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
        "Certificate authorities for https to clients' URLs, and for the mail server: a file in PEM.",
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
