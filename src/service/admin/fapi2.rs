//! What the FAPI 2.0 Security Profile asks of a client, and nothing that contradicts it.

use url::Url;

use crate::domain::client::{
    AssertionAudience, AuthMethod, Client, ClientMetadata, CodeProtection, Contradiction, SecurityProfile,
};
use crate::domain::family::RotationPolicy;
use crate::domain::signing_algorithm::SigningAlgorithm;

/// What such a client is if nothing else is said of it.
pub(super) fn begin(client: &mut Client) {
    let metadata = &mut client.metadata;
    metadata.security_profile = Some(SecurityProfile::Fapi2);
    metadata.token_endpoint_auth_method = Some(AuthMethod::PrivateKeyJwt);
    metadata.require_pushed_authorization_requests = true;
    metadata.require_single_use_request_object = true;
    metadata.dpop_bound_access_tokens = true;
    metadata.refresh_token_rotation = RotationPolicy::Never;
    metadata.id_token_signed_response_alg = Some(SigningAlgorithm::Es256);
    client.code_protection = CodeProtection::Pkce;
}

/// Whether a client keeps to it.
///
/// # Errors
/// [`Contradiction`], which says what does not fit.
pub(super) fn check(client: &Client) -> Result<(), Contradiction> {
    let said = &client.metadata;
    // FAPI 2.0 Security Profile §5.3.2.1, §5.3.2.2.
    for (fits, why) in [
        (client.is_confidential(), "A client of the profile fapi2 is confidential."),
        (
            proves_itself_with_a_key(said.token_endpoint_auth_method),
            "A client of the profile fapi2 authenticates by private_key_jwt, self_signed_tls_client_auth or \
             tls_client_auth.",
        ),
        (
            said.assertion_audience == AssertionAudience::Issuer,
            "The assertions of a client of the profile fapi2 name the issuer as their audience \
             (assertion_audience).",
        ),
        (
            said.require_pushed_authorization_requests,
            "A client of the profile fapi2 pushes its requests (require_pushed_authorization_requests).",
        ),
        (
            client.code_protection == CodeProtection::Pkce,
            "The codes of the profile fapi2 are protected by pkce.",
        ),
        (
            said.dpop_bound_access_tokens || said.tls_client_certificate_bound_access_tokens,
            "The tokens of the profile fapi2 are bound to a key or a certificate (dpop_bound_access_tokens, \
             tls_client_certificate_bound_access_tokens).",
        ),
        (
            said.refresh_token_rotation == RotationPolicy::Never,
            "The refresh tokens of the profile fapi2 do not rotate: the rotation is never.",
        ),
        (
            said.require_single_use_request_object || !said.has_keys(),
            "The request objects of the profile fapi2 are good once (require_single_use_request_object).",
        ),
        (
            signs_well(said) && is_answered_well(said),
            "The profile fapi2 has no signatures with RS256: say ES256, EdDSA or PS256.",
        ),
        (
            client.redirect_uris.iter().all(|uri| is_safe(uri)),
            "The redirect URIs of the profile fapi2 are https URLs, or http ones of the user's own machine.",
        ),
    ] {
        if !fits {
            return Err(Contradiction(why));
        }
    }
    Ok(())
}

fn proves_itself_with_a_key(method: Option<AuthMethod>) -> bool {
    match method {
        Some(AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTlsClientAuth | AuthMethod::TlsClientAuth) => {
            true
        }
        Some(AuthMethod::None | AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost) | None => false,
    }
}

/// Whether the client signs with what the profile has, as far as it said.
fn signs_well(said: &ClientMetadata) -> bool {
    let registered = [said.token_endpoint_auth_signing_alg, said.request_object_signing_alg];
    registered.into_iter().flatten().all(|algorithm| SecurityProfile::Fapi2.allows(algorithm))
}

/// Whether it is answered with what the profile has: where it says nothing, by whatever this server's usual key is.
fn is_answered_well(said: &ClientMetadata) -> bool {
    let others = [said.userinfo_signed_response_alg, said.introspection_signed_response_alg];
    let of_id_tokens = said.id_token_signed_response_alg;
    of_id_tokens.is_some()
        && others.iter().chain([&of_id_tokens]).all(|it| *it != Some(SigningAlgorithm::Rs256))
}

/// RFC 8252 §7.3 has programs on people's own machines use http.
fn is_safe(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let is_own_machine = matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && is_own_machine)
}
