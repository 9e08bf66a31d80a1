//! Black-box tests over real HTTP, each on SQLite and on PostgreSQL, with a clock that is moved instead of waited for.

// What the metadata say is one long `json!`.
#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    clippy::items_after_statements,
    clippy::cloned_ref_to_slice_refs,
    unreachable_pub,
    reason = "tests fail by panicking, and nobody else reads them as a library"
)]

mod account;
mod activity;
mod admin;
mod admin_api;
mod admin_clients;
mod admin_events;
mod admin_users;
mod algorithms;
mod apps_moving;
mod arrival;
mod attempts;
mod audiences;
mod authenticator;
mod authorize;
mod authorize_refused;
mod boundaries;
mod bounds;
mod browser;
mod certificates;
mod claims;
mod client_assertion;
mod clients;
mod clocks;
mod code;
mod connections;
mod cookie;
mod cors;
mod counted;
mod database;
mod dead_ends;
mod device;
mod device_clients;
mod device_refused;
mod documents;
mod documents_trusted;
mod dpop;
mod dpop_codes;
mod dpop_held;
mod dpop_nonces;
mod dpop_refused;
mod elsewhere;
mod elsewhere_account;
mod elsewhere_arrival;
mod elsewhere_logout;
mod elsewhere_moving;
mod elsewhere_refused;
mod elsewhere_settings;
mod emails;
mod event_table;
mod events;
mod exchange;
mod fapi2;
mod first_party;
mod first_party_refresh;
mod first_party_refused;
mod folder;
mod foreign_passwords;
mod forgotten;
mod fresh;
mod full;
mod group_commit;
mod harness;
mod health;
mod id_tokens;
mod keys;
mod lifetimes_told;
mod login;
mod logout;
mod logout_named;
mod logout_slow;
mod mail;
mod mail_notices;
mod mailbox;
mod mailed;
mod mailed_forged;
mod mailed_sign_in;
mod many_logins;
mod mcp;
mod metrics;
mod mtls;
mod mtls_listener;
mod mtls_listener_refused;
mod mtls_refused;
mod names;
mod no_password;
mod openid;
mod outbound;
mod own_data;
mod pages;
mod pairwise;
mod par;
mod parameters;
mod passkey_sign_in;
mod passkeys;
mod password_managers;
mod passwords;
mod plans;
mod policies;
mod proofs;
mod prover;
mod provider;
mod races;
mod recovery;
mod refused;
mod registration;
mod registration_changed;
mod registration_rules;
mod relay;
mod remote;
mod removal;
mod replays;
mod replicas;
mod request_objects;
mod resource_refused;
mod resource_servers;
mod revocation;
mod rights;
mod rotation;
mod schema;
mod second_factors;
mod sectors;
mod session_end;
mod sessions;
mod shared_limits;
mod sign_out;
mod sign_up;
mod signer;
mod silence;
mod slow_database;
mod standard;
mod standard_grants;
mod status_lists;
mod status_of_clients;
mod status_positions;
mod step_up;
mod strangers;
mod tls;
mod traces;
mod unstorable;
mod ways_out;
mod webhooks;
mod webhooks_changed;
mod webhooks_failing;
