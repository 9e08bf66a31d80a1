//! Audit events: one line each in the log, target `audit`, ids only.
//!
//! They are what an operator applies again after a restore: the database may have forgotten an ended family or a
//! changed password, the log has not.

use std::fmt::Display;

use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;
use crate::store::logout_deliveries::Settled;

/// A family began.
pub(crate) fn login(family: FamilyId, user: UserId, client: &ClientId) {
    tracing::info!(target: "audit", event = "login", %family, %user, %client);
}

/// A login was refused. No name is logged: people type their passwords there.
pub(crate) fn login_refused(client: &ClientId) {
    tracing::info!(target: "audit", event = "login_refused", %client);
}

/// A browser was signed in.
pub(crate) fn signed_in(session: SignInSessionId, user: UserId) {
    tracing::info!(target: "audit", event = "signed_in", %session, %user);
}

/// A sign-in was refused. No name is logged: people type their passwords there.
pub(crate) fn sign_in_refused() {
    tracing::info!(target: "audit", event = "sign_in_refused");
}

/// A password was not looked at, after many wrong ones.
pub(crate) fn attempts_limited() {
    tracing::warn!(target: "audit", event = "attempts_limited");
}

/// A browser was signed out.
pub(crate) fn signed_out(session: SignInSessionId, user: UserId) {
    tracing::info!(target: "audit", event = "signed_out", %session, %user);
}

/// A user agreed to what a client asked for.
pub(crate) fn consented(user: UserId, client: &ClientId) {
    tracing::info!(target: "audit", event = "consented", %user, %client);
}

/// A user took a consent back.
pub(crate) fn consent_withdrawn(user: UserId, client: &ClientId) {
    tracing::info!(target: "audit", event = "consent_withdrawn", %user, %client);
}

/// A user did something to the own account.
pub(crate) fn account_changed(user: UserId, what: &'static str) {
    tracing::info!(target: "audit", event = "account_changed", %user, what);
}

/// A client was told of a logout, or could not be.
pub(crate) fn logout_told(family: FamilyId, client: &ClientId, how: Settled) {
    match how {
        Settled::Delivered => tracing::info!(target: "audit", event = "logout_told", %family, %client),
        Settled::GivenUp => tracing::warn!(target: "audit", event = "logout_not_told", %family, %client),
    }
}

/// A user kept a device out.
pub(crate) fn device_denied(user: UserId, client: &ClientId) {
    tracing::info!(target: "audit", event = "device_denied", %user, %client);
}

/// A user typed a code that no device waits with.
pub(crate) fn user_code_refused(user: UserId) {
    tracing::info!(target: "audit", event = "user_code_refused", %user);
}

/// A client got a token in exchange for another one: of a family's, unless a client acts for itself.
pub(crate) fn token_exchanged(client: &ClientId, family: Option<FamilyId>) {
    let family = family.map(|family| family.to_string());
    tracing::info!(target: "audit", event = "token_exchanged", %client, family);
}

/// A family was ended.
pub(crate) fn family_ended(family: FamilyId, reason: EndReason) {
    if reason == EndReason::Reuse {
        tracing::warn!(target: "audit", event = "family_ended", %family, reason = reason.as_str(), "a spent token came back");
    } else {
        tracing::info!(target: "audit", event = "family_ended", %family, reason = reason.as_str());
    }
}

/// Several families were ended for one reason.
pub(crate) fn families_ended(families: &[FamilyId], reason: EndReason) {
    for family in families {
        family_ended(*family, reason);
    }
}

/// A lost response was made up for by skipping generations.
pub(crate) fn recovered(family: FamilyId, skipped: i64) {
    tracing::info!(target: "audit", event = "family_recovered", %family, skipped);
}

/// A token ahead of its row moved the row forward.
pub(crate) fn caught_up(family: FamilyId, generation: i64) {
    tracing::warn!(target: "audit", event = "family_caught_up", %family, generation, "the database had lost rotations");
}

/// Something that should never happen: an attack, or a database restored without opening a recovery window.
pub(crate) fn alarm(family: FamilyId, what: &'static str) {
    tracing::error!(target: "audit", event = "alarm", %family, what);
}

/// An operator changed a user.
pub(crate) fn user_changed(user: UserId, what: &'static str) {
    tracing::info!(target: "audit", event = "user_changed", %user, what);
}

/// An operator changed a client.
pub(crate) fn client_changed(client: &ClientId, what: &'static str) {
    tracing::info!(target: "audit", event = "client_changed", %client, what);
}

/// An operator changed the keys.
pub(crate) fn keys_changed(key: impl Display, what: &'static str) {
    tracing::warn!(target: "audit", event = "keys_changed", %key, what);
}
