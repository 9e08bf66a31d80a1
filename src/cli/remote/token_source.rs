//! Where a command has its access token from: never from its arguments, which everybody on the machine can see.

use std::path::Path;
use std::{env, fs};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::cli::remote::admin_server::NotDone;
use crate::cli::remote::server_url::ServerUrl;
use crate::domain::right::Right;

pub(super) enum TokenSource {
    /// The token itself.
    Token(String),
    /// A client that fetches one for itself (RFC 6749 §4.4).
    Client { id: String, secret: String },
}

impl TokenSource {
    /// The file that the command line names, or else what the environment has, which must be one of the two.
    pub(super) fn chosen(token_file: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(file) = token_file {
            return Ok(Self::Token(header_text(&read(file)?, &format!("what {} has", file.display()))?));
        }
        match (variable("HEIRLOOM_TOKEN")?, variable("HEIRLOOM_CLIENT_ID")?) {
            (Some(_), Some(_)) => {
                anyhow::bail!("HEIRLOOM_TOKEN and HEIRLOOM_CLIENT_ID are both set: leave one of them out")
            }
            (Some(token), None) => Ok(Self::Token(header_text(&token, "HEIRLOOM_TOKEN")?)),
            (None, Some(id)) => Ok(Self::Client { id, secret: client_secret()? }),
            (None, None) => anyhow::bail!(
                "--server needs an access token: in HEIRLOOM_TOKEN, in the file that --token-file names, or by a \
                 client in HEIRLOOM_CLIENT_ID with HEIRLOOM_CLIENT_SECRET or HEIRLOOM_CLIENT_SECRET_FILE"
            ),
        }
    }

    /// An access token; a client's has these rights, and no others.
    pub(super) async fn token(
        self,
        http: &reqwest::Client,
        issuer: &ServerUrl,
        rights: &[Right],
    ) -> anyhow::Result<String> {
        let (id, secret) = match self {
            Self::Token(token) => return Ok(token),
            Self::Client { id, secret } => (id, secret),
        };
        let endpoint = token_endpoint(http, issuer).await?;
        let scope = rights.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", &scope)
            .finish();
        let request = http
            .post(endpoint.as_str())
            .header(AUTHORIZATION, basic(&id, &secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let answer = request.send().await.map_err(|error| NotDone::no_answer(&endpoint, error))?;
        let status = answer.status();
        let said: Value = answer.json().await.unwrap_or_default();
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        match (text("access_token"), text("error")) {
            (Some(token), _) if status.is_success() => header_text(token, "what the server gave"),
            (_, Some(error)) => {
                let why = text("error_description").unwrap_or(error);
                anyhow::bail!("no access token for {id} with the scope {scope}: {why} ({error})")
            }
            _ => Err(NotDone::no_server(endpoint.as_str(), status).into()),
        }
    }
}

/// RFC 6749 §2.3.1: id and secret are each form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

/// Where the server gives tokens, as it says itself.
async fn token_endpoint(http: &reqwest::Client, issuer: &ServerUrl) -> anyhow::Result<ServerUrl> {
    let url = issuer.at(&[".well-known", "openid-configuration"])?;
    let sent = http.get(url.clone()).send().await;
    let answer = sent.map_err(|error| NotDone::no_answer(issuer, error))?;
    let status = answer.status();
    let said: Value = answer.json().await.unwrap_or_default();
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let (Some(named), Some(endpoint)) = (text("issuer"), text("token_endpoint")) else {
        return Err(NotDone::no_server(url.as_str(), status)).context(
            "where the admin API has a listener of its own, --token-issuer says where tokens are fetched",
        );
    };
    // RFC 8414 §3.3: else the secret would be shown to whoever is named there.
    anyhow::ensure!(
        named == issuer.as_str(),
        "{issuer} calls itself {named}: if that is the server that you mean, say --token-issuer {named}"
    );
    endpoint.parse::<ServerUrl>().with_context(|| format!("the token endpoint of {issuer}, {endpoint}"))
}

fn client_secret() -> anyhow::Result<String> {
    match (variable("HEIRLOOM_CLIENT_SECRET")?, variable("HEIRLOOM_CLIENT_SECRET_FILE")?) {
        (Some(_), Some(_)) => anyhow::bail!(
            "HEIRLOOM_CLIENT_SECRET and HEIRLOOM_CLIENT_SECRET_FILE are both set: leave one of them out"
        ),
        (Some(secret), None) => Ok(secret),
        (None, Some(file)) => read(Path::new(&file)),
        (None, None) => anyhow::bail!(
            "HEIRLOOM_CLIENT_ID needs HEIRLOOM_CLIENT_SECRET or HEIRLOOM_CLIENT_SECRET_FILE beside it"
        ),
    }
}

/// A variable of the environment; an empty one is as if it were not there.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => anyhow::bail!("{name} is not UTF-8"),
    }
}

/// What a file has, less the line's end.
fn read(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// RFC 6750 §2.1: what may stand in the header. The token itself is not repeated: it may be one, with a blank too many.
fn header_text(token: &str, from: &str) -> anyhow::Result<String> {
    let fits = !token.is_empty() && token.chars().all(|letter| letter.is_ascii_graphic());
    anyhow::ensure!(fits, "{from} is not an access token");
    Ok(token.to_owned())
}
