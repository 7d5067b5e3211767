//! Command lines for antctl, and unit files that it wrote, with another environment.

use std::ffi::OsString;
use std::path::Path;

use wnm_pm::node::{NodeSpec, PortKind, Ports};
use wnm_pm::process_manager::Mode;

use crate::AntctlSettings;
use crate::words::handed_on;

/// What antctl calls the kinds of ports, each of which it gives to every node.
pub(crate) const PORTS: [(PortKind, &str); 3] =
    [(PortKind::Node, "--node-port"), (PortKind::Metrics, "--metrics-port"), (PortKind::Rpc, "--rpc-port")];

/// All options that `add` is given.
#[cfg(test)]
pub(crate) const OPTIONS: [&str; 24] = [
    "--count",
    "--data-dir-path",
    "--log-dir-path",
    "--path",
    "--version",
    "--max-log-files",
    "--max-archived-log-files",
    "--node-port",
    "--metrics-port",
    "--rpc-port",
    "--env",
    "--rewards-address",
    "--no-upnp",
    "--alpha",
    "--first",
    "--ignore-cache",
    "--local",
    "--relay",
    "--write-older-cache-files",
    "--node-ip",
    "--log-format",
    "--network-contacts-url",
    "--network-id",
    "--peer",
];

/// The arguments of one `antctl add` for a run of nodes, all of which passed [`crate::check::check`] and [`one_call`].
pub(crate) fn add(run: &[&NodeSpec], settings: &AntctlSettings) -> Vec<OsString> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return vec![] };
    let mut line: Vec<OsString> = vec!["add".into()];
    let mut option = |name: &str, value: OsString| line.extend([name.into(), value]);
    if run.len() > 1 {
        option("--count", run.len().to_string().into());
    }
    if settings.mode == Mode::Zen {
        match &settings.antctl_version {
            Some(version) => option("--version", version.into()),
            None => option("--path", first.program.clone().into()),
        }
    } else {
        option("--data-dir-path", parent(&first.root_dir).into());
        option("--log-dir-path", log_parent(first).into());
        option("--path", first.program.clone().into());
        option("--max-log-files", "1".into());
        option("--max-archived-log-files", "1".into());
    }
    for (kind, name) in PORTS {
        match (first.ports.get(kind), last.ports.get(kind)) {
            (Some(from), Some(to)) if from == to => option(name, from.to_string().into()),
            (Some(from), Some(to)) => option(name, format!("{from}-{to}").into()),
            _ => {}
        }
    }
    for (name, value) in &first.environment {
        option("--env", format!("{name}={value}").into());
    }
    option("--rewards-address", first.wallet.clone().into());
    if first.no_upnp {
        line.push("--no-upnp".into());
    }
    // They were checked before.
    line.extend(handed_on(first).unwrap_or_default().into_iter().map(OsString::from));
    line.push(first.network.clone().into());
    line
}

/// Whether antctl can add `next` in the same call as `last`: the next number of everything, and all else alike.
pub(crate) fn one_call(last: &NodeSpec, next: &NodeSpec) -> bool {
    let one_more: Option<Ports> = last.ports.iter().map(|(kind, port)| Some((kind, port.checked_add(1)?))).collect();
    let follows = one_more.as_ref() == Some(&next.ports);
    let alike = |spec: &NodeSpec| {
        (
            parent(&spec.root_dir).to_owned(),
            log_parent(spec),
            spec.program.clone(),
            spec.wallet.clone(),
            spec.network.clone(),
            spec.no_upnp,
            spec.environment.clone(),
            spec.start_args.clone(),
        )
    };
    // antctl refuses a count beside --first.
    let first = last.start_args.iter().any(|word| word == "--first");
    follows && !first && alike(last) == alike(next)
}

/// antctl makes the node's directory in here, under the name that it chooses.
pub(crate) fn parent(directory: &Path) -> &Path {
    directory.parent().unwrap_or(directory)
}

/// antctl makes the node's log directory in here. One inside the node's own directory cannot be had, since its name is not
/// known yet.
pub(crate) fn log_parent(spec: &NodeSpec) -> std::path::PathBuf {
    match spec.log_dir.starts_with(&spec.root_dir) {
        true => parent(&spec.root_dir).join("logs"),
        false => parent(&spec.log_dir).to_owned(),
    }
}

/// A unit file's text with this environment instead of its own: antctl gives a rewritten unit the variables of whichever
/// node was added last.
pub(crate) fn with_environment(unit: &str, environment: &[(String, String)]) -> String {
    let mut lines = Vec::new();
    for line in unit.lines().filter(|line| !line.starts_with("Environment=")) {
        if line.starts_with("ExecStart=") {
            lines.extend(environment.iter().map(|(name, value)| format!("Environment=\"{name}={value}\"")));
        }
        lines.push(line.to_owned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use super::*;
    use wnm_pm::node::{Flavour, NodeId};

    pub(crate) fn spec(number: u16) -> NodeSpec {
        let name = NodeId(number.into()).name();
        let root_dir = Path::new("/srv/nodes").join(&name);
        NodeSpec {
            id: NodeId(number.into()),
            flavour: Flavour::V1,
            program: "/usr/local/bin/antnode".into(),
            version: None,
            binary: root_dir.join("antnode"),
            log_dir: Path::new("/var/log/antnode").join(&name),
            name,
            root_dir,
            bootstrap_cache_dir: "/srv/bootstrap-cache".into(),
            ports: PORTS.iter().zip([55000, 13000, 30000]).map(|((kind, _), start)| (*kind, start + number)).collect(),
            wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![("A".to_owned(), "1, B=2".to_owned())],
            start_args: vec!["--ip=10.0.0.1".to_owned(), "--relay".to_owned()],
            group: None,
        }
    }

    pub(crate) fn settings(mode: Mode) -> AntctlSettings {
        AntctlSettings {
            mode,
            antctl_path: "antctl".into(),
            antctl_debug: false,
            antctl_version: None,
            rust_backtrace: None,
            node_storage: "/srv/nodes".into(),
            log_dir: "/var/log/antnode".into(),
        }
    }

    fn line(words: &[OsString]) -> String {
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn nodes_that_follow_one_another_are_added_in_one_call() {
        let nodes = [spec(7), spec(8), spec(9)];
        assert!(one_call(&nodes[0], &nodes[1]) && one_call(&nodes[1], &nodes[2]));
        assert!(!one_call(&nodes[0], &nodes[2]), "a port is left out");
        let other = NodeSpec { wallet: "0x00455d78f850b0358e8cea5be24d415e01e107cf".to_owned(), ..spec(8) };
        assert!(!one_call(&nodes[0], &other), "their rewards go to different addresses");
        let first = NodeSpec { start_args: vec!["--first".to_owned()], ..spec(7) };
        let next = NodeSpec { start_args: vec!["--first".to_owned()], ..spec(8) };
        assert!(!one_call(&first, &next), "antctl takes no --count beside --first");
        insta::assert_snapshot!(line(&add(&nodes.each_ref(), &settings(Mode::User))), @"
        add
        --count
        3
        --data-dir-path
        /srv/nodes
        --log-dir-path
        /var/log/antnode
        --path
        /usr/local/bin/antnode
        --max-log-files
        1
        --max-archived-log-files
        1
        --node-port
        55007-55009
        --metrics-port
        13007-13009
        --rpc-port
        30007-30009
        --env
        A=1, B=2
        --rewards-address
        0x03B770D9cD32077cC0bF330c13C114a87643B124
        --no-upnp
        --node-ip
        10.0.0.1
        --relay
        evm-arbitrum-one
        ");
    }

    #[test]
    fn zen_gives_ports_and_address_and_leaves_the_paths_to_antctl() {
        insta::assert_snapshot!(line(&add(&[&spec(7)], &settings(Mode::Zen))), @"
        add
        --path
        /usr/local/bin/antnode
        --node-port
        55007
        --metrics-port
        13007
        --rpc-port
        30007
        --env
        A=1, B=2
        --rewards-address
        0x03B770D9cD32077cC0bF330c13C114a87643B124
        --no-upnp
        --node-ip
        10.0.0.1
        --relay
        evm-arbitrum-one
        ");
        let chosen = AntctlSettings { antctl_version: Some("0.4.17".to_owned()), ..settings(Mode::Zen) };
        let words = add(&[&spec(7)], &chosen);
        assert!(words.windows(2).any(|pair| pair == ["--version", "0.4.17"]));
        assert!(!words.contains(&"--path".into()), "antctl shall bring the program itself");
    }

    #[test]
    fn a_log_directory_inside_the_nodes_own_is_moved_beside_it() {
        let inside = NodeSpec { log_dir: "/srv/nodes/antnode0007/logs".into(), ..spec(7) };
        assert_eq!(log_parent(&inside), PathBuf::from("/srv/nodes/logs"));
        assert_eq!(log_parent(&spec(7)), PathBuf::from("/var/log/antnode"));
    }

    #[test]
    fn a_repaired_unit_gets_its_own_environment_back() {
        let unit = "[Service]\nEnvironment=\"OF=another\"\nExecStart=/a --port 1\nRestart=on-success\n";
        let environment = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "two words".to_owned())];
        insta::assert_snapshot!(with_environment(unit, &environment), @r#"
        [Service]
        Environment="A=1"
        Environment="B=two words"
        ExecStart=/a --port 1
        Restart=on-success
        "#);
    }
}
