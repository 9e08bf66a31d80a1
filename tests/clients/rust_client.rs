//! The openidconnect crate: discovery, sign-in, userinfo, refresh, introspection, revocation, a device, sign-out.

use std::pin::Pin;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreDeviceAuthorizationResponse, CoreErrorResponseType,
    CoreRevocableToken, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    DeviceAuthorizationUrl, EndpointMaybeSet, EndpointSet, HttpRequest, HttpResponse, IntrospectionUrl,
    IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RefreshToken, RequestTokenError,
    RevocationUrl, Scope, StandardErrorResponse, SubjectIdentifier, TokenIntrospectionResponse as _,
    TokenResponse as _, http,
};
use serde_json::Value;
use url::Url;

use crate::browser::{Browser, http_client};
use crate::process::block_on;
use crate::world::{AFTERWARDS, Proof, REDIRECT_URI, Registered, World};

type Client =
    CoreClient<EndpointSet, EndpointSet, EndpointSet, EndpointSet, EndpointMaybeSet, EndpointMaybeSet>;
type Refused = RequestTokenError<reqwest::Error, StandardErrorResponse<CoreErrorResponseType>>;

#[test]
fn the_openidconnect_crate_does_all_of_it() {
    let world = World::secure();
    // It has no `private_key_jwt`.
    for client in world.clients().into_iter().filter(|it| !matches!(it.proof, Proof::Key(_))) {
        block_on(all_of_it(&world, &client));
    }
}

async fn all_of_it(world: &World, registered: &Registered) {
    let issuer = IssuerUrl::new(world.server.url.clone()).unwrap();
    let http = Http(http_client().build().unwrap());
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http).await.unwrap();
    let client = client(&metadata, registered, &http).await;
    let mut browser = world.browser();
    let SignedIn { code, verifier, tokens, subject } = sign_in(&client, &http, &mut browser).await;

    let asked = client.user_info(tokens.access_token().clone(), Some(subject.clone())).unwrap();
    let user: CoreUserInfoClaims = asked.request_async(&http).await.unwrap();
    assert_eq!(user.preferred_username().unwrap().as_str(), "ana");
    assert_eq!(user.email().unwrap().as_str(), "ana@example.com");

    let refresh_token = tokens.refresh_token().unwrap();
    let refreshed = refresh(&client, &http, refresh_token).await.unwrap();
    assert_ne!(refreshed.refresh_token().unwrap().secret(), refresh_token.secret());
    if registered.proof != Proof::None {
        let seen = client.introspect(refreshed.access_token()).request_async(&http).await.unwrap();
        assert!(seen.active());
        assert_eq!(seen.sub(), Some(subject.as_str()));
    }
    // RFC 6749 §4.1.2: a code is good once. What it gave goes on, for it comes again at once, as after a lost answer.
    let refresh_token = refreshed.refresh_token().unwrap();
    assert_eq!(code_of(redeem(&client, &http, &code, &verifier).await), CoreErrorResponseType::InvalidGrant);
    assert!(refresh(&client, &http, refresh_token).await.unwrap().refresh_token().is_some());

    let SignedIn { tokens: ended, .. } = sign_in(&client, &http, &mut browser).await;
    let refresh_token = ended.refresh_token().unwrap();
    let revoked = CoreRevocableToken::RefreshToken(refresh_token.clone());
    client.revoke_token(revoked).unwrap().request_async(&http).await.unwrap();
    assert_eq!(code_of(refresh(&client, &http, refresh_token).await), CoreErrorResponseType::InvalidGrant);

    let there = device(&client, &http, &mut browser).await;
    let seen = client.user_info(there.access_token().clone(), Some(subject)).unwrap();
    let seen: CoreUserInfoClaims = seen.request_async(&http).await.unwrap();
    assert_eq!(seen.preferred_username().unwrap().as_str(), "ana");

    let endpoint = metadata.additional_metadata().end_session_endpoint.clone().unwrap();
    let leaving = LogoutRequest::from(endpoint)
        .set_id_token_hint(tokens.id_token().unwrap())
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(AFTERWARDS.to_owned()).unwrap());
    assert_eq!(browser.visit(leaving.http_get_url().as_str()).await.url.as_str(), AFTERWARDS);
    // The device is a login of its own.
    refresh(&client, &http, there.refresh_token().unwrap()).await.unwrap();
}

/// RFC 8628: its user says yes somewhere else.
async fn device(client: &Client, http: &Http, browser: &mut Browser) -> CoreTokenResponse {
    let asked = client.exchange_device_code().add_scope(Scope::new("profile".to_owned()));
    let shown: CoreDeviceAuthorizationResponse = asked.request_async(http).await.unwrap();
    browser.visit(shown.verification_uri_complete().unwrap().secret()).await;
    let polled = client.exchange_device_access_token(&shown).unwrap();
    polled.request_async(http, tokio::time::sleep, None).await.unwrap()
}

async fn client(metadata: &ProviderMetadataWithLogout, registered: &Registered, http: &Http) -> Client {
    let (secret, how) = match registered.proof.clone() {
        Proof::None => (None, AuthType::RequestBody),
        Proof::Basic(secret) => (Some(ClientSecret::new(secret)), AuthType::BasicAuth),
        Proof::Post(secret) => (Some(ClientSecret::new(secret)), AuthType::RequestBody),
        Proof::Key(_) => unreachable!("this crate has no private_key_jwt"),
    };
    // The crate does not know RFC 8414's members.
    let document = format!("{}/.well-known/oauth-authorization-server", metadata.issuer().as_str());
    let document: Value = http.0.get(document).send().await.unwrap().json().await.unwrap();
    let endpoint = |name: &str| document[name].as_str().unwrap().to_owned();
    CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(registered.id.clone()), secret)
        .set_auth_type(how)
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap())
        .set_introspection_url(IntrospectionUrl::new(endpoint("introspection_endpoint")).unwrap())
        .set_revocation_url(RevocationUrl::new(endpoint("revocation_endpoint")).unwrap())
        .set_device_authorization_url(
            DeviceAuthorizationUrl::new(endpoint("device_authorization_endpoint")).unwrap(),
        )
}

struct SignedIn {
    code: AuthorizationCode,
    verifier: String,
    tokens: CoreTokenResponse,
    subject: SubjectIdentifier,
}

async fn sign_in(client: &Client, http: &Http, browser: &mut Browser) -> SignedIn {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let asked = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let asked = asked.add_scopes(["profile", "email"].map(|it| Scope::new(it.to_owned())));
    let (url, state, nonce) = asked.set_pkce_challenge(challenge).url();
    let arrived = browser.visit(url.as_str()).await.url;
    assert_eq!(parameter(&arrived, "state"), *state.secret());
    let code = AuthorizationCode::new(parameter(&arrived, "code"));
    let tokens = redeem(client, http, &code, verifier.secret()).await.unwrap();
    let id_token = tokens.id_token().unwrap();
    let keys = client.id_token_verifier();
    let claims = id_token.claims(&keys, &nonce).unwrap();
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&keys).unwrap(),
    );
    if let Some(expected) = claims.access_token_hash() {
        assert_eq!(*expected, hash.unwrap());
    }
    let subject = claims.subject().clone();
    SignedIn { code, verifier: verifier.secret().clone(), tokens, subject }
}

async fn redeem(
    client: &Client,
    http: &Http,
    code: &AuthorizationCode,
    verifier: &str,
) -> Result<CoreTokenResponse, Refused> {
    let exchange = client.exchange_code(code.clone()).unwrap();
    exchange.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned())).request_async(http).await
}

async fn refresh(client: &Client, http: &Http, token: &RefreshToken) -> Result<CoreTokenResponse, Refused> {
    client.exchange_refresh_token(token).unwrap().request_async(http).await
}

fn code_of<T: std::fmt::Debug>(answer: Result<T, Refused>) -> CoreErrorResponseType {
    match answer.unwrap_err() {
        RequestTokenError::ServerResponse(error) => error.error().clone(),
        other => panic!("{other:?}"),
    }
}

fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(given, _)| given == name);
    found.unwrap_or_else(|| panic!("{name} in {url}")).1.into_owned()
}

/// The crate's way to HTTP, which trusts the tests' authority.
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.execute(request.try_into()?).await?;
            let mut response = http::Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                response = response.header(name, value);
            }
            Ok(response.body(answer.bytes().await?.to_vec()).unwrap())
        })
    }
}
