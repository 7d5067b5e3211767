//! Batches: however many nodes, one program is run per group and step.

mod common;

use common::events::during;
use common::{Machine, PUBLISHED, run};
use wnm_pm::container_host::ContainerHost;
use wnm_pm::node::NodeSpec;
use wnm_pm::process_manager::{Binary, ProcessManager};
use wnm_pm_s6overlay::ContainerNetwork;
use wnm_testing::test_node;

fn programs(events: &[String]) -> usize {
    events.iter().filter(|event| event.starts_with("exec_create")).count()
}

async fn one_program_is_run_per_group_and_step() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    let groups = [machine.group(1), machine.group(2)];
    for outcome in manager.open(&groups).await {
        outcome.unwrap_or_else(|error| panic!("it opens: {error}"));
    }
    let specs: Vec<NodeSpec> = (1..=5).chain(31..=35).map(|number| machine.spec(number)).collect();
    let (nodes, events) = during(&machine, run(&manager, &specs)).await;
    assert_eq!(programs(&events), 2, "creating needs none, starting one per group: {events:#?}");

    let (states, events) = during(&machine, manager.inspect(&nodes)).await;
    assert!(states.iter().all(Result::is_ok));
    assert_eq!(programs(&events), 2, "{events:#?}");

    let version = semver::Version::new(0, 4, 18);
    let newer = Binary { path: test_node("0.4.18"), version };
    let (outcomes, events) = during(&machine, manager.upgrade(&nodes, &newer)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(programs(&events), 4, "stopping and starting: {events:#?}");
    assert!(!nodes[0].spec.binary.with_extension("previous").exists(), "what lives needs nothing to go back to");

    let (found, events) = during(&machine, manager.survey()).await;
    assert_eq!(found.expect("it can be looked at").len(), 10);
    assert_eq!(programs(&events), 2, "{events:#?}");

    let (outcomes, events) = during(&machine, manager.remove(&nodes)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(programs(&events), 2, "{events:#?}");
    let left: Vec<_> = std::fs::read_dir(&machine.settings.node_storage).expect("it is there").flatten().collect();
    assert_eq!(left.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), [".s6"], "nothing of the nodes is left");
}

wnm_testing::trials! {
    PUBLISHED => one_program_is_run_per_group_and_step;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
