//! A saved plan is carried out only where it still makes sense.

use wnm_core::decide::Request;
use wnm_core::machine::{CycleError, Observation, Trigger};
use wnm_core::plan::{Action, Plan};

use crate::Scene;

/// A machine at ease, whatever the one that the test runs on does.
async fn at_ease(scene: &Scene) -> Observation {
    let mut observation = scene.observe().await;
    observation.snapshot.host = wnm_core::snapshot::HostLoad { used_cpu_percent: 10.0, ..Default::default() };
    observation.snapshot.last_surveyed_boot = observation.snapshot.boot_time;
    observation
}

fn plan(scene: &Scene, observation: &Observation, trigger: &Trigger) -> Plan {
    scene.machine.plan(observation, trigger).expect("it is not refused")
}

#[tokio::test]
async fn a_plan_that_grows_holds_only_while_there_is_room() {
    let scene = Scene::new();
    let mut observation = at_ease(&scene).await;
    let grows = plan(&scene, &observation, &Trigger::Cycle);
    assert!(grows.actions.iter().all(|action| matches!(action, Action::Add { .. })), "{:?}", grows.actions);
    let asked_for = plan(&scene, &observation, &Trigger::Request(Request::Add(1)));
    scene.machine.still_holds(&observation, &grows).expect("nothing has changed");
    observation.snapshot.host.used_cpu_percent = 99.0;
    let looks = plan(&scene, &observation, &Trigger::Cycle);
    let error = scene.machine.still_holds(&observation, &grows).expect_err("there is no room any more");
    assert!(matches!(error, CycleError::Changed(_)), "{error:?}");
    insta::assert_snapshot!(wnm_testing::told(&error), @"
    the machine has changed since the plan was made: CPU usage is 99.0 %, too high to add or start nodes (cpu_less_than = 50 %)
    hint: Run(Plan { out: None }) to make a new one
    ");
    scene.machine.still_holds(&observation, &asked_for).expect("the owner's word stands above the load");
    scene.machine.still_holds(&observation, &looks).expect("looking needs no room");
}
