//! The paths of a node are its own when they are where this machine's nodes are and no symbolic link leads elsewhere.

use wnm_pm::node::NodeSpec;
use wnm_pm::path_policy;
use wnm_pm::process_manager::ManagerError;

use crate::settings::{S6Settings, group_name};
use crate::storage::{definitions, refuse_links};

/// Refuses a node whose paths are not what a node of this machine can have.
///
/// # Errors
/// [`ManagerError::NotOurs`] or [`ManagerError::Unusable`] with the path and what is wrong with it.
pub fn check(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    path_policy::check_paths(&settings.storages(), spec)?;
    if spec.name != spec.id.name() {
        let reason = format!("node {} has the name {}", spec.id, spec.id.name());
        return Err(ManagerError::Unusable { what: format!("the name {:?}", spec.name), reason });
    }
    let definitions = definitions(&settings.node_storage);
    if path_policy::own_path(&spec.root_dir)?.starts_with(path_policy::resolve(&definitions)) {
        let what = format!("root_dir {}", spec.root_dir.display());
        return Err(ManagerError::Unusable { what, reason: "the definitions of nodes are there".to_owned() });
    }
    let Some(group) = spec.group else { return refuse_links(&[&definitions]) };
    let of_group = definitions.join(group_name(group));
    let own = of_group.join(&spec.name);
    refuse_links(&[&definitions, &of_group, &own])
}

/// The group that a node lives in.
///
/// # Errors
/// [`ManagerError::Unusable`] for a node without one.
pub fn group(spec: &NodeSpec) -> Result<u32, ManagerError> {
    let without = || ManagerError::Unusable { what: spec.name.clone(), reason: "it has no container group".to_owned() };
    spec.group.ok_or_else(without)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use wnm_pm::node::{Flavour, NodeId, PortKind, Ports};

    use super::*;
    use crate::container::layout::tests::settings_in;

    /// Node 1 of group a1 on a machine whose files are all below this directory.
    pub(in crate::node) fn node_in(directory: &Path, flavour: Flavour) -> (S6Settings, NodeSpec) {
        let settings = settings_in(directory);
        let root_dir = settings.node_storage.join("antnode0001");
        let spec = NodeSpec {
            id: NodeId(1),
            name: NodeId(1).name(),
            flavour,
            program: "/bin/antnode".into(),
            version: None,
            binary: root_dir.join(flavour.program_name()),
            log_dir: settings.log_dir.join("antnode0001"),
            root_dir,
            bootstrap_cache_dir: settings.bootstrap_cache_dir.clone(),
            ports: flavour.ports().iter().zip([55_001, 13_001]).fold(Ports::default(), with),
            wallet: format!("0x{}", "a".repeat(40)),
            network: "evm-arbitrum-sepolia-test".to_owned(),
            no_upnp: true,
            environment: vec![],
            start_args: vec![],
            group: Some(1),
        };
        (settings, spec)
    }

    fn with(ports: Ports, (kind, port): (&PortKind, u16)) -> Ports {
        ports.with(*kind, port)
    }

    #[test]
    fn definitions_behind_a_link_are_refused() {
        for link in [".s6", ".s6/a1", ".s6/a1/antnode0001"] {
            let (machine, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (settings, spec) = node_in(machine.path(), Flavour::V1);
            fs::create_dir(&settings.node_storage).unwrap();
            check(&settings, &spec).unwrap();
            let link = settings.node_storage.join(link);
            fs::create_dir_all(&link).unwrap();
            check(&settings, &spec).unwrap();
            fs::remove_dir(&link).unwrap();
            symlink(elsewhere.path(), &link).unwrap();
            let refused = check(&settings, &spec);
            assert!(matches!(&refused, Err(ManagerError::NotOurs { path, .. }) if *path == link), "{refused:?}");
        }
    }

    #[test]
    fn a_directory_among_the_definitions_and_a_name_of_another_number_are_refused() {
        let machine = tempfile::tempdir().unwrap();
        let (settings, spec) = node_in(machine.path(), Flavour::V1);
        let root_dir = settings.node_storage.join(".s6/antnode0001");
        let hidden = NodeSpec { binary: root_dir.join("antnode"), root_dir, ..spec.clone() };
        let renamed = NodeSpec { name: "antnode0002".to_owned(), ..spec };
        for refused in [check(&settings, &hidden), check(&settings, &renamed)] {
            assert!(matches!(&refused, Err(ManagerError::Unusable { .. })), "{refused:?}");
        }
    }
}
