//! The subnet of the containers is chosen once, so that it overlaps nothing that the machine has a route to, and kept in
//! the network itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::rules::Subnet;
use crate::container::addresses::Addresses;
use crate::settings::MachineId;

/// What is set apart for private use, the largest first. Containers get a part of it.
const POOLS: [Subnet<Ipv4Addr>; 3] = [
    Subnet { base: Ipv4Addr::new(10, 0, 0, 0), length: 8 },
    Subnet { base: Ipv4Addr::new(172, 16, 0, 0), length: 12 },
    Subnet { base: Ipv4Addr::new(192, 168, 0, 0), length: 16 },
];
/// A subnet of 1024 addresses has more of them than a bridge can have containers. Where there is no room for it, a smaller
/// one does, down to 28 groups.
const LENGTHS: std::ops::RangeInclusive<u8> = 22..=27;
/// A route for a larger part of the world than this is one half, quarter … of a default route, as VPNs set them.
const WIDEST: u8 = 8;

/// The largest free subnet of the pools, beginning at a place that follows from the machine's id, so that two machines
/// that do not know of each other rarely choose the same. Where routes for whole pools leave nothing free, they do not count:
/// such a route leads to whatever has no route of its own.
#[must_use]
pub fn choose(machine: &MachineId, taken: &[Subnet<Ipv4Addr>]) -> Option<Subnet<Ipv4Addr>> {
    let start = u32::from_str_radix(machine.as_str(), 16).unwrap_or(0);
    let holds_pool =
        |taken: &Subnet<Ipv4Addr>| POOLS.iter().any(|pool| taken.length <= pool.length && overlap(*taken, *pool));
    let narrow: Vec<_> = taken.iter().copied().filter(|taken| !holds_pool(taken)).collect();
    let free_of = |taken: &[Subnet<Ipv4Addr>]| {
        LENGTHS.flat_map(|length| POOLS.map(|pool| (pool, length))).find_map(|(pool, length)| {
            let count = 1_u32 << (length - pool.length);
            (0..count)
                .map(|step| part(pool, length, (start % count + step) % count))
                .find(|candidate| !taken.iter().any(|other| overlap(*candidate, *other)))
        })
    };
    free_of(taken).or_else(|| free_of(&narrow))
}

fn part(pool: Subnet<Ipv4Addr>, length: u8, index: u32) -> Subnet<Ipv4Addr> {
    Subnet { base: Ipv4Addr::from(u32::from(pool.base) | (index << (32 - length))), length }
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

/// The highest group that has an address: the bridge has the first one, a1 the second, and the last is for broadcasts.
#[must_use]
pub fn highest_group(v4: Subnet<Ipv4Addr>) -> u32 {
    (1_u32 << (32 - u32::from(v4.length).clamp(2, 32))).saturating_sub(4)
}

/// The fixed addresses of a group; none when the subnet has no room for it.
#[must_use]
pub fn addresses(group: u32, v4: Subnet<Ipv4Addr>, v6: Option<Subnet<Ipv6Addr>>) -> Option<Addresses> {
    if !(1..=highest_group(v4)).contains(&group) {
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

/// The subnets that the machine has routes to, from the text of `/proc/net/route`; default routes do not count,
/// nor do the parts of one.
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
            (length >= WIDEST).then_some(Subnet { base, length })
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
            tun0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
            tun0\t00000080\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
            tun0\t0000000C\t010200C0\t0003\t0\t0\t0\t000000FC\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let found: Vec<String> = routes(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["172.17.0.0/16"]);
        assert_eq!(routes("nonsense\nnonsense"), []);
    }

    fn chosen(taken: &[&str]) -> Option<String> {
        let taken: Vec<_> = taken.iter().map(|text| parse(text).unwrap()).collect();
        choose(&machine(), &taken).map(|subnet| subnet.to_string())
    }

    #[test]
    fn the_next_pool_or_a_smaller_subnet_is_taken_where_routes_take_the_others() {
        insta::assert_snapshot!(chosen(&[]).unwrap(), @"10.63.20.0/22");
        insta::assert_snapshot!(chosen(&["10.0.0.0/8"]).unwrap(), @"172.31.20.0/22");
        insta::assert_snapshot!(chosen(&["10.0.0.0/9", "10.128.0.0/9", "172.16.0.0/12"]).unwrap(), @"192.168.20.0/22");
        let halves = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/17", "192.168.128.0/18", "192.168.192.0/19"];
        let rest = ["192.168.224.0/20", "192.168.240.0/21", "192.168.248.0/22", "192.168.252.0/23", "192.168.254.0/24"];
        insta::assert_snapshot!(chosen(&[&halves[..], &rest].concat()).unwrap(), @"192.168.255.0/24");
    }

    #[test]
    fn routes_for_whole_pools_count_only_while_there_is_room_beside_them() {
        let pools = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
        insta::assert_snapshot!(chosen(&pools).unwrap(), @"10.63.20.0/22");
        let used = [&pools[..], &["10.0.0.0/9", "10.63.20.0/24"]].concat();
        insta::assert_snapshot!(chosen(&used).unwrap(), @"10.128.0.0/22");
        let all =
            ["10.0.0.0/9", "10.128.0.0/9", "172.16.0.0/13", "172.24.0.0/13", "192.168.0.0/17", "192.168.128.0/17"];
        assert_eq!(chosen(&all), None);
    }

    #[test]
    fn groups_have_addresses_as_far_as_the_subnet_goes() {
        let v4 = parse("10.20.4.0/22").unwrap();
        assert_eq!(addresses(1, v4, None).unwrap().v4.to_string(), "10.20.4.2");
        assert_eq!(highest_group(v4), 1020);
        assert_eq!(addresses(1020, v4, None).unwrap().v4.to_string(), "10.20.7.253");
        assert_eq!(addresses(0, v4, None), None);
        assert_eq!(addresses(1021, v4, None), None);
        assert_eq!(highest_group(parse("192.168.1.0/27").unwrap()), 28);
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
