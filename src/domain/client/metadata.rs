//! What a client may say of itself beside the settings that every client has.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::audience::Audience;
use crate::domain::certificate::{CertificateName, DistinguishedName};
use crate::domain::client::authentication::{AuthMethod, ClientKind, JwtAlgorithm};
use crate::domain::client::profile::SecurityProfile;
use crate::domain::client::public_keys::{PublicJwks, UnfitKeys};
use crate::domain::family::RotationPolicy;
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::domain::signing_algorithm::SigningAlgorithm;

/// The optional part of a client's registration, with the names of RFC 7591 §2 and `OpenID` Connect Dynamic Client
/// Registration §2; only what the server honours is here. Stored as one JSON object without the absent members.
#[expect(clippy::struct_excessive_bools, reason = "the specifications have them so")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    /// Its home page; the consent page links to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<WebUri>,
    /// How it uses people's data; the consent page links to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<WebUri>,
    /// Its terms of service; the consent page links to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<WebUri>,
    /// What all of its members keep to. A member of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile: Option<SecurityProfile>,
    /// How it authenticates, and in no other way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// What it signs its assertions with; any of ours when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<JwtAlgorithm>,
    /// What its assertions name as their audience. A member of our own.
    #[serde(default, skip_serializing_if = "AssertionAudience::is_usual")]
    pub assertion_audience: AssertionAudience,
    /// What earlier releases had in the place of `assertion_audience`: stored clients may still say it.
    #[serde(default, skip_serializing)]
    pub require_issuer_audience: bool,
    /// Its public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<PublicJwks>,
    /// Where its public keys are, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<WebUri>,
    /// Whether it pushes all of its authorization requests (RFC 9126 §6).
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_pushed_authorization_requests: bool,
    /// Whether it gets no token that is not bound to a key (RFC 9449 §5.2).
    #[serde(default, skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens: bool,
    /// Whether it gets no access token that is not bound to its certificate (RFC 8705 §3.4).
    #[serde(default, skip_serializing_if = "is_false")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// What the certificate that it proves itself with says of its holder: one of these five (RFC 8705 §2.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<DistinguishedName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
    /// What it signs its request objects with; any of ours when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<JwtAlgorithm>,
    /// Whether it signs all of its authorization requests (RFC 9101 §10.5).
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_signed_request_object: bool,
    /// Whether each of its request objects is for once, and for an hour at most (FAPI 2.0 Message Signing §5.3.1). A
    /// member of our own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_single_use_request_object: bool,
    /// What its ID tokens and logout tokens are signed with (OpenID Connect Core §2); what the server signs with where
    /// nobody says anything, when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<SigningAlgorithm>,
    /// That it gets what it asks at the userinfo endpoint as a JWT, signed with this (OpenID Connect Core §5.3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlgorithm>,
    /// What it is told of tokens is signed with this, if it asks for a JWT (RFC 9701 §6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<SigningAlgorithm>,
    /// Whether its ID tokens tell what its scopes open: some clients never ask at the userinfo endpoint. A member of
    /// our own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scope_claims_in_id_token: bool,
    /// Where it is told of logouts (Back-Channel Logout §2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<LogoutUri>,
    /// Whether it must be told which session; it always is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    /// What a browser that signs out loads for it (Front-Channel Logout §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<LogoutUri>,
    /// Whether it must be told which session there; it always is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    /// Whether its logins in a browser end with the sign-in that they came from, those with `offline_access` aside
    /// (RFC 10017 §6.3.2.3). A member of our own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub refresh_tokens_end_with_session: bool,
    /// How it gets its refresh tokens at the simple face. A member of our own.
    #[serde(default, skip_serializing_if = "RefreshTokenDelivery::is_usual")]
    pub refresh_token_delivery: RefreshTokenDelivery,
    /// How often its refresh tokens rotate. A member of our own.
    #[serde(default, skip_serializing_if = "RotationPolicy::is_usual")]
    pub refresh_token_rotation: RotationPolicy,
    /// Whether all of its users sign in with two factors; where the server wants it of all clients, it is of no matter.
    /// A member of our own.
    #[serde(default, skip_serializing_if = "SecondFactorPolicy::is_usual")]
    pub second_factor: SecondFactorPolicy,
    /// Whether it knows its users by names of its own (OpenID Connect Core §8); public when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<SubjectType>,
    /// Whose host stands for the clients that know a user by the same name (OpenID Connect Core §8.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<WebUri>,
    /// Whether the access tokens that it gets for itself name an entry of a status list, which its removal sets. A
    /// member of our own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own_tokens_in_status_list: bool,
    /// What it may exchange tokens for (RFC 8693); nothing when it is absent. A member of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchangePolicy>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Members that do not fit each other, or the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(pub &'static str);

impl ClientMetadata {
    /// Whether its members fit each other and a client of this kind.
    ///
    /// # Errors
    /// [`Contradiction`], which says what does not fit.
    pub fn check(&self, kind: &ClientKind) -> Result<(), Contradiction> {
        let has_keys = self.has_keys();
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            // RFC 7591 §2.
            return Err(Contradiction("The keys are in jwks or at jwks_uri, not both."));
        }
        let method = self.token_endpoint_auth_method;
        if method == Some(AuthMethod::PrivateKeyJwt) && !has_keys {
            return Err(Contradiction("The method private_key_jwt needs keys in jwks or at jwks_uri."));
        }
        if method == Some(AuthMethod::SelfSignedTlsClientAuth) && !has_keys {
            return Err(Contradiction(
                "The method self_signed_tls_client_auth needs keys in jwks or at jwks_uri.",
            ));
        }
        let names = self.certificate_names().count();
        if method == Some(AuthMethod::TlsClientAuth) && names != 1 {
            return Err(Contradiction(
                "The method tls_client_auth needs exactly one of tls_client_auth_subject_dn, tls_client_auth_san_dns, \
                 tls_client_auth_san_uri, tls_client_auth_san_ip and tls_client_auth_san_email.",
            ));
        }
        if method != Some(AuthMethod::TlsClientAuth) && names > 0 {
            return Err(Contradiction(
                "What a certificate says of its holder (tls_client_auth_…) is for the method tls_client_auth alone.",
            ));
        }
        let signs_requests = self.require_signed_request_object
            || self.require_single_use_request_object
            || self.request_object_signing_alg.is_some();
        if signs_requests && !has_keys {
            return Err(Contradiction("Signed request objects need keys in jwks or at jwks_uri."));
        }
        let is_public = matches!(kind, ClientKind::Public);
        if method.is_some_and(|method| (method == AuthMethod::None) != is_public) {
            return Err(Contradiction(
                "Public clients, and only they, must have the token_endpoint_auth_method none.",
            ));
        }
        Ok(())
    }

    /// Whether it said where its keys are.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.jwks_uri.is_some() || self.jwks.as_ref().is_some_and(|keys| !keys.is_empty())
    }

    /// What the certificate that it proves itself with has to say of its holder.
    pub fn certificate_names(&self) -> impl Iterator<Item = CertificateName<'_>> {
        [
            self.tls_client_auth_subject_dn.as_ref().map(CertificateName::Subject),
            self.tls_client_auth_san_dns.as_deref().map(CertificateName::Dns),
            self.tls_client_auth_san_uri.as_deref().map(CertificateName::Uri),
            self.tls_client_auth_san_ip.map(CertificateName::Ip),
            self.tls_client_auth_san_email.as_deref().map(CertificateName::Email),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether its keys, if it has any here, can be of use to it. Clients that were registered before this was asked
    /// keep theirs.
    ///
    /// # Errors
    /// [`Contradiction`], which says why not.
    pub fn check_keys(&self) -> Result<(), Contradiction> {
        let registered = [self.token_endpoint_auth_signing_alg, self.request_object_signing_alg];
        let registered: Vec<JwtAlgorithm> = registered.into_iter().flatten().collect();
        let checked = self.jwks.as_ref().map(|keys| keys.check(&registered));
        checked.unwrap_or(Ok(())).map_err(|UnfitKeys(why)| Contradiction(why))
    }
}

/// What a client's assertions name as their audience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer, alone and as a text (RFC 10070 §4, FAPI 2.0 Security Profile §5.3.2.1).
    #[default]
    Issuer,
    /// The token endpoint's URL, that of the endpoint asked, or the issuer, as RFC 7523 §3 once had it: for a client
    /// that cannot do otherwise.
    Endpoint,
}

impl AssertionAudience {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_usual(&self) -> bool {
        *self == Self::Issuer
    }
}

/// What a client may exchange tokens for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenExchangePolicy {
    /// The services that it may get tokens for, beside those that the token it shows is for already.
    #[serde(default)]
    pub audiences: Vec<Audience>,
    /// Whether it may act as the user, without anybody being named who acts.
    #[serde(default)]
    pub impersonation: bool,
}

/// How a client gets its refresh tokens at the simple face.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshTokenDelivery {
    /// In the answer's JSON.
    #[default]
    Body,
    /// In a cookie that no script can read: for an app in the browser, on this server's own origin.
    Cookie,
}

impl RefreshTokenDelivery {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_usual(&self) -> bool {
        *self == Self::Body
    }
}

impl ClientMetadata {
    /// Whether it wants to know when its users sign out here.
    #[must_use]
    pub fn follows_logouts(&self) -> bool {
        self.backchannel_logout_uri.is_some() || self.frontchannel_logout_uri.is_some()
    }

    /// Whether its logins end when its users sign out here.
    #[must_use]
    pub fn ends_with_sign_in(&self) -> bool {
        self.follows_logouts() || self.refresh_tokens_end_with_session
    }
}

/// An absolute http or https URL without a fragment (Back-Channel Logout §2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WebUri", into = "String")]
pub struct LogoutUri(Url);

impl LogoutUri {
    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<WebUri> for LogoutUri {
    type Error = InvalidWebUri;

    fn try_from(uri: WebUri) -> Result<Self, Self::Error> {
        let url = Url::parse(uri.as_str()).map_err(|_| InvalidWebUri)?;
        if url.fragment().is_none() { Ok(Self(url)) } else { Err(InvalidWebUri) }
    }
}

impl From<LogoutUri> for String {
    fn from(uri: LogoutUri) -> Self {
        uri.0.into()
    }
}

/// An absolute http or https URL, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct WebUri(String);

/// The text is no http or https URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be an http or https URL")]
pub struct InvalidWebUri;

impl WebUri {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody on the way can change what is there.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url().is_some_and(|url| url.scheme() == "https")
    }

    /// The same, taken apart.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }
}

impl TryFrom<String> for WebUri {
    type Error = InvalidWebUri;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(text)),
            Ok(_) | Err(_) => Err(InvalidWebUri),
        }
    }
}

/// Whether a client knows its users by names that other clients know them by, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// The user's id: the same for all.
    #[default]
    Public,
    /// Another name in each sector, so that clients cannot put together what each knows.
    Pairwise,
}
