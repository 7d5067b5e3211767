//! Nodes that upgrade themselves: what their new version does to a fleet is watched like a roll-out.

use insta::assert_snapshot;
use semver::Version;
use wnm_core::decide::{advance, decide, reconcile, watch};
use wnm_core::node::{Flavour, Node, NodeId, PortKind, ProcessId, Status, UnixSeconds};
use wnm_core::observe::signs::Signs;
use wnm_core::report::{rollout_report, rollout_text};
use wnm_core::rollout::{Phase, Rollouts};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, Seen, Snapshot};
use wnm_pm::process_manager::ProcessState;
use wnm_testing::alter;

use crate::fleet::{config, fleet, gone};

const OLD: Version = Version::new(0, 23, 1);
const NEW: Version = Version::new(0, 23, 2);

/// Nodes of v2, looked at once a minute.
struct Watched {
    config: Config,
    snapshot: Snapshot,
}

impl Watched {
    fn new(count: usize) -> Self {
        let mut snapshot = fleet(&vec![Status::Running; count]);
        snapshot.flavour = Flavour::V2;
        snapshot.rollouts = Some(Rollouts::default());
        for each in &mut snapshot.nodes {
            alter(&mut each.node, |row| {
                row.spec.flavour = Flavour::V2;
                row.spec.ports = row.spec.ports.clone().without(PortKind::Metrics);
                row.version = Some(OLD);
                row.process = Some(process(1));
            });
        }
        let config = Config { upgrade_settle_seconds: 120, upgrade_failure_percent: 20.0, ..config() };
        let mut watched = Self { config, snapshot };
        (1..=count).for_each(|number| watched.runs(number, 1, &OLD));
        watched
    }

    fn node(&self, number: usize) -> &Node {
        &self.snapshot.nodes[number - 1].node
    }

    /// A node was seen to live in this process, as this version.
    fn runs(&mut self, number: usize, pid: u32, version: &Version) {
        let (version, process) = (Some(version.clone()), Some(process(pid)));
        let signs = Signs { version, has_port: Some(true), peers: Some(5), expects_peers: true, ..Signs::default() };
        self.seen(number, ProcessState::Running { process }, signs);
    }

    fn left(&mut self, number: usize) {
        let signs = Signs { version: Some(OLD), left_to_upgrade: true, ..Signs::default() };
        self.seen(number, ProcessState::Stopped { reason: None }, signs);
    }

    fn seen(&mut self, number: usize, process: ProcessState, signs: Signs) {
        let seen = Seen { process: Ok(process), answer: Answer::Signs { signs: Box::new(signs) }, ..gone() };
        self.snapshot.nodes[number - 1].seen = Some(seen);
    }

    /// A look at everything, a minute after the last one, as the machine takes it.
    fn look(&mut self) {
        self.snapshot.now += 60;
        let reconciled = reconcile(&self.config, self.snapshot.clone());
        self.snapshot = reconciled.snapshot;
        let _ = watch(&self.config, &mut self.snapshot, &reconciled.fallen);
        for each in &mut self.snapshot.nodes {
            if let Some(Answer::Signs { signs }) = each.seen.as_ref().map(|seen| &seen.answer) {
                let (version, metrics) = (signs.version.clone(), signs.metrics());
                each.node.reported(None, version, metrics);
            }
        }
        let _ = advance(&self.config, &mut self.snapshot, &reconciled.fallen);
    }

    fn phase(&self) -> Option<Phase> {
        self.snapshot.rollouts.as_ref()?.last.as_ref().map(|rollout| rollout.phase)
    }

    fn text(&self) -> String {
        let report = rollout_report(&self.config, &self.snapshot).expect("there is one");
        let lines = rollout_text(&report);
        lines
            .lines()
            .filter(|line| !line.contains("began:"))
            .fold(String::new(), |text, line| text + line.split(" since ").next().unwrap_or_default() + "\n")
    }

    fn held_back(&self) -> String {
        let plan = decide(&self.config, &self.snapshot);
        let reasons = plan.reasons.iter().map(|reason| format!("{}: {reason}", reason.rule()));
        reasons.collect::<Vec<_>>().join("\n")
    }
}

fn process(pid: u32) -> ProcessId {
    ProcessId { pid, start_time: u64::from(pid) }
}

#[test]
fn a_version_that_nodes_upgrade_themselves_to_is_watched_to_its_end() {
    let mut watched = Watched::new(3);
    watched.look();
    assert_eq!(watched.phase(), None);
    watched.runs(2, 2, &NEW);
    watched.look();
    assert_snapshot!(watched.text(), @"
    roll-out of 0.23.2: canary
      program: nodes upgrade themselves
      nodes: 0 proved, 1 on trial, 0 failed, 2 waiting
      next: the other nodes upgrade themselves within a day
    ");
    watched.look();
    watched.look();
    assert_snapshot!(watched.text(), @"
    roll-out of 0.23.2: batches
      program: nodes upgrade themselves
      nodes: 1 proved, 0 on trial, 0 failed, 2 waiting
      next: the other nodes upgrade themselves within a day
    ");
    watched.runs(1, 2, &NEW);
    watched.runs(3, 2, &NEW);
    (0..3).for_each(|_| watched.look());
    assert_eq!(watched.phase(), Some(Phase::Done));
    assert!(watched.snapshot.rollouts.iter().all(|it| it.trials.values().all(wnm_core::rollout::Trial::is_over)));
    // The next version is another roll-out.
    watched.runs(1, 3, &Version::new(0, 23, 3));
    watched.look();
    assert_snapshot!(watched.text(), @"
    roll-out of 0.23.3: canary
      program: nodes upgrade themselves
      nodes: 0 proved, 1 on trial, 0 failed, 2 waiting
      next: the other nodes upgrade themselves within a day
    ");
}

#[test]
fn a_version_that_fails_on_the_first_nodes_is_told_and_nothing_grows() {
    let mut watched = Watched::new(3);
    watched.config.node_cap = 9;
    watched.runs(2, 2, &NEW);
    watched.look();
    let signs = Signs { version: Some(NEW), ..Signs::default() };
    watched.seen(2, ProcessState::Stopped { reason: None }, signs);
    watched.look();
    assert_eq!(watched.node(2).status(), Status::Stopped);
    assert_snapshot!(watched.text(), @"
    roll-out of 0.23.2: paused
      program: nodes upgrade themselves
      paused: it failed on antnode0002: its process is gone
      nodes: 0 proved, 0 on trial, 1 failed, 2 waiting
      antnode0002: its process is gone; it upgraded itself, and keeps no previous program
      next: no node is added before `wnm rollout resume` or the nodes' next version
    ");
    assert_snapshot!(watched.held_back(), @"
    rollout: the roll-out of 0.23.2 is paused: it failed on antnode0002: its process is gone
    restart_pace: running until they fell; oldest nodes first
    ");
}

#[test]
fn too_many_failures_are_told_after_the_version_proved_itself() {
    let mut watched = Watched::new(10);
    watched.runs(1, 2, &NEW);
    (0..4).for_each(|_| watched.look());
    assert_eq!(watched.phase(), Some(Phase::Batches));
    // These end before they have said a word as the new version.
    for number in [2, 3, 4] {
        watched.left(number);
        watched.look();
        assert_eq!(watched.node(number).status(), Status::Upgrading);
        alter(&mut watched.snapshot.nodes[number - 1].node, |row| row.process = Some(process(2)));
        watched.look();
        assert_eq!(watched.node(number).status(), Status::Stopped, "{number}");
    }
    assert_eq!(watched.phase(), Some(Phase::Paused));
    assert!(watched.text().contains("it failed on 3 of 10 nodes (upgrade_failure_percent = 20 %)"));
}

#[test]
fn an_older_version_is_no_upgrade_and_another_newer_one_is_judged_instead() {
    let mut watched = Watched::new(2);
    watched.runs(1, 2, &Version::new(0, 23, 0));
    watched.look();
    assert_eq!(watched.phase(), None);
    watched.runs(2, 2, &NEW);
    watched.look();
    watched.runs(2, 3, &Version::new(0, 23, 3));
    watched.look();
    let rollouts = watched.snapshot.rollouts.clone().unwrap_or_default();
    let of: Vec<String> = rollouts.trials.values().map(|trial| trial.target.version.to_string()).collect();
    assert_eq!((of, rollouts.trials.contains_key(&NodeId(2))), (vec!["0.23.3".to_owned()], true));
    let since: UnixSeconds = rollouts.last.map(|last| last.started_at).unwrap_or_default();
    assert_eq!(since, watched.snapshot.now);
}
