//! GitHub, which knows no OpenID Connect: plain OAuth 2.0, and an API that tells who the token's user is.

use serde::Deserialize;
use url::Url;

use crate::domain::upstream::{
    Provider, ProviderSecret, UpstreamFault, UpstreamIdentity, UpstreamProblem, UpstreamSubject,
};
use crate::outbound::{Call, NoAnswer};
use crate::service::Core;
use crate::service::upstream::openid::{ReturnedCode, no_answer, way};

/// Errors come with status 200.
#[derive(Deserialize)]
struct GithubToken {
    access_token: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct GithubUser {
    /// A name can be given up and taken by somebody else; this never is.
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct GithubEmail {
    email: String,
    primary: bool,
    verified: bool,
}

const UNFIT: UpstreamProblem = UpstreamProblem::Unproven(UpstreamFault::Malformed);

/// Where browsers are sent.
pub(super) fn authorization_endpoint(provider: &Provider) -> Result<Url, UpstreamProblem> {
    page(provider, "/login/oauth/authorize")
}

/// Who came back.
pub(super) async fn identity(
    core: &Core,
    (provider, api): (&Provider, &Url),
    returned: &ReturnedCode<'_>,
) -> Result<UpstreamIdentity, UpstreamProblem> {
    let token = exchange(core, provider, returned).await?;
    let user: GithubUser = ask(core, provider, &place(api, "/user")?, &token).await?;
    let emails: Vec<GithubEmail> = ask(core, provider, &place(api, "/user/emails")?, &token).await?;
    let email = emails.into_iter().find(|email| email.primary);
    Ok(UpstreamIdentity {
        who: UpstreamSubject { issuer: provider.issuer.clone(), subject: user.id.to_string() },
        email_verified: email.as_ref().is_some_and(|email| email.verified),
        email: email.map(|email| email.email),
        username: Some(user.login),
        name: user.name,
        auth_time: None,
        sid: None,
        amr: Vec::new(),
        roles: None,
    })
}

async fn exchange(
    core: &Core,
    provider: &Provider,
    returned: &ReturnedCode<'_>,
) -> Result<String, UpstreamProblem> {
    let form = [
        ("client_id", provider.client_id.as_str()),
        ("client_secret", provider.client_secret.as_ref().map_or("", ProviderSecret::expose)),
        ("code", returned.code),
        ("redirect_uri", returned.redirect_uri),
        ("code_verifier", returned.verifier),
    ];
    let url = page(provider, "/login/oauth/access_token")?;
    let call = Call { url: &url, authorization: None, form: Some(&form) };
    let answered = way(core).call_json::<GithubToken>(call).await;
    let (_, answer) = answered.map_err(|why| no_answer(provider, &why))?;
    let GithubToken { access_token: Some(token), error: None } = answer else {
        tracing::warn!(provider = provider.id, "a provider gave no token for a code");
        return Err(UpstreamProblem::Refused);
    };
    Ok(token)
}

async fn ask<T: serde::de::DeserializeOwned>(
    core: &Core,
    provider: &Provider,
    url: &Url,
    token: &str,
) -> Result<T, UpstreamProblem> {
    let bearer = format!("Bearer {token}");
    let call = Call { url, authorization: Some(&bearer), form: None };
    let answered = way(core).call_json::<serde_json::Value>(call).await;
    let (status, answer) = answered.map_err(|why| no_answer(provider, &why))?;
    if status != 200 {
        return Err(no_answer(provider, &NoAnswer::Status(status)));
    }
    serde_json::from_value(answer).map_err(|_| UNFIT)
}

fn page(provider: &Provider, path: &str) -> Result<Url, UpstreamProblem> {
    Url::parse(&format!("{}{path}", provider.issuer.trim_end_matches('/'))).map_err(|_| UNFIT)
}

fn place(api: &Url, path: &str) -> Result<Url, UpstreamProblem> {
    Url::parse(&format!("{}{path}", api.as_str().trim_end_matches('/'))).map_err(|_| UNFIT)
}
