//! What the MACs of the chain of events are made of.

use uuid::Uuid;

use crate::crypto::chain_key::{ChainKey, ChainMac, ChainTag};
use crate::crypto::master_key::{MasterKey, MasterKeys};
use crate::store::event_chain::{ChainHead, EventLink};
use crate::store::events::StoredEvent;

/// The bytes of a number.
fn bytes(number: i64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The parts of an event, as its row has them.
fn with_event<T>(event: &StoredEvent, use_them: impl FnOnce(&[&[u8]]) -> T) -> T {
    let (at, times) = (bytes(event.at.timestamp_micros()), bytes(event.times));
    let id_or_none = |id: &Option<Uuid>| id.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let (user, family) = (id_or_none(&event.user.map(|it| it.0)), id_or_none(&event.family.map(|it| it.0)));
    use_them(&[
        event.id.as_bytes(),
        &at,
        event.name.as_bytes(),
        &user,
        &family,
        event.fields.as_bytes(),
        &times,
    ])
}

/// An event's next link, behind the one `before` it.
pub(super) fn next_link(master: &MasterKey, before: (i64, &[u8]), event: &StoredEvent) -> EventLink {
    let (key, seq) = (master.chain_key(), before.0 + 1);
    let digest = with_event(event, |parts| key.mac(ChainTag::Event, parts));
    let link = key.mac(ChainTag::Link, &[before.1, &bytes(seq), event.id.as_bytes(), &digest]);
    let key_id = master.id().to_string();
    EventLink { seq, event: event.id, digest: digest.to_vec(), link: link.to_vec(), key_id }
}

/// Whether a link stands behind the one `before` it, whatever became of its event.
pub(super) fn is_behind(key: &ChainKey, before: &[u8], it: &EventLink) -> bool {
    let parts: [&[u8]; 4] = [before, &bytes(it.seq), it.event.as_bytes(), &it.digest];
    key.is_mac(&it.link, ChainTag::Link, &parts)
}

/// Whether an event is as it was when it got its link.
pub(super) fn is_of(key: &ChainKey, it: &EventLink, event: &StoredEvent) -> bool {
    with_event(event, |parts| key.is_mac(&it.digest, ChainTag::Event, parts))
}

fn with_head<T>(head: &ChainHead, use_them: impl FnOnce(&[&[u8]]) -> T) -> T {
    use_them(&[
        &bytes(head.begun_at.timestamp_micros()),
        &bytes(head.seq),
        &head.link,
        &bytes(head.horizon.timestamp_micros()),
        &bytes(head.anchor_seq),
        &head.anchor_link,
    ])
}

/// The same head with its MAC.
pub(super) fn sealed(master: &MasterKey, head: ChainHead) -> ChainHead {
    let mac: ChainMac = with_head(&head, |parts| master.chain_key().mac(ChainTag::Head, parts));
    ChainHead { key_id: master.id().to_string(), mac: mac.to_vec(), ..head }
}

/// Whether its MAC is of ours; `None` when it is made with a key that is not given.
pub(super) fn is_ours(keys: &MasterKeys, head: &ChainHead) -> Option<bool> {
    let key = key_of(keys, &head.key_id)?;
    Some(with_head(head, |parts| key.is_mac(&head.mac, ChainTag::Head, parts)))
}

/// The key of this id.
pub(super) fn key_of<'a>(keys: &'a MasterKeys, id: &str) -> Option<&'a ChainKey> {
    keys.iter().find(|key| key.id().to_string() == id).map(MasterKey::chain_key)
}
