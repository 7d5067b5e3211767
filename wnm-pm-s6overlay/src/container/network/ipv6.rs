//! IPv6 is given to containers where the machine has it and does not lose it by forwarding.

use std::fs;

/// Whether containers can be given IPv6: the machine has an address that is more than link-local, and making it forward
/// (which the engine does for such a network) does not cost it its own way out: a machine that forwards drops a default
/// route that the kernel learnt from its router, unless `accept_ra` is 2.
pub fn ipv6_is_usable() -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let switch = |name: &str| read(&format!("/proc/sys/net/ipv6/conf/{name}")).trim().to_owned();
    let forwards = switch("all/forwarding") == "1";
    let survives = |device: &str| switch(&format!("{device}/accept_ra")) == "2";
    has_ipv6() && (forwards || learnt_default_routes(&read("/proc/net/ipv6_route")).all(survives))
}

/// Whether this machine has an IPv6 address that is more than link-local.
pub fn has_ipv6() -> bool {
    has_address(&fs::read_to_string("/proc/net/if_inet6").unwrap_or_default())
}

/// Whether a device that is not a bridge of containers has a global address, from the text of `/proc/net/if_inet6`.
fn has_address(text: &str) -> bool {
    const GLOBAL: &str = "00";
    text.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, scope, _, device] = fields[..] else {
            return false;
        };
        scope == GLOBAL && !["docker", "br-", "wnm-"].iter().any(|bridge| device.starts_with(bridge))
    })
}

/// The devices whose default route the kernel learnt from a router, from the text of `/proc/net/ipv6_route`.
fn learnt_default_routes(text: &str) -> impl Iterator<Item = &str> {
    /// `RTF_ADDRCONF`: learnt from a router's advertisement.
    const LEARNT: u32 = 0x0004_0000;
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, _, _, _, _, flags, device] = fields[..] else {
            return None;
        };
        let is_default = length == "00" && destination.bytes().all(|byte| byte == b'0') && device != "lo";
        (is_default && u32::from_str_radix(flags, 16).ok()? & LEARNT != 0).then_some(device)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_addresses_count_and_those_of_container_bridges_do_not() {
        let line =
            |scope: &str, device: &str| format!("fd000000000000000000000000000002 04 40 {scope} 82     {device}\n");
        assert!(has_address(&line("00", "eth0")));
        assert!(!has_address(&line("20", "eth0")), "a link-local address only");
        assert!(!has_address(&line("00", "br-0a1b2c3d4e5f")));
        assert!(!has_address(&line("00", "wnm-0a1b2c3d")));
        assert!(!has_address(""));
    }

    #[test]
    fn learnt_default_routes_are_distinguished_from_set_ones() {
        let route = |destination: &str, flags: &str| {
            format!(
                "{destination} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 {flags} eth0\n",
                zero = "0".repeat(32)
            )
        };
        let found = |text: &str| learnt_default_routes(text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found(&route(&"0".repeat(32), "00450003")), ["eth0"]);
        assert_eq!(found(&route(&"0".repeat(32), "00000003")), Vec::<String>::new(), "set by hand or by a program");
        assert_eq!(found(&route("fd000000000000000000000000000000", "00450003")), Vec::<String>::new());
    }
}
