//! The directories of a machine have other names inside its containers.

use std::path::{Path, PathBuf};

use crate::settings::S6Settings;

/// Where `node_storage` appears inside containers.
pub const STORAGE: &str = "/var/antctl/services";
/// Where `log_dir` appears inside containers.
const LOGS: &str = "/var/log/antnode";
/// Where `bootstrap_cache_dir` appears inside containers.
const BOOTSTRAP_CACHE: &str = "/var/antctl/bootstrap_cache";

/// What containers see of a machine: its directory, and their name for it.
#[must_use]
pub fn mounts(settings: &S6Settings) -> [(&Path, &'static str); 3] {
    [(&settings.node_storage, STORAGE), (&settings.log_dir, LOGS), (&settings.bootstrap_cache_dir, BOOTSTRAP_CACHE)]
}

/// A path of the machine as containers see it; none for a path that they do not see.
#[must_use]
pub fn inside(settings: &S6Settings, path: &Path) -> Option<PathBuf> {
    mounts(settings).into_iter().find_map(|(outside, inside)| moved(path, outside, Path::new(inside)))
}

/// The machine's name for a path of a container; none for a path that is the container's own.
#[must_use]
pub fn outside(settings: &S6Settings, path: &Path) -> Option<PathBuf> {
    mounts(settings).into_iter().find_map(|(outside, inside)| moved(path, Path::new(inside), outside))
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
}
