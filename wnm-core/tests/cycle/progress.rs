//! What a listener hears: every work that begins ends, every step is counted once, and none as done that failed.

use std::sync::Mutex;

use wnm_core::decide::{Request, Selection};
use wnm_core::execute::StepResult;
use wnm_core::machine::{Report, Trigger};
use wnm_core::node::{NodeId, Verb};
use wnm_core::progress::{Moment, Progress, Work};
use wnm_testing::Operation;

use crate::Scene;

#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Begins(Work),
    Ends(Work),
    Planned(usize),
    Moment(Verb, usize, Moment),
    Ended(Vec<StepResult>),
}

/// Listens, and asks to stop once so many steps have ended.
#[derive(Debug, Default)]
struct Listener {
    heard: Mutex<Vec<Heard>>,
    stop_after: Option<usize>,
}

impl Listener {
    fn hear(&self, heard: Heard) {
        self.heard.lock().expect("no test panics while it listens").push(heard);
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no test panics while it listens").clone()
    }

    fn results(&self) -> Vec<StepResult> {
        let results = |heard| if let Heard::Ended(results) = heard { results } else { Vec::new() };
        self.heard().into_iter().flat_map(results).collect()
    }

    fn planned(&self) -> Vec<usize> {
        let planned = |heard| if let Heard::Planned(steps) = heard { Some(steps) } else { None };
        self.heard().into_iter().filter_map(planned).collect()
    }

    /// What began and has not ended.
    fn left(&self) -> Vec<Work> {
        let mut left = Vec::new();
        for heard in self.heard() {
            match heard {
                Heard::Begins(work) => left.push(work),
                Heard::Ends(work) => {
                    let place = left.iter().position(|begun| *begun == work).expect("what ends has begun");
                    left.remove(place);
                }
                _ => {}
            }
        }
        left
    }
}

impl Progress for Listener {
    fn at(&self, verb: Verb, nodes: &[NodeId], moment: Moment) {
        self.hear(Heard::Moment(verb, nodes.len(), moment));
    }

    fn begins(&self, work: Work) {
        self.hear(Heard::Begins(work));
    }

    fn ends(&self, work: Work) {
        self.hear(Heard::Ends(work));
    }

    fn planned(&self, steps: usize) {
        self.hear(Heard::Planned(steps));
    }

    fn ended(&self, results: &[StepResult]) {
        self.hear(Heard::Ended(results.to_vec()));
    }

    fn interrupted(&self) -> bool {
        self.stop_after.is_some_and(|most| self.results().len() >= most)
    }
}

async fn run(scene: &mut Scene, request: Request, listener: &Listener) -> Report {
    scene.machine.run(&Trigger::Request(request), listener).await.expect("it is carried out")
}

#[tokio::test]
async fn a_step_that_fails_is_not_reported_as_done() {
    let (mut scene, listener) = (Scene::new(), Listener::default());
    scene.world.fail(Operation::Create, NodeId(2), "the disk is full");
    scene.world.fail(Operation::Start, NodeId(3), "it does not start");
    let report = run(&mut scene, Request::Add(4), &listener).await;
    assert_eq!(listener.planned(), [4]);
    let mut results = listener.results();
    assert_eq!(results, report.execution.results, "what is reported is what came of it");
    results.sort_by_key(|result| result.number);
    let failed: Vec<Option<&str>> = results.iter().map(|result| result.error.as_deref()).collect();
    assert_eq!(failed, [None, Some("the disk is full"), Some("it does not start"), None]);
    assert_eq!(listener.left(), []);
    let heard = listener.heard();
    let recorded = heard.iter().position(|heard| matches!(heard, Heard::Moment(Verb::Add, _, Moment::Recorded)));
    let ended = heard.iter().position(|heard| matches!(heard, Heard::Ended(_)));
    assert!(recorded < ended, "an outcome is reported once it is recorded: {heard:#?}");
}

#[tokio::test]
async fn each_step_that_fails_has_hints_of_its_own() {
    let (mut scene, listener) = (Scene::new(), Listener::default());
    scene.world.break_program(&scene.machine.config().antnode_path);
    let report = run(&mut scene, Request::Add(2), &listener).await;
    assert_eq!(report.execution.results.len(), 2);
    for StepResult { name, error, hints, .. } in &report.execution.results {
        assert!(error.as_ref().is_some_and(|error| error.contains(name)), "{report:#?}");
        assert!(format!("{hints:?}").contains(name), "its own log is named: {report:#?}");
    }
    assert_eq!(report.execution.hints, [], "a thousand logs are named with their nodes, not once more");
}

#[tokio::test]
async fn all_that_a_cycle_waits_for_is_said() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    scene.recorded(2, None).await;
    let listener = Listener::default();
    scene.machine.run(&Trigger::Cycle, &listener).await.expect("it is done");
    let begun: Vec<Work> = listener
        .heard()
        .into_iter()
        .filter_map(|heard| if let Heard::Begins(work) = heard { Some(work) } else { None })
        .collect();
    for work in [
        Work::ReadDatabase,
        Work::MeasureMachine,
        Work::ReadProgramVersion,
        Work::CheckNodes(2),
        Work::AskNodes(2),
        Work::WriteDatabase,
    ] {
        assert!(begun.contains(&work), "{work:?} is not among {begun:?}");
    }
    assert_eq!(listener.left(), []);
}

#[tokio::test]
async fn what_is_refused_ends_too_and_has_no_steps() {
    let (mut scene, listener) = (Scene::new(), Listener::default());
    let nobody = Request::Stop(Selection::names(vec!["antnode0009".to_owned()]));
    let refused = scene.machine.run(&Trigger::Request(nobody), &listener).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(listener.left(), []);
    assert!(listener.planned().is_empty(), "{listener:#?}");
}

#[tokio::test]
async fn what_an_interruption_leaves_is_not_reported() {
    let (mut scene, listener) = (Scene::new(), Listener { stop_after: Some(1), ..Listener::default() });
    scene.machine.parts_mut().config.action_delay = 1;
    let report = run(&mut scene, Request::Add(3), &listener).await;
    assert_eq!((listener.planned(), listener.results().len()), (vec![3], 1));
    assert_eq!(report.execution.left, [(Verb::Add, NodeId(2)), (Verb::Add, NodeId(3))]);
    assert_eq!(listener.left(), []);
}

#[tokio::test]
async fn the_steps_of_a_teardown_are_counted() {
    let mut scene = Scene::new();
    run(&mut scene, Request::Add(3), &Listener::default()).await;
    let listener = Listener::default();
    run(&mut scene, Request::Teardown, &listener).await;
    assert_eq!(listener.planned(), [3]);
    assert_eq!(listener.results().len(), 3);
    assert!(listener.results().iter().all(|result| result.verb == Verb::Remove && result.error.is_none()));
    assert_eq!(listener.left(), []);
}
