//! Whose an address may be.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose an address may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// Nobody knows the address.
    Unknown,
    Address(Ipv4Addr),
    /// The first bits, and how many.
    Prefix(Ipv6Addr, u8),
}

impl Network {
    /// The narrowest network of an address: in IPv6 everybody has at least a whole /64 (RFC 6177 §2).
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::Address(address),
            Some(IpAddr::V6(address)) => Self::prefix(address, 64),
        }
    }

    /// All of them, the narrowest first: a customer of a provider has a /56 or a /48, too (RFC 6177 §2).
    pub(crate) fn all_of(address: Option<IpAddr>) -> impl Iterator<Item = Self> {
        let wider = match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => Some([56, 48].map(|length| Self::prefix(address, length))),
            None | Some(IpAddr::V4(_)) => None,
        };
        std::iter::once(Self::of(address)).chain(wider.into_iter().flatten())
    }

    /// How much all of it may do, where one address may do so much: others live in a wide network, but not in all of
    /// it.
    pub(crate) fn share(self, of_one: u32) -> u32 {
        match self {
            Self::Prefix(_, 48) => of_one.saturating_mul(4),
            Self::Prefix(_, 56) => of_one.saturating_mul(2),
            Self::Unknown | Self::Address(_) | Self::Prefix(..) => of_one,
        }
    }

    fn prefix(address: Ipv6Addr, length: u8) -> Self {
        let first = address.to_bits() & (u128::MAX << (128 - u32::from(length)));
        Self::Prefix(Ipv6Addr::from_bits(first), length)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Address(address) => address.fmt(f),
            Self::Prefix(address, length) => write!(f, "{address}/{length}"),
        }
    }
}
