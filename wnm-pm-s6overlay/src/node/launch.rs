//! What is run for a node, with its own directories named as its container sees them.

use std::path::{Path, PathBuf};

use wnm_pm::launch::Launch;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;

use crate::container::layout;
use crate::settings::S6Settings;

/// The launch of a node as it is run inside its container: wherever its program, an argument or a variable of its
/// environment names something in one of the node's own directories, the container's name is in its place. All else is
/// handed over as it is.
///
/// # Errors
/// [`ManagerError::Unusable`] for what no process can be given, and for a path that containers do not see.
pub fn inside(settings: &S6Settings, node: &NodeRef) -> Result<Launch, ManagerError> {
    let launch = &node.launch;
    launch.check()?;
    let own = [&node.spec.root_dir, &node.spec.log_dir, &node.spec.bootstrap_cache_dir];
    for path in own {
        seen(settings, path)?;
    }
    let word = |word: &String| renamed(settings, &own, word);
    Ok(Launch {
        program: seen(settings, &launch.program)?,
        arguments: launch.arguments.iter().map(word).collect(),
        environment: launch.environment.iter().map(|(name, value)| (name.clone(), word(value))).collect(),
        directory: seen(settings, &launch.directory)?,
    })
}

/// A path of the machine as containers see it.
fn seen(settings: &S6Settings, path: &Path) -> Result<PathBuf, ManagerError> {
    layout::inside(settings, path).ok_or_else(|| {
        let mounted: Vec<String> =
            layout::mounts(settings).iter().map(|(outside, _)| outside.display().to_string()).collect();
        let reason = format!("containers see nothing of this machine but {}", mounted.join(", "));
        ManagerError::Unusable { what: path.display().to_string(), reason }
    })
}

/// A word that is a path in one of these directories, or an option with such a path behind `=`, with the container's name
/// for it; any other word as it is.
fn renamed(settings: &S6Settings, own: &[&PathBuf], word: &str) -> String {
    let (option, path) = match word.split_once('=') {
        Some((option, value)) if option.starts_with('-') => (Some(option), value),
        _ => (None, word),
    };
    let is_own = own.iter().any(|directory| Path::new(path).starts_with(directory));
    let Some(inside) = layout::inside(settings, Path::new(path)).filter(|_| is_own) else {
        return word.to_owned();
    };
    let inside = inside.to_string_lossy();
    option.map_or_else(|| inside.to_string(), |option| format!("{option}={inside}"))
}

#[cfg(test)]
mod tests {
    use wnm_pm::node::{Flavour, NodeSpec};

    use super::*;
    use crate::node::paths::tests::node_in;

    fn node(change: impl FnOnce(&mut NodeSpec)) -> (S6Settings, NodeRef) {
        let (settings, mut spec) = node_in(Path::new("/data"), Flavour::V1);
        change(&mut spec);
        (settings, NodeRef::new(spec))
    }

    #[test]
    fn a_nodes_own_directories_have_the_containers_names() {
        let (settings, node) = node(|_| ());
        let launch = inside(&settings, &node).expect("it can be run");
        assert_eq!(launch.directory, Path::new("/var/antctl/services/antnode0001"));
        assert_eq!(launch.program, Path::new("/var/antctl/services/antnode0001/antnode"));
        insta::assert_snapshot!(launch.arguments.join(" "), @"--bootstrap-cache-dir /var/antctl/bootstrap_cache --root-dir /var/antctl/services/antnode0001 --port 55001 --enable-metrics-server --metrics-server-port 13001 --log-output-dest /var/log/antnode/antnode0001 --max-log-files 1 --max-archived-log-files 1 --no-upnp --rewards-address 0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa evm-arbitrum-sepolia-test");
    }

    #[test]
    fn what_the_owner_adds_is_left_alone_unless_it_is_in_the_nodes_own_directories() {
        let (settings, node) = node(|spec| {
            spec.start_args = [
                "--config=/data/nodes/antnode0001/node.toml",
                "/data/nodes/antnode0001/",
                "/data/nodes/antnode00012",
                "/data/nodes",
                "--peer=/ip4/10.0.0.1/udp/1",
                "x=/data/nodes/antnode0001",
                "",
            ]
            .map(str::to_owned)
            .to_vec();
            spec.environment =
                vec![("HOME".to_owned(), "/data/nodes/antnode0001".to_owned()), ("A".to_owned(), "/data".to_owned())];
        });
        let launch = inside(&settings, &node).expect("it can be run");
        let own: Vec<&str> = launch.arguments.iter().rev().skip(1).take(7).rev().map(String::as_str).collect();
        assert_eq!(
            own,
            [
                "--config=/var/antctl/services/antnode0001/node.toml",
                "/var/antctl/services/antnode0001",
                "/data/nodes/antnode00012",
                "/data/nodes",
                "--peer=/ip4/10.0.0.1/udp/1",
                "x=/data/nodes/antnode0001",
                "",
            ]
        );
        let values: Vec<&str> = launch.environment.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["/var/antctl/services/antnode0001", "/data"]);
    }

    #[test]
    fn what_containers_do_not_see_is_refused_by_name() {
        let (settings, mut node) = node(|_| ());
        node.launch.program = "/usr/bin/antnode".into();
        insta::assert_snapshot!(inside(&settings, &node).expect_err("containers do not see it"), @"/usr/bin/antnode cannot be used: containers see nothing of this machine but /data/nodes, /data/logs, /data/cache");
        node.launch.program = "/data/nodes/antnode0001/antnode".into();
        node.launch.arguments.push("zero\0".to_owned());
        assert!(matches!(inside(&settings, &node), Err(ManagerError::Unusable { .. })));
    }
}
