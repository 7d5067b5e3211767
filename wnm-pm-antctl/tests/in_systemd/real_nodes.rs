//! The real antnode 0.4.17 under the real antctl: numbers, one frozen node among others, deaths, and other callers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wnm_pm::command::SystemRunner;
use wnm_pm::node::{NodeId, NodeRef, NodeSpec, PortKind};
use wnm_pm::patience::poll;
use wnm_pm::port_use::{Protocol, ports_in_use};
use wnm_pm::process_manager::{Binary, ManagerError, Mode, ProcessManager, ProcessState, Started};
use wnm_pm::upgrade::upgrade;
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, node_port, on_machine, only};

use crate::world::{World, text};

fn a_removed_number_never_comes_back() {
    on_machine("root", "real_nodes::a_removed_number_never_comes_back", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let specs: Vec<_> = (1..=5).map(|number| world.real(number)).collect();
        let mut nodes = world.create(&manager, &specs).await;
        let services: Vec<_> = nodes.iter().map(|node| node.service.as_str()).collect();
        assert_eq!(services, ["antnode1", "antnode2", "antnode3", "antnode4", "antnode5"]);

        let third = nodes.remove(2);
        assert!(only(manager.remove(std::slice::from_ref(&third)).await).is_ok());
        let sixth = world.create(&manager, &[world.real(6)]).await.remove(0);
        assert_eq!(sixth.service, "antnode6", "antctl counts all that it ever added");
        assert_eq!(world.state(&manager, &third).await, ProcessState::Absent);

        let again = only(manager.create(&[NodeRef::new(world.real(3))]).await);
        let error = again.expect_err("antctl keeps a removed node's ports");
        assert!(matches!(error, ManagerError::PortInUse { .. }), "{error:?}");
        assert!(text(&error).contains("where a removed node keeps its ports"), "{error}");
        let left = world.real(1).root_dir.with_file_name("antnode7");
        assert!(!left.exists(), "a refused node leaves nothing");

        nodes.push(sixth);
        for (_, outcome) in manager.start(&nodes[..2]).await {
            outcome.expect("antnode runs on alone");
        }
        let notes = manager.teardown().await.expect("antctl resets, running nodes or not");
        assert_eq!(notes, wnm_pm::process_manager::Teardown::AllAtOnce { notes: vec![] });
        for node in &nodes {
            assert_eq!(world.state(&manager, node).await, ProcessState::Absent);
            assert!(!node.spec.root_dir.exists() && !node.spec.log_dir.exists(), "{} is gone", node.service);
        }
        let anew = world.create(&manager, &[world.real(3)]).await.remove(0);
        assert_eq!(anew.service, "antnode1", "a reset begins anew, with all ports free");
        let started = only(manager.start(std::slice::from_ref(&anew)).await).expect("it starts");
        let unit = std::fs::read_to_string(world.unit("antnode1")).expect("antctl wrote it");
        let port = node_port(&anew.spec);
        assert!(unit.contains(&format!("--port {port} ")), "{unit}");
        // A unit of that name existed before with other ports: systemd has read the new one.
        let pid = started.process.expect("it is known").pid;
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it lives").replace('\0', " ");
        assert!(line.contains(&format!("--port {port} ")), "{line}");
    });
}

fn one_bad_node_does_not_block_the_others() {
    on_machine("resident", "real_nodes::one_bad_node_does_not_block_the_others", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        // One is the real antnode; the others are test nodes, which are quicker and no less frozen or dead.
        let specs = [world.real(1), world.spec(2), world.spec(3), world.spec(4)];
        let nodes = world.create(&manager, &specs).await;
        let rpc = nodes[0].spec.ports.get(PortKind::Rpc).expect("antctl's nodes have one");
        let stranger = TcpListener::bind(("127.0.0.1", rpc)).expect("the port is free");
        let error = only(manager.start(&nodes[..1]).await).expect_err("its RPC port is in use");
        assert!(text(&error).starts_with(&format!("TCP port {rpc} is in use by ")), "{error}");
        assert!(matches!(world.state(&manager, &nodes[0]).await, ProcessState::Stopped { .. }), "it was not started");
        drop(stranger);

        // A node that freezes takes calls on its RPC port and never answers: antctl's own start of it never ends.
        let freeze = async {
            while !ports_in_use(Protocol::Tcp).contains(&rpc) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let written = std::fs::read_to_string(nodes[0].spec.root_dir.join("antnode.pid")).expect("it lives");
            signal(written.trim().parse().expect("it is a pid"), Signal::STOP);
        };
        let (started, ()) = tokio::join!(manager.start(&nodes[..3]), freeze);
        let pids: BTreeMap<NodeId, u32> =
            started.into_iter().map(|(id, outcome)| (id, pid(&outcome.expect("it runs")))).collect();
        assert_eq!(BTreeSet::from_iter(pids.values()).len(), 3, "three nodes, three processes");
        for node in &nodes[..3] {
            let line = std::fs::read_to_string(format!("/proc/{}/cmdline", pids[&node.id()]));
            let own = format!("{}\0", node.spec.root_dir.display());
            assert!(line.expect("it lives").contains(&own), "the pid is that of {}", node.service);
        }

        signal(pids[&nodes[1].id()], Signal::STOP);
        signal(pids[&nodes[2].id()], Signal::KILL);
        assert!(matches!(world.state(&manager, &nodes[1]).await, ProcessState::Running { .. }), "frozen is not dead");
        wait_for_stop(&world, &manager, &nodes[2]).await;
        assert_eq!(
            world.state(&manager, &nodes[2]).await,
            ProcessState::Stopped { reason: Some("signal 9".to_owned()) }
        );
        let outcome = only(manager.start(&nodes[3..]).await);
        outcome.expect("a frozen node does not keep another from starting");

        for (_, outcome) in manager.stop(&nodes[..2]).await {
            outcome.expect("a frozen node is stopped");
        }
        for node in &nodes[..2] {
            assert!(matches!(world.state(&manager, node).await, ProcessState::Stopped { .. }));
        }
        for (_, outcome) in manager.remove(&nodes).await {
            outcome.expect("all go");
        }
        assert_eq!(manager.survey().await.expect("antctl reports them").len(), 0);
    });
}

fn a_node_that_ends_at_once_says_why() {
    on_machine("resident", "real_nodes::a_node_that_ends_at_once_says_why", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        // What antnode 0.4.17 leaves behind where no router answers; it takes seconds or minutes to get there.
        let spec = NodeSpec { no_upnp: false, ..world.real(1) };
        let node = world.create(&manager, &[spec]).await.remove(0);
        let said = "UPnP gateway not found. Enable UPnP on your router to allow incoming connections or manually port forward.";
        let note = format!("[2026-11-22 11:11:40.175987888 UTC] {said}");
        std::fs::write(node.spec.log_dir.join("critical_failure.log"), note).expect("antctl made the directory");
        assert_eq!(world.state(&manager, &node).await, ProcessState::Stopped { reason: Some(said.to_owned()) });
        let findings = manager.examine().await;
        let codes: Vec<_> = findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["upnp-without-gateway"]);
        assert!(findings[0].fix.contains("set no_upnp to true"), "{findings:?}");

        // The advice works, and outlives the next program.
        let mut forwarded = node.clone();
        forwarded.spec.no_upnp = true;
        only(manager.start(std::slice::from_ref(&forwarded)).await).expect("antnode runs on alone");
        assert_eq!(manager.examine().await, [], "antnode took its note away");
        let to = Binary { path: node.spec.program.clone(), version: semver::Version::new(0, 4, 17) };
        only(upgrade(&manager, std::slice::from_ref(&forwarded), &to).await).expect("it is replaced");
        let unit = std::fs::read_to_string(world.unit("antnode1")).expect("it is there");
        assert!(unit.contains(" --no-upnp "), "{unit}");

        // No peer at all and not the first: it gives up.
        let mut lonely = world.real(2);
        lonely.start_args = vec![];
        let lonely = world.create(&manager, &[lonely]).await.remove(0);
        if let Ok(started) = only(manager.start(std::slice::from_ref(&lonely)).await) {
            assert!(started.process.is_some());
            wait_for_stop(&world, &manager, &lonely).await;
        }
        let state = world.state(&manager, &lonely).await;
        assert_eq!(state, ProcessState::Stopped { reason: Some("exit code 1".to_owned()) });
        let outcome = only(manager.start(std::slice::from_ref(&lonely)).await);
        if let Err(error) = outcome {
            assert!(matches!(error, ManagerError::ExitedAtOnce { .. }), "{error}");
        }
    });
}

fn four_callers_at_once_lose_nothing() {
    on_machine("resident", "real_nodes::four_callers_at_once_lose_nothing", async || {
        let world = Arc::new(World::new());
        let adds = (0..4).map(|caller| {
            let world = Arc::clone(&world);
            // Each has a runtime and a manager of its own, as four wnm have.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
                runtime.block_on(async {
                    let manager = world.manager(Mode::User);
                    let specs: Vec<_> = (1..=5).map(|number| world.real(caller * 10 + number)).collect();
                    let nodes = world.create(&manager, &specs).await;
                    for node in &nodes {
                        assert!(matches!(world.state(&manager, node).await, ProcessState::Stopped { .. }));
                    }
                    nodes
                })
            })
        });
        let adds: Vec<_> = adds.collect();
        let nodes: Vec<NodeRef> = adds.into_iter().flat_map(|add| add.join().expect("a caller ends well")).collect();
        let services: BTreeSet<_> = nodes.iter().map(|node| node.service.clone()).collect();
        assert_eq!(services.len(), 20, "twenty nodes have twenty names");
        let found = world.manager(Mode::User).survey().await.expect("antctl reports them");
        assert_eq!(found.len(), 20, "antctl knows them all");
        for node in &nodes {
            let unit = std::fs::read_to_string(world.unit(&node.service)).expect("antctl wrote it");
            assert!(unit.contains(&format!("--port {} ", node_port(&node.spec))), "{unit}");
        }
    });
}

fn nodes_of_antctl_alone_are_found_and_taken_over() {
    on_machine("resident", "real_nodes::nodes_of_antctl_alone_are_found_and_taken_over", async || {
        let world = World::new();
        let program = crate::world::tool("antnode");
        let program = program.to_str().expect("it is text");
        let wallet = world.real(1).wallet;
        let line =
            ["add", "--count", "2", "--node-port", "55001-55002", "--path", program, "--rewards-address", &wallet];
        let added =
            world.antctl(&[&line[..], &["--no-upnp", "--relay", "--auto-restart", "evm-arbitrum-one"]].concat()).await;
        assert!(added.success(), "{added:?}");
        assert!(world.antctl(&["remove", "--service-name", "antnode1"]).await.success());

        let manager = world.manager(Mode::Zen);
        let found = manager.survey().await.expect("antctl reports them").remove(0);
        assert_eq!(found.service, "antnode2");
        assert_eq!(found.id.map(|id| id.0), Some(2));
        let ports = found.ports.clone();
        assert_eq!((ports.node(), ports.metrics()), (Some(55002), None), "it was added without metrics");
        assert!(ports.get(PortKind::Rpc).is_some(), "antctl chose one");
        assert_eq!(found.flavour.map(|flavour| flavour.program_name()), Some("antnode"));
        assert!(found.wallet.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(&wallet)));
        assert_eq!(found.network.as_deref(), Some("evm-arbitrum-one"));
        assert_eq!((found.start_args, found.no_upnp), (Some(vec!["--relay".to_owned()]), Some(true)));
        let home = Path::new("/home/resident/.local/share/autonomi/node/antnode2");
        assert_eq!(found.root_dir.as_deref(), Some(home));

        let mut node = NodeRef { service: found.service, ..NodeRef::new(world.real(2)) };
        node.spec.root_dir = home.to_owned();
        node.spec.binary = found.binary.expect("antctl reports them");
        node.spec.log_dir = found.log_dir.expect("antctl reports them");
        node.spec.ports = ports;
        assert!(only(manager.stop(std::slice::from_ref(&node)).await).is_ok());
        let enabled = async || world.systemctl(&["is-enabled", "antnode2"]).await.success();
        assert!(!enabled().await, "what was stopped stays stopped when the machine restarts");
        let _ = manager.start(std::slice::from_ref(&node)).await;
        assert!(enabled().await, "it comes back with the machine, as its owner told antctl");

        // antctl's own upgrade would forget that.
        let to = Binary { path: program.into(), version: semver::Version::new(0, 4, 17) };
        let _ = upgrade(&manager, std::slice::from_ref(&node), &to).await;
        assert!(enabled().await, "it still does after an upgrade");
        assert!(only(manager.remove(std::slice::from_ref(&node)).await).is_ok());
        assert!(!home.exists() && !world.unit("antnode2").exists());
    });
}

fn zen_takes_the_paths_that_antctl_chose() {
    on_machine("root", "real_nodes::zen_takes_the_paths_that_antctl_chose", async || {
        let world = World::new();
        let manager = world.manager(Mode::Zen);
        let node = world.create(&manager, &[world.real(7)]).await.remove(0);
        assert_eq!(node.service, "antnode1");
        assert_eq!(node.spec.root_dir, Path::new("/var/antctl/services/antnode1"));
        assert_eq!(node.spec.log_dir, Path::new("/var/log/antnode/antnode1"));
        assert_eq!(world.create(&manager, &[world.real(7)]).await.remove(0), node, "it is there already");
        only(manager.start(std::slice::from_ref(&node)).await).expect("antnode runs on alone");
        assert!(only(manager.remove(std::slice::from_ref(&node)).await).is_ok());
        assert!(!node.spec.root_dir.exists() && !node.spec.log_dir.exists());
    });
}

fn antctl_may_log_what_it_does() {
    on_machine("resident", "real_nodes::antctl_may_log_what_it_does", async || {
        let world = World::new();
        let mut settings = world.settings(Mode::User);
        settings.antctl_debug = true;
        settings.rust_backtrace = Some("full".to_owned());
        let manager = wnm_pm_antctl::Antctl::new(settings, Arc::new(SystemRunner)).expect("this user may use antctl");
        let node = world.create(&manager, &[world.real(1)]).await.remove(0);
        assert!(matches!(world.state(&manager, &node).await, ProcessState::Stopped { .. }));
        let error =
            only(manager.create(&[NodeRef::new(missing_network(&world))]).await).expect_err("there is no such network");
        assert!(matches!(error, ManagerError::Unusable { .. }), "{error:?}");
        assert!(!text(&error).is_empty(), "it is one plain line");
    });
}

fn missing_network(world: &World) -> NodeSpec {
    NodeSpec { network: "evm-nowhere".to_owned(), ..world.real(2) }
}

fn pid(started: &Started) -> u32 {
    started.process.expect("its process is known").pid
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("it is a pid");
    kill_process(pid, signal).expect("it lives");
}

/// Waits until systemd has seen a node's end.
async fn wait_for_stop(world: &World, manager: &impl ProcessManager, node: &NodeRef) {
    let ended = poll(Duration::from_mins(4), Duration::from_millis(100), async || {
        let state = only(manager.inspect(std::slice::from_ref(node)).await);
        matches!(state, Ok(ProcessState::Stopped { .. })).then_some(())
    });
    if ended.await.is_none() {
        panic!("it has not ended: {:?}", world.systemctl(&["status", &node.service]).await);
    }
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        a_removed_number_never_comes_back,
        one_bad_node_does_not_block_the_others,
        a_node_that_ends_at_once_says_why,
        four_callers_at_once_lose_nothing,
        nodes_of_antctl_alone_are_found_and_taken_over,
        zen_takes_the_paths_that_antctl_chose,
        antctl_may_log_what_it_does;
}
