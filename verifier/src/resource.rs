//! What a service tells clients about itself (RFC 9728).

use reqwest::Url;
use serde_json::json;

use crate::binding::Demand;
use crate::dpop::ALGORITHMS;

/// The well-known place, below which the resource's own path follows (RFC 9728 §3.1).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What a service tells clients about itself, and where (RFC 9728): which authorization server to ask for a token.
/// Comes of [`Builder::resource`](crate::Builder::resource). The features `actix` and `tower` serve it; anything else
/// answers a `GET` of [`Self::path`] with [`Self::json`], as `application/json`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = sample().resource("https://mcp.example.com/mcp").build().await?;
/// let metadata = verifier.resource_metadata().unwrap();
/// assert_eq!(metadata.url(), "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
/// assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/mcp");
/// assert!(metadata.json().contains(r#""authorization_servers":["https://login.example.com"]"#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ResourceMetadata {
    url: String,
    path: String,
    json: String,
}

/// What a [`Builder`](crate::Builder) was told of the resource.
#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) resource: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) scopes: Vec<String>,
}

impl ResourceMetadata {
    /// Where clients find it: what challenges name as `resource_metadata`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().resource("https://mcp.example.com").build().await?;
    /// let url = verifier.resource_metadata().unwrap().url();
    /// assert_eq!(url, "https://mcp.example.com/.well-known/oauth-protected-resource");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of [`Self::url`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().resource("https://example.com/a/b").build().await?;
    /// let path = verifier.resource_metadata().unwrap().path();
    /// assert_eq!(path, "/.well-known/oauth-protected-resource/a/b");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The document (RFC 9728 §2).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().resource("https://mcp.example.com/mcp").build().await?;
    /// let json = verifier.resource_metadata().unwrap().json();
    /// assert!(json.contains(r#""resource":"https://mcp.example.com/mcp""#));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl Described {
    /// `None` unless the resource is an http or https URL in its normal form, without query and fragment: clients
    /// compare it character by character with the one that they call (RFC 9728 §3.3).
    pub(crate) fn metadata(&self, resource: &str, issuer: &str, demand: Demand) -> Option<ResourceMetadata> {
        let url = Url::parse(resource).ok()?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let normal = url.as_str() == resource || url.as_str().strip_suffix('/') == Some(resource);
        if !matches!(url.scheme(), "http" | "https") || !plain || !normal {
            return None;
        }
        // RFC 9728 §3.1: a slash that follows nothing but the host is left out.
        let suffix = if url.path() == "/" { "" } else { url.path() };
        let path = format!("{WELL_KNOWN}{suffix}");
        let mut content = json!({
            "resource": resource,
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ALGORITHMS,
        });
        if let Some(members) = content.as_object_mut() {
            if !self.scopes.is_empty() {
                members.insert("scopes_supported".to_owned(), json!(self.scopes));
            }
            if demand == Demand::BoundTokens {
                members.insert("dpop_bound_access_tokens_required".to_owned(), json!(true));
            }
            if let Some(name) = &self.name {
                members.insert("resource_name".to_owned(), json!(name));
            }
        }
        let origin = url.origin().ascii_serialization();
        Some(ResourceMetadata { url: format!("{origin}{path}"), path, json: content.to_string() })
    }
}
