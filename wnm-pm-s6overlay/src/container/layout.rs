//! The directories of a machine have other names inside its containers.

use std::path::{Path, PathBuf};

use crate::settings::{MachineId, S6Settings};

/// Where `node_storage` appears inside containers.
pub const STORAGE: &str = "/var/antctl/services";
/// Where `log_dir` appears inside containers.
const LOGS: &str = "/var/log/antnode";
/// Where `bootstrap_cache_dir` appears inside containers.
const BOOTSTRAP_CACHE: &str = "/var/antctl/bootstrap_cache";

/// Where further storages appear inside containers, each under a name that follows from its path: it stays the same
/// whatever other disks come and go.
pub const DISKS: &str = "/var/antctl/disks";

/// What containers see of a machine: its directory, and their name for it.
#[must_use]
pub fn mounts(settings: &S6Settings) -> Vec<(&Path, String)> {
    let fixed = [
        (&settings.node_storage, STORAGE),
        (&settings.log_dir, LOGS),
        (&settings.bootstrap_cache_dir, BOOTSTRAP_CACHE),
    ];
    let fixed = fixed.map(|(outside, inside)| (outside.as_path(), inside.to_owned())).into_iter();
    fixed.chain(settings.more_storages.iter().map(|disk| (disk.as_path(), of_disk(disk)))).collect()
}

/// Where a further storage appears inside containers.
fn of_disk(disk: &Path) -> String {
    format!("{DISKS}/{}", MachineId::of(disk))
}

/// A path of the machine as containers see it; none for a path that they do not see.
#[must_use]
pub fn inside(settings: &S6Settings, path: &Path) -> Option<PathBuf> {
    mounts(settings).into_iter().find_map(|(outside, inside)| moved(path, outside, Path::new(&inside)))
}

/// The machine's name for a path of a container; none for a path that is the container's own.
#[must_use]
pub fn outside(settings: &S6Settings, path: &Path) -> Option<PathBuf> {
    mounts(settings).into_iter().find_map(|(outside, inside)| moved(path, Path::new(&inside), outside))
}

fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    // Joining nothing would add a slash.
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::{ContainerNetwork, RulesBy};

    /// The settings of a machine whose files are all below this directory.
    pub(crate) fn settings_in(directory: &Path) -> S6Settings {
        S6Settings {
            node_storage: directory.join("nodes"),
            more_storages: vec![],
            log_dir: directory.join("logs"),
            bootstrap_cache_dir: directory.join("cache"),
            docker_image: "wnm-node:latest".to_owned(),
            container_network: ContainerNetwork::Host,
            max_node_per_container: 200,
            engine_address: None,
            rules_by: RulesBy::WhoeverCan,
        }
    }

    #[test]
    fn paths_have_another_name_inside_and_get_theirs_back() {
        let settings = settings_in(Path::new("/data"));
        for (host, container) in [
            ("/data/nodes/antnode0001/antnode", Some("/var/antctl/services/antnode0001/antnode")),
            ("/data/nodes", Some("/var/antctl/services")),
            ("/data/logs/antnode0001", Some("/var/log/antnode/antnode0001")),
            ("/data/cache", Some("/var/antctl/bootstrap_cache")),
            ("/data/nodes2/antnode0001", None),
            ("/data", None),
        ] {
            let seen = inside(&settings, Path::new(host));
            assert_eq!(seen.as_deref(), container.map(Path::new), "{host}");
            if let Some(seen) = seen {
                assert_eq!(outside(&settings, &seen).as_deref(), Some(Path::new(host)));
            }
        }
        assert_eq!(outside(&settings, Path::new("/home/ant")), None);
    }

    #[test]
    fn a_further_disk_has_the_same_name_inside_whatever_else_there_is() {
        let with = |disks: &[&str]| S6Settings {
            more_storages: disks.iter().map(Into::into).collect(),
            ..settings_in(Path::new("/data"))
        };
        let seen = |disks: &[&str]| inside(&with(disks), Path::new("/disk2/antnode0001"));
        insta::assert_snapshot!(seen(&["/disk2"]).expect("it is mounted").display(), @"/var/antctl/disks/9217b208/antnode0001");
        assert_eq!(seen(&["/disk1", "/disk2"]), seen(&["/disk2"]));
        assert_eq!(seen(&["/disk1"]), None);
        let there = seen(&["/disk2"]).expect("it is mounted");
        assert_eq!(outside(&with(&["/disk2"]), &there).as_deref(), Some(Path::new("/disk2/antnode0001")));
    }
}
