//! The `claims` parameter (OpenID Connect Core §5.5): what a client would like to know, claim by claim.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::scope::ScopeSet;
use crate::domain::standard_claims::CLAIMS;

/// Longer requests ask for nothing that anybody has.
const LONGEST: usize = 4096;

/// What is asked for in which place. Unknown members and claims are passed over (§5.5, §5.5.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// At the userinfo endpoint.
    #[serde(default, skip_serializing_if = "ClaimRequests::is_empty")]
    pub userinfo: ClaimRequests,
    #[serde(default, skip_serializing_if = "ClaimRequests::is_empty")]
    pub id_token: ClaimRequests,
}

/// Claims by their names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimRequests(BTreeMap<String, Option<RequestedClaim>>);

/// How one claim is asked for; a client that says nothing of it could do without.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestedClaim {
    /// The client cannot do well without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// It is to have one of these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
}

/// The text is no request for claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("claims must be a JSON object with userinfo and id_token, each an object of claims")]
pub struct InvalidClaims;

impl FromStr for ClaimsRequest {
    type Err = InvalidClaims;

    fn from_str(text: &str) -> Result<Self, InvalidClaims> {
        if text.len() > LONGEST {
            return Err(InvalidClaims);
        }
        let request: Value = serde_json::from_str(text).map_err(|_| InvalidClaims)?;
        // A list would be read as an object without names.
        let is_claim = |claim: &Value| claim.is_null() || claim.is_object();
        let is_place = |place: &Value| place.as_object().is_some_and(|place| place.values().all(is_claim));
        let mut places = ["userinfo", "id_token"].into_iter().filter_map(|place| request.get(place));
        if !request.is_object() || !places.all(is_place) {
            return Err(InvalidClaims);
        }
        serde_json::from_value(request).map_err(|_| InvalidClaims)
    }
}

impl RequestedClaim {
    /// The texts that are accepted, where it names some.
    fn names(&self) -> Vec<String> {
        let named = self.value.iter().chain(self.values.iter().flatten());
        named
            .filter(|value| self.accepts(value))
            .filter_map(|it| it.as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// Whether a claim of this value is what is wanted.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        let listed = self.values.as_ref().is_none_or(|values| values.contains(value));
        listed && self.value.as_ref().is_none_or(|wanted| wanted == value)
    }
}

impl ClaimRequests {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How a claim is wanted, if it is.
    #[must_use]
    pub fn get(&self, claim: &str) -> Option<RequestedClaim> {
        self.0.get(claim).map(|requested| requested.clone().unwrap_or_default())
    }

    /// Those about the user whose scope is among `scopes`.
    #[must_use]
    pub fn within(&self, scopes: &ScopeSet) -> Self {
        let may = |claim: &str| CLAIMS.iter().any(|(name, scope)| *name == claim && scopes.contains(scope));
        let kept = self.0.iter().filter(|(claim, _)| may(claim));
        Self(kept.map(|(claim, requested)| (claim.clone(), requested.clone())).collect())
    }

    fn scopes(&self) -> impl Iterator<Item = &'static str> {
        CLAIMS.iter().filter(|(claim, _)| self.0.contains_key(*claim)).map(|(_, scope)| *scope)
    }
}

impl ClaimsRequest {
    /// What of it a client may have that is registered for `scopes`: a claim alone opens no more than its scope would.
    #[must_use]
    pub fn within(&self, scopes: &ScopeSet) -> Self {
        Self { userinfo: self.userinfo.within(scopes), id_token: self.id_token.within(scopes) }
    }

    /// The scopes that would open what is asked for: what a user is asked about.
    #[must_use]
    pub fn scopes(&self) -> ScopeSet {
        let all: Vec<&str> = self.userinfo.scopes().chain(self.id_token.scopes()).collect();
        all.join(" ").parse().unwrap_or_default()
    }

    /// The user that must be the one who signs in (§5.5.1), by the name that the client knows.
    ///
    /// # Errors
    /// [`InvalidClaims`] when it is no name, or there are two.
    pub fn subject(&self) -> Result<Option<String>, InvalidClaims> {
        let mut subject = None;
        for requested in [self.id_token.get("sub"), self.userinfo.get("sub")].into_iter().flatten() {
            let named = match requested.value {
                None => continue,
                Some(Value::String(named)) => named,
                Some(_) => return Err(InvalidClaims),
            };
            if subject.replace(named.clone()).is_some_and(|other| other != named) {
                return Err(InvalidClaims);
            }
        }
        Ok(subject)
    }

    /// The context classes of which one must be reached (§5.5.1.1), if any must.
    #[must_use]
    pub fn essential_acr(&self) -> Option<Vec<String>> {
        let requested = self.id_token.get("acr").filter(|requested| requested.essential)?;
        let is_any = requested.value.is_none() && requested.values.is_none();
        (!is_any).then(|| requested.names())
    }

    /// Those that would be liked.
    #[must_use]
    pub fn wanted_acr(&self) -> Vec<String> {
        self.id_token.get("acr").map(|requested| requested.names()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> ClaimsRequest {
        text.parse().unwrap()
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        // OpenID Connect Core §5.5, with a claim in a language and one that nobody knows.
        let request = self::request(
            r#"{"userinfo": {"given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
                "name#de": null, "http://example.info/claims/groups": null, "picture": null},
                "id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}},
                "later": {"x": 1}}"#,
        );
        assert!(request.userinfo.get("given_name").unwrap().essential);
        assert!(!request.userinfo.get("picture").unwrap().essential);
        let kept = request.within(&"openid profile email".parse().unwrap());
        assert_eq!(kept.scopes().to_string(), "email profile");
        assert!(
            kept.userinfo.get("http://example.info/claims/groups").is_none()
                && kept.id_token.get("acr").is_none()
        );
        assert_eq!(request.within(&"openid email".parse().unwrap()).scopes().to_string(), "email");
        assert_eq!(request.essential_acr(), None);
        assert_eq!(request.wanted_acr(), ["urn:mace:incommon:iap:silver"]);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = format!(r#"{{"userinfo": {{"{}": null}}}}"#, "x".repeat(4096));
        for text in [
            "",
            "x",
            "[]",
            "null",
            r#"{"userinfo": 1}"#,
            r#"{"id_token": {"sub": "ana"}}"#,
            r#"{"id_token": {"sub": []}}"#,
            &long,
        ] {
            assert_eq!(text.parse::<ClaimsRequest>(), Err(InvalidClaims), "{text}");
        }
    }

    #[test]
    fn an_essential_acr_must_be_met() {
        for (requested, essential, wanted) in [
            (r#"{"essential": true}"#, None, ""),
            (r#"{"essential": true, "value": "a"}"#, Some("a"), "a"),
            (r#"{"essential": true, "values": ["b", "a"]}"#, Some("b a"), "b a"),
            (r#"{"essential": true, "value": "b", "values": ["a"]}"#, Some(""), ""),
            (r#"{"essential": true, "values": []}"#, Some(""), ""),
            (r#"{"values": ["b"]}"#, None, "b"),
            ("null", None, ""),
        ] {
            let request = self::request(&format!(r#"{{"id_token": {{"acr": {requested}}}}}"#));
            let joined = request.essential_acr().map(|names| names.join(" "));
            assert_eq!(joined.as_deref(), essential, "{requested}");
            assert_eq!(request.wanted_acr().join(" "), wanted, "{requested}");
        }
    }

    #[test]
    fn one_user_may_be_named() {
        let subject = |text: &str| request(text).subject();
        assert_eq!(subject(r#"{"id_token": {"sub": {"value": "ana"}}}"#), Ok(Some("ana".to_owned())));
        assert_eq!(subject(r#"{"id_token": {"sub": null}}"#), Ok(None));
        assert_eq!(subject(r#"{"id_token": {"sub": {"value": 1}}}"#), Err(InvalidClaims));
        let two = r#"{"id_token": {"sub": {"value": "ana"}}, "userinfo": {"sub": {"value": "ben"}}}"#;
        assert_eq!(subject(two), Err(InvalidClaims));
    }
}
