//! Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document-02): the URL of what a client says of
//! itself is its id.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use url::Url;

use crate::domain::client::{AuthMethod, Client, ClientKind, Origin};
use crate::domain::ids::ClientId;
use crate::domain::registration::{Allowed, InvalidRegistration, read_registration};

/// Where a client's document is, if its id can be such a place (§3): https, with a path, without a fragment and a user,
/// in normal form. The last leaves no dot segments, and no second way to write the same.
#[must_use]
pub fn url_of(id: &ClientId) -> Option<Url> {
    let url = Url::parse(id.as_str()).ok()?;
    let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let fits = url.scheme() == "https" && url.path() != "/" && plain && url.as_str() == id.as_str();
    fits.then_some(url)
}

/// The client that a document describes: somebody else's, without a secret, with `scopes` at most.
pub fn client(
    id: &ClientId,
    members: &Map<String, Value>,
    allowed: &Allowed,
    now: DateTime<Utc>,
) -> Result<Client, InvalidRegistration> {
    if members.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        // §4: or anybody could speak for anybody.
        return Err(InvalidRegistration::Metadata("The client_id is not the document's URL."));
    }
    if ["client_secret", "client_secret_expires_at"].iter().any(|name| members.contains_key(*name)) {
        return Err(InvalidRegistration::Metadata("A document that everybody can read holds a secret."));
    }
    let read = read_registration(members, AuthMethod::None, allowed)?;
    if read.auth.has_secret() {
        return Err(InvalidRegistration::Metadata(
            "The client does not have a secret that it could authenticate with.",
        ));
    }
    let mut client = Client::new(id.clone(), ClientKind::Public, Origin::Document, now);
    read.apply(&mut client)?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::domain::client::Party;

    const ID: &str = "https://app.example/client.json";

    fn client_with(changes: &Value) -> Result<Client, InvalidRegistration> {
        let mut document = json!({ "client_id": ID, "redirect_uris": ["https://app.example/cb"] });
        let members = document.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        let scopes = "openid".parse().unwrap();
        let allowed = Allowed {
            scopes,
            auth_methods: AuthMethod::ALL.to_vec(),
            redirect_schemes: Vec::new(),
            longest_rotation_period: Duration::ZERO,
        };
        client(&ID.parse().unwrap(), members, &allowed, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_client_id_is_a_url_in_one_way_only() {
        for id in [ID, "https://app.example:8443/a?b=c", "https://app.example/a/", "https://[2001:db8::1]/a"]
        {
            assert!(url_of(&id.parse().unwrap()).is_some(), "{id}");
        }
        for (section, id) in [
            ("§3: https", "http://app.example/client.json"),
            ("§3: https", "app"),
            ("§3: a path", "https://app.example"),
            ("§3: a path", "https://app.example/"),
            ("§3: no dot segments", "https://app.example/a/../client.json"),
            ("§3: no dot segments", "https://app.example/./client.json"),
            ("§3: no dot segments", "https://app.example/%2e%2e/client.json"),
            ("§3: no fragment", "https://app.example/client.json#a"),
            ("§3: no fragment", "https://app.example/client.json#"),
            ("§3: no user", "https://ana@app.example/client.json"),
            ("§3: no user", "https://ana:pw@app.example/client.json"),
            ("§3: one way to write it", "https://APP.example/client.json"),
            ("§3: one way to write it", "HTTPS://app.example/client.json"),
            ("§3: one way to write it", "https://app.example:443/client.json"),
            ("§3: one way to write it", "https:\\\\app.example/client.json"),
            ("§3: one way to write it", "https://0x7f.0.0.1/client.json"),
        ] {
            assert!(url_of(&id.parse().unwrap()).is_none(), "{section}: {id}");
        }
    }

    #[test]
    fn a_document_describes_a_public_third_party() {
        let client = client_with(&json!({ "client_name": "The App", "scope": "openid admin" })).unwrap();
        assert!(matches!(client.kind, ClientKind::Public));
        assert_eq!((client.party, client.origin), (Party::Third, Origin::Document));
        assert_eq!((client.display_name(), client.scopes.to_string().as_str()), ("The App", "openid"));
    }

    #[test]
    fn what_no_document_may_say() {
        for (section, changes) in [
            ("§4: client_id", json!({ "client_id": null })),
            ("§4: client_id", json!({ "client_id": "https://app.example/other.json" })),
            ("§4: client_id", json!({ "client_id": "https://app.example/client.json/" })),
            ("§4: no secrets", json!({ "client_secret": "x" })),
            ("§4: no secrets", json!({ "client_secret_expires_at": 0 })),
            ("§4: no symmetric method", json!({ "token_endpoint_auth_method": "client_secret_basic" })),
            ("§4: no symmetric method", json!({ "token_endpoint_auth_method": "client_secret_post" })),
            ("§4: no symmetric method", json!({ "token_endpoint_auth_method": "client_secret_jwt" })),
            ("§8.1: redirect_uris", json!({ "redirect_uris": null })),
            ("§8.1: redirect_uris", json!({ "redirect_uris": ["http://app.example/cb"] })),
            ("RFC 7591 §2", json!({ "grant_types": ["client_credentials"] })),
            (
                "OIDC Core §8.1",
                json!({ "subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"] }),
            ),
        ] {
            assert!(client_with(&changes).is_err(), "{section}: {changes}");
        }
    }
}
