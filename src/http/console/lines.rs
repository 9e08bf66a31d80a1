//! Lines to be pasted into a client's program, in five languages, with what this server knows of the client.

use minijinja::Environment;
use minijinja::value::Serde;
use serde_json::{Value, json};
use url::Url;

use crate::domain::audience::Audience;
use crate::service::admin::views::ClientView;

/// The languages, and what is pasted. Whatever is filled in was quoted for the language before.
const LINES: [(&str, &str); 5] = [
    ("curl", include_str!("lines/curl.txt")),
    ("JavaScript", include_str!("lines/javascript.txt")),
    ("Python", include_str!("lines/python.txt")),
    ("Go", include_str!("lines/go.txt")),
    ("Java", include_str!("lines/java.txt")),
];

/// Lines for a client that a program of somebody's can be; none for one that is neither sent back to anywhere nor acts
/// for itself, or that proves itself otherwise than with a secret.
pub(super) fn lines_of(client: &ClientView, issuer: &str) -> Vec<Value> {
    let Some(facts) = facts(client, issuer) else { return Vec::new() };
    let environment = Environment::new();
    let line = |(language, source): (&str, &str)| {
        let rendered = environment.render_str(source, Serde(&facts));
        match rendered {
            Ok(lines) => Some(json!({ "language": language, "lines": lines.trim_end() })),
            Err(error) => {
                tracing::error!(%error, language, "lines to be pasted cannot be made");
                None
            }
        }
    };
    LINES.into_iter().filter_map(line).collect()
}

fn facts(client: &ClientView, issuer: &str) -> Option<Value> {
    let has = |grant: &str| client.grants.iter().any(|it| it.as_str() == grant);
    let redirect_uri = client.redirect_uris.first().filter(|_| has("authorization_code"));
    let confidential = client.kind == "confidential";
    let service = redirect_uri.is_none() && has("client_credentials");
    let proves_otherwise = json!(client.metadata.token_endpoint_auth_method);
    let is_usual = proves_otherwise.is_null() || proves_otherwise == "client_secret_basic";
    if (redirect_uri.is_none() && !service) || (confidential && !is_usual) {
        return None;
    }
    let id = client.client_id.as_str();
    let redirect_uri = redirect_uri.map(String::as_str).unwrap_or_default();
    let scope = client.scope.to_string();
    let audience = client.audiences.first().map(Audience::as_str).unwrap_or_default();
    let callback =
        Url::parse(redirect_uri).map_or_else(|_| "/callback".to_owned(), |url| url.path().to_owned());
    let mut asked = form_urlencoded::Serializer::new(String::new());
    asked.extend_pairs([("response_type", "code"), ("client_id", id), ("redirect_uri", redirect_uri)]);
    asked.extend_pairs([("scope", scope.as_str()), ("code_challenge_method", "S256")]);
    let authorization = format!("{issuer}/oauth/authorize?{}", asked.finish());
    let token_endpoint = format!("{issuer}/oauth/token");
    let mut parameters = serde_json::Map::new();
    let wanted = [("scope", scope.as_str()), ("resource", audience)];
    parameters.extend(
        wanted
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), json!(value))),
    );
    Some(json!({
        "id": id,
        "service": service,
        "confidential": confidential,
        "browser": !confidential,
        "plain": issuer.starts_with("http://"),
        "scope": scope,
        "scopes": client.scope.iter().map(text).collect::<Vec<_>>(),
        "audience": audience,
        "parameters": text_of(&Value::Object(parameters)),
        "text": {
            "issuer": text(issuer),
            "discovery": text(&format!("{issuer}/.well-known/openid-configuration")),
            "token_endpoint": text(&token_endpoint),
            "id": text(id),
            "redirect_uri": text(redirect_uri),
            "callback": text(&callback),
            "scope": text(&scope),
            "audience": text(audience),
        },
        "shell": {
            "token_endpoint": shell(&token_endpoint),
            "authorization": shell(&authorization),
            "id": shell(id),
            "redirect_uri": shell(redirect_uri),
            "scope": shell(&scope),
            "audience": shell(audience),
        },
    }))
}

/// A text as JavaScript, Python, Go and Java write one: what JSON escapes, they all do. No control character gets here.
fn text(text: &str) -> String {
    text_of(&json!(text))
}

fn text_of(value: &Value) -> String {
    value.to_string()
}

/// A word of a shell's.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
