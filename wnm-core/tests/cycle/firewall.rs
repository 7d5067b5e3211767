//! What is done about the ports of nodes while a plan is carried out, and what becomes of a firewall that fails.

use std::sync::Arc;

use wnm_core::decide::{Request, Selection};
use wnm_core::host::firewall::Ufw;
use wnm_core::machine::{Report, Trigger};
use wnm_core::node::Status;
use wnm_core::progress::Silent;
use wnm_core::store::HistoryFilter;
use wnm_pm::command::CommandRunner;
use wnm_pm::privilege::Privilege;
use wnm_testing::RecordedRunner;

use crate::Scene;

/// A machine with this ufw.
fn scene(ufw: RecordedRunner) -> (Scene, Arc<RecordedRunner>) {
    let (mut scene, ufw) = (Scene::new(), Arc::new(ufw));
    let runner = Arc::clone(&ufw) as Arc<dyn CommandRunner>;
    scene.machine.parts_mut().firewall = Arc::new(Ufw::new(runner, Privilege::Own));
    (scene, ufw)
}

async fn ask(scene: &mut Scene, request: Request) -> Report {
    scene.machine.run(&Trigger::Request(request), &Silent).await.expect("it is done")
}

fn first() -> Selection {
    Selection::names(vec!["1".to_owned()])
}

#[tokio::test]
async fn a_port_is_opened_before_the_start_and_closed_once_the_node_is_gone() {
    let (mut scene, ufw) = scene(RecordedRunner::new().on_success("ufw", ""));
    scene.machine.parts_mut().config.delay_remove = 0;
    let port = scene.ports.node_port(1);
    ask(&mut scene, Request::Add(1)).await;
    let open = format!("ufw allow {port}/udp comment wnm antnode0001");
    assert_eq!(ufw.lines(), ["ufw show added".to_owned(), open]);
    scene.node_directory(&scene.storage().join("antnode0001"));
    let rule = format!("ufw allow {port}/udp comment 'wnm antnode0001'\n");
    let (mut again, ufw) = (scene, Arc::new(RecordedRunner::new().on_success("ufw", &rule)));
    again.machine.parts_mut().firewall = Arc::new(Ufw::new(Arc::clone(&ufw) as Arc<dyn CommandRunner>, Privilege::Own));
    ask(&mut again, Request::Stop(first())).await;
    assert_eq!(ufw.lines(), Vec::<String>::new(), "it may be started again");
    ask(&mut again, Request::Start(first())).await;
    assert_eq!(ufw.lines(), ["ufw show added"], "it is open");
    ask(&mut again, Request::Remove(first())).await;
    assert_eq!(ufw.lines()[1..], ["ufw show added".to_owned(), format!("ufw delete allow {port}/udp")]);
    let history = again.machine.store().history(&HistoryFilter::default()).expect("it is read");
    let noted: Vec<String> =
        history.into_iter().map(|entry| entry.text).filter(|text| text.starts_with("UDP")).collect();
    assert_eq!(noted.len(), 2, "{noted:?}");
}

#[tokio::test]
async fn a_port_is_closed_with_its_node_and_opened_when_the_node_comes_back() {
    let (mut scene, _) = scene(RecordedRunner::new().on_success("ufw", ""));
    scene.machine.parts_mut().config.delay_remove = 3600;
    let port = scene.ports.node_port(1);
    ask(&mut scene, Request::Add(1)).await;
    scene.node_directory(&scene.storage().join("antnode0001"));
    // The first cycle after a restart of the machine only looks.
    scene.machine.run(&Trigger::Cycle, &Silent).await.expect("it is done");
    let rule = format!("ufw allow {port}/udp comment 'wnm antnode0001'\n");
    let closed = ["ufw show added".to_owned(), format!("ufw delete allow {port}/udp")];
    let open = ["ufw show added".to_owned(), format!("ufw allow {port}/udp comment wnm antnode0001")];
    let steps = [
        (Trigger::Request(Request::Disable(first())), rule.as_str(), &closed[..]),
        (Trigger::Request(Request::Enable(first())), "", &[]),
        (Trigger::Request(Request::Start(first())), "", &open),
        (Trigger::Request(Request::Stop(first())), &rule, &[]),
        // A node beyond the cap is stopped at once, and its files stay for an hour.
        (Trigger::Cycle, &rule, &closed),
    ];
    for (trigger, rules, expected) in steps {
        scene.machine.parts_mut().config.node_cap = if matches!(trigger, Trigger::Cycle) { 0 } else { 1 };
        let ufw = Arc::new(RecordedRunner::new().on_success("ufw", rules));
        scene.machine.parts_mut().firewall =
            Arc::new(Ufw::new(Arc::clone(&ufw) as Arc<dyn CommandRunner>, Privilege::Own));
        let report = scene.machine.run(&trigger, &Silent).await.expect("it is done");
        assert_eq!(ufw.lines(), expected, "{:?}", report.plan.actions);
    }
    assert_eq!(scene.machine.store().load().expect("it is read").nodes[0].status(), Status::Removing);
}

#[tokio::test]
async fn a_firewall_that_fails_is_told_and_loses_no_node() {
    let (mut scene, _) = scene(RecordedRunner::new().on_failure("ufw", 1, "ERROR: problem running\n"));
    let report = ask(&mut scene, Request::Add(2)).await;
    assert!(report.execution.succeeded(), "{report:?}");
    assert_eq!(scene.world.running().len(), 2);
    let ports = [1, 2].map(|number| scene.ports.node_port(number));
    let told = format!(
        "UDP ports {}–{} not opened in ufw: ufw failed: `ufw show added` failed (exit code 1): ERROR: problem running",
        ports[0], ports[1]
    );
    assert_eq!(report.execution.port_errors.len(), 1, "{report:?}");
    assert!(report.execution.port_errors[0].starts_with(&told), "{report:?}");
    let hints = &report.execution.hints;
    assert!(!hints.is_empty(), "{report:?}");
    assert!(hints.iter().all(|hint| hints.iter().filter(|other| *other == hint).count() == 1), "each once: {hints:?}");
}
