//! A node's life, held to what can never be true of one, over anything that may happen to a node in any order.

#[path = "../support/lives.rs"]
mod lives;

use std::collections::BTreeSet;

use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use wnm_core::node::{
    Desired, End, Evidence, Flavour, Found, Intent, Node, NodeId, NodeSpec, Ports, Status, StoredNode, Transition,
    UnixSeconds, Verb,
};

use Status::{Dead, Disabled, Migrating, Removing, Restarting, Running, Starting, Stopped, Upgrading};

const NOW: UnixSeconds = 1_790_000_000;

fn spec() -> NodeSpec {
    NodeSpec {
        id: NodeId(7),
        name: NodeId(7).name(),
        flavour: Flavour::V1,
        program: "/usr/bin/antnode".into(),
        version: None,
        root_dir: "/nodes/antnode0007".into(),
        binary: "/nodes/antnode0007/antnode".into(),
        log_dir: "/logs/antnode0007".into(),
        bootstrap_cache_dir: "/nodes/bootstrap-cache".into(),
        ports: Ports::default(),
        wallet: String::new(),
        network: String::new(),
        no_upnp: false,
        environment: Vec::new(),
        start_args: Vec::new(),
        group: None,
    }
}

fn adopted() -> Node {
    Node::adopted(spec(), "antnode7".to_owned(), NOW)
}

/// Nodes at the beginning of a life, new ones and found ones.
fn beginnings() -> impl Strategy<Value = Node> {
    prop_oneof![Just(Node::planned(spec(), NOW)), Just(adopted())]
}

/// What is wrong with a node whose columns are these, said without looking at how lives change.
fn wrong(node: &StoredNode) -> Vec<&'static str> {
    let StoredNode { status, desired, pending, failures, retry_at, last_error, has_run, .. } = node;
    let (status, waits) = (*status, retry_at.is_some());
    let underway = [Starting, Restarting, Upgrading].contains(&status);
    let a_step_failed = *failures > 0 && waits && last_error.is_some();
    let nothing_failed = *failures == 0 && !waits && last_error.is_none();
    let laws = [
        ("disabled is unmanaged", (status == Disabled) == (*desired == Desired::Unmanaged)),
        ("what is being added is stopped", *pending != Some(Verb::Add) || status == Stopped),
        ("what is to be removed is removing", *pending != Some(Verb::Remove) || status == Removing),
        ("what is to be disabled is disabled", *pending != Some(Verb::Disable) || status == Disabled),
        ("what is to be enabled is disabled", *pending != Some(Verb::Enable) || status == Disabled),
        (
            "a disabled node has nothing else pending",
            status != Disabled || matches!(pending, None | Some(Verb::Disable | Verb::Enable)),
        ),
        ("dead and migrating nodes have nothing pending", ![Dead, Migrating].contains(&status) || pending.is_none()),
        ("dead and migrating nodes wait for no time", ![Dead, Migrating].contains(&status) || !waits),
        ("a disabled node waits only to be disabled", status != Disabled || !waits || *pending == Some(Verb::Disable)),
        ("what returns with its machine is stopped", !node.comes_back || status == Stopped),
        ("what runs has run", status != Running || *has_run),
        ("what restarts has run", status != Restarting || *has_run),
        ("what starts has not", status != Starting || !has_run),
        ("on a running node a step failed, or nothing", status != Running || a_step_failed || nothing_failed),
        ("one on its way up waits only after a step that failed", !underway || !waits || a_step_failed),
    ];
    laws.into_iter().filter(|(_, holds)| !holds).map(|(law, _)| law).collect()
}

/// Any mix of columns.
fn mixes() -> impl Strategy<Value = StoredNode> {
    let verbs = vec![
        Verb::Add,
        Verb::Start,
        Verb::Stop,
        Verb::Restart,
        Verb::Upgrade,
        Verb::Revert,
        Verb::Remove,
        Verb::Disable,
        Verb::Enable,
    ];
    let desired = proptest::sample::select(vec![Desired::Run, Desired::Stop, Desired::Unmanaged]);
    let life = (proptest::sample::select(Status::ALL.to_vec()), desired, option::of(proptest::sample::select(verbs)));
    let failed = (0_u32..2, option::of(Just(NOW)), option::of(Just("it was tired".to_owned())), any::<bool>());
    let fell = (0_u32..3, proptest::bool::weighted(0.2));
    let columns = (life, failed, fell);
    columns.prop_map(|((status, desired, pending), (failures, retry_at, last_error, has_run), fell)| StoredNode {
        falls: fell.0,
        comes_back: fell.1,
        status,
        desired,
        pending,
        failures,
        retry_at,
        last_error,
        has_run,
        ..StoredNode::new(spec(), NOW)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mix_that_cannot_come_about_is_refused_and_no_other(stored in mixes()) {
        let wrong = wrong(&stored);
        match Node::restore(stored.clone()) {
            Ok(node) => {
                prop_assert_eq!(wrong, Vec::<&str>::new());
                prop_assert_eq!(StoredNode::from(node), stored);
            }
            Err(contradiction) => prop_assert_ne!(wrong, Vec::<&str>::new(), "{}", contradiction),
        }
    }

    #[test]
    fn whatever_happens_nothing_contradicts_itself(mut node in beginnings(), course in lives::courses()) {
        let mut now = NOW;
        for (transition, seconds) in course {
            now += seconds;
            let before = node.clone();
            let done = node.apply(transition.clone(), now);
            if done.is_err() {
                prop_assert_eq!(&node, &before, "what is impossible changes nothing");
                continue;
            }
            prop_assert_eq!(wrong(&StoredNode::from(node.clone())), Vec::<&str>::new(), "{:?} of {:?}", transition, before);
            laws(&before, &transition, &node, now)?;
            let text = serde_json::to_string(&node).expect("it is plain data");
            prop_assert_eq!(&serde_json::from_str::<Node>(&text).expect("and is read again"), &node);
        }
    }
}

/// What holds for each thing that happens.
fn laws(before: &Node, transition: &Transition, node: &Node, now: UnixSeconds) -> Result<(), TestCaseError> {
    let (old, life) = (before.life(), node.life());
    let intended = matches!(transition, Transition::Intended(_));
    if life.status() == Running && !intended && old.status() != Running {
        prop_assert_eq!((life.failures(), life.retry_at(), life.last_error()), (0, None, None));
        prop_assert_eq!(life.desired(), Desired::Run, "its owner started it, or it did not stop");
    }
    prop_assert!(life.has_run() || !old.has_run(), "what has run has run for ever");
    prop_assert_eq!(life.has_run() && !old.has_run(), life.status() == Running && !old.has_run());
    if life.pending().is_some() && life.pending() != old.pending() {
        prop_assert!(intended || matches!(transition, Transition::Created(_)), "nothing begins by itself");
    }
    if old.status() == Removing && life.status() != Removing {
        let by_owner = matches!(
            transition,
            Transition::Started { .. } | Transition::StartFailed { .. } | Transition::Intended(Intent::Disable)
        );
        let interrupted = matches!(transition, Transition::Resolved { .. });
        let was_starting = matches!(old.pending(), Some(Verb::Start | Verb::Restart));
        prop_assert!(by_owner || (interrupted && was_starting), "removal wins");
    }
    if old.status() == Disabled && life.status() != Disabled {
        let by_owner = matches!(
            transition,
            Transition::Enabled
                | Transition::Resolved { end: End::Enabled, .. }
                | Transition::Intended(Intent::Remove { .. })
        );
        prop_assert!(by_owner, "nobody but its owner takes a node back");
    }
    if old.is_stopped_by_owner() && !life.is_stopped_by_owner() {
        let started = matches!(
            transition,
            Transition::Started { .. }
                | Transition::Upgraded { .. }
                | Transition::Observed { found: Found::Running, .. }
                | Transition::Resolved { end: End::StillRunning, .. }
                | Transition::Intended(Intent::Disable)
        );
        prop_assert!(started, "an owner's stop is kept until the owner's start");
    }
    if life.failures() > old.failures() {
        let longest = now + 3_600;
        prop_assert_eq!(life.failures(), old.failures() + 1);
        prop_assert!(life.retry_at() >= Some(now + 60) && life.retry_at() <= Some(longest), "{:?}", life.retry_at());
        prop_assert!(life.last_error().is_some());
    }
    if life.falls() != old.falls() {
        let is_new = life.falls() == old.falls() + 1 || (life.falls() == 1 && old.status() == Running);
        prop_assert!(life.falls() == 0 || (is_new && life.status() == Stopped), "a fall is one fall");
        let forgiven = matches!(
            transition,
            Transition::Forgiven | Transition::Upgraded { .. } | Transition::Reverted { .. } | Transition::Enabled
        ) || matches!(transition, Transition::Resolved { end: End::Enabled, .. });
        prop_assert_eq!(life.falls() == 0, forgiven, "nothing else is another chance");
    }
    prop_assert!(!life.is_broken(1) || life.desired() == Desired::Run, "who is stopped by its owner is not broken");
    let with_machine = matches!(transition, Transition::Observed { found: Found::WithMachine, .. });
    prop_assert!(!life.comes_back() || old.comes_back() || with_machine, "only a restart of the machine does that");
    if life.status() != old.status() && *transition != Transition::Intended(Intent::Disable) {
        prop_assert_eq!(life.status_since(), now);
    }
    prop_assert_eq!(node.created_at(), before.created_at());
    Ok(())
}

#[test]
fn the_courses_that_are_drawn_lead_everywhere() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..2_000 {
        let strategy = (beginnings(), lives::courses());
        let (node, course) = strategy.new_tree(&mut runner).expect("it can be drawn").current();
        let node = lives::after(node, course);
        reached.insert((node.status(), node.life().pending().is_some()));
    }
    for status in Status::ALL.into_iter().filter(|status| *status != Migrating) {
        assert!(reached.contains(&(status, false)), "{status}");
        assert!(status == Dead || reached.contains(&(status, true)), "{status} with something pending");
    }
}

/// The node after all of this; each must be possible.
fn after(mut node: Node, transitions: impl IntoIterator<Item = Transition>) -> Node {
    for transition in transitions {
        node.apply(transition, NOW).expect("it can happen");
    }
    node
}

fn started() -> Transition {
    Transition::Started { process: None }
}

fn observed(found: Found) -> Transition {
    Transition::Observed { found, why: Evidence::ProcessGone { reason: None } }
}

fn created() -> Transition {
    Transition::Created(wnm_pm::process_manager::Created::as_specified(&spec(), "antnode7".to_owned()))
}

#[test]
fn a_node_that_was_never_up_is_starting_and_one_that_was_is_restarting() {
    let new = after(Node::planned(spec(), NOW), [created(), started()]);
    assert_eq!((new.status(), new.service()), (Starting, "antnode7"));
    let start = || Transition::Intended(Intent::Start);
    let failed = after(new.clone(), [observed(Found::Failed), start(), started()]);
    assert_eq!(failed.status(), Starting, "it has still not been up");
    let stop = [Intent::Stop { by_owner: true }].map(Transition::Intended);
    let up = after(new, [observed(Found::Running)]);
    let again = after(up, stop.into_iter().chain([Transition::Stopped, start(), started()]));
    assert_eq!(again.status(), Restarting);
    assert_eq!(after(adopted(), [start(), started()]).status(), Restarting, "what is found has been up");
}

#[test]
fn what_cannot_happen_says_what_and_to_what() {
    let disabled = after(adopted(), [Transition::Intended(Intent::Disable), Transition::Stopped]);
    let impossible = |node: &Node, transition| node.clone().apply(transition, NOW).expect_err("it cannot").to_string();
    let start = Transition::Intended(Intent::Start);
    insta::assert_snapshot!(impossible(&disabled, start), @"a DISABLED node with nothing pending cannot be told to start");
    let stopping = after(adopted(), [Transition::Intended(Intent::Stop { by_owner: false })]);
    insta::assert_snapshot!(impossible(&stopping, started()), @"a STOPPED node with a pending stop cannot have started");
    insta::assert_snapshot!(
        impossible(&disabled, observed(Found::Running)),
        @"a DISABLED node with nothing pending cannot be what it was found to be (its process is gone)"
    );
}

#[test]
fn a_failed_stop_keeps_the_node_running_and_what_its_owner_wants() {
    let failed = Transition::StepFailed { error: "it would not".to_owned() };
    let stop = Transition::Intended(Intent::Stop { by_owner: true });
    let node = after(adopted(), [observed(Found::Running), stop, failed]);
    let life = node.life();
    assert_eq!((life.status(), life.desired(), life.pending()), (Running, Desired::Stop, None));
    assert_eq!((life.failures(), life.retry_at(), life.last_error()), (1, Some(NOW + 60), Some("it would not")));
}

#[test]
fn disabling_that_failed_stays_pending() {
    let failed = Transition::StepFailed { error: "it would not".to_owned() };
    let node = after(adopted(), [observed(Found::Running), Transition::Intended(Intent::Disable), failed]);
    assert_eq!((node.status(), node.life().pending()), (Disabled, Some(Verb::Disable)));
}
