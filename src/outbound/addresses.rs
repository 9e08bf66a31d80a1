//! Which addresses may be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How far a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the networks that the operator named.
    AllowedOnly,
    /// To public addresses, too.
    PublicToo,
}

/// Whether an address may be connected to.
pub(super) fn may_reach(address: IpAddr, reach: Reach, allowed: &[IpNet]) -> bool {
    // ::ffff:127.0.0.1 reaches 127.0.0.1 (RFC 4291 §2.5.5.2).
    let address = address.to_canonical();
    let is_allowed = || allowed.iter().any(|network| network.contains(&address));
    match reach {
        Reach::AllowedOnly => is_allowed(),
        Reach::PublicToo => is_public(address) || is_allowed(),
    }
}

/// What the IANA IPv4 Special-Purpose Address Registry (RFC 6890) does not call globally reachable, and multicast.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    // Shared by a carrier's customers (RFC 6598).
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Link-local, and with it the clouds' metadata services.
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    // The retired way to 6to4 (RFC 7526).
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    // Benchmarks (RFC 2544).
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Multicast (RFC 5771).
    v4([224, 0, 0, 0], 4),
    // Reserved, and broadcast.
    v4([240, 0, 0, 0], 4),
];

/// Of IPv6 only this is global unicast (RFC 4291 §2.4).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// What the IANA IPv6 Special-Purpose Address Registry takes out of it.
const SPECIAL_V6: [Ipv6Net; 4] = [
    // Protocol assignments, Teredo among them.
    v6([0x2001, 0], 23),
    v6([0x2001, 0xdb8], 32),
    // 6to4, retired.
    v6([0x2002, 0], 16),
    // Documentation (RFC 9637).
    v6([0x3fff, 0], 20),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b]: [u16; 2], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // The well-known prefix of NAT64 (RFC 6052 §2.1) is as public as the IPv4 address in it.
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.0.0.1 128.0.0.1 \
        169.253.0.1 172.15.255.255 172.32.0.0 192.0.1.1 192.167.0.1 198.17.255.255 198.20.0.0 203.0.112.1 \
        223.255.255.255 2606:4700::1111 2a00::1 2001:200::1 2001:4860::8888 3fff:1000::1 64:ff9b::1.1.1.1 \
        ::ffff:1.1.1.1";
    const PRIVATE: &str = "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 \
        127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 \
        198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 \
        :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::1.1.1.1 ::ffff:0:1.1.1.1 \
        64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::1 100::1 2001::1 2001:2::1 \
        2001:10::1 2001:20::1 2001:1ff::1 2001:db8::1 2002:7f00:1::1 2002:a00:1::1 2002:101:101::1 3fff::1 \
        3fff:fff::1 5f00::1 4000::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 ff0e::1";

    fn addresses(list: &str) -> impl Iterator<Item = IpAddr> {
        list.split_whitespace().map(|text| text.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_reached_unless_a_network_is_allowed() {
        let everything = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        for (list, is_public) in [(PUBLIC, true), (PRIVATE, false)] {
            for address in addresses(list) {
                assert_eq!(may_reach(address, Reach::PublicToo, &[]), is_public, "{address}");
                assert!(!may_reach(address, Reach::AllowedOnly, &[]), "{address}");
                assert!(may_reach(address, Reach::AllowedOnly, &everything), "{address}");
            }
        }
        let own = ["10.1.0.0/16".parse().unwrap()];
        for reach in [Reach::PublicToo, Reach::AllowedOnly] {
            let allowed: Vec<bool> = addresses("10.1.2.3 ::ffff:10.1.2.3 10.2.0.1 64:ff9b::10.1.2.3")
                .map(|address| may_reach(address, reach, &own))
                .collect();
            assert_eq!(allowed, [true, true, false, false]);
        }
    }
}
