//! A refresh token that somebody presents: the checks that every path makes before it judges the generation.

use crate::domain::event::{Alarm, Event};
use crate::domain::family::Family;
use crate::domain::ids::ClientId;
use crate::domain::refresh_token::{NotGenuine, RefreshToken};
use crate::domain::refusal::Refusal;
use crate::service::Core;
use crate::store::{StoreError, families};

/// Checks form and MAC: no database is asked about what is not genuine.
pub(crate) fn open_token(core: &Core, text: &str, client: &ClientId) -> Result<RefreshToken, Refusal> {
    let opened = core.keys.with_mac_keys(|keys| RefreshToken::open(text, client, keys));
    opened.map_err(|why| match why {
        NotGenuine::Foreign => Refusal::Unknown,
        NotGenuine::NotOfClient => Refusal::WrongClient,
    })
}

/// The client that a token's family belongs to, for whoever may not know: `None` when there is no such family (any
/// more). The token is not genuine by that, and the database was asked about it: only a logout does so.
pub(crate) async fn client_of(core: &Core, text: &str) -> Result<Option<ClientId>, StoreError> {
    let Ok(family) = core.keys.with_mac_keys(|keys| RefreshToken::named_family(text, keys)) else {
        return Ok(None);
    };
    Ok(families::find(&core.db, family).await?.map(|family| family.client_id))
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
