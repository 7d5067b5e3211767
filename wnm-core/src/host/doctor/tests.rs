use super::*;
use crate::host::firewall::OpenPort;
use crate::node::NodeId;
use crate::rollout::{Failure, Pause, Phase, Rollout, Target};
use crate::settings::{self, Layers, Occasion, OperatingSystem};

/// The defaults of a machine whose nodes lie in `/srv/nodes`.
fn config() -> Config {
    let (home, os) = ("/nonexistent".to_owned(), OperatingSystem::Linux);
    let facts = settings::Facts { cpu_count: 2, home, euid: 1000, os, systemd_runs: false };
    let given = [("node_storage", "/srv/nodes"), ("rewards_address", "faucet")];
    let layers = Layers::default().flags(given.map(|(name, value)| (name, value.to_owned())));
    settings::overlay(&facts, Occasion::Change, &layers).expect("they can be used").0
}

/// The disk of the nodes.
fn disk(used_percent: f64, free_bytes: u64) -> DiskLoad {
    DiskLoad {
        storage: "/srv/nodes".into(),
        is_there: true,
        used_percent,
        used_inodes_percent: 0.0,
        free_inodes: None,
        free_bytes,
        total_bytes: 1_000_000_000_000,
    }
}

/// A machine on which nothing is wrong.
fn well() -> (Config, Facts) {
    let config = Config { node_cap: 20, ..config() };
    let node = |number: u16, status| KnownNode {
        last_error: None,
        id: NodeId(number.into()),
        status,
        ports: Ports::default().with(PortKind::Node, 55000 + number).with(PortKind::Metrics, 13000 + number),
    };
    let file = |path: &str, kind, mode| OwnFile { path: path.into(), kind, owner: 1000, mode };
    let facts = Facts {
        now: 1_790_000_000,
        runs_nodes_as_caller: true,
        clock_is_synchronised: Some(true),
        cpu_count: 4,
        nodes: vec![node(1, Status::Running), node(2, Status::Stopped)],
        held_ports: vec![],
        kernel: Kernel {
            local_ports: Some((32768, 60999)),
            reserved_ports: "55001-55020".to_owned(),
            open_files: Some(1024),
            thread_limits: vec![ThreadLimit {
                name: "kernel.pid_max".to_owned(),
                most: 32768,
                fix: "raise it".to_owned(),
            }],
            tracked_connections: Some(262_144),
            receive_buffer: Some(212_992),
            dropped_packets: 0,
        },
        disks: vec![DiskLoad {
            used_inodes_percent: 10.0,
            free_inodes: Some(5_000_000),
            ..disk(40.0, 100_000_000_000)
        }],
        files: vec![
            file("/srv/colony.db", FileKind::Database, 0o600),
            file("/srv/nodes", FileKind::Storage, 0o700),
            file("/srv/nodes/antnode0001", FileKind::Node, 0o700),
            file("/srv/nodes/antnode0001/secret-key", FileKind::Key, 0o600),
        ],
        user: 1000,
        firewall: Some(FirewallState { name: "ufw", closed: Ok(vec![]) }),
        schedule: Some("/etc/systemd/system/wnm.service".to_owned()),
        program_problem: None,
        paused_rollout: None,
        cycle_pause: None,
    };
    (config, facts)
}

/// What is found when this one thing is otherwise.
fn found(change: impl FnOnce(&mut Config, &mut Facts)) -> String {
    let (mut config, mut facts) = well();
    change(&mut config, &mut facts);
    let words = |finding: &Finding| {
        let Finding { code, severity, what, consequence, fix } = finding;
        format!("{severity:?} {code}: {what}\n  {consequence}\n  {fix}")
    };
    check(&config, &facts).iter().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_is_found_on_a_machine_that_is_well_or_says_nothing() {
    assert_eq!(found(|_, _| {}), "");
    let silent = |_: &mut Config, facts: &mut Facts| {
        let (_, well) = well();
        *facts = Facts { now: well.now, schedule: well.schedule, ..Facts::default() };
    };
    assert_eq!(found(silent), "");
}

#[test]
fn ports() {
    let held = |kind, port| HeldPort { kind, port, holder: "nginx (pid 812)".to_owned() };
    insta::assert_snapshot!(found(|_, facts| facts.held_ports = vec![held(PortKind::Node, 55002), held(PortKind::Node, 55001), held(PortKind::Metrics, 13009), held(PortKind::Metrics, 13021)]), @"
    Error node-port-held: ports of stopped nodes are held (1): UDP 55002 by nginx (pid 812)
      these nodes cannot start
      sudo ss -lunp 'sport = :55002' shows who holds it: end that, or give it another port
    Warning free-port-held: ports of numbers up to node_cap are held (1): TCP 13009 by nginx (pid 812)
      these numbers are passed over
      sudo ss -ltnp 'sport = :13009' shows who holds it: end that, or give it another port
    ");
    let published = |config: &mut Config, facts: &mut Facts| {
        config.process_manager = "s6overlay+user".parse().expect("there is such a manager");
        config.container_network = wnm_pm::container_host::ContainerNetwork::Docker;
        facts.held_ports = vec![held(PortKind::Node, 55002), held(PortKind::Node, 55003)];
    };
    assert_eq!(found(published), "", "Docker holds what it publishes");
    insta::assert_snapshot!(found(|_, facts| facts.held_ports = (3..11).map(|number| held(PortKind::Node, 55000 + number)).collect()), @"
    Warning free-port-held: ports of numbers up to node_cap are held (8): UDP 55003 by nginx (pid 812), UDP 55004 by nginx (pid 812), UDP 55005 by nginx (pid 812), UDP 55006 by nginx (pid 812), UDP 55007 by nginx (pid 812) …
      these numbers are passed over
      sudo ss -lunp 'sport = :55003' shows who holds it: end that, or give it another port
    ");
    insta::assert_snapshot!(found(|_, facts| facts.kernel.reserved_ports = String::new()), @"
    Warning ports-given-away: 20 ports of nodes (55001-55020) lie among 32768-60999, which the kernel gives to any program that asks for one
      now and then a node cannot start since its port is in use
      echo 'net.ipv4.ip_local_reserved_ports = 55001-55020' | sudo tee /etc/sysctl.d/60-wnm-net.ipv4.ip_local_reserved_ports.conf && sudo sysctl --system
    ");
    insta::assert_snapshot!(found(|_, facts| facts.kernel.reserved_ports = "40000,55005-55010".to_owned()), @"
    Warning ports-given-away: 14 ports of nodes (55001-55004,55011-55020) lie among 32768-60999, which the kernel gives to any program that asks for one
      now and then a node cannot start since its port is in use
      echo 'net.ipv4.ip_local_reserved_ports = 40000,55001-55020' | sudo tee /etc/sysctl.d/60-wnm-net.ipv4.ip_local_reserved_ports.conf && sudo sysctl --system
    ");
    insta::assert_snapshot!(found(|config, facts| { config.metrics_port_start = 33; facts.kernel.local_ports = Some((33005, 33009)); }), @"
    Warning ports-given-away: 5 ports of nodes (33005-33009) lie among 33005-33009, which the kernel gives to any program that asks for one
      now and then a node cannot start since its port is in use
      echo 'net.ipv4.ip_local_reserved_ports = 33005-33009,55001-55020' | sudo tee /etc/sysctl.d/60-wnm-net.ipv4.ip_local_reserved_ports.conf && sudo sysctl --system
    ");
    insta::assert_snapshot!(found(|config, facts| { config.webrtc_port_start = Some(50); facts.kernel.local_ports = Some((50001, 50003)); }), @"
    Warning ports-given-away: 3 ports of nodes (50001-50003) lie among 50001-50003, which the kernel gives to any program that asks for one
      now and then a node cannot start since its port is in use
      echo 'net.ipv4.ip_local_reserved_ports = 50001-50003,55001-55020' | sudo tee /etc/sysctl.d/60-wnm-net.ipv4.ip_local_reserved_ports.conf && sudo sysctl --system
    ");
}

#[test]
fn limits_of_the_kernel() {
    insta::assert_snapshot!(found(|_, facts| facts.kernel.open_files = Some(256)), @r"
    Warning few-open-files: a process that is started from here may open 256 files
      a busy node fails with `Too many open files`
      echo ':1000 - nofile 1024' | sudo tee /etc/security/limits.d/60-wnm-nofile.conf; printf '[Service]\nLimitNOFILE=1024\n' | sudo install -D --mode=0644 /dev/stdin /etc/systemd/system/wnm.service.d/nofile.conf && sudo systemctl daemon-reload; log in anew
    ");
    assert_eq!(
        lift(0, Some("* * * * * wnm run"), "nproc", "LimitNPROC", "unlimited"),
        "echo 'root - nproc unlimited' | sudo tee /etc/security/limits.d/60-wnm-nproc.conf; log in anew"
    );
    insta::assert_snapshot!(lift(1000, Some("/home/al ice/.config/systemd/user/wnm.service"), "nproc", "LimitNPROC", "unlimited"), @r"echo ':1000 - nproc unlimited' | sudo tee /etc/security/limits.d/60-wnm-nproc.conf; printf '[Service]\nLimitNPROC=infinity\n' | install -D --mode=0644 /dev/stdin '/home/al ice/.config/systemd/user/wnm.service.d/nproc.conf' && systemctl --user daemon-reload; log in anew");
    insta::assert_snapshot!(found(|config, facts| { config.node_cap = 3000; facts.kernel.reserved_ports = "55001-58000".to_owned(); config.crisis_bytes = 0; }), @"
    Warning few-connections: the kernel can keep track of 262144 connections, and 3000 nodes (node_cap) may have 3000000
      once the table is full, packets of all programs on this machine are dropped
      echo 'net.netfilter.nf_conntrack_max = 3000000' | sudo tee /etc/sysctl.d/60-wnm-net.netfilter.nf_conntrack_max.conf && sudo sysctl --system
    Warning few-threads: kernel.pid_max allows 32768 threads, and 3000 nodes (node_cap) of 12 threads need 36000
      the nodes beyond that cannot start
      raise it
    ");
    insta::assert_snapshot!(found(|_, facts| facts.kernel.dropped_packets = 12), @"
    Warning small-udp-buffers: a socket may have 212992 bytes for what comes in (net.core.rmem_max), and 12 UDP packets were dropped since boot for want of room
      nodes lose packets under load, and peers think less of them
      echo 'net.core.rmem_max = 7500000' | sudo tee /etc/sysctl.d/60-wnm-net.core.rmem_max.conf && sudo sysctl --system
    ");
    insta::assert_snapshot!(found(|_, facts| facts.kernel.receive_buffer = Some(65_536)), @"
    Warning small-udp-buffers: a socket may have 65536 bytes for what comes in (net.core.rmem_max), and 0 UDP packets were dropped since boot for want of room
      nodes lose packets under load, and peers think less of them
      echo 'net.core.rmem_max = 7500000' | sudo tee /etc/sysctl.d/60-wnm-net.core.rmem_max.conf && sudo sysctl --system
    ");
    assert_eq!(found(|_, facts| facts.kernel.receive_buffer = Some(212_992)), "");
    let snmp = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: 9 8 7 6 5\nUdpLite: RcvbufErrors\nUdpLite: 1\n";
    assert_eq!(gather::dropped_packets(snmp), 5);
    assert_eq!(gather::dropped_packets(""), 0);
}

#[test]
fn the_disk() {
    insta::assert_snapshot!(found(|config, facts| { config.hd_remove = 90.0; facts.disks = vec![disk(90.1, 100_000_000_000)]; }), @"
    Error disk-full: the disk of /srv/nodes is 90.1 % full, above hd_remove 90
      each cycle removes a node, with its files
      free some of it: `sudo du -xh /srv/nodes | sort -h | tail` shows what takes most
    ");
    assert_eq!(
        found(|config, facts| {
            config.hd_remove = 90.0;
            facts.disks = vec![disk(90.0, 100_000_000_000)];
        }),
        ""
    );
    insta::assert_snapshot!(found(|config, facts| { config.node_cap = 2; facts.disks = vec![disk(50.0, 400_000_000)]; }), @"
    Error disk-reserve: 400 MB are free on the disk of /srv/nodes, and nodes keep 524 MB free
      nodes store nothing more and lose their standing
      free disk space, or `wnm remove` nodes
    ");
    insta::assert_snapshot!(found(|_, facts| facts.disks = vec![disk(50.0, 9_000_000_000)]), @"
    Warning disk-for-cap: 9000 MB are free on the disk of /srv/nodes, and 18 more nodes up to node_cap may need 36524 MB (crisis_bytes 2000000000)
      nodes that are added now are removed when they fill up
      wnm config set node_cap 6
    ");
}

#[test]
fn each_of_several_disks() {
    let other = |used_percent, free_bytes| DiskLoad { storage: "/disk2".into(), ..disk(used_percent, free_bytes) };
    insta::assert_snapshot!(found(|_, facts| facts.disks.push(other(95.0, 9_000_000_000))), @"
    Error disk-full: the disk of /disk2 is 95.0 % full, above hd_remove 90
      each cycle removes a node, with its files
      free some of it: `sudo du -xh /disk2 | sort -h | tail` shows what takes most
    ");
    insta::assert_snapshot!(found(|_, facts| facts.disks = vec![disk(50.0, 9_000_000_000), other(50.0, 5_000_000_000)]), @"
    Warning disk-for-cap: 14000 MB are free on the disks of /srv/nodes and /disk2, and 18 more nodes up to node_cap may need 37048 MB (crisis_bytes 2000000000)
      nodes that are added now are removed when they fill up
      wnm config set node_cap 8
    ");
    insta::assert_snapshot!(found(|_, facts| facts.disks.push(DiskLoad { is_there: false, ..other(95.0, 0) })), @"
    Error storage-unmarked: /disk2 has no file .wnm-storage, which wnm puts there
      it is taken for a disk that is not mounted: no node that is missing there is given up
      mount the disk; if this is the right directory, `touch /disk2/.wnm-storage`
    ");
}

#[test]
fn upkeep() {
    insta::assert_snapshot!(found(|_, facts| facts.now = 86_400), @"
    Error clock-not-set: the clock says that it is 86400 s after 1970, which is before 2026
      delays never pass or pass at once, and peers refuse the node
      sudo timedatectl set-ntp true
    ");
    insta::assert_snapshot!(found(|_, facts| facts.clock_is_synchronised = Some(false)), @"
    Warning clock-drifts: the clock is not kept right over the network (timedatectl: NTPSynchronized=no)
      payments and peers are refused once it is wrong by minutes
      sudo timedatectl set-ntp true
    ");
    insta::assert_snapshot!(found(|_, facts| facts.schedule = None), @"
    Warning not-scheduled: no timer of systemd and no line of a crontab runs wnm
      nodes that end stay down, and nothing is added, upgraded or removed
      wnm schedule install
    ");
    insta::assert_snapshot!(found(|_, facts| facts.program_problem = Some(("there is no node program".to_owned(), "install one".to_owned()))), @"
    Error node-program: there is no node program
      no node can be added or upgraded
      install one
    ");
    let paused = || Rollout {
        target: Target { version: semver::Version::new(0, 5, 0), digest: Some("a file".to_owned()) },
        started_at: 0,
        phase: Phase::Paused,
        phase_since: 0,
        pause: Some(Pause::CanaryFailed { node: NodeId(1), why: Failure::Restarted }),
    };
    insta::assert_snapshot!(found(|_, facts| facts.paused_rollout = Some(paused())), @"
    Warning rollout-paused: the roll-out of 0.5.0 is paused: it failed on antnode0001: it ended and was started again by its process manager
      no node is upgraded, and no node is added
      put another node program in its place, or `wnm rollout resume` to try it again
    ");
    let closed = [1, 2].map(|number| {
        let port = OpenPort { port: 55000 + number, node: NodeId(number.into()) };
        let command = format!("sudo ufw allow {}/udp", port.port);
        (port, command)
    });
    insta::assert_snapshot!(found(|_, facts| facts.firewall = Some(FirewallState { name: "ufw", closed: Ok(closed.into()) })), @"
    Error firewall-closed: ufw keeps out the ports of nodes (2): UDP 55001, 55002
      no peer can begin to talk to these nodes
      sudo ufw allow 55001/udp && sudo ufw allow 55002/udp
    ");
    insta::assert_snapshot!(found(|_, facts| facts.firewall = Some(FirewallState { name: "ufw", closed: Err("ufw failed: why".to_owned()) })), @"
    Warning firewall-unusable: ufw failed: why
      node ports are neither opened nor closed by wnm
      run wnm as root, or allow this user to use sudo without a password (see `man sudoers`, NOPASSWD)
    ");
}

#[test]
fn files_and_the_storage() {
    insta::assert_snapshot!(found(|_, facts| facts.disks[0].is_there = false), @"
    Error storage-unmarked: /srv/nodes has no file .wnm-storage, which wnm puts there
      it is taken for a disk that is not mounted: no node that is missing there is given up
      mount the disk; if this is the right directory, `touch /srv/nodes/.wnm-storage`
    ");
    insta::assert_snapshot!(found(|_, facts| facts.user = 0), @"
    Warning database-of-another: /srv/colony.db belongs to user 1000, and this wnm runs as user 0
      what one of them writes, the other may not be able to read
      sudo -u '#1000' wnm doctor
    ");
    insta::assert_snapshot!(found(|_, facts| facts.files.iter_mut().for_each(|file| file.mode = 0o666)), @"
    Error key-readable: others may read the keys of 1 nodes: /srv/nodes/antnode0001/secret-key has mode 0666
      whoever copies a key can pass for the node
      chmod go-rwx /srv/nodes/antnode0001/secret-key
    Warning database-readable: others may use the database: /srv/colony.db has mode 0666
      others see, or change, addresses and settings
      chmod go-rwx /srv/colony.db
    Warning storage-writable: others may write to the storage: /srv/nodes has mode 0666
      others can replace programs that run as you
      chmod go-w /srv/nodes
    ");
    assert_eq!(found(|_, facts| facts.files[1].mode = 0o755), "");
    let of_ant = |facts: &mut Facts| facts.files.iter_mut().skip(1).for_each(|file| file.owner = 998);
    let readable_key = |config: &mut Config, facts: &mut Facts| {
        config.process_manager = "systemd+sudo".parse().expect("it is one");
        of_ant(facts);
        facts.files[3].mode = 0o644;
    };
    insta::assert_snapshot!(found(readable_key), @"
    Error key-readable: others may read the keys of 1 nodes: /srv/nodes/antnode0001/secret-key has mode 0644
      whoever copies a key can pass for the node
      sudo chmod go-rwx /srv/nodes/antnode0001/secret-key
    ");
    insta::assert_snapshot!(found(|_, facts| of_ant(facts)), @"
    Error node-of-another: directories of nodes belong to another user than 1000, who runs them (1): /srv/nodes/antnode0001 to user 998
      these nodes cannot start, and cannot be removed
      sudo chown -R 1000 /srv/nodes/antnode0001
    Error storage-of-another: /srv/nodes belongs to user 998, and nodes run as user 1000
      no node can be added or removed there
      sudo chown 1000 /srv/nodes
    ");
    let in_containers = |config: &mut Config, facts: &mut Facts| {
        config.process_manager = "s6overlay+user".parse().expect("there is such a manager");
        facts.runs_nodes_as_caller = false;
        of_ant(facts);
    };
    assert_eq!(found(in_containers), "");
}

#[test]
fn a_crontab_runs_wnm_or_does_not() {
    for line in ["* * * * * wnm run", "*/5 * * * * root /usr/bin/wnm", "@reboot '/opt/x/wnm' run # cycle"] {
        assert!(gather::runs_wnm(line), "{line}");
    }
    for line in ["# * * * * * wnm run", "* * * * * backup # wnm", "* * * * * wnm-backup", ""] {
        assert!(!gather::runs_wnm(line), "{line}");
    }
}

#[test]
fn a_pause_of_a_day_is_a_finding_and_a_shorter_one_is_not() {
    let (config, mut facts) = well();
    let mut paused_for = |seconds| {
        let reason = Some("new disk".to_owned());
        facts.cycle_pause = Some(CyclePause { since: facts.now - seconds, until: None, reason });
        check(&config, &facts)
    };
    assert_eq!(paused_for(86_399), []);
    let finding = paused_for(86_400).remove(0);
    assert_eq!((finding.code.as_str(), finding.severity), ("paused", Severity::Warning));
    assert_eq!(finding.what, "cycles have been paused since 2026-09-20T14:13:20Z (new disk)");
    assert_eq!(finding.fix, "wnm resume");
}
