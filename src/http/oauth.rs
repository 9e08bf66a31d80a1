//! The standard face: what any OAuth 2.1 and OpenID Connect library expects.

pub(crate) mod authorization_challenge;
pub(crate) mod authorize;
pub(crate) mod client_auth;
pub(crate) mod device_authorization;
pub(crate) mod introspect;
pub(crate) mod par;
pub(crate) mod registration;
pub(crate) mod revoke;
pub(crate) mod status_lists;
pub(crate) mod token;
pub(crate) mod userinfo;
pub(crate) mod well_known;
