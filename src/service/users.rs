//! Who signs in: passwords, browsers' sign-ins, a user's own view of the logins.

pub mod account;
pub mod activity;
pub mod attempts;
pub mod change_password;
pub mod credentials;
pub mod factors;
pub mod login_limit;
pub mod own_data;
pub mod passkey_challenges;
pub mod passkey_sign_in;
pub mod passkeys;
pub mod removal;
pub mod sessions;
pub mod sign_in;
pub mod totp;
pub(crate) mod ways_in;
