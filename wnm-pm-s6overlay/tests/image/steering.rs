//! What the batch script does with nodes.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use wnm_pm_s6overlay::layout::STORAGE;
use wnm_pm_s6overlay::output::tail;
use wnm_pm_s6overlay::script::{Call, Ended, NodeState, parse};
use wnm_testing::Need::S6Image;
use wnm_testing::test_node_that;

use crate::container::{Container, START, STOP, all, states, until};

const UNLOAD: Call = Call::Unload { grace: Duration::from_secs(10) };
const LOAD: Call = Call::Load { pause: Duration::from_millis(10) };

fn nodes_are_added_stopped_started_and_removed_by_the_batch() {
    let container = Container::running(&[]);
    assert!(container.call(Call::Status, &[]).is_empty());
    let numbers: Vec<u32> = (1..=20).collect();
    numbers.iter().for_each(|number| container.define_idle(*number));
    assert!(all(&container.call(Call::Status, &[]), 20, NodeState::Unloaded), "defined and not loaded");

    let started = container.start(&numbers);
    assert!(all(&started, 20, NodeState::Up), "{started:?}");
    let again = container.start(&numbers);
    let pids = |reports: &std::collections::BTreeMap<String, _>| -> Vec<_> {
        reports.values().map(|report: &wnm_pm_s6overlay::script::NodeReport| (report.pid, report.start_time)).collect()
    };
    assert_eq!(pids(&again), pids(&started), "starting what runs leaves it alone");

    let stopped = container.stop(&numbers[..5]);
    assert!(all(&stopped, 5, NodeState::Down), "{stopped:?}");
    assert!(stopped.values().all(|report| report.ended == Some(Ended::Signal(15)) && report.crashes == 0));
    assert!(all(&container.stop(&numbers[..5]), 5, NodeState::Down), "stopping what stands still is fine");
    let others = container.call(Call::Status, &numbers[5..]);
    assert_eq!(pids(&others), pids(&started)[5..], "the others did not notice");

    assert!(all(&container.call(UNLOAD, &numbers[..10]), 10, NodeState::Unloaded));
    numbers[..10].iter().for_each(|number| fs::remove_dir_all(container.definition(*number).dir).unwrap());
    assert!(all(&container.call(UNLOAD, &numbers[..10]), 10, NodeState::Undefined), "removing what is gone is fine");
    assert_eq!(container.shell("ls /run/wnm/services | wc -l; pgrep -cf '^s6-supervise antnode'"), "10\n10");
    assert_eq!(container.states().len(), 10);
}

fn what_is_not_defined_is_one_nodes_outcome() {
    let container = Container::running(&[]);
    container.define_idle(1);
    let reports = container.start(&[1]);
    let both = container.call(START, &[1, 2]);
    assert_eq!(both["antnode0001"].pid, reports["antnode0001"].pid);
    assert_eq!(both["antnode0002"].state, NodeState::Undefined);
}

fn a_load_makes_the_container_agree_with_the_volume() {
    let container = Container::running(&[]);
    (1..=4).for_each(|number| container.define_idle(number));
    container.mark(4, true);
    container.call(LOAD, &[]);
    until("the unmarked start", || {
        states(&container.call(Call::Status, &[1, 2, 3])).values().all(|state| *state == NodeState::Up)
    });
    let before = container.status(3);
    // Node 1 is gone from the volume, and node 2 from the container.
    fs::remove_dir_all(container.definition(1).dir).unwrap();
    container.shell("rm -r /run/wnm/services/antnode0002");
    assert_eq!(container.status(2).state, NodeState::Unloaded);
    container.call(LOAD, &[]);
    until("node 2 is back", || container.status(2).state == NodeState::Up);
    assert_eq!(container.status(1).state, NodeState::Undefined);
    assert_eq!(container.status(3).pid, before.pid, "node 3 did not notice");
    assert_eq!(container.status(4).state, NodeState::Down);
    assert_eq!(container.shell("pgrep -cf '^s6-supervise antnode'; pgrep -cxf '/bin/sleep 100000'"), "3\n2");
}

fn a_start_mends_what_was_deleted_in_the_container() {
    let container = Container::running(&[]);
    (1..=3).for_each(|number| container.define_idle(number));
    let before = container.start(&[1, 2, 3]);
    for deleted in [
        "/run/service/antnode0001",
        "/run/wnm/services/antnode0001",
        "/run/service/antnode0001 && /command/s6-svscanctl -a /run/service",
        "/run/service/antnode0001 && /command/s6-svscanctl -an /run/service",
        "/run/wnm/run /run/wnm/finish",
    ] {
        container.shell(&format!("rm -r {deleted}"));
        let reports = container.start(&[1, 2, 3]);
        assert!(all(&reports, 3, NodeState::Up), "{deleted}: {reports:?}");
        assert_eq!(reports["antnode0002"].pid, before["antnode0002"].pid, "the others did not notice");
        assert_eq!(container.shell("pgrep -cxf '/bin/sleep 100000'"), "3", "{deleted}: one process each");
        assert!(all(&container.stop(&[1]), 1, NodeState::Down), "{deleted}: it can be steered again");
        container.start(&[1]);
    }
}

fn arguments_and_environment_arrive_exactly() {
    let container = Container::running(&[]);
    fs::copy(test_node_that("record", "0.4.17"), container.storage().join("antnode")).unwrap();
    let hostile =
        ["it's \"quoted\" `id` $(id) $HOME", "back\\slash \\n", "line\nbreak\ttab ", "ünï😀", "; reboot # &", ""];
    let (program, root_dir) = (format!("{STORAGE}/antnode"), format!("{STORAGE}/antnode0001"));
    let wallet = format!("0x{}", "a".repeat(40));
    let mut line = vec![program.as_str(), "--root-dir", &root_dir, "--port", "55001", "--rewards-address", &wallet];
    line.extend(hostile.iter().flat_map(|value| ["--peer", value]));
    let environment: Vec<(String, String)> = hostile
        .iter()
        .enumerate()
        .map(|(index, value)| (format!("WNM_HOSTILE_{index}"), (*value).to_owned()))
        .collect();
    container.define(1, &line, &environment);
    assert!(all(&container.start(&[1]), 1, NodeState::Up));

    let seen = fs::read(container.node_dir(1).join("seen.json")).unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&seen).unwrap();
    let arguments: Vec<&str> = seen["arguments"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
    assert!(arguments.ends_with(&line[1..]), "{arguments:?}");
    let mut expected: serde_json::Map<String, serde_json::Value> =
        environment.into_iter().map(|(name, value)| (name, value.into())).collect();
    for (name, value) in [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/home/ant"), ("USER", "ant")] {
        expected.insert(name.to_owned(), value.into());
    }
    assert_eq!(seen["environment"], serde_json::Value::Object(expected), "and no other variable");
}

fn a_node_that_does_not_end_is_killed_after_its_grace() {
    let container = Container::running(&[]);
    container.define_shell(1, "trap '' TERM; while :; do sleep 0.1; done");
    container.define_shell(2, "trap 'sleep 1; touch ended; exit 3' TERM; while :; do sleep 0.1; done");
    container.start(&[1, 2]);
    container.mark(1, true);
    container.mark(2, true);
    let started = Instant::now();
    let stopped = container.call(Call::Stop { grace: Duration::from_secs(4) }, &[1, 2]);
    assert!(started.elapsed() >= Duration::from_secs(4));
    assert_eq!(stopped["antnode0001"].ended, Some(Ended::Signal(9)));
    assert_eq!(stopped["antnode0002"].ended, Some(Ended::Code(3)), "who ends in time is not killed");
    assert!(all(&stopped, 2, NodeState::Down), "{stopped:?}");
    assert!(container.node_dir(2).join("ended").exists());
}

fn a_nodes_output_is_kept_below_a_ceiling() {
    let container = Container::running(&[]);
    container.define_shell(1, "seq 300000; echo last words >&2; exec sleep 100000");
    container.start(&[1]);
    let definition = container.definition(1);
    until("the last words are kept", || tail(&definition).ends_with("last words\n"));
    let files = fs::read_dir(definition.said.parent().unwrap()).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!((100_000..500_000).contains(&bytes), "{bytes} bytes of some 10,000,000 are kept");
}

fn two_hundred_nodes_take_one_call() {
    let container = Container::running(&[]);
    let numbers: Vec<u32> = (1..=200).collect();
    numbers.iter().for_each(|number| container.define_idle(*number));
    let timed = |what: &str, reports: &dyn Fn() -> bool| {
        let started = Instant::now();
        assert!(reports(), "{what}");
        println!("{what}: {:.2?}", started.elapsed());
        started.elapsed()
    };
    timed("200 added and started", &|| all(&container.start(&numbers), 200, NodeState::Up));
    let status = timed("200 asked", &|| all(&container.call(Call::Status, &[]), 200, NodeState::Up));
    assert!(status < Duration::from_secs(5), "asking is cheap");
    timed("200 stopped", &|| all(&container.stop(&numbers), 200, NodeState::Down));
    timed("200 started again", &|| all(&container.start(&numbers), 200, NodeState::Up));
    timed("200 unloaded", &|| all(&container.call(UNLOAD, &numbers), 200, NodeState::Unloaded));
}

fn a_node_that_ignores_its_end_is_killed_before_its_lost_service_is_made_anew() {
    let container = Container::running(&[]);
    container.define_shell(1, "trap '' TERM; while :; do sleep 0.1; done");
    let before = container.start(&[1])["antnode0001"];
    container.shell("rm -r /run/wnm/services/antnode0001");
    let after = container.start(&[1])["antnode0001"];
    assert_eq!(after.state, NodeState::Up);
    assert_ne!(after.pid, before.pid);
    assert_eq!(container.shell("pgrep -cf '^/bin/sh -c trap'"), "1", "there are never two of a node");
}

fn a_node_that_survives_its_end_is_not_forgotten() {
    let container = Container::running(&[]);
    container.define_idle(1);
    container.define_idle(2);
    container.stop(&[1, 2]);
    // Nothing that a test could make survives a kill, but process 1: it stands in for the node.
    container.start(&[1, 2]);
    container.stop(&[1]);
    container.mark(2, true);
    container.shell("echo \"1 $(cut -d ' ' -f 22 /proc/1/stat) 0\" >/run/wnm/services/antnode0001/process");
    let reports = container.call(Call::Unload { grace: Duration::from_millis(300) }, &[1, 2]);
    assert_eq!(states(&reports)["antnode0001"], NodeState::Up, "the caller learns that it lives");
    assert_eq!(states(&reports)["antnode0002"], NodeState::Unloaded);
    assert_eq!(container.shell("ls /run/wnm/services"), "antnode0001");
}

fn the_keeper_says_how_nodes_are_without_a_program_in_the_container() {
    let container = Container::running(&[]);
    (1..=3).for_each(|number| container.define_idle(number));
    container.start(&[1, 2]);
    container.mark(3, true);
    container.call(LOAD, &[]);
    let ask = |question: &str| ask_keeper(&container, question);
    let asked = parse(&ask("status\n")).expect("it knows");
    assert_eq!(states(&asked), container.states());
    assert_eq!(asked["antnode0001"].pid, container.status(1).pid);
    fs::write(container.storage().join(".s6/seal"), "an id").unwrap();
    assert_eq!(ask("storage\n"), "storage an id");

    // It runs as nodes do, and what only root may look at it does not guess.
    assert_eq!(container.shell("ps -o user= -p $(pgrep -xf '/usr/bin/perl /run/wnm/keeper a1')"), "ant");
    container.shell("/command/s6-svc -wD -d /run/service/antnode0001");
    assert_eq!(ask("status\n"), "unsure\n");

    container.shell("pkill -KILL -xf '/usr/bin/perl /run/wnm/keeper a1'");
    until("it is back", || UnixStream::connect(container.storage().join(".s6/a1/keeper")).is_ok());
    assert_eq!(container.status(2).state, NodeState::Up, "nodes do not notice");
}

fn a_call_ends_with_its_caller_and_what_is_left_of_another_is_ended() {
    let container = Container::running(&[]);
    container.define_shell(1, "trap '' TERM; while :; do sleep 0.1; done");
    container.define_idle(2);
    container.start(&[1, 2]);
    container.mark(1, true);
    let mut gone = container.begin(Call::Stop { grace: Duration::from_secs(60) }, "gone", &[1]);
    until("it is at work", || container.shell("cat /run/wnm/lock").ends_with("gone"));
    gone.kill().expect("it can be killed");
    gone.wait().expect("it ends");
    until("nothing of it goes on", || container.shell("pgrep -cf '^perl -e' || true") == "0");

    // One whose caller is thought gone and is not.
    let mut other = container.begin(Call::Stop { grace: Duration::from_secs(60) }, "other", &[1]);
    until("it is at work", || container.shell("cat /run/wnm/lock").ends_with("other"));
    let began = Instant::now();
    assert_eq!(container.stop(&[2])["antnode0002"].state, NodeState::Down);
    assert!(began.elapsed() < Duration::from_secs(30), "nobody waits for it");
    assert!(!other.wait().expect("it ends").success());
}

fn a_call_that_begins_after_its_callers_turn_changes_nothing() {
    let container = Container::running(&[]);
    (1..=2).for_each(|number| container.define_idle(number));
    let before = container.start(&[1, 2]);
    let turn = container.storage().join(".s6/turn");
    fs::write(&turn, "3:4").unwrap();
    for call in [STOP, START, UNLOAD] {
        let mut late = container.begin(call, "1:2", &[1, 2]);
        let input = late.stdin.take();
        let output = late.wait_with_output().expect("it ends");
        drop(input);
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(5), ""), "{call:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "nodes: it is the turn of another wnm (3:4), and this call of 1:2 changes nothing\n");
    }
    let looked = container.call(Call::Status, &[1, 2]);
    let of = |reports: &std::collections::BTreeMap<String, wnm_pm_s6overlay::script::NodeReport>| {
        reports.values().map(|report| (report.state, report.pid)).collect::<Vec<_>>()
    };
    assert_eq!(of(&looked), of(&before), "whoever only looks needs no turn");
    assert_eq!(container.shell("ls /run/wnm/services/antnode0001/down 2>/dev/null || true"), "");
    fs::write(&turn, "a test").unwrap();
    assert!(all(&container.stop(&[1, 2]), 2, NodeState::Down));
    // A node could put anything there: it is neither followed nor waited for.
    fs::remove_file(&turn).unwrap();
    container.shell("mkfifo /var/antctl/services/.s6/turn");
    assert!(all(&container.start(&[1, 2]), 2, NodeState::Up));
    container.shell("cd /var/antctl/services/.s6 && rm turn && ln -s /etc/hostname turn");
    assert!(all(&container.stop(&[1, 2]), 2, NodeState::Down));
}

fn whoever_looks_waits_for_nodes_that_a_call_before_asked_to_end() {
    let container = Container::running(&[]);
    container.define_shell(1, "trap 'sleep 3; exit 0' TERM; while :; do sleep 0.1; done");
    container.define_idle(2);
    container.start(&[1, 2]);
    container.mark(1, true);
    let mut gone = container.begin(Call::Stop { grace: Duration::from_secs(60) }, "gone", &[1]);
    until("it is at work", || container.shell("cat /run/wnm/lock").ends_with("gone"));
    until("it was asked to end", || container.shell("ls /run/wnm/services/antnode0001").contains("down"));
    gone.kill().expect("it can be killed");
    gone.wait().expect("it ends");
    until("nothing of it goes on", || container.shell("pgrep -cf '^perl -e' || true") == "0");
    assert_eq!(ask_keeper(&container, "status\n"), "unsure\n", "it lives, and is to end");
    let looked = container.call(Call::Status, &[1, 2]);
    assert_eq!(looked["antnode0001"].state, NodeState::Down);
    assert_eq!(looked["antnode0002"].state, NodeState::Up);
}

fn a_node_whose_start_was_prepared_and_not_carried_out_is_down() {
    let container = Container::running(&[]);
    container.define_idle(1);
    container.start(&[1]);
    container.stop(&[1]);
    container.mark(1, false);
    assert_eq!(container.status(1).state, NodeState::Down, "nobody is about to start it");
}

fn an_image_without_busybox_starts_nodes_with_its_own_shell() {
    let container = Container::running(&[]);
    (1..=2).for_each(|number| container.define_idle(number));
    container.start(&[1]);
    let shell = |container: &Container| container.shell("head -n 1 /run/wnm/run");
    assert_eq!(shell(&container), "#!/run/wnm/busybox sh");
    container.shell("rm /bin/busybox /run/wnm/busybox");
    assert!(all(&container.start(&[1, 2]), 2, NodeState::Up));
    assert_eq!(shell(&container), "#!/bin/sh");
    assert!(all(&container.stop(&[1, 2]), 2, NodeState::Down));
}

fn ask_keeper(container: &Container, question: &str) -> String {
    let mut socket = UnixStream::connect(container.storage().join(".s6/a1/keeper")).expect("it listens");
    socket.write_all(question.as_bytes()).expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers");
    answer
}

wnm_testing::trials! {
    &[S6Image] =>
        nodes_are_added_stopped_started_and_removed_by_the_batch,
        what_is_not_defined_is_one_nodes_outcome,
        a_load_makes_the_container_agree_with_the_volume,
        a_start_mends_what_was_deleted_in_the_container,
        arguments_and_environment_arrive_exactly,
        a_node_that_does_not_end_is_killed_after_its_grace,
        a_nodes_output_is_kept_below_a_ceiling,
        two_hundred_nodes_take_one_call,
        a_node_that_ignores_its_end_is_killed_before_its_lost_service_is_made_anew,
        a_node_that_survives_its_end_is_not_forgotten,
        the_keeper_says_how_nodes_are_without_a_program_in_the_container,
        a_call_ends_with_its_caller_and_what_is_left_of_another_is_ended,
        a_call_that_begins_after_its_callers_turn_changes_nothing,
        whoever_looks_waits_for_nodes_that_a_call_before_asked_to_end,
        a_node_whose_start_was_prepared_and_not_carried_out_is_down,
        an_image_without_busybox_starts_nodes_with_its_own_shell;
}
