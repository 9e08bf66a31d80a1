//! A family's place in the list of its user's, which is read a part at a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::family::Family;
use crate::domain::ids::FamilyId;

/// When a family began, and which of those of that moment it is: no rotation moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub created_at: DateTime<Utc>,
    pub id: FamilyId,
}

impl Place {
    /// Before every family, where the newest come first: in the year 9999, which both engines can hold.
    pub const NEWEST: Self = Self { created_at: at(253_402_300_799_000_000), id: FamilyId(Uuid::max()) };

    /// After every family.
    pub const OLDEST: Self = Self { created_at: at(0), id: FamilyId(Uuid::nil()) };

    /// For whom it means nothing, and who brings it back to go on from there.
    #[must_use]
    pub fn to_opaque(self) -> String {
        let mut bytes = [0; 24];
        let (time, id) = bytes.split_at_mut(8);
        time.copy_from_slice(&self.created_at.timestamp_micros().to_be_bytes());
        id.copy_from_slice(self.id.0.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads it back; `None` when it is not a place.
    #[must_use]
    pub fn of_opaque(text: &str) -> Option<Self> {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (time, id) = bytes.split_first_chunk()?;
        let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*time))?;
        let is_storable = (Self::OLDEST.created_at..=Self::NEWEST.created_at).contains(&created_at);
        is_storable.then_some(Self { created_at, id: FamilyId(Uuid::from_slice(id).ok()?) })
    }
}

const fn at(micros: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time,
        None => DateTime::UNIX_EPOCH,
    }
}

impl Family {
    /// Its place among its user's.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { created_at: self.created_at, id: self.id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_went_out_and_nothing_else_does() {
        let place = Place { created_at: at(1_800_000_000_123_456), id: FamilyId(Uuid::from_u128(7)) };
        for place in [place, Place::NEWEST, Place::OLDEST] {
            assert_eq!(Place::of_opaque(&place.to_opaque()), Some(place));
        }
        assert_eq!(Place::NEWEST.created_at.to_rfc3339(), "9999-12-31T23:59:59+00:00");
        let beyond = |micros: i64| URL_SAFE_NO_PAD.encode([&micros.to_be_bytes()[..], &[0; 16]].concat());
        let text = place.to_opaque();
        for wrong in ["", "x", &text[1..], &format!("{text}AA"), &beyond(-1), &beyond(i64::MAX)] {
            assert_eq!(Place::of_opaque(wrong), None, "{wrong}");
        }
    }
}
