//! What a container does with nodes that crash, and with nodes whose supervisor does.

use std::time::{Duration, Instant};

use wnm_pm_s6overlay::output::tail;
use wnm_pm_s6overlay::script::{Ended, NodeState};
use wnm_testing::Need::S6Image;

use crate::container::{Container, until};

fn a_killed_node_comes_back() {
    let container = Container::running(&[]);
    container.define_idle(1);
    container.start(&[1]);
    let first = container.status(1);
    container.shell(&format!("kill -KILL {}", first.pid.unwrap()));
    until("the node is back", || container.status(1).state == NodeState::Up && container.status(1).pid != first.pid);
    let now = container.status(1);
    assert_eq!((now.ended, now.crashes), (Some(Ended::Signal(9)), 1));
    assert!(now.start_time > first.start_time);
}

fn a_crash_loop_is_backed_off_and_reported() {
    let container = Container::running(&[]);
    container.define_shell(1, "echo run >>runs; exit 7");
    let began = Instant::now();
    let report = container.start(&[1])["antnode0001"];
    assert_eq!(report.state, NodeState::Waiting, "a start that crashes is seen at once");
    assert_eq!(report.ended, Some(Ended::Code(7)));
    assert!(began.elapsed() < Duration::from_secs(20), "the call does not wait out its time");
    until("it crashed four times", || container.status(1).crashes >= 4);
    // Pauses of 1, 2 and 4 seconds lie between four crashes.
    assert!(began.elapsed() >= Duration::from_secs(7), "{:?}", began.elapsed());
    let runs = std::fs::read_to_string(container.node_dir(1).join("runs")).unwrap();
    assert!((4..=5).contains(&runs.lines().count()), "{runs}");

    let began = Instant::now();
    let stopped = container.stop(&[1])["antnode0001"];
    assert_eq!(stopped.state, NodeState::Down, "a node that backs off is stopped");
    assert!(began.elapsed() < Duration::from_secs(5), "without waiting for its pause");
    assert_eq!(container.shell("pgrep -x sleep -c"), "1", "its pause is gone too");
}

fn a_node_that_always_crashes_is_given_up_until_it_is_started_again() {
    let container = Container::running(&[]);
    container.define_shell(1, "test -e well || exit 1; exec sleep 100000");
    container.start(&[1]);
    // The 20th crash in a row, without the quarter of an hour that it takes.
    until("it is given up", || {
        container.shell(
            "cd /run/wnm/services/antnode0001; [ $(cat crashes) -ge 19 ] || echo 19 >crashes; pkill -xf 'sleep [0-9]+' || true",
        );
        container.status(1).state == NodeState::Failed
    });
    assert_eq!(container.status(1).crashes, 20);
    std::fs::write(container.node_dir(1).join("well"), "").unwrap();
    let report = container.start(&[1])["antnode0001"];
    assert_eq!((report.state, report.crashes), (NodeState::Up, 0));
}

fn a_program_that_is_missing_is_a_crash_with_a_reason() {
    let container = Container::running(&[]);
    container.define(1, &["/var/antctl/services/antnode0001/antnode"], &[]);
    let report = container.start(&[1])["antnode0001"];
    assert_eq!((report.state, report.ended), (NodeState::Waiting, Some(Ended::Code(127))));
    let definition = container.definition(1);
    until("its log says why", || tail(&definition).ends_with("antnode: not found\n"));
}

fn a_killed_supervisor_does_not_make_two_of_a_node() {
    let container = Container::running(&[]);
    container.define_idle(1);
    container.start(&[1]);
    let first = container.status(1);
    container.shell("pkill -KILL -xf 's6-supervise antnode0001'");
    until("the node runs under a new supervisor", || {
        let now = container.status(1);
        now.state == NodeState::Up && now.pid != first.pid
    });
    assert_eq!(container.shell("pgrep -cxf '/bin/sleep 100000'"), "1");
    assert!(container.log().contains("antnode0001 lost its supervisor"), "{}", container.log());
    assert_eq!(container.status(1).crashes, 0);
}

fn a_node_taken_down_by_hand_is_told_from_one_that_waits() {
    let container = Container::running(&[]);
    container.define_idle(1);
    container.start(&[1]);
    container.shell("/command/s6-svc -wD -d /run/service/antnode0001");
    assert_eq!(container.status(1).state, NodeState::Down);
    assert_eq!(container.start(&[1])["antnode0001"].state, NodeState::Up);
}

fn a_start_ends_the_pause_of_a_node_that_backs_off() {
    let container = Container::running(&[]);
    container.define_shell(1, "test -e well || exit 7; exec sleep 100000");
    assert_eq!(container.start(&[1])["antnode0001"].state, NodeState::Waiting);
    // The longest pause, without the minutes that lead to it.
    container.shell("echo 12 >/run/wnm/services/antnode0001/crashes");
    until("it pauses for a minute", || container.log().contains("starts again in 60 s"));
    let began = Instant::now();
    let crashed = container.start(&[1])["antnode0001"];
    assert_eq!((crashed.state, crashed.crashes), (NodeState::Waiting, 1), "it was tried, and crashed");
    container.shell("echo 12 >/run/wnm/services/antnode0001/crashes");
    until("it pauses for a minute again", || container.log().matches("starts again in 60 s").count() == 2);
    std::fs::write(container.node_dir(1).join("well"), "").unwrap();
    let started = container.start(&[1])["antnode0001"];
    assert_eq!((started.state, started.crashes), (NodeState::Up, 0));
    assert!(began.elapsed() < Duration::from_secs(30), "nobody waited for the pauses: {:?}", began.elapsed());
}

wnm_testing::trials! {
    &[S6Image] =>
        a_killed_node_comes_back,
        a_crash_loop_is_backed_off_and_reported,
        a_node_that_always_crashes_is_given_up_until_it_is_started_again,
        a_program_that_is_missing_is_a_crash_with_a_reason,
        a_killed_supervisor_does_not_make_two_of_a_node,
        a_node_taken_down_by_hand_is_told_from_one_that_waits,
        a_start_ends_the_pause_of_a_node_that_backs_off;
}
