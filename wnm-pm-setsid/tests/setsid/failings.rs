//! Failings of the old program that this manager does not have, each by its number.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine::{Machine, SmallDisk, files_below, is_process, pid, taken};
use rustix::process::{Pid, Signal, getpgid, getsid, kill_process};
use wnm_pm::node::NodeSpec;
use wnm_pm::process_manager::{Binary, ManagerError, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_testing::Need::{Immutable, Mount};
use wnm_testing::{eventually, node_port, only, test_node};

async fn f02_the_pid_is_the_nodes_own_and_stopping_ends_it() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1)]).await;
    let number = pid(&nodes[0]);
    let own = i32::try_from(number).ok().and_then(Pid::from_raw);
    assert_eq!(getsid(own).ok(), own, "it leads a session of its own");
    assert_eq!(getpgid(own).ok(), own, "it leads a process group of its own");
    assert_eq!(fs::read_link(format!("/proc/{number}/exe")).expect("it lives"), nodes[0].spec.binary);
    assert_eq!(machine.state(&nodes[0]).await, ProcessState::Running { process: nodes[0].process });

    machine.stop(&nodes).await;
    eventually("nothing of it is left, not even a zombie", async || !is_process(number)).await;
}

async fn f13_a_pid_in_a_file_is_not_believed() {
    let machine = Machine::hasty();
    let nodes = machine.create(&[machine.spec(1)]).await;
    let mut stranger = Command::new("sleep").arg("60").spawn().expect("sleep is everywhere");
    for name in ["wnm.process", "antnode.pid", "node.pid"] {
        fs::write(nodes[0].spec.root_dir.join(name), format!("{} 1 0\n", stranger.id())).expect("it is written");
    }
    let mut node = nodes[0].clone();
    node.process = Some(wnm_pm::node::ProcessId { pid: stranger.id(), start_time: 1 });

    assert!(!machine.is_running(&node).await, "the stranger is not the node");
    machine.stop(std::slice::from_ref(&node)).await;
    assert!(stranger.try_wait().expect("it is ours").is_none(), "the stranger lives");
    only(machine.manager.start(std::slice::from_ref(&node)).await).expect("it really starts");
    assert!(machine.is_running(&node).await);
    only(machine.manager.remove(&[node]).await).expect("it is removed");
    assert!(stranger.try_wait().expect("it is ours").is_none(), "the stranger lives");
    stranger.kill().and_then(|()| stranger.wait()).expect("it is ours to end");
}

async fn f14_a_node_is_not_found_by_a_part_of_a_command_line() {
    let machine = Machine::hasty();
    let mut specs = [machine.spec(1), machine.spec(2)];
    // Node 1 holds all that could be taken for node 2.
    let two = &specs[1];
    let hint = format!("it's --port {} --root-dir {}", node_port(two), two.root_dir.display());
    specs[0].wallet = format!("0x{}{}", node_port(two), "0".repeat(35));
    specs[0].start_args = vec!["--peer".to_owned(), hint.clone(), format!("--peer={hint}")];
    specs[0].environment.push(("HINT".to_owned(), hint));

    let nodes = machine.start(&specs).await;
    machine.stop(&nodes[1..]).await;
    assert!(machine.is_running(&nodes[0]).await, "node 1 is left alone");
    assert!(!machine.is_running(&nodes[1]).await);
    machine.stop(&nodes).await;
}

async fn f25_a_full_disk_leaves_no_half_program_and_no_directory() {
    let machine = Machine::hasty();
    let program = machine.spec(1).program;
    let bytes = fs::metadata(&program).expect("it is there").len();
    let storage = machine.world.node_storage();
    fs::create_dir_all(&storage).expect("it is made");
    // Room for one copy and a half.
    let _disk = SmallDisk::mount(&storage, &format!("size={}", bytes * 3 / 2));
    let nodes = machine.start(&[machine.spec(1)]).await;
    let error = machine.try_create(&machine.spec(2)).await.expect_err("only the first has room").text();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(files_below(&storage), [machine.spec(1).root_dir], "nothing is left of the second");
    assert!(!machine.spec(2).log_dir.exists());

    let newer = Binary { path: test_node("0.4.18"), version: "0.4.18".parse().expect("a version") };
    let error = only(upgrade(&machine.manager, &nodes, &newer).await).expect_err("there is no room for two").text();
    assert!(error.contains("No space left on device"), "{error}");
    let running = ProcessState::Running { process: nodes[0].process };
    assert_eq!(machine.state(&nodes[0]).await, running, "it was not even stopped");
    for left in ["antnode.new", "antnode.previous"] {
        assert!(!nodes[0].spec.binary.with_file_name(left).exists(), "{left}");
    }
    only(machine.manager.remove(&nodes).await).expect("it is removed");
}

async fn f33_a_lost_note_loses_no_process() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1), machine.spec(2)]).await;
    for node in &nodes {
        fs::remove_file(node.spec.root_dir.join("wnm.process")).expect("it was there");
        assert_eq!(machine.state(node).await, ProcessState::Running { process: node.process });
    }
    // Also when all of the directory is lost.
    fs::remove_dir_all(&nodes[1].spec.root_dir).expect("it was there");
    assert!(machine.is_running(&nodes[1]).await);
    for (_, outcome) in machine.manager.remove(&nodes).await {
        outcome.expect("it is removed");
    }
    for node in &nodes {
        eventually("it has ended", async || !is_process(pid(node))).await;
        assert!(!node.spec.root_dir.exists());
    }
}

async fn f34_a_node_that_dies_soon_after_its_start_has_not_started() {
    let machine = Machine::new();
    let nodes = machine.create(&[machine.spec_that("exit:9:0.8s", 1), machine.spec(2)]).await;
    let began = Instant::now();
    let mut started = machine.manager.start(&nodes).await;
    taken(&mut started, &nodes[1]).expect("only the first dies");
    let text = taken(&mut started, &nodes[0]).expect_err("it dies").text();
    assert!(text.starts_with("antnode0001 exited right after its start (exit code 9): "), "{text}");
    assert!(text.contains("Node terminated due to"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(3), "the others were not waited for one by one");
    machine.stop(&nodes).await;
}

async fn f35_a_port_in_use_is_found_before_the_start_and_what_a_node_says_is_kept() {
    let machine = Machine::hasty();
    let nodes = machine.create(&[machine.spec(1), machine.spec_that("exit:3:0", 2)]).await;
    let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, node_port(&nodes[0].spec))).expect("it is free");
    let mut started = machine.manager.start(&nodes).await;
    let text = taken(&mut started, &nodes[0]).expect_err("the port is held").text();
    assert!(text.contains(&format!("UDP port {} is in use by", node_port(&nodes[0].spec))), "{text}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    assert!(!nodes[0].spec.log_dir.join("output.log").exists(), "nothing was started");
    drop(held);

    let error = taken(&mut started, &nodes[1]).expect_err("it dies");
    let ManagerError::ExitedAtOnce { how, said, log_dir, .. } = error else { panic!("{error:?}") };
    assert_eq!((how.as_str(), said.as_str()), ("exit code 3", "Node terminated due to: \"told to end with 3\""));
    let output = fs::read_to_string(log_dir.join("output.log")).expect("the output is kept");
    assert!(output.contains(said.as_str()), "{output}");
    let ProcessState::Stopped { reason: Some(reason) } = machine.state(&nodes[1]).await else {
        panic!("it is stopped")
    };
    assert!(reason.contains("was not ended by wnm"), "{reason}");
}

async fn f36_what_cannot_be_deleted_is_not_reported_as_removed() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1), machine.spec(2)]).await;
    let stuck = nodes[0].spec.root_dir.join("record_store");
    let chattr = |how: &str| Command::new("chattr").arg(how).arg(&stuck).stderr(Stdio::null()).status();
    assert!(chattr("+i").is_ok_and(|status| status.success()));
    let mut removed = machine.manager.remove(&nodes).await;
    assert!(chattr("-i").is_ok_and(|status| status.success()));
    taken(&mut removed, &nodes[1]).expect("only the first is stuck");
    let error = taken(&mut removed, &nodes[0]).expect_err("it is stuck").text();
    assert!(error.starts_with("cannot delete "), "{error}");
    assert_ne!(machine.state(&nodes[0]).await, ProcessState::Absent);
    assert_eq!(machine.state(&nodes[1]).await, ProcessState::Absent);
    only(machine.manager.remove(&nodes[..1]).await).expect("it can be tried again");
    assert_eq!(machine.state(&nodes[0]).await, ProcessState::Absent);
}

async fn f52_start_args_and_each_variable_reach_the_node() {
    let machine = Machine::hasty();
    let mut spec = machine.spec(1);
    spec.environment.extend([("A".to_owned(), "1 B=3".to_owned()), ("B".to_owned(), "2".to_owned())]);
    spec.start_args = vec!["--peer".to_owned(), "/ip4/10.0.0.1/udp/1".to_owned()];
    let nodes = machine.start(&[spec]).await;
    let seen = machine.seen(&nodes[0]).await;
    assert_eq!((seen["environment"]["A"].as_str(), seen["environment"]["B"].as_str()), (Some("1 B=3"), Some("2")));
    let arguments: Vec<_> =
        seen["arguments"].as_array().into_iter().flatten().filter_map(|word| word.as_str()).collect();
    assert_eq!(arguments[0], nodes[0].spec.binary.to_string_lossy());
    assert!(arguments.ends_with(&["--peer", "/ip4/10.0.0.1/udp/1", "evm-arbitrum-one"]), "{arguments:?}");
    machine.stop(&nodes).await;

    // What changed meanwhile reaches it by its next start.
    fs::remove_file(nodes[0].spec.root_dir.join("seen.json")).expect("it was written");
    let environment = [nodes[0].spec.environment.clone(), vec![("C".to_owned(), "4".to_owned())]].concat();
    let changed = machine.start(&[NodeSpec { environment, start_args: vec![], ..nodes[0].spec.clone() }]).await;
    let seen = machine.seen(&changed[0]).await;
    assert_eq!(seen["environment"]["C"], "4");
    assert!(!seen["arguments"].to_string().contains("--peer"), "{seen}");
    machine.stop(&changed).await;
}

/// A node that prints without end fills no disk: what it printed is cut while it runs, and it goes on printing.
async fn output_of_a_running_node_does_not_grow_without_end() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1)]).await;
    let output = nodes[0].spec.log_dir.join("output.log");
    let mut file = fs::File::options().append(true).open(&output).expect("it is there");
    let line = format!("{}\n", "x".repeat(1023));
    file.write_all(line.repeat(20 * 1024).as_bytes()).expect("there is room");
    file.write_all(b"error: the last words\n").expect("there is room");
    machine.manager.tidy(&nodes).await;
    let length = |path: &Path| fs::metadata(path).expect("it is there").len();
    assert_eq!((length(&output), length(&output.with_extension("log.1"))), (0, 1024 * 1024));
    let aside = fs::read_to_string(output.with_extension("log.1")).expect("it is text");
    assert!(aside.ends_with("error: the last words\n"));
    file.write_all(b"error: it goes on\n").expect("there is room");
    machine.manager.tidy(&nodes).await;
    assert_eq!(fs::read_to_string(&output).expect("it is text"), "error: it goes on\n", "short output stays");

    kill_process(Pid::from_raw(pid(&nodes[0]).cast_signed()).expect("a pid"), Signal::KILL).expect("it lives");
    eventually("it is gone", async || !machine.is_running(&nodes[0]).await).await;
    let ProcessState::Stopped { reason: Some(reason) } = machine.state(&nodes[0]).await else { panic!("it ended") };
    assert!(reason.ends_with("it said: error: it goes on"), "{reason}");
}

wnm_testing::trials! {
    &[] =>
        output_of_a_running_node_does_not_grow_without_end,
        f02_the_pid_is_the_nodes_own_and_stopping_ends_it,
        f13_a_pid_in_a_file_is_not_believed,
        f14_a_node_is_not_found_by_a_part_of_a_command_line,
        f33_a_lost_note_loses_no_process,
        f34_a_node_that_dies_soon_after_its_start_has_not_started,
        f35_a_port_in_use_is_found_before_the_start_and_what_a_node_says_is_kept,
        f52_start_args_and_each_variable_reach_the_node;
    &[Mount] => f25_a_full_disk_leaves_no_half_program_and_no_directory;
    &[Immutable] => f36_what_cannot_be_deleted_is_not_reported_as_removed;
}
