//! What the owners of accounts were seen with.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::UserId;
use crate::store::{StoreError, Tx, execute, fetch_optional};

/// A device is noted as seen once a day.
const DAY: TimeDelta = TimeDelta::days(1);

/// Whether a device was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenDevice {
    Known,
    /// There are others.
    New,
    /// It is the account's first one.
    First,
}

/// Notes that an account was used with a device.
pub async fn see(
    tx: &mut Tx,
    user: UserId,
    device: &[u8],
    now: DateTime<Utc>,
) -> Result<SeenDevice, StoreError> {
    const FIND: &str = "SELECT seen_at FROM known_devices WHERE device_hash = $1";
    const TOUCH: &str = "UPDATE known_devices SET seen_at = $2 WHERE device_hash = $1";
    const OTHER: &str = "SELECT seen_at FROM known_devices WHERE user_id = $1 LIMIT 1";
    const ADD: &str = "INSERT INTO known_devices (device_hash, user_id, seen_at) VALUES ($1, $2, $3) \
         ON CONFLICT (device_hash) DO NOTHING";
    let found: Option<(DateTime<Utc>,)> = fetch_optional!(within tx, FIND, device)?;
    if let Some((seen_at,)) = found {
        if now - seen_at >= DAY {
            execute!(within tx, TOUCH, device, now)?;
        }
        return Ok(SeenDevice::Known);
    }
    let other: Option<(DateTime<Utc>,)> = fetch_optional!(within tx, OTHER, user.0)?;
    let is_added = execute!(within tx, ADD, device, user.0, now)? > 0;
    Ok(match (is_added, other) {
        (false, _) => SeenDevice::Known,
        (true, Some(_)) => SeenDevice::New,
        (true, None) => SeenDevice::First,
    })
}
