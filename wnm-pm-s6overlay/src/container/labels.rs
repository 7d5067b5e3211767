//! The labels of a group's container say whose it is and what it was made from.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use wnm_pm::container_host::{GroupSpec, Range, Ranges};
use wnm_pm::node::PortKind;
use wnm_pm::user::Owner;

use super::addresses::Addresses;
use crate::settings::S6Settings;

/// The label that says for which machine something is.
pub const MACHINE: &str = "wnm.machine";
/// The label that says what something is: `group` or `helper`.
pub const ROLE: &str = "wnm.role";
/// The label that names the image of a group.
pub const IMAGE: &str = "wnm.image";

/// The label that names the storage of a group's nodes.
pub const STORAGE: &str = "wnm.node_storage";

/// The label that says which wnm a helper works for: see [`crate::host::caller`].
pub const CALLER: &str = "wnm.caller";

const GROUP: &str = "wnm.group";
/// The label that holds the name of a group.
pub const NAME: &str = "wnm.name";
const ADDRESS: &str = "wnm.address";

/// The label that holds a group's range of ports of this kind: `wnm.node_ports`.
fn ports(kind: PortKind) -> String {
    format!("wnm.{kind}_ports")
}

/// The labels of a group's container. They hold all that it was made from: when they differ from what it would be made
/// from now, it is made again.
#[must_use]
pub fn labels(
    settings: &S6Settings,
    spec: &GroupSpec,
    addresses: Option<Addresses>,
    owner: Owner,
) -> BTreeMap<String, String> {
    let fixed = [
        (MACHINE, settings.machine().to_string()),
        (ROLE, "group".to_owned()),
        (STORAGE, settings.node_storage.display().to_string()),
        ("wnm.log_dir", settings.log_dir.display().to_string()),
        ("wnm.bootstrap_cache_dir", settings.bootstrap_cache_dir.display().to_string()),
        (GROUP, spec.group.to_string()),
        (NAME, spec.name.clone()),
        (IMAGE, spec.image.clone()),
        ("wnm.network", settings.container_network.to_string()),
        ("wnm.owner", format!("{}:{}", owner.uid, owner.gid)),
    ];
    let address = addresses.map(|addresses| (ADDRESS, addresses.v4.to_string()));
    let address6 = addresses.and_then(|addresses| Some(("wnm.address6", addresses.v6?.to_string())));
    let named = fixed.into_iter().chain(address).chain(address6).map(|(name, value)| (name.to_owned(), value));
    named.chain(spec.ports.iter().map(|(kind, range)| (ports(*kind), range.to_string()))).collect()
}

/// The number of the group whose container a label set is on; none when it is on no group's.
#[must_use]
pub fn group(labels: &HashMap<String, String>) -> Option<u32> {
    labels.get(GROUP)?.parse().ok()
}

/// What a label set says about the group whose container it is on; none when it is not the label set of a group.
#[must_use]
pub fn group_spec(labels: &HashMap<String, String>) -> Option<(GroupSpec, Option<IpAddr>)> {
    let text = |name: &str| labels.get(name).cloned();
    let range = |kind: PortKind| Some((kind, parse_range(labels.get(&ports(kind))?)));
    let ranges = PortKind::ALL.into_iter().filter_map(range).map(|(kind, range)| Some((kind, range?)));
    let spec = GroupSpec {
        group: text(GROUP)?.parse().ok()?,
        name: text(NAME)?,
        image: text(IMAGE)?,
        ports: ranges.collect::<Option<Ranges>>()?,
    };
    Some((spec, text(ADDRESS).and_then(|address| address.parse().ok())))
}

fn parse_range(text: &str) -> Option<Range> {
    let (first, last) = text.split_once('-')?;
    Some(Range { first: first.parse().ok()?, last: last.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::container::layout::tests::settings_in;

    fn spec() -> GroupSpec {
        let ports = PortKind::ALL.into_iter().zip([55_001, 13_001, 30_001]);
        GroupSpec {
            group: 1,
            name: "a1".to_owned(),
            image: "wnm-node:latest".to_owned(),
            ports: ports.map(|(kind, first)| (kind, Range { first, last: first + 199 })).collect(),
        }
    }

    fn labels_of(spec: &GroupSpec) -> HashMap<String, String> {
        let settings = settings_in(Path::new("/data"));
        labels(&settings, spec, None, Owner { uid: 1000, gid: 1000 }).into_iter().collect()
    }

    /// The label set of a container that the first version of wnm made, as the engine lists it.
    const FIRST_VERSION: [(&str, &str); 14] = [
        ("wnm.address", "10.20.4.2"),
        ("wnm.address6", "fd77::2"),
        ("wnm.bootstrap_cache_dir", "/data/cache"),
        ("wnm.group", "1"),
        ("wnm.image", "wnm-node:latest"),
        ("wnm.log_dir", "/data/logs"),
        ("wnm.machine", "37a9e98a"),
        ("wnm.metrics_ports", "13001-13200"),
        ("wnm.name", "a1"),
        ("wnm.network", "published"),
        ("wnm.node_ports", "55001-55200"),
        ("wnm.node_storage", "/data/nodes"),
        ("wnm.owner", "1000:1000"),
        ("wnm.role", "group"),
    ];

    #[test]
    fn containers_of_the_first_version_are_recognised_and_count_as_right() {
        let old: HashMap<String, String> =
            FIRST_VERSION.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (read, address) = group_spec(&old).expect("it is a group's");
        let mut wanted = spec();
        wanted.ports.retain(|kind, _| [PortKind::Node, PortKind::Metrics].contains(kind));
        assert_eq!(read, wanted);
        assert_eq!(address, Some("10.20.4.2".parse().expect("it is an address")));

        let settings =
            S6Settings { container_network: crate::ContainerNetwork::Published, ..settings_in(Path::new("/data")) };
        let addresses =
            Addresses { v4: "10.20.4.2".parse().expect("it is one"), v6: Some("fd77::2".parse().expect("it is one")) };
        let now = labels(&settings, &wanted, Some(addresses), Owner { uid: 1000, gid: 1000 });
        assert_eq!(now.into_iter().collect::<HashMap<_, _>>(), old, "nothing of it would be different now");
    }

    #[test]
    fn ranges_of_every_kind_are_read_back() {
        let spec = spec();
        assert_eq!(group_spec(&labels_of(&spec)).map(|(read, _)| read), Some(spec));
    }

    #[test]
    fn labels_that_are_not_a_groups_are_not_read() {
        assert_eq!(group_spec(&HashMap::new()), None);
        let mut broken = labels_of(&spec());
        broken.insert("wnm.node_ports".to_owned(), "55001".to_owned());
        assert_eq!(group_spec(&broken), None);
    }
}
