//! A refresh token that somebody presents: the checks that every path makes before it judges the generation.

use crate::domain::event::{Alarm, Event};
use crate::domain::family::Family;
use crate::domain::ids::ClientId;
use crate::domain::refresh_token::RefreshToken;
use crate::domain::refusal::Refusal;
use crate::service::Core;
use crate::store::{StoreError, families};

/// Checks form and MAC: no database is asked about what is not genuine.
pub(crate) fn open_token(core: &Core, text: &str, client: &ClientId) -> Result<RefreshToken, Refusal> {
    core.keys.with_mac_keys(|keys| RefreshToken::open(text, client, keys)).map_err(|_| Refusal::Unknown)
}

/// Reads the token's family: `None` when its row is gone.
pub(crate) async fn family_of(core: &Core, token: &RefreshToken) -> Result<Option<Presented>, StoreError> {
    let Some(family) = families::find(&core.db, token.family).await? else { return Ok(None) };
    // A token whose MAC is right and whose `r` is not was made by somebody who holds a master key. It must neither
    // open the family nor be able to end it.
    if token.secret.hash().matches(&family.secret_hash) {
        return Ok(Some(Presented::Genuine(Box::new(family))));
    }
    core.tell(Event::AlarmRaised { family: token.family, alarm: Alarm::ForeignSecret });
    Ok(Some(Presented::ForeignSecret))
}

/// A family as a presented token finds it.
#[derive(Debug)]
pub(crate) enum Presented {
    /// The token is one of the family's.
    Genuine(Box<Family>),
    /// The token carries another `r` than the family.
    ForeignSecret,
}
