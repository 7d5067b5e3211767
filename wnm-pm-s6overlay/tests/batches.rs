//! Batches: however many nodes, one program is run per group and step.

mod common;

use common::events::during;
use common::{Machine, PUBLISHED, all_good, run};
use wnm_pm::container_host::ContainerHost;
use wnm_pm::node::NodeSpec;
use wnm_pm::process_manager::{Binary, ProcessManager};
use wnm_pm::upgrade::upgrade;
use wnm_pm_s6overlay::ContainerNetwork;
use wnm_testing::test_node;

fn programs(events: &[String]) -> usize {
    events.iter().filter(|event| event.starts_with("exec_create")).count()
}

async fn one_program_is_run_per_group_and_step() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    all_good(manager.open(&[machine.group(1), machine.group(2)]).await);
    let specs: Vec<NodeSpec> = (1..=5).chain(31..=35).map(|number| machine.spec(number)).collect();
    let (nodes, events) = during(&machine, run(&manager, &specs)).await;
    assert_eq!(programs(&events), 2, "creating needs none, starting one per group: {events:#?}");

    let (states, events) = during(&machine, manager.inspect(&nodes)).await;
    assert_eq!(all_good(states).len(), 10);
    assert_eq!(programs(&events), 0, "the keepers answer: {events:#?}");

    let version = semver::Version::new(0, 4, 18);
    let newer = Binary { path: test_node("0.4.18"), version };
    let (outcomes, events) = during(&machine, upgrade(&manager, &nodes, &newer)).await;
    all_good(outcomes);
    assert_eq!(programs(&events), 4, "stopping and starting: {events:#?}");
    assert!(!nodes[0].spec.binary.with_extension("previous").exists(), "what lives needs nothing to go back to");

    let (outcomes, events) = during(&machine, manager.restore_program(&nodes)).await;
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_err()), "nothing is kept to go back to: {outcomes:?}");
    assert_eq!(programs(&events), 0, "and so nothing is stopped: {events:#?}");

    let (found, events) = during(&machine, manager.survey()).await;
    assert_eq!(found.expect("it can be looked at").len(), 10);
    assert_eq!(programs(&events), 0, "{events:#?}");

    let (outcomes, events) = during(&machine, manager.remove(&nodes)).await;
    all_good(outcomes);
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
