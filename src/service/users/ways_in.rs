//! Whether somebody can still come in to an account: whoever takes one way away must have another one.

use crate::domain::ids::UserId;
use crate::store::{StoreError, Tx, passkeys, upstream_links, users};

/// Whether there is a password, a passkey or a sign-in elsewhere, in the transaction that has the user's row to itself.
/// Mail does not count: it may be switched off, or go to an address that is lost.
pub(crate) async fn is_any_left(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    Ok(users::has_password_within(tx, user).await?
        || passkeys::count_of_user(tx, user).await? > 0
        || upstream_links::count_of_user(tx, user).await? > 0)
}
