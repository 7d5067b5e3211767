//! Several disks: each counts for itself.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use proptest::prelude::*;
use wnm_core::decide::{Request, decide, decide_request, reconcile};
use wnm_core::node::Status::{self, Disabled, Running, Stopped};
use wnm_core::node::{NodeId, NodeMetrics};
use wnm_core::plan::check::{Authority, check};
use wnm_core::plan::{Action, Plan};
use wnm_core::report::reason_text;
use wnm_core::settings::Config;
use wnm_core::snapshot::{DiskLoad, Snapshot};
use wnm_pm::storages::Storages;
use wnm_testing::alter;

use crate::fleet::{config, fleet};
use crate::laws::machines;

const GIGABYTE: u64 = 1_000_000_000;

/// Where nodes lie in these tests.
const STORAGES: [&str; 3] = ["/node", "/disk2", "/disk3"];

fn disk(storage: &str, used_percent: f64, free_gigabytes: u64) -> DiskLoad {
    DiskLoad {
        storage: storage.into(),
        is_there: true,
        used_percent,
        used_inodes_percent: 0.0,
        free_inodes: None,
        free_bytes: free_gigabytes * GIGABYTE,
        total_bytes: 1_000 * GIGABYTE,
    }
}

fn settings(disks: &[DiskLoad]) -> Config {
    let node_storage = Storages::new(disks.iter().map(|disk| disk.storage.clone())).expect("there is one");
    Config { node_storage, node_cap: 20, hd_less_than: 75.0, hd_remove: 90.0, ..config() }
}

/// A fleet on these disks; `places` says on which of them each node lies.
fn on(disks: &[DiskLoad], statuses: &[Status], places: &[usize]) -> Snapshot {
    let mut snapshot = fleet(statuses);
    for (each, place) in snapshot.nodes.iter_mut().zip(places) {
        put(&mut each.node, &disks[*place].storage);
    }
    snapshot.disks = disks.to_vec();
    snapshot
}

fn put(node: &mut wnm_core::node::Node, storage: &Path) {
    alter(node, |node| {
        node.spec.root_dir = storage.join(&node.spec.name);
        node.spec.binary = node.spec.root_dir.join("antnode");
        node.spec.log_dir = node.spec.root_dir.join("logs");
    });
}

fn added(plan: &Plan) -> Vec<PathBuf> {
    let directory = |action: &Action| match action {
        Action::Add { node } => Some(node.root_dir.clone()),
        _ => None,
    };
    plan.actions.iter().filter_map(directory).collect()
}

/// What a cycle does and why, a line each.
fn told(disks: &[DiskLoad], snapshot: &Snapshot) -> String {
    let config = Config { node_cap: 4, ..settings(disks) };
    let plan = decide(&config, snapshot);
    assert_eq!(check(&config, snapshot, &plan, Authority::Cycle), []);
    let words = |action: &Action| match (action.step(), action) {
        (_, Action::Add { node }) => format!("add {}", node.root_dir.display()),
        (Some((verb, id)), _) => format!("{verb} {}", id.name()),
        (None, _) => action.verb().to_owned(),
    };
    let actions = plan.actions.iter().map(words);
    actions.chain(plan.reasons.iter().map(|reason| format!("  {}", reason_text(reason)))).collect::<Vec<_>>().join("\n")
}

#[test]
fn new_nodes_go_where_there_is_most_room() {
    let disks = [disk("/node", 10.0, 100), disk("/disk2", 10.0, 104), disk("/disk3", 10.0, 20)];
    let config = Config { node_cap: 6, max_concurrent_starts: 6, ..settings(&disks) };
    let plan = decide(&config, &on(&disks, &[], &[]));
    let names: Vec<String> = added(&plan).iter().map(|path| path.display().to_string()).collect();
    assert_snapshot!(names.join("\n"), @"
    /disk2/antnode0001
    /disk2/antnode0002
    /node/antnode0003
    /disk2/antnode0004
    /node/antnode0005
    /disk2/antnode0006
    ");
}

#[test]
fn nodes_that_have_taken_nothing_yet_count_with_what_they_may_need() {
    let disks = [disk("/node", 10.0, 100), disk("/disk2", 10.0, 99)];
    let mut snapshot = on(&disks, &[Running, Running], &[0, 0]);
    assert_eq!(added(&decide(&settings(&disks), &snapshot))[0], Path::new("/disk2/antnode0003"));
    for each in &mut snapshot.nodes {
        let stored = NodeMetrics { stored_bytes: Some(2 * GIGABYTE), ..NodeMetrics::default() };
        each.node.reported(None, None, stored);
    }
    assert_eq!(added(&decide(&settings(&disks), &snapshot))[0], Path::new("/node/antnode0003"), "it is in use already");
}

#[test]
fn a_disk_without_room_gets_no_nodes_and_starts_none() {
    let disks = [disk("/node", 80.0, 500), disk("/disk2", 50.0, 10)];
    assert_snapshot!(told(&disks, &on(&disks, &[Stopped, Stopped], &[0, 1])), @"
    start antnode0002
    add /disk2/antnode0003
    add /disk2/antnode0004
      /node: disk usage is 80.0 %, too high to add or start nodes there (hd_less_than = 75 %)
      the machine has room; oldest nodes first
      the machine has room (2 of 4 nodes)
    ");
    let inodes = |free| DiskLoad { free_inodes: Some(free), ..disk("/node", 10.0, 500) };
    let disks = [inodes(5), DiskLoad { is_there: false, ..disk("/disk2", 1.0, 900) }];
    assert_snapshot!(told(&disks, &on(&disks, &[Running], &[0])), @"
    survey
      /node: 5 inodes are free on the disk, and a node may need 1000, one for each file: no node is added or started there
      /disk2 has no mark of wnm's: is its disk mounted? No node is added or started there
    ");
}

#[test]
fn a_full_disk_sheds_its_own_nodes_and_no_others() {
    let disks = [disk("/node", 91.0, 5), disk("/disk2", 20.0, 800)];
    assert_snapshot!(told(&disks, &on(&disks, &[Running, Running, Running], &[0, 0, 1])), @"
    remove antnode0002
    remove antnode0001
      /node: disk usage is 91.0 %, above the limit (hd_remove = 90 %)
      stopped nodes first, then the youngest
    ");
    let inodes = [DiskLoad { used_inodes_percent: 95.0, ..disk("/node", 10.0, 500) }, disk("/disk2", 20.0, 800)];
    assert_snapshot!(told(&inodes, &on(&inodes, &[Running, Running], &[0, 1])), @"
    remove antnode0001
      /node: inode usage of the disk is 95.0 %, above the limit (hd_remove = 90 %)
      stopped nodes first, then the youngest
    ");
}

#[test]
fn what_others_keep_on_a_disk_holds_nobody_up_elsewhere() {
    let disks = [disk("/node", 20.0, 800), disk("/disk2", 99.0, 1)];
    assert_snapshot!(told(&disks, &on(&disks, &[Running, Disabled], &[0, 1])), @"
    add /node/antnode0003
    add /node/antnode0004
      /disk2: disk usage is 99.0 %, too high to add or start nodes there (hd_less_than = 75 %)
      the machine has room (2 of 4 nodes)
    ");
}

#[test]
fn the_cap_takes_what_a_full_disk_sheds_into_account() {
    let disks = [disk("/node", 91.0, 5), disk("/disk2", 20.0, 800)];
    let statuses = [Running; 6];
    assert_snapshot!(told(&disks, &on(&disks, &statuses, &[0, 1, 1, 1, 1, 1])), @"
    remove antnode0001
    remove antnode0006
      /node: disk usage is 91.0 %, above the limit (hd_remove = 90 %)
      6 nodes, 2 too many (node_cap = 4)
      stopped nodes first, then the youngest
    ");
}

#[test]
fn a_disk_with_too_few_inodes_may_be_relieved_where_it_is_the_only_one() {
    let mut snapshot = fleet(&[Running, Running]);
    snapshot.host.used_inodes_percent = 95.0;
    let plan = decide(&config(), &snapshot);
    assert!(plan.actions.contains(&Action::Remove { number: NodeId(2), now: false }));
    assert_eq!(check(&config(), &snapshot, &plan, Authority::Cycle), []);
}

#[test]
fn whoever_asks_for_nodes_gets_them_on_the_emptiest_disk_there_is() {
    let disks = [disk("/node", 80.0, 100), DiskLoad { is_there: false, ..disk("/disk2", 1.0, 900) }];
    let plan = decide_request(&settings(&disks), &on(&disks, &[], &[]), &Request::Add(1)).expect("there is a program");
    assert_eq!(added(&plan), [Path::new("/node/antnode0001")]);
}

fn several() -> impl Strategy<Value = Vec<DiskLoad>> {
    let percent = || prop_oneof![3 => Just(10.0), 1 => Just(95.0), 2 => 0.0..100.0];
    let one = (percent(), percent(), prop::option::of(0_u64..3_000), 0_u64..50, prop::bool::weighted(0.9));
    prop::collection::vec(one, 2..4).prop_map(|disks| {
        let disks = disks.into_iter().zip(STORAGES);
        let of = |((used, inodes, free_inodes, free, is_there), storage)| DiskLoad {
            is_there,
            used_inodes_percent: inodes,
            free_inodes,
            ..disk(storage, used, free)
        };
        disks.map(of).collect()
    })
}

/// Machines of any kind, their nodes on several disks.
fn spread() -> impl Strategy<Value = (Config, Snapshot)> {
    (machines(), several()).prop_map(|((config, mut snapshot), disks)| {
        for each in &mut snapshot.nodes {
            let place = each.node.id().0 as usize % disks.len();
            put(&mut each.node, &disks[place].storage);
        }
        let config = Config { node_storage: settings(&disks).node_storage, ..config };
        snapshot.disks = disks;
        (config, snapshot)
    })
}

fn of(snapshot: &Snapshot, directory: &Path) -> DiskLoad {
    let disk = snapshot.disks.iter().find(|disk| directory.starts_with(&disk.storage));
    disk.expect("every node lies on a disk").clone()
}

proptest! {
    #[test]
    fn every_plan_on_several_disks_passes_the_checker((config, snapshot) in spread()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        let wrong = check(&config, &snapshot, &decide(&config, &snapshot), Authority::Cycle);
        prop_assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn no_cycle_adds_a_node_where_there_is_no_room((config, snapshot) in spread()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        for directory in added(&decide(&config, &snapshot)) {
            let disk = of(&snapshot, &directory);
            prop_assert!(disk.is_there && disk.used_percent < config.hd_less_than, "{disk:?}");
            prop_assert!(disk.used_inodes_percent < config.hd_less_than && disk.free_inodes.is_none_or(|free| free >= 1000));
        }
    }

    #[test]
    fn only_a_disk_that_is_too_full_sheds_nodes_beyond_the_cap((config, snapshot) in spread()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        let is_full = |disk: &DiskLoad| disk.is_there && (disk.used_percent > config.hd_remove || disk.used_inodes_percent > config.hd_remove);
        let elsewhere = decide(&config, &snapshot).actions.iter().filter(|action| match action {
            Action::Remove { number, now: false } => {
                let each = snapshot.nodes.iter().find(|each| each.node.id() == *number).expect("it is recorded");
                !is_full(&of(&snapshot, &each.node.spec().root_dir))
            }
            _ => false,
        }).count();
        let staying = snapshot.nodes.len() - snapshot.count(Status::Removing) as usize;
        prop_assert!(elsewhere <= staying.saturating_sub(config.node_cap as usize));
    }

    #[test]
    fn a_single_disk_is_the_machines((config, snapshot) in machines()) {
        let mut listed = snapshot.clone();
        listed.disks = vec![snapshot.host.disk(config.node_storage.first(), true)];
        prop_assert_eq!(decide(&config, &listed), decide(&config, &snapshot));
    }
}
