//! The members of a registration, one by one: each has its form, and a bound.

use serde_json::{Map, Value};
use url::Url;

use crate::domain::client::ClientMetadata;
use crate::domain::family::RotationPolicy;
use crate::domain::lettering::is_label;
use crate::domain::redirect_rule::{PrivateSchemes, check_redirect_uri};
use crate::domain::registration::InvalidRegistration;

const LONGEST_TEXT: usize = 2048;
const LONGEST_NAME: usize = 120;
const MOST: usize = 20;

/// What [`ClientMetadata`] may be told by the client itself. Its other members are an operator's to set.
const HONOURED: &[&str] = &[
    "client_uri",
    "policy_uri",
    "tos_uri",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "assertion_audience",
    "jwks",
    "jwks_uri",
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
    "request_object_signing_alg",
    "require_signed_request_object",
    "require_single_use_request_object",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
    "scope_claims_in_id_token",
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "frontchannel_logout_uri",
    "frontchannel_logout_session_required",
    "refresh_token_rotation",
    "refresh_tokens_end_with_session",
    "second_factor",
    "subject_type",
    "sector_identifier_uri",
];

/// What a client may say for others to read; this server keeps it and does nothing with it.
const KEPT: [(&str, MemberKind); 5] = [
    ("logo_uri", MemberKind::WebUri),
    ("initiate_login_uri", MemberKind::SecureUri),
    ("contacts", MemberKind::Texts),
    ("software_id", MemberKind::Text),
    ("software_version", MemberKind::Text),
];

/// What is read beside them.
const READ: [&str; 9] = [
    "client_id",
    "client_name",
    "redirect_uris",
    "post_logout_redirect_uris",
    "application_type",
    "grant_types",
    "response_types",
    "scope",
    "token_endpoint_auth_method",
];

/// What of a document has a meaning here: the rest is not kept.
#[must_use]
pub fn known_members(members: &Map<String, Value>) -> Map<String, Value> {
    let is_kept = |name: &str| KEPT.iter().any(|(kept, _)| *kept == name);
    let is_known = |name: &str| READ.contains(&name) || HONOURED.contains(&name) || is_kept(name);
    let known = members.iter().filter(|(name, _)| is_known(name));
    known.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[derive(Clone, Copy)]
enum MemberKind {
    Text,
    Texts,
    WebUri,
    SecureUri,
}

const BAD_TEXT: InvalidRegistration =
    InvalidRegistration::Metadata("A member is not the text that it must be.");
const BAD_LIST: InvalidRegistration =
    InvalidRegistration::Metadata("A member is not the list of texts that it must be, or it is too long.");
const BAD_URI: InvalidRegistration = InvalidRegistration::Metadata(
    "One of client_uri, logo_uri, policy_uri and tos_uri is not an http or https URL.",
);

/// OpenID Connect Core §4.
const BAD_LOGIN_URI: InvalidRegistration = InvalidRegistration::Metadata(
    "The initiate_login_uri is not an https URL that a browser may be sent to.",
);

const BAD_MEMBER: InvalidRegistration = InvalidRegistration::Metadata(
    "A URI is not an https or http URL, an algorithm, the subject_type or the assertion_audience is not one of the server's, or \
     the jwks are not a set of public keys.",
);

const BAD_ROTATION: InvalidRegistration = InvalidRegistration::Metadata(
    "The refresh_token_rotation must be always, never, or every: and a period, such as every:1h.",
);

pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Members<'a> {
    /// RFC 7592 §2.2: null is as if it were not there.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, InvalidRegistration> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= LONGEST_TEXT => Ok(Some(text)),
            Some(_) => Err(BAD_TEXT),
        }
    }

    fn is_url(&self, name: &str, schemes: &[&str]) -> Result<bool, InvalidRegistration> {
        let url = self.text(name)?.and_then(|text| Url::parse(text).ok());
        Ok(url.is_some_and(|url| schemes.contains(&url.scheme())))
    }

    /// An https URL that browsers are sent to, as to a redirect URI.
    fn is_place(&self, name: &str) -> Result<bool, InvalidRegistration> {
        let fits = |uri: &str| check_redirect_uri(uri, PrivateSchemes::ReverseDomainOr(&[])).is_ok();
        Ok(self.text(name)?.is_some_and(|uri| uri.starts_with("https:") && fits(uri)))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, InvalidRegistration> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() <= MOST).ok_or(BAD_LIST)?;
        let text =
            |value: &Value| value.as_str().filter(|text| text.len() <= LONGEST_TEXT).map(str::to_owned);
        list.iter().map(text).collect::<Option<Vec<String>>>().map(Some).ok_or(BAD_LIST)
    }

    /// A name for people: on one line, and nothing in it that hides or turns the text around it.
    pub(super) fn name(&self, name: &str) -> Result<Option<String>, InvalidRegistration> {
        const BAD: InvalidRegistration = InvalidRegistration::Metadata(
            "The client_name is too long, or it has characters that a name cannot have.",
        );
        match self.text(name)?.map(str::trim).filter(|name| !name.is_empty()) {
            Some(text) if text.chars().count() > LONGEST_NAME => Err(BAD),
            Some(text) if !is_label(text) => Err(BAD),
            text => Ok(text.map(ToOwned::to_owned)),
        }
    }

    pub(super) fn honoured(&self) -> Result<ClientMetadata, InvalidRegistration> {
        if let Some(policy) = self.text("refresh_token_rotation")? {
            policy.parse::<RotationPolicy>().map_err(|_| BAD_ROTATION)?;
        }
        let is_long = |name: &&str| {
            self.get(name).and_then(Value::as_str).is_some_and(|text| text.len() > LONGEST_TEXT)
        };
        if HONOURED.iter().any(is_long) {
            return Err(BAD_TEXT);
        }
        let known = HONOURED.iter().filter_map(|name| Some(((*name).to_owned(), self.get(name)?.clone())));
        serde_json::from_value(Value::Object(known.collect())).map_err(|_| BAD_MEMBER)
    }

    pub(super) fn told(&self) -> Result<Map<String, Value>, InvalidRegistration> {
        let mut told = Map::new();
        for (name, form) in KEPT {
            let Some(value) = self.get(name) else { continue };
            match form {
                MemberKind::Text => drop(self.text(name)?),
                MemberKind::Texts => drop(self.texts(name)?),
                MemberKind::WebUri if !self.is_url(name, &["http", "https"])? => return Err(BAD_URI),
                MemberKind::SecureUri if !self.is_place(name)? => return Err(BAD_LOGIN_URI),
                MemberKind::WebUri | MemberKind::SecureUri => {}
            }
            told.insert(name.to_owned(), value.clone());
        }
        Ok(told)
    }
}
