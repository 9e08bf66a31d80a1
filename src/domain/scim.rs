//! System for Cross-domain Identity Management (RFC 7643, RFC 7644): the words of users whom other systems provision.

pub mod fault;
pub mod filter;
pub mod patch;
pub mod place;
pub mod resource;
pub mod schema;
