//! How a container ends.

use std::time::{Duration, Instant};

use wnm_pm_s6overlay::script::NodeState;
use wnm_testing::Need::S6Image;

use crate::container::{Container, docker, until};

/// Ends in order, after a while.
const ORDERLY: &str = "trap 'sleep 4; touch ended; exit 0' TERM; while :; do sleep 0.1; done";

/// The container's main program is told that its terminal is gone.
fn hang_up(container: &Container) {
    container.shell("pkill -HUP -xf 'sleep infinity'");
}

fn a_hung_up_container_takes_its_nodes_down_in_order() {
    let container = Container::running(&[]);
    container.define_shell(1, ORDERLY);
    container.define_idle(2);
    container.start(&[1, 2]);
    let began = Instant::now();
    hang_up(&container);
    assert_eq!(container.await_end(), 129);
    assert!(container.node_dir(1).join("ended").exists(), "a node that needs four seconds has them");
    println!("a container with a node that needs 4 s ends in {:.1?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(30), "nothing waits for the end of a grace");

    docker(&["start", &container.name]);
    container.await_boot();
    until("the nodes come back with the container", || container.states().values().eq(&[NodeState::Up, NodeState::Up]));
}

fn a_stopped_container_takes_its_nodes_down_in_order() {
    let container = Container::running(&[]);
    container.define_shell(1, ORDERLY);
    container.start(&[1]);
    docker(&["stop", "--time", "60", &container.name]);
    assert_eq!(container.await_end(), 0);
    assert!(container.node_dir(1).join("ended").exists());
}

fn a_node_that_does_not_end_does_not_keep_its_container() {
    let container = Container::running(&["--env", "WNM_GRACE_MILLISECONDS=1000"]);
    container.define_shell(1, "trap '' TERM; while :; do sleep 0.1; done");
    container.start(&[1]);
    hang_up(&container);
    assert_eq!(container.await_end(), 129);
}

fn stopping_the_last_node_does_not_end_the_container() {
    let container = Container::running(&[]);
    container.define_idle(1);
    container.start(&[1]);
    container.stop(&[1]);
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    assert_eq!(container.states().values().next(), Some(&NodeState::Down));
}

wnm_testing::trials! {
    &[S6Image] =>
        a_hung_up_container_takes_its_nodes_down_in_order,
        a_stopped_container_takes_its_nodes_down_in_order,
        a_node_that_does_not_end_does_not_keep_its_container,
        stopping_the_last_node_does_not_end_the_container;
}
