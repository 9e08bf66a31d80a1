//! What a client that provisions users says of one, and means nothing to anybody else.

use serde_json::{Map, Value};

/// RFC 7643 §3.1: an external id is its client's own. Two directories that provision the same user each have one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProvisionedAs {
    /// What the client calls the user.
    pub external_id: Option<String>,
    /// The labels (`type`, `primary`) of what a user has one of, by attribute.
    pub labels: Map<String, Value>,
}
