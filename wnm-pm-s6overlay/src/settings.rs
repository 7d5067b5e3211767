//! What this process manager must know about a machine, and the names that follow from it.

use std::fmt;
use std::path::{Path, PathBuf};

pub use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::storages::Storages;

/// The word for this manager.
pub const MANAGER: &str = "s6overlay+user";

/// The name of a group: 1 is `a1`.
#[must_use]
pub fn group_name(group: u32) -> String {
    format!("a{group}")
}

/// Who sets the address-translation rules of published ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RulesBy {
    /// wnm itself when it is root, has `nft` and uses this machine's engine; otherwise a helper container.
    #[default]
    WhoeverCan,
    /// A short-lived container of the same image, on the machine's network, with `CAP_NET_ADMIN`.
    Helper,
}

/// What sets this machine's containers, network and rules apart from those of another wnm on the same engine: eight
/// hexadecimal digits that follow from the path of `node_storage`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MachineId(String);

impl MachineId {
    /// The id that belongs to this `node_storage`.
    #[must_use]
    pub fn of(node_storage: &Path) -> Self {
        // FNV-1a, folded to 32 bits: it has to be the same for every version of wnm, which std's hashers are not.
        let hash = node_storage
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Self(format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff)))
    }

    /// The eight digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the network and of its bridge, at most 15 bytes as the kernel demands: `wnm-0a1b2c3d`.
    #[must_use]
    pub fn network_name(&self) -> String {
        format!("wnm-{}", self.0)
    }

    /// The name of the table of rules: `wnm_0a1b2c3d`.
    #[must_use]
    pub fn table_name(&self) -> String {
        format!("wnm_{}", self.0)
    }

    /// The name of a group's container: `wnm-0a1b2c3d-a1`.
    #[must_use]
    pub fn container_name(&self, group_name: &str) -> String {
        format!("wnm-{}-{group_name}", self.0)
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// What this process manager must know about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S6Settings {
    /// Where the nodes' own directories are on this machine; containers see it as `/var/antctl/services`.
    pub node_storage: PathBuf,
    /// Further directories that nodes' own directories are in, on other disks. What wnm itself keeps for containers is in
    /// `node_storage` alone.
    pub more_storages: Vec<PathBuf>,
    /// Where nodes write their logs on this machine.
    pub log_dir: PathBuf,
    /// Where nodes of this machine share the peers they know.
    pub bootstrap_cache_dir: PathBuf,
    /// The image that new containers are made of.
    pub docker_image: String,
    /// How ports reach the world.
    pub container_network: ContainerNetwork,
    /// Nodes per container group, at most.
    pub max_node_per_container: u32,
    /// The engine's address, such as `unix:///run/user/1000/docker.sock`; none: `DOCKER_HOST`, else the usual sockets.
    pub engine_address: Option<String>,
    /// Who sets the rules of published ranges.
    pub rules_by: RulesBy,
}

impl S6Settings {
    /// The machine's id.
    #[must_use]
    pub fn machine(&self) -> MachineId {
        MachineId::of(&self.node_storage)
    }

    /// All directories that nodes' own directories are in.
    #[must_use]
    pub fn storages(&self) -> Storages {
        self.more_storages.iter().fold(Storages::from(&self.node_storage), |storages, more| storages.with(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_stays_the_same_over_versions() {
        let id = MachineId::of(Path::new("/var/antctl/services"));
        insta::assert_snapshot!(id, @"d7990fc5");
        assert!(id.network_name().len() <= 15, "the kernel takes 15 bytes for the name of a bridge");
    }

    #[test]
    fn machines_on_one_engine_differ() {
        assert_ne!(MachineId::of(Path::new("/a")), MachineId::of(Path::new("/b")));
    }
}
