//! What people do with their mail: prove an address, come back without the password, sign up. Whatever is mailed opens
//! one door, once, for a short while, and nothing any more once what it guards has changed.

pub mod addresses;
pub mod invitations;
pub mod new_password;
pub mod requests;
pub mod sign_in;
pub mod sign_up;
pub(crate) mod tokens;
