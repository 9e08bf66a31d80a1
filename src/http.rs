//! The HTTP front door: parse at the edge, call one service, answer at the edge. A room a face; what several of them
//! need stands here.

pub(crate) mod address;
pub(crate) mod admin;
mod answer;
mod body;
mod certificate;
pub(crate) mod connections;
mod console;
mod cookies;
mod cors;
pub(crate) mod edge;
mod error;
mod headers;
mod health;
mod held_body;
mod key_proof;
pub(crate) mod listening;
mod method;
pub(crate) mod metrics;
mod oauth;
pub mod outsiders;
pub(crate) mod pages;
mod protected;
pub(crate) mod routes;
mod routing;
mod scim;
mod simple;
mod stop;
mod token_answer;
pub(crate) mod traces;
mod upload;
pub(crate) mod web;
mod words;

pub(crate) use web::Web;
