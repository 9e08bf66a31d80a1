//! Status lists (draft-ietf-oauth-status-list): what tells services that verify offline that a login was ended.

pub mod documents;
pub mod places;
pub mod retiring;
