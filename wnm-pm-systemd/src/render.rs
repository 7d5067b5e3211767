//! Rendering writes a node's unit, and the slice that all nodes are in. Pure.

use std::fmt::Write;

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::storages::Storages;
use wnm_pm::unit_file;

use crate::mark;
use crate::paths::{NODE_USER, SLICE, Scope};

/// The first line of every file that wnm writes for systemd.
pub(crate) const HEADER: &str =
    "# Written by wnm, and rewritten when a node starts: put changes into a drop-in (`systemctl edit`).";

/// The first systemd that lets the pause between restarts grow.
const GROWING_PAUSES: u32 = 254;

/// The unit of a node of these storages, for a systemd of this version.
///
/// # Errors
/// [`ManagerError::Unusable`] for a value that systemd cannot carry.
pub(crate) fn unit(
    node: &NodeRef,
    node_storage: &Storages,
    scope: Scope,
    version: u32,
) -> Result<String, ManagerError> {
    let NodeRef { spec, launch, .. } = node;
    let exec_start = unit_file::exec_start(&launch.program, &launch.arguments)?;
    let directory = unit_file::working_directory(&launch.directory)?;
    let mark = mark::line(node_storage.of_or_first(&spec.root_dir))?;
    let mut text = format!("{HEADER}\n[Unit]\nDescription=Autonomi node {}\n{mark}\n", spec.id);
    if scope == Scope::System {
        // A user's systemd knows nothing of the network; there the restarts do.
        text += "Wants=network-online.target\nAfter=network-online.target\n";
    }
    text += "StartLimitIntervalSec=600\nStartLimitBurst=10\n\n[Service]\nType=exec\n";
    if scope == Scope::System {
        let _ = writeln!(text, "User={NODE_USER}");
    }
    let _ = writeln!(text, "Slice={SLICE}\nWorkingDirectory={directory}\nExecStart={exec_start}");
    for (name, value) in &launch.environment {
        let _ = writeln!(text, "Environment={}", unit_file::environment(name, value)?);
    }
    text += RESTART;
    if version >= GROWING_PAUSES {
        text += "RestartSteps=6\nRestartMaxDelaySec=300\n";
    }
    text += LIMITS;
    text += SANDBOX;
    if scope == Scope::System {
        text += SYSTEM_SANDBOX;
        for path in [&spec.root_dir, &spec.log_dir, &spec.bootstrap_cache_dir] {
            // With a hyphen, since people delete logs: systemd would not even try to start the node.
            let _ = writeln!(text, "ReadWritePaths=-{}", unit_file::path(path)?);
        }
    }
    let target = match scope {
        Scope::System => "multi-user.target",
        Scope::User => "default.target",
    };
    let _ = write!(text, "\n[Install]\nWantedBy={target}\n");
    Ok(text)
}

/// The slice that all nodes are in, so that they can be watched and limited together.
pub(crate) fn slice() -> String {
    format!("{HEADER}\n[Unit]\nDescription=Autonomi nodes\n")
}

/// Always: a v2 node ends with exit code 0 to be restarted after its own upgrade, a v1 node dies with any code.
const RESTART: &str = "Restart=always\nRestartSec=5\n";

/// SIGTERM ends a node at once; one that hangs is killed. A node has a file for each connection, a thread for each
/// processor, and on a busy disk up to 512 more.
const LIMITS: &str = "KillMode=mixed\nTimeoutStopSec=10\nLimitNOFILE=65536\nTasksMax=1024\n";

/// What works without any rights, so also in a user's systemd. A node talks to peers (internet), to this machine's
/// resolver (unix) and asks the kernel for its addresses (netlink).
const SANDBOX: &str = "\
UMask=0077
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
";

/// What only the machine's own systemd can do. The home directories stay readable: the program may lie in one.
const SYSTEM_SANDBOX: &str = "\
CapabilityBoundingSet=
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
";

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use wnm_pm::node::{Flavour, NodeId, NodeSpec};

    use super::*;

    pub(crate) const STORAGE: &str = "/var/antctl/services";

    /// A node of each flavour in each network.
    pub(crate) fn specs() -> Vec<NodeSpec> {
        let networks = ["evm-arbitrum-one", "evm-arbitrum-sepolia-test"];
        let of = |flavour| networks.map(|network| NodeSpec { network: network.to_owned(), ..spec(flavour) });
        Flavour::ALL.into_iter().flat_map(of).collect()
    }

    fn spec(flavour: Flavour) -> NodeSpec {
        NodeSpec {
            id: NodeId(7),
            name: NodeId(7).name(),
            flavour,
            program: "/usr/local/bin/antnode".into(),
            version: None,
            root_dir: "/var/antctl/services/antnode0007".into(),
            binary: format!("/var/antctl/services/antnode0007/{}", flavour.program_name()).into(),
            log_dir: "/var/log/antnode/antnode0007".into(),
            bootstrap_cache_dir: "/var/antctl/bootstrap-cache".into(),
            ports: flavour.ports().iter().zip([55007, 13007]).map(|(kind, port)| (*kind, port)).collect(),
            wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![],
            start_args: vec![],
            group: None,
        }
    }

    /// The unit of a node of v1 that is changed so.
    fn unit_of(change: impl FnOnce(&mut NodeSpec), scope: Scope, version: u32) -> Result<String, ManagerError> {
        let mut spec = spec(Flavour::V1);
        change(&mut spec);
        unit(&NodeRef::new(spec), &Path::new(STORAGE).into(), scope, version)
    }

    #[test]
    fn the_machines_own_systemd_shuts_a_node_in() {
        let text = unit_of(|_| (), Scope::System, 252).expect("it is plain");
        insta::assert_snapshot!(text, @"
        # Written by wnm, and rewritten when a node starts: put changes into a drop-in (`systemctl edit`).
        [Unit]
        Description=Autonomi node 7
        X-WnmNodeStorage=/var/antctl/services
        Wants=network-online.target
        After=network-online.target
        StartLimitIntervalSec=600
        StartLimitBurst=10

        [Service]
        Type=exec
        User=ant
        Slice=wnm.slice
        WorkingDirectory=/var/antctl/services/antnode0007/
        ExecStart=:/var/antctl/services/antnode0007/antnode --bootstrap-cache-dir /var/antctl/bootstrap-cache --root-dir /var/antctl/services/antnode0007 --port 55007 --enable-metrics-server --metrics-server-port 13007 --log-output-dest /var/log/antnode/antnode0007 --max-log-files 1 --max-archived-log-files 1 --no-upnp --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 evm-arbitrum-one
        Restart=always
        RestartSec=5
        KillMode=mixed
        TimeoutStopSec=10
        LimitNOFILE=65536
        TasksMax=1024
        UMask=0077
        NoNewPrivileges=yes
        RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallFilter=~@privileged @resources
        SystemCallErrorNumber=EPERM
        CapabilityBoundingSet=
        PrivateDevices=yes
        PrivateTmp=yes
        ProtectClock=yes
        ProtectControlGroups=yes
        ProtectHome=read-only
        ProtectHostname=yes
        ProtectKernelLogs=yes
        ProtectKernelModules=yes
        ProtectKernelTunables=yes
        ProtectProc=invisible
        ProtectSystem=strict
        ReadWritePaths=-/var/antctl/services/antnode0007
        ReadWritePaths=-/var/log/antnode/antnode0007
        ReadWritePaths=-/var/antctl/bootstrap-cache

        [Install]
        WantedBy=multi-user.target
        ");
    }

    #[test]
    fn a_users_systemd_does_what_it_can_without_rights() {
        let text = unit_of(|_| (), Scope::User, 252).expect("it is plain");
        insta::assert_snapshot!(text, @"
        # Written by wnm, and rewritten when a node starts: put changes into a drop-in (`systemctl edit`).
        [Unit]
        Description=Autonomi node 7
        X-WnmNodeStorage=/var/antctl/services
        StartLimitIntervalSec=600
        StartLimitBurst=10

        [Service]
        Type=exec
        Slice=wnm.slice
        WorkingDirectory=/var/antctl/services/antnode0007/
        ExecStart=:/var/antctl/services/antnode0007/antnode --bootstrap-cache-dir /var/antctl/bootstrap-cache --root-dir /var/antctl/services/antnode0007 --port 55007 --enable-metrics-server --metrics-server-port 13007 --log-output-dest /var/log/antnode/antnode0007 --max-log-files 1 --max-archived-log-files 1 --no-upnp --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 evm-arbitrum-one
        Restart=always
        RestartSec=5
        KillMode=mixed
        TimeoutStopSec=10
        LimitNOFILE=65536
        TasksMax=1024
        UMask=0077
        NoNewPrivileges=yes
        RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallFilter=~@privileged @resources
        SystemCallErrorNumber=EPERM

        [Install]
        WantedBy=default.target
        ");
    }

    #[test]
    fn the_page_on_systemd_shows_lines_of_this_unit() {
        let page = include_str!("../../docs/systemd.md");
        let shown = page.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows a unit");
        let environment = vec![("NAME".to_owned(), "value".to_owned())];
        let unit = unit_of(|spec| spec.environment = environment, Scope::System, GROWING_PAUSES).expect("it is plain");
        for line in shown.lines().map(|line| line.split("  #").next().unwrap_or_default().trim()) {
            let parts: Vec<&str> = line.split('…').collect();
            let shows = |rendered: &str| {
                rendered == line || (parts.len() > 1 && parts.iter().all(|part| rendered.contains(part)))
            };
            assert!(unit.lines().any(shows), "{line:?} is not in\n{unit}");
        }
    }

    #[test]
    fn pauses_grow_where_systemd_can_let_them() {
        let lines = |version| {
            let text = unit_of(|_| (), Scope::System, version).expect("it is plain");
            text.lines().filter(|line| line.starts_with("Restart")).map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        insta::assert_snapshot!(lines(253), @"Restart=always RestartSec=5");
        insta::assert_snapshot!(lines(254), @"Restart=always RestartSec=5 RestartSteps=6 RestartMaxDelaySec=300");
    }

    #[test]
    fn hostile_values_stay_what_they_are() {
        let mut spec = spec(Flavour::V1);
        spec.root_dir = "/srv/my 100% $nodes;/antnode0007".into();
        spec.binary = spec.root_dir.join("antnode");
        spec.environment = vec![
            ("PLAIN".to_owned(), "1".to_owned()),
            ("TEXT".to_owned(), "it's \"two\" words\nand %h $HOME \\n ; # é".to_owned()),
        ];
        spec.start_args = vec!["--peer=$(id) `id`".to_owned(), String::new(), "a\tb".to_owned()];
        let text = unit(&NodeRef::new(spec), &Path::new(STORAGE).into(), Scope::System, 252)
            .expect("all of it can be carried");
        let hostile = ["WorkingDirectory=", "ExecStart=", "Environment=", "ReadWritePaths="];
        let lines: Vec<&str> = text.lines().filter(|line| hostile.iter().any(|name| line.starts_with(name))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        WorkingDirectory=/srv/my 100%% $nodes;/antnode0007/
        ExecStart=:"/srv/my 100%% $nodes;/antnode0007/antnode" --bootstrap-cache-dir /var/antctl/bootstrap-cache --root-dir "/srv/my 100%% $nodes;/antnode0007" --port 55007 --enable-metrics-server --metrics-server-port 13007 --log-output-dest /var/log/antnode/antnode0007 --max-log-files 1 --max-archived-log-files 1 --no-upnp --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 "--peer=$(id) `id`" "" "a\tb" evm-arbitrum-one
        Environment=PLAIN=1
        Environment="TEXT=it's \"two\" words\nand %%h $HOME \\n ; # é"
        ReadWritePaths=-"/srv/my 100%% $nodes;/antnode0007"
        ReadWritePaths=-/var/log/antnode/antnode0007
        ReadWritePaths=-/var/antctl/bootstrap-cache
        "#);
    }

    #[test]
    fn what_systemd_cannot_carry_is_refused_by_name() {
        let refused = |change: fn(&mut NodeSpec)| {
            unit_of(change, Scope::System, 252).expect_err("it cannot be carried").to_string()
        };
        insta::assert_snapshot!(refused(|spec| spec.binary = "/srv/it's/antnode".into()), @r#"the path "/srv/it's/antnode" cannot be used: systemd runs no program with ' in its path"#);
        insta::assert_snapshot!(refused(|spec| spec.log_dir = "/srv/line\nbreak".into()), @r#"the path "/srv/line\nbreak" cannot be used: systemd takes no control characters in a path"#);
        insta::assert_snapshot!(refused(|spec| spec.environment.push(("A-B".to_owned(), String::new()))), @r#"the environment variable "A-B" cannot be used: systemd takes letters, digits and underscores only, and no digit in front"#);
        insta::assert_snapshot!(refused(|spec| spec.start_args.push("\u{ffff}".to_owned())), @r#"the argument "\u{ffff}" cannot be used: systemd does not take U+FFFF for text"#);
    }
}
