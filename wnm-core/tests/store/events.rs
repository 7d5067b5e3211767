//! Each event changes what its description says, and nothing else.

use semver::Version;
use wnm_core::event::{Event, NodeReport};
use wnm_core::node::{Desired, Node, NodeId, NodeMetrics, NodeSpec, PortKind, Ports, Status, StoredNode, Verb};
use wnm_core::removed::Key;
use wnm_core::snapshot::Counters;
use wnm_core::store::{Problem, StoredState};
use wnm_pm::container_host::GroupState;

use crate::rows::{NOW, added, counters, group, metrics, node, restored, stored};
use crate::scratch;

#[test]
fn a_new_record_is_empty_and_not_initialised() {
    let scratch = scratch();
    assert_eq!(scratch.store.load().expect("the database is read"), StoredState::default());
}

#[test]
fn a_machine_is_initialised_once_unless_nothing_is_on_it() {
    let mut scratch = scratch();
    let begin = |value: &str, boot_time| Event::Initialised {
        settings: vec![("node_cap".to_owned(), value.to_owned())],
        boot_time,
    };
    scratch.apply(&[begin("20", 77)]);
    let record = scratch.store.load().expect("the database is read");
    assert!(record.initialised);
    assert_eq!(record.settings["node_cap"], "20");
    assert_eq!(record.last_surveyed_boot, 77);
    let change = vec![("cpu_remove".to_owned(), Some("80".to_owned()))];
    scratch.apply(&[Event::SettingsChanged { changes: change }, Event::TornDown]);
    assert_eq!(scratch.store.load().expect("the database is read").torn_down_at, Some(NOW));
    scratch.apply(&[begin("30", 88)]);
    let record = scratch.store.load().expect("the database is read");
    assert_eq!((record.torn_down_at, record.settings.len()), (None, 1), "it begins anew");
    assert_eq!((record.settings["node_cap"].as_str(), record.last_surveyed_boot), ("30", 88));
    scratch.apply(&[added(node(1))]);
    assert!(matches!(scratch.refused(&[begin("40", 99)]), Problem::AlreadyInitialised));
}

#[test]
fn the_key_of_a_removed_node_is_kept_until_it_is_brought_back_or_its_time_has_passed() {
    let mut scratch = scratch();
    let key = |byte: u8| Key::from(vec![byte; 32]);
    let kept = |number: u32, byte: u8| Event::IdentityKept { node: Box::new(node(number)), key: key(byte) };
    let gone = |number: u32| Event::Forgotten { id: NodeId(number), why: "removed".to_owned() };
    scratch.apply(&[added(node(1)), added(node(2)), kept(1, 7), kept(2, 8)]);
    assert_eq!(scratch.store.removed().expect("it is read"), [], "both are there");
    scratch.apply(&[kept(1, 9), gone(1), gone(2)]);
    let removed = scratch.store.removed().expect("it is read");
    assert_eq!(removed.iter().map(|removed| removed.node.id().0).collect::<Vec<_>>(), [2, 1]);
    let first = removed[1].clone();
    scratch.apply(&[Event::BroughtBack { id: first.id, node: Box::new(first.node) }]);
    assert_eq!(scratch.store.removed().expect("it is read").len(), 1);
    scratch.apply(&[Event::IdentitiesExpired { before: NOW }]);
    assert_eq!(scratch.store.removed().expect("it is read").len(), 1, "its time has not passed");
    scratch.apply(&[Event::IdentitiesExpired { before: NOW + 1 }]);
    assert_eq!(scratch.store.removed().expect("it is read"), []);
    assert_eq!(format!("{:?}", key(7)), "Key(32 bytes)", "it is shown to nobody");
}

#[test]
fn a_setting_without_a_value_goes_back_to_its_default() {
    let mut scratch = scratch();
    let change = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    scratch.apply(&[Event::SettingsChanged { changes: vec![change("a", Some("1")), change("b", Some(""))] }]);
    scratch.apply(&[Event::SettingsChanged { changes: vec![change("a", None), change("c", None)] }]);
    let settings = scratch.store.load().expect("the database is read").settings;
    assert_eq!(settings.into_iter().collect::<Vec<_>>(), [("b".to_owned(), String::new())]);
}

#[test]
fn every_column_of_a_node_comes_back() {
    let mut scratch = scratch();
    let minimal = Node::planned(NodeSpec { version: None, group: None, ..stored(2).spec }, NOW);
    scratch.apply(&[added(node(1)), added(minimal.clone())]);
    assert_eq!(scratch.store.load().expect("the database is read").nodes, [node(1), minimal]);
}

#[test]
fn a_completed_step_replaces_the_whole_row() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(1))]);
    let columns = StoredNode { status: Status::Stopped, process: None, metrics: None, last_error: None, ..stored(1) };
    let stopped = restored(columns);
    scratch.apply(&[Event::Completed { verb: Verb::Stop, node: Box::new(stopped.clone()) }]);
    assert_eq!(scratch.store.load().expect("the database is read").nodes, [stopped]);
}

#[test]
fn the_highest_number_stays_until_the_teardown() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(7)), added(node(3))]);
    scratch.apply(&[Event::Forgotten { id: NodeId(7), why: "it is gone".to_owned() }]);
    let record = scratch.store.load().expect("the database is read");
    assert_eq!((record.highest_number_used, record.nodes.len()), (7, 1));
    scratch.apply(&[Event::GroupSeen { group: Box::new(group(1)) }, Event::TornDown]);
    assert_eq!(
        scratch.store.load().expect("the database is read"),
        StoredState { torn_down_at: Some(NOW), ..StoredState::default() }
    );
}

/// A node that is nothing but that.
fn with_status(number: u32, status: Status, metrics: Option<NodeMetrics>) -> Node {
    restored(StoredNode {
        status,
        desired: if status == Status::Disabled { Desired::Unmanaged } else { Desired::Run },
        has_run: status != Status::Starting,
        failures: 0,
        retry_at: None,
        last_error: None,
        metrics,
        ..stored(number)
    })
}

#[test]
fn f26_a_survey_never_touches_the_status() {
    let mut scratch = scratch();
    for (number, status) in (1..).zip(Status::ALL) {
        scratch.apply(&[added(with_status(number, status, None))]);
    }
    let report = |number| NodeReport {
        id: NodeId(number),
        peer_id: None,
        version: Some(Version::new(0, 5, 0)),
        metrics: NodeMetrics { records: Some(7), ..NodeMetrics::default() },
    };
    // Number 99 was forgotten since it was asked.
    scratch.apply(&[Event::Surveyed { reports: (1..=9).chain([99]).map(report).collect() }]);
    let nodes = scratch.store.load().expect("the database is read").nodes;
    assert_eq!(nodes.iter().map(Node::status).collect::<Vec<_>>(), Status::ALL);
    for (number, seen) in (1..).zip(nodes) {
        let columns = StoredNode::from(with_status(number, seen.status(), Some(report(number).metrics)));
        assert_eq!(StoredNode::from(seen), StoredNode { version: Some(Version::new(0, 5, 0)), ..columns });
    }
}

#[test]
fn metrics_and_ports_go_with_their_node() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(1)), Event::Forgotten { id: NodeId(1), why: "it is gone".to_owned() }]);
    let spec = NodeSpec { ports: Ports::default().with(PortKind::Node, 55_001), ..stored(1).spec };
    let again = restored(StoredNode { spec, metrics: None, ..stored(1) });
    scratch.apply(&[added(again.clone())]);
    assert_eq!(scratch.store.load().expect("the database is read").nodes, [again]);
}

#[test]
fn counters_caches_and_boots_are_kept_once() {
    let mut scratch = scratch();
    let later = Counters { cpu_busy: 50, boot_id: None, ..counters() };
    scratch.apply(&[Event::Measured { counters: counters() }, Event::Measured { counters: later.clone() }]);
    scratch.apply(&[Event::VersionCached { json: "{}".to_owned() }, Event::Rebooted { boot_time: 5 }]);
    let record = scratch.store.load().expect("the database is read");
    assert_eq!(record.counters, Some(later));
    assert_eq!((record.version_cache.as_deref(), record.last_surveyed_boot), (Some("{}"), 5));
}

#[test]
fn a_group_is_kept_as_it_was_last_seen() {
    let mut scratch = scratch();
    let gone = wnm_pm::container_host::Group {
        state: GroupState::Gone,
        container_id: String::new(),
        address: None,
        ..group(2)
    };
    for each in [group(2), group(1), gone.clone()] {
        scratch.apply(&[Event::GroupSeen { group: Box::new(each) }]);
    }
    assert_eq!(scratch.store.load().expect("the database is read").groups, [group(1), gone]);
    scratch.apply(&[Event::GroupClosed { group: 2 }]);
    assert_eq!(scratch.store.load().expect("the database is read").groups, [group(1)]);
}

#[test]
fn an_adopted_node_may_be_found_twice() {
    let mut scratch = scratch();
    scratch.apply(&[Event::Adopted { node: Box::new(node(1)) }, Event::Adopted { node: Box::new(node(1)) }]);
    let mut other = stored(1);
    other.spec.root_dir = "/nodes/elsewhere".into();
    let problem = scratch.refused(&[Event::Adopted { node: Box::new(restored(other)) }]);
    assert!(matches!(&problem, Problem::NumberTaken { number: NodeId(1), name } if name == "antnode0001"), "{problem}");
}

#[test]
fn a_count_beyond_what_sqlite_holds_is_kept_as_the_most_it_can() {
    let mut scratch = scratch();
    let endless = NodeMetrics { records: Some(u64::MAX), ..metrics(1) };
    scratch.apply(&[added(restored(StoredNode { metrics: Some(endless), ..stored(1) }))]);
    let nodes = scratch.store.load().expect("the database is read").nodes;
    let most = i64::MAX.cast_unsigned();
    assert_eq!(nodes[0].metrics().expect("they are kept").records, Some(most));
}

/// A node that takes something of node 1.
fn rival(change: impl FnOnce(&mut StoredNode)) -> Event {
    let mut rival = stored(2);
    change(&mut rival);
    added(restored(rival))
}

#[test]
fn nothing_that_must_be_unique_is_there_twice() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(1)), Event::GroupSeen { group: Box::new(group(1)) }]);
    let port = |kind| stored(1).spec.ports.get(kind).expect("it has one of each kind");
    let with = |kind| stored(2).spec.ports.with(kind, port(kind));
    let mut second = group(2);
    second.container_id = group(1).container_id;
    let cases = [
        ("node.name", rival(|rival| rival.spec.name = "antnode0001".to_owned())),
        ("node.service", rival(|rival| rival.service = "antnode0001.service".to_owned())),
        ("node.root_dir", rival(|rival| rival.spec.root_dir = "/nodes/antnode0001".into())),
        ("node port 55001", rival(|rival| rival.spec.ports = with(PortKind::Node))),
        ("metrics port 13001", rival(|rival| rival.spec.ports = with(PortKind::Metrics))),
        ("rpc port 30001", rival(|rival| rival.spec.ports = with(PortKind::Rpc))),
        ("container_group.container_id", Event::GroupSeen { group: Box::new(second) }),
    ];
    for (column, event) in cases {
        // What comes before it in its slice is not recorded either.
        let problem = scratch.refused(&[added(node(5)), event]);
        assert!(matches!(&problem, Problem::Twice { what } if what == column), "{column}: {problem}");
    }
    let problem = scratch.refused(&[added(node(1))]);
    assert!(matches!(problem, Problem::NumberTaken { number: NodeId(1), .. }), "{problem}");
}

#[test]
fn what_is_not_known_yet_may_be_there_twice() {
    let mut scratch = scratch();
    let unknown = |number| {
        let mut stored = StoredNode { service: String::new(), ..stored(number) };
        stored.spec.ports = stored.spec.ports.without(PortKind::Rpc);
        stored.spec.root_dir = "".into();
        added(restored(stored))
    };
    scratch.apply(&[unknown(1), unknown(2)]);
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt;
    let mut scratch = scratch();
    let mut odd = stored(1);
    odd.spec.log_dir = std::ffi::OsString::from_vec(b"/logs/\xff".to_vec()).into();
    let problem = scratch.refused(&[added(restored(odd))]);
    insta::assert_snapshot!(problem, @"log_dir /logs/� cannot be stored: it is not UTF-8");
    let mut none = stored(1);
    none.spec.id = NodeId(0);
    insta::assert_snapshot!(scratch.refused(&[added(restored(none))]), @"node antnode0001 cannot be stored: numbers begin at 1");
}
