//! The paths of a node are its own when they lie where this machine's nodes lie and no symbolic link leads elsewhere; and
//! each has another name inside the node's container.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::node::NodeSpec;
use wnm_pm::path_policy;
use wnm_pm::process_manager::ManagerError;

use crate::render;
use crate::settings::S6Settings;
use crate::spec::{BOOTSTRAP_INSIDE, LOGS_INSIDE};

/// Refuses a node whose values no process can be given, or whose paths are not what a node of this machine can have.
///
/// # Errors
/// [`ManagerError::Unusable`] for values, [`ManagerError::NotOurs`] for paths.
pub fn check(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    path_policy::check(&settings.node_storage, spec)?;
    if spec.name != spec.id.name() {
        let reason = format!("node {} is called {}", spec.id, spec.id.name());
        return Err(unusable(format!("the name {:?}", spec.name), &reason));
    }
    if path_policy::own_path(&spec.root_dir)?.starts_with(path_policy::resolve(&settings.node_storage).join(".s6")) {
        return Err(unusable(format!("root_dir {}", spec.root_dir.display()), "nodes' definitions lie there"));
    }
    let definitions = definitions(settings);
    let Some(group) = spec.group else { return refuse_links(&[&definitions]) };
    let of_group = definitions.join(group_name(group));
    let own = of_group.join(&spec.name);
    refuse_links(&[&definitions, &of_group, &own])
}

/// Where the definitions of all nodes lie.
#[must_use]
pub fn definitions(settings: &S6Settings) -> PathBuf {
    settings.node_storage.join(".s6")
}

/// Refuses what is there and is anything but a directory of its own. What nodes run as may write to the volume, and wnm,
/// which may be root, writes and deletes in these: a link there would lead it elsewhere.
///
/// # Errors
/// [`ManagerError::NotOurs`] with the path.
pub fn refuse_links(directories: &[&Path]) -> Result<(), ManagerError> {
    for directory in directories {
        if fs::symlink_metadata(directory).is_ok_and(|data| !data.is_dir()) {
            let reason = "it is not a directory of its own".to_owned();
            return Err(ManagerError::NotOurs { path: directory.to_path_buf(), reason });
        }
    }
    Ok(())
}

/// The group that a node lives in.
///
/// # Errors
/// [`ManagerError::Unusable`] for a node without one.
pub fn group(spec: &NodeSpec) -> Result<u32, ManagerError> {
    spec.group.ok_or_else(|| unusable(spec.name.clone(), "it belongs to no container group"))
}

/// The name of a group, `a1`.
#[must_use]
pub fn group_name(group: u32) -> String {
    format!("a{group}")
}

/// A node as its container sees it: the same with the container's names for all paths.
///
/// # Errors
/// [`ManagerError::Unusable`] for a path that containers do not see.
pub fn inside(settings: &S6Settings, spec: &NodeSpec) -> Result<NodeSpec, ManagerError> {
    Ok(NodeSpec {
        root_dir: path_inside(settings, &spec.root_dir)?,
        binary: path_inside(settings, &spec.binary)?,
        log_dir: path_inside(settings, &spec.log_dir)?,
        bootstrap_cache_dir: path_inside(settings, &spec.bootstrap_cache_dir)?,
        ..spec.clone()
    })
}

fn path_inside(settings: &S6Settings, path: &Path) -> Result<PathBuf, ManagerError> {
    let under = |host: &Path, inside: &str| path.strip_prefix(host).ok().map(|rest| join(Path::new(inside), rest));
    render::inside(&settings.node_storage, path)
        .or_else(|| under(&settings.log_dir, LOGS_INSIDE))
        .or_else(|| under(&settings.bootstrap_cache_dir, BOOTSTRAP_INSIDE))
        .ok_or_else(|| {
            let seen = [&settings.node_storage, &settings.log_dir, &settings.bootstrap_cache_dir];
            let seen = seen.map(|path| path.display().to_string()).join(", ");
            unusable(path.display().to_string(), &format!("containers see nothing but {seen}"))
        })
}

/// Joining nothing would add a slash.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}

/// The name on this machine of a path that a container has in `node_storage`, or among the logs.
#[must_use]
pub fn outside(settings: &S6Settings, path: &Path) -> Option<PathBuf> {
    let under = |inside: &str, host: &Path| path.strip_prefix(inside).ok().map(|rest| join(host, rest));
    under(render::STORAGE, &settings.node_storage).or_else(|| under(LOGS_INSIDE, &settings.log_dir))
}

fn unusable(what: String, reason: &str) -> ManagerError {
    ManagerError::Unusable { what, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use wnm_pm::node::{Flavour, NodeId, Ports};

    use super::*;
    use crate::{ContainerNetwork, RulesBy};

    fn node_in(storage: &Path) -> (S6Settings, NodeSpec) {
        let root_dir = storage.join("antnode0001");
        let spec = NodeSpec {
            id: NodeId(1),
            name: NodeId(1).name(),
            flavour: Flavour::V1,
            program: "/bin/antnode".into(),
            version: None,
            binary: root_dir.join("antnode"),
            log_dir: root_dir.join("logs"),
            root_dir,
            bootstrap_cache_dir: storage.join("cache"),
            ports: Ports { node: 55_001, metrics: 13_001, rpc: 30_001 },
            wallet: format!("0x{}", "a".repeat(40)),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![],
            start_args: vec![],
            group: Some(1),
        };
        let settings = S6Settings {
            node_storage: storage.to_owned(),
            log_dir: storage.join("logs"),
            bootstrap_cache_dir: storage.join("cache"),
            docker_image: "wnm-node:latest".to_owned(),
            container_network: ContainerNetwork::Host,
            max_node_per_container: 200,
            engine_address: None,
            rules_by: RulesBy::WhoeverCan,
        };
        (settings, spec)
    }

    #[test]
    fn definitions_behind_a_link_are_refused() {
        for link in [".s6", ".s6/a1", ".s6/a1/antnode0001"] {
            let (storage, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (settings, spec) = node_in(storage.path());
            check(&settings, &spec).unwrap();
            let link = storage.path().join(link);
            fs::create_dir_all(&link).unwrap();
            check(&settings, &spec).unwrap();
            fs::remove_dir(&link).unwrap();
            symlink(elsewhere.path(), &link).unwrap();
            let refused = check(&settings, &spec);
            assert!(matches!(&refused, Err(ManagerError::NotOurs { path, .. }) if *path == link), "{refused:?}");
        }
    }
}
