//! Laws of every plan, over machines of any kind.

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use semver::Version;
use wnm_core::decide::{Request, Selection, decide, decide_request, reconcile};
use wnm_core::node::{Desired, Intent, Node, NodeId, PortKind, Status, StoredNode, Transition, UnixSeconds};
use wnm_core::plan::check::{Authority, check};
use wnm_core::plan::{Action, Basis, Plan};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, BlockedNumber, Blocker, DirectoryState, HostLoad, NodeSnapshot, Seen, Snapshot};
use wnm_pm::container_host::{Group, GroupSpec, GroupState, Range};
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::{NumberingKind, ProcessState};
use wnm_testing::alter;

use crate::fleet::{self, NOW, alive};
use crate::lives;

fn configs() -> impl Strategy<Value = Config> {
    let limits = [1_u32..6, 1_u32..4, 1_u32..4, 1_u32..4];
    (0_u32..40, limits, 1_u32..12, 1_u32..4, any::<bool>()).prop_map(|(node_cap, limits, size, groups, io)| Config {
        node_cap,
        max_concurrent_operations: limits[0],
        max_concurrent_starts: limits[1],
        max_concurrent_upgrades: limits[2],
        max_concurrent_removals: limits[3],
        max_node_per_container: size,
        min_container_count: groups,
        netio_read_less_than: if io { 1_000 } else { 0 },
        netio_read_remove: if io { 2_000 } else { 0 },
        ..fleet::config()
    })
}

fn hosts() -> impl Strategy<Value = HostLoad> {
    let percent = || prop_oneof![5 => Just(10.0), 1 => Just(70.0), 1 => 0.0..100.0];
    let load = prop_oneof![2 => Just(0.5), 1 => 0.0..3.0];
    (percent(), percent(), percent(), load, prop_oneof![0_u64..1_000, 0_u64..4_000]).prop_map(
        |(cpu, memory, disk, load, net)| HostLoad {
            used_cpu_percent: cpu,
            used_mem_percent: memory,
            used_hd_percent: disk,
            load_average_1: load,
            netio_read_bytes: net,
            ..HostLoad::default()
        },
    )
}

fn sights() -> impl Strategy<Value = Option<Seen>> {
    let process = prop_oneof![
        5 => Just(Ok(ProcessState::Running { process: None })),
        3 => Just(Ok(ProcessState::Stopped { reason: None })),
        1 => Just(Ok(ProcessState::Waiting { reason: "it is restarted".to_owned() })),
        1 => Just(Ok(ProcessState::Incomplete { missing: "its program".to_owned() })),
        1 => Just(Ok(ProcessState::Absent)),
        1 => Just(Err("nobody can tell".to_owned())),
    ];
    let answer = prop_oneof![
        3 => Just(alive(&fleet::node(1, Status::Running)).answer),
        1 => Just(Answer::TimedOut),
        1 => Just(Answer::Refused),
        1 => Just(Answer::Foreign { said: "hello".to_owned() }),
    ];
    let directory = prop_oneof![
        60 => Just(DirectoryState::Present),
        1 => Just(DirectoryState::Missing),
        1 => Just(DirectoryState::NotADirectory),
        1 => Just(DirectoryState::Unknown),
    ];
    option::weighted(
        0.8,
        (process, answer, directory).prop_map(|(process, answer, directory)| Seen { process, answer, directory }),
    )
}

/// A node of this status that a step failed on or not, as far as the status allows either.
fn with_status(status: Status, retry: Option<UnixSeconds>, failures: u32, by_owner: bool) -> impl Fn(&mut StoredNode) {
    move |node| {
        let waits = !matches!(status, Status::Disabled | Status::Dead | Status::Migrating);
        node.retry_at = retry.filter(|_| waits).map(|after| NOW + after);
        let failed = node.retry_at.is_some();
        let clean = status == Status::Running && !failed;
        node.failures = if clean { 0 } else { failures.max(u32::from(failed)) };
        node.last_error = failed.then(|| "it was in a bad mood".to_owned());
        if by_owner && status == Status::Stopped {
            node.desired = Desired::Stop;
        }
    }
}

/// Nodes of all statuses, and nodes with any life behind them, steps that were interrupted included.
fn nodes() -> impl Strategy<Value = Vec<NodeSnapshot>> {
    let calm = vec![Status::Running, Status::Stopped];
    let busy = vec![Status::Running, Status::Stopped, Status::Restarting, Status::Upgrading, Status::Removing];
    proptest::sample::select(vec![calm, busy, Status::ALL.to_vec()]).prop_flat_map(nodes_of)
}

fn nodes_of(statuses: Vec<Status>) -> impl Strategy<Value = Vec<NodeSnapshot>> {
    let statuses = proptest::sample::select(statuses);
    let retry = option::weighted(0.3, -1000_i64..5_000);
    let by_status = (statuses, retry, 0_u32..3, any::<bool>());
    let life = prop_oneof![3 => by_status.prop_map(Ok), 1 => lives::courses().prop_map(Err)];
    let one = (life, 0_i64..1_000, option::of(15_u64..19), sights());
    btree_map(1_u32..60, one, 0..25).prop_map(|nodes| {
        let mut snapshots = Vec::new();
        for (number, (life, age, patch, seen)) in nodes {
            let mut node = match life {
                Ok((status, retry, failures, by_owner)) => {
                    let mut node = fleet::node(number, status);
                    alter(&mut node, with_status(status, retry, failures, by_owner));
                    alter(&mut node, |node| node.status_since = NOW - age);
                    node
                }
                Err(course) => {
                    let spec = fleet::node(number, Status::Stopped).spec().clone();
                    let mut node = lives::after(Node::planned(spec.clone(), NOW - 100_000), course);
                    alter(&mut node, |node| node.spec = spec);
                    node
                }
            };
            alter(&mut node, |node| {
                node.created_at = NOW - 10 * age;
                node.version = patch.map(|patch| Version::new(0, 4, patch));
                node.peer_id = None;
            });
            snapshots.push(NodeSnapshot { node, seen });
        }
        snapshots
    })
}

/// The container group of this number, in this state and made from the image of the settings or another one.
fn group(config: &Config, number: u32, (state, outdated): (GroupState, bool)) -> Group {
    let size = config.max_node_per_container;
    let port = |start: u32, number: u32| u16::try_from(start + number).expect("test groups have small numbers");
    let range = |start| Range { first: port(start, (number - 1) * size + 1), last: port(start, number * size) };
    Group {
        spec: GroupSpec {
            group: number,
            name: format!("a{number}"),
            image: if outdated { "wnm-node:old".to_owned() } else { config.docker_image.clone() },
            ports: [(PortKind::Node, range(55_000)), (PortKind::Metrics, range(13_000))].into(),
        },
        container_id: String::new(),
        container_name: format!("wnm-a{number}"),
        address: None,
        state,
    }
}

fn group_states() -> impl Strategy<Value = Vec<(GroupState, bool)>> {
    use GroupState::{Damaged, Gone, Paused, Restarting, Running, Stopped};
    let state = prop_oneof![4 => Just(Running), 1 => proptest::sample::select(vec![Damaged, Gone, Paused, Restarting, Stopped])];
    proptest::collection::vec((state, proptest::bool::weighted(0.2)), 0..6)
}

pub fn machines() -> impl Strategy<Value = (Config, Snapshot)> {
    let numberings =
        proptest::sample::select(vec![NumberingKind::FillGaps, NumberingKind::NeverReuse, NumberingKind::Blocks]);
    let blocked = proptest::collection::vec(1_u32..80, 0..4);
    (configs(), hosts(), nodes(), numberings, 0_u32..100, blocked, group_states()).prop_map(
        |(config, host, nodes, numbering, highest, blocked, states)| {
            let groups = (1..).zip(states).map(|(number, state)| group(&config, number, state));
            let snapshot = Snapshot {
                host,
                numbering,
                groups: if numbering == NumberingKind::Blocks { groups.collect() } else { Vec::new() },
                highest_number_used: nodes.iter().map(|each| each.node.id().0).max().unwrap_or(0).max(highest),
                nodes: nodes
                    .into_iter()
                    .map(|mut each| {
                        let number = each.node.id().0;
                        let blocks = numbering == NumberingKind::Blocks;
                        let group = blocks.then(|| number.div_ceil(config.max_node_per_container));
                        alter(&mut each.node, |node| node.spec.group = group);
                        each
                    })
                    .collect(),
                blocked: blocked
                    .into_iter()
                    .map(|number| BlockedNumber {
                        number: NodeId(number),
                        by: Blocker::PortInUse { protocol: Protocol::Udp, port: 55_000 },
                    })
                    .collect(),
                ..fleet::machine()
            };
            (config, snapshot)
        },
    )
}

pub fn requests() -> impl Strategy<Value = Request> {
    let selection = prop_oneof![
        (1_u32..5).prop_map(Selection::count),
        Just(Selection::all()),
        (1_u32..30, 0_u32..30).prop_map(|(first, more)| Selection::names(vec![format!("{first}-{}", first + more)])),
        proptest::collection::vec(1_u32..60, 1..4)
            .prop_map(|numbers| Selection::names(numbers.iter().map(ToString::to_string).collect())),
    ];
    (0_usize..9, selection).prop_map(|(kind, selection)| match kind {
        0 => Request::Start(selection),
        1 => Request::Stop(selection),
        2 => Request::Restart(selection),
        3 => Request::Upgrade(selection),
        4 => Request::Remove(selection),
        5 => Request::Disable(selection),
        6 => Request::Enable(selection),
        7 => Request::Teardown,
        _ => Request::Add(3),
    })
}

/// What is told to a node that there is already.
fn intent(action: &Action) -> Option<(NodeId, Intent)> {
    let intent = match action {
        Action::Start { .. } => Intent::Start,
        Action::Stop { by_owner, .. } => Intent::Stop { by_owner: *by_owner },
        Action::Restart { .. } => Intent::Restart,
        Action::Upgrade { .. } => Intent::Upgrade,
        Action::Revert { .. } => Intent::Revert,
        Action::Remove { .. } => Intent::Remove { delay_seconds: 0 },
        Action::Disable { .. } => Intent::Disable,
        Action::Enable { .. } => Intent::Enable,
        Action::Add { .. }
        | Action::Survey
        | Action::Resurvey
        | Action::ForgetPrevious { .. }
        | Action::Teardown { .. } => return None,
    };
    action.step().map(|(_, id)| (id, intent))
}

/// Nothing that a plan tells a node is impossible for it.
fn nothing_impossible(snapshot: &Snapshot, plan: &Plan) -> Result<(), TestCaseError> {
    for (id, intent) in plan.actions.iter().filter_map(intent) {
        let each = snapshot.nodes.iter().find(|each| each.node.id() == id).expect("plans name nodes that there are");
        prop_assert_eq!(each.node.clone().apply(Transition::Intended(intent), NOW), Ok(()));
    }
    Ok(())
}

fn nothing_wrong(config: &Config, snapshot: &Snapshot, plan: &Plan, authority: Authority) -> Result<(), TestCaseError> {
    let wrong = check(config, snapshot, plan, authority);
    prop_assert!(wrong.is_empty(), "{wrong:?}\n{:#?}", plan.actions);
    nothing_impossible(snapshot, plan)
}

proptest! {
    #[test]
    fn every_plan_of_a_cycle_passes_the_checker((config, snapshot) in machines()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        nothing_wrong(&config, &snapshot, &decide(&config, &snapshot), Authority::Cycle)?;
    }

    #[test]
    fn every_plan_for_a_request_passes_the_checker((config, snapshot) in machines(), request in requests()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        if let Ok(plan) = decide_request(&config, &snapshot, &request) {
            nothing_wrong(&config, &snapshot, &plan, Authority::Owner)?;
        }
    }

    #[test]
    fn what_is_reconciled_stays_reconciled((config, mut snapshot) in machines()) {
        // Of an interrupted step it is first found out how it ended, and in the next cycle what else is to be seen.
        snapshot.nodes.retain(|each| each.node.life().pending().is_none());
        let once = reconcile(&config, snapshot).snapshot;
        let twice = reconcile(&config, once.clone());
        prop_assert_eq!(&twice.snapshot, &once);
        prop_assert!(twice.events.is_empty());
    }

    #[test]
    fn no_blocked_number_is_given_to_a_new_node((config, snapshot) in machines()) {
        let blocked: Vec<NodeId> = snapshot.blocked.iter().map(|blocked| blocked.number).collect();
        let plan = decide(&config, &snapshot);
        for action in &plan.actions {
            if let Action::Add { node } = action {
                prop_assert!(!blocked.contains(&node.id));
            }
        }
    }

    #[test]
    fn disabled_nodes_are_never_touched_by_a_cycle((config, snapshot) in machines()) {
        let plan = decide(&config, &snapshot);
        // Disabling one that was interrupted goes on.
        let is_disabled = |node: &Node| node.status() == Status::Disabled && node.life().pending().is_none();
        for each in snapshot.nodes.iter().filter(|each| is_disabled(&each.node)) {
            prop_assert!(plan.actions.iter().all(|action| action.step().map(|(_, id)| id) != Some(each.node.id())));
        }
    }

    #[test]
    fn the_same_snapshot_gives_the_same_plan((config, snapshot) in machines()) {
        prop_assert_eq!(decide(&config, &snapshot), decide(&config, &snapshot));
    }

    #[test]
    fn a_saved_plan_is_read_as_it_was((config, snapshot) in machines()) {
        let plan = decide(&config, &snapshot);
        let text = serde_json::to_string(&plan).expect("a plan is JSON");
        let read: Plan = serde_json::from_str(&text).expect("and is read again");
        prop_assert_eq!(&read, &plan);
        prop_assert_eq!(read.basis.changes(&Basis::of(&config, &snapshot)), []);
    }

    #[test]
    fn a_plan_does_not_hold_on_another_machine((config, snapshot) in machines(), (_, other) in machines()) {
        let (before, after) = (Basis::of(&config, &snapshot), Basis::of(&config, &other));
        prop_assert_eq!(before.changes(&after).is_empty(), before == after);
    }
}
