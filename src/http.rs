//! The HTTP front door: parse at the edge, call one service, answer at the edge. A room a face; what several of them
//! need stands here.

pub(crate) mod address;
mod body;
pub(crate) mod connections;
mod cookies;
mod cors;
pub(crate) mod edge;
mod error;
mod headers;
mod health;
pub(crate) mod listening;
mod oauth;
pub(crate) mod pages;
pub(crate) mod routes;
mod simple;
mod stop;
mod token_answer;
mod web;

pub(crate) use web::Web;
