//! Tokens: what each grant gives, and what a token that comes back is worth.

pub mod access_token;
pub mod client_credentials;
pub mod device;
pub mod exchange_code;
pub mod grant;
pub mod id_token;
pub mod introspect;
pub mod issued;
pub mod login;
pub mod login_mfa;
pub mod new_family;
pub mod own_jwt;
pub mod polling;
pub mod presented;
pub mod refresh;
pub mod refresh_counts;
pub mod replays;
pub mod resource_servers;
mod reuse;
pub mod revoke;
mod step_up;
pub mod token_exchange;
pub mod user_claims;
pub mod userinfo;
