//! A saved plan is carried out only where it still makes sense.

use wnm_core::cycle::{CycleError, Sight, Wish};
use wnm_core::decide::Request;
use wnm_core::plan::{Action, Plan};

use crate::Scene;

/// A machine at ease, whatever the one that the test runs on does.
async fn at_ease(scene: &Scene) -> Sight {
    let mut sight = scene.look().await;
    sight.snapshot.host = wnm_core::snapshot::HostLoad { used_cpu_percent: 10.0, ..Default::default() };
    sight.snapshot.last_stopped_at = sight.snapshot.boot_time;
    sight
}

fn plan(scene: &Scene, sight: &Sight, wish: &Wish) -> Plan {
    scene.machine.plan(sight, wish).expect("it is not refused")
}

#[tokio::test]
async fn a_plan_that_grows_holds_only_while_there_is_room() {
    let scene = Scene::new();
    let mut sight = at_ease(&scene).await;
    let grows = plan(&scene, &sight, &Wish::Cycle);
    assert!(grows.actions.iter().all(|action| matches!(action, Action::Add { .. })), "{:?}", grows.actions);
    let asked_for = plan(&scene, &sight, &Wish::Request(Request::Add(1)));
    scene.machine.still_holds(&sight, &grows).expect("nothing has changed");
    sight.snapshot.host.used_cpu_percent = 99.0;
    let looks = plan(&scene, &sight, &Wish::Cycle);
    let error = scene.machine.still_holds(&sight, &grows).expect_err("there is no room any more");
    assert!(matches!(error, CycleError::Changed(_)), "{error:?}");
    insta::assert_snapshot!(error, @"
    the plan was made for another state of the machine: CPU use is 99.0 %, not below cpu_less_than 50 %
    hint: make a new one with `wnm plan`
    ");
    scene.machine.still_holds(&sight, &asked_for).expect("the owner's word stands above the load");
    scene.machine.still_holds(&sight, &looks).expect("looking needs no room");
}
