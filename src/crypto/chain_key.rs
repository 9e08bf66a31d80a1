//! MACs of the chain of events: who can write to the database alone can make none.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};

/// A MAC, 32 bytes.
pub type ChainMac = [u8; 32];

/// Of what a MAC is: those of one kind say nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainTag {
    Event,
    Link,
    Head,
}

/// What they are made with.
pub struct ChainKey(hmac::Key);

impl ChainKey {
    #[must_use]
    pub(super) fn new(material: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, material))
    }

    /// The MAC of some parts, each with its length before it.
    #[must_use]
    pub fn mac(&self, tag: ChainTag, parts: &[&[u8]]) -> ChainMac {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(match tag {
            ChainTag::Event => b"heirloom event v1\0",
            ChainTag::Link => b"heirloom event link v1\0",
            ChainTag::Head => b"heirloom event head v1\0",
        });
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut out = [0; 32];
        out.iter_mut().zip(mac.sign().as_ref()).for_each(|(byte, made)| *byte = *made);
        out
    }

    /// Whether it is that.
    #[must_use]
    pub fn is_mac(&self, mac: &[u8], tag: ChainTag, parts: &[&[u8]]) -> bool {
        constant_time::verify_slices_are_equal(mac, &self.mac(tag, parts)).is_ok()
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_of_its_parts_where_they_end_and_of_its_kind() {
        let (key, other) = (ChainKey::new(&[1; 32]), ChainKey::new(&[2; 32]));
        let mac = key.mac(ChainTag::Event, &[b"ab", b"c"]);
        assert!(key.is_mac(&mac, ChainTag::Event, &[b"ab", b"c"]));
        assert!(!key.is_mac(&mac, ChainTag::Event, &[b"a", b"bc"]));
        assert!(!key.is_mac(&mac, ChainTag::Event, &[b"abc"]));
        assert!(!key.is_mac(&mac, ChainTag::Link, &[b"ab", b"c"]));
        assert!(!key.is_mac(mac.split_at(31).0, ChainTag::Event, &[b"ab", b"c"]));
        assert!(!other.is_mac(&mac, ChainTag::Event, &[b"ab", b"c"]));
    }
}
