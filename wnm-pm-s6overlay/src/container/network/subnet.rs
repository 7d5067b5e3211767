//! The subnet of the containers is chosen once, so that it overlaps nothing that the machine has a route to, and kept in
//! the network itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::rules::Subnet;
use crate::container::addresses::Addresses;
use crate::settings::MachineId;

/// Subnets hold 1022 addresses: one for the bridge, and more than a bridge can have containers.
const LENGTH: u8 = 22;
/// How many such subnets 10.0.0.0/8 has.
const COUNT: u32 = 1 << (LENGTH - 8);
/// The highest group that has an address: the bridge has the first one, a1 the second.
pub const HIGHEST_GROUP: u32 = 1020;

/// The first free subnet of 10.0.0.0/8, beginning at a place that follows from the machine's id, so that two machines
/// that do not know of each other rarely choose the same.
#[must_use]
pub fn choose(machine: &MachineId, taken: &[Subnet<Ipv4Addr>]) -> Option<Subnet<Ipv4Addr>> {
    let start = u32::from_str_radix(machine.as_str(), 16).unwrap_or(0) % COUNT;
    (0..COUNT)
        .map(|step| {
            let index = (start + step) % COUNT;
            Subnet { base: Ipv4Addr::from((10 << 24) | (index << (32 - LENGTH))), length: LENGTH }
        })
        .find(|candidate| !taken.iter().any(|other| overlap(*candidate, *other)))
}

/// The subnet for IPv6: private, and the machine's own by its id.
#[must_use]
pub fn private6(machine: &MachineId) -> Subnet<Ipv6Addr> {
    let id = u32::from_str_radix(machine.as_str(), 16).unwrap_or(0);
    let [a, b, c, d] = id.to_be_bytes().map(u16::from);
    // fd, then `wnm` in ASCII: within what is set apart for private use.
    let base = Ipv6Addr::new(0xfd77, 0x6e6d, (a << 8) | b, (c << 8) | d, 0, 0, 0, 0);
    Subnet { base, length: 64 }
}

/// The fixed addresses of a group; none when the subnet has no room for it.
#[must_use]
pub fn addresses(group: u32, v4: Subnet<Ipv4Addr>, v6: Option<Subnet<Ipv6Addr>>) -> Option<Addresses> {
    if !(1..=HIGHEST_GROUP).contains(&group) {
        return None;
    }
    Some(Addresses {
        v4: Ipv4Addr::from(u32::from(v4.base) + group + 1),
        v6: v6.map(|subnet| Ipv6Addr::from(u128::from(subnet.base) + u128::from(group) + 1)),
    })
}

/// Whether two subnets have an address in common.
fn overlap(one: Subnet<Ipv4Addr>, other: Subnet<Ipv4Addr>) -> bool {
    let common = one.length.min(other.length);
    let mask = u32::MAX.checked_shl(u32::from(32 - common)).unwrap_or(0);
    u32::from(one.base) & mask == u32::from(other.base) & mask
}

/// Reads `10.20.4.0/22`.
#[must_use]
pub fn parse<A: std::str::FromStr>(text: &str) -> Option<Subnet<A>> {
    let (base, length) = text.split_once('/')?;
    Some(Subnet { base: base.parse().ok()?, length: length.parse().ok()? })
}

/// The subnets that the machine has routes to, from the text of `/proc/net/route`; the default route does not count.
#[must_use]
pub fn routes(text: &str) -> Vec<Subnet<Ipv4Addr>> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            // The kernel prints the four bytes as one number in the machine's own order.
            let mut address = |position| {
                let number = u32::from_str_radix(fields.nth(position)?, 16).ok()?;
                Some(Ipv4Addr::from(number.to_ne_bytes()))
            };
            let (base, mask) = (address(1)?, address(5)?);
            let length = u8::try_from(u32::from(mask).leading_ones()).ok()?;
            (length > 0).then_some(Subnet { base, length })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn machine() -> MachineId {
        MachineId::of(Path::new("/var/antctl/services"))
    }

    #[test]
    fn routes_are_read_without_the_default_route() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let found: Vec<String> = routes(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["172.17.0.0/16"]);
        assert_eq!(routes("nonsense\nnonsense"), []);
    }

    #[test]
    fn a_machine_whose_routes_take_everything_has_no_room() {
        assert_eq!(choose(&machine(), &[parse("10.0.0.0/8").unwrap()]), None);
    }

    #[test]
    fn groups_have_addresses_as_far_as_the_subnet_goes() {
        let v4 = parse("10.20.4.0/22").unwrap();
        assert_eq!(addresses(1, v4, None).unwrap().v4.to_string(), "10.20.4.2");
        assert_eq!(addresses(HIGHEST_GROUP, v4, None).unwrap().v4.to_string(), "10.20.7.253");
        assert_eq!(addresses(0, v4, None), None);
        assert_eq!(addresses(HIGHEST_GROUP + 1, v4, None), None);
        let v6 = private6(&machine());
        insta::assert_snapshot!(addresses(1, v4, Some(v6)).unwrap().v6.unwrap(), @"fd77:6e6d:d799:fc5::2");
    }

    proptest! {
        #[test]
        fn what_is_chosen_overlaps_nothing(taken in prop::collection::vec((any::<u32>(), 9_u8..=32), 0..50)) {
            let taken: Vec<_> = taken
                .into_iter()
                .map(|(bits, length)| Subnet { base: Ipv4Addr::from((bits & 0x00ff_ffff) | (10 << 24)), length })
                .collect();
            if let Some(chosen) = choose(&machine(), &taken) {
                let range = |subnet: Subnet<Ipv4Addr>| {
                    let size = 1_u64 << (32 - subnet.length);
                    let first = u64::from(u32::from(subnet.base)) / size * size;
                    first..first + size
                };
                for other in taken {
                    let (a, b) = (range(chosen), range(other));
                    prop_assert!(a.end <= b.start || b.end <= a.start);
                }
            }
        }
    }
}
