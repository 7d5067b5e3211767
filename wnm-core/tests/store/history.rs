//! The history tells what happened and why, newest first, and never grows without end.

use wnm_core::event::Event;
use wnm_core::node::{Evidence, Flavour, NodeId, Status, StoredNode, Verb};
use wnm_core::plan::{Cause, Effect, Reason};
use wnm_core::relocation::Move;
use wnm_core::report::ReasonRow;
use wnm_core::rollout::{Phase, TrialState};
use wnm_core::store::{Decision, EventKind, HistoryEntry, HistoryFilter, Store};

use crate::rows::{NOW, added, counters, group, node, restored, rollout, stored, trial};
use crate::{Scratch, scratch};

fn reason() -> Reason {
    Reason { nodes: vec![NodeId(2)], cause: Cause::OverCap { total: 3, cap: 2 } }
}

fn decided() -> Event {
    Event::Decided { actions: vec!["survey".to_owned(), "start antnode0001".to_owned()], reasons: vec![reason()] }
}

fn history(scratch: &Scratch, filter: &HistoryFilter) -> Vec<HistoryEntry> {
    scratch.store.history(filter).expect("the history is read")
}

fn lines(entries: &[HistoryEntry]) -> String {
    let line = |entry: &HistoryEntry| {
        let HistoryEntry { id, cycle, kind, node, verb, status, text, .. } = entry;
        let node = node.map_or_else(String::new, |node| node.to_string());
        let words = [verb.map_or("", Verb::as_str), status.map_or("", Status::as_str), text];
        format!("{id} | {cycle} | {kind:?} | {node} | {}", words.join(" | "))
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_event_that_matters_is_told() {
    let mut scratch = scratch();
    let row = || Box::new(node(1));
    let settings = vec![("node_cap".to_owned(), "20".to_owned())];
    let changes = vec![("node_cap".to_owned(), None), ("host".to_owned(), Some("::1".to_owned()))];
    scratch.apply(&[
        Event::Initialised { settings, boot_time: 1 },
        Event::SettingsChanged { changes },
        added(node(1)),
        Event::Completed { verb: Verb::Add, node: row() },
        Event::Failed { verb: Verb::Stop, node: row(), error: "it would not".to_owned() },
        Event::Reconciled { from: Status::Stopped, node: row(), why: Evidence::Running },
        Event::Surveyed { reports: Vec::new() },
        Event::Measured { counters: counters() },
        Event::VersionCached { json: "{}".to_owned() },
        Event::Rebooted { boot_time: 2 },
        decided(),
        Event::GroupSeen { group: Box::new(group(1)) },
        Event::GroupSeen { group: Box::new(group(1)) },
        Event::RolloutMoved { rollout: Box::new(rollout(Phase::Paused)) },
        Event::Tried { trial: Box::new(trial(1, TrialState::Proved { at: NOW, forgotten: false })) },
        Event::TrialVoid { node: NodeId(1) },
        Event::GroupClosed { group: 1 },
        Event::Adopted { node: Box::new(node(2)) },
        Event::Restored { node: Box::new(node(2)) },
        Event::FlavourChanged { from: Flavour::V2, node: Box::new(node(2)) },
        Event::MoveIntended { moving: Move { node: NodeId(2), from: "/nodes/antnode0002".into(), to: "/b".into() } },
        Event::Moved { from: "/nodes/antnode0002".into(), node: Box::new(node(2)) },
        Event::MoveEnded { node: NodeId(2), gone: "/nodes/antnode0002".into() },
        Event::Noted { id: None, what: "a port was opened".to_owned() },
        Event::Forgotten { id: NodeId(2), why: "its directory is gone".to_owned() },
        Event::TornDown,
    ]);
    let mut entries = history(&scratch, &HistoryFilter::default());
    assert!(entries.iter().all(|entry| entry.at == NOW));
    entries.reverse();
    insta::assert_snapshot!(lines(&entries), @"
    1 | 1 | Initialised |  |  |  | node_cap=20
    2 | 1 | SettingsChanged |  |  |  | node_cap back to its default, host=::1
    3 | 1 | Intended | 1 | add | RUNNING | there is room
    4 | 1 | Completed | 1 | add | RUNNING | 
    5 | 1 | Failed | 1 | stop | RUNNING | it would not
    6 | 1 | Reconciled | 1 |  | RUNNING | STOPPED -> RUNNING: it is running and answers
    7 | 1 | Rebooted |  |  |  | boot time 2
    8 | 1 | Decided |  |  |  | survey; start antnode0001
    9 | 1 | GroupSeen |  |  |  | a1 running
    10 | 1 | RolloutMoved |  |  |  | roll-out of 0.5.0: paused: it failed on antnode0001: it ended
    11 | 1 | Tried | 1 |  |  | 0.5.0 has proved itself
    12 | 1 | TrialVoid | 1 |  |  | 
    13 | 1 | GroupClosed |  |  |  | a1
    14 | 1 | Adopted | 2 |  | RUNNING | antnode0002.service
    15 | 1 | Restored | 2 |  | RUNNING | /nodes/antnode0002
    16 | 1 | FlavourChanged | 2 |  | RUNNING | v2 -> v1
    17 | 1 | MoveIntended | 2 |  |  | /b
    18 | 1 | Moved | 2 |  | RUNNING | /nodes/antnode0002 -> /nodes/antnode0002
    19 | 1 | MoveEnded | 2 |  |  | /nodes/antnode0002 is gone
    20 | 1 | Noted |  |  |  | a port was opened
    21 | 1 | Forgotten | 2 |  |  | its directory is gone
    22 | 1 | TornDown |  |  |  |
    ");
}

#[test]
fn a_decision_is_kept_whole() {
    let mut scratch = scratch();
    scratch.apply(&[decided()]);
    let entries = history(&scratch, &HistoryFilter::default());
    let actions = vec!["survey".to_owned(), "start antnode0001".to_owned()];
    assert_eq!(entries[0].decision, Some(Decision { actions, reasons: vec![ReasonRow::from(&reason())] }));
}

/// Reasons were texts once, and their rules had other words.
#[test]
fn a_decision_of_an_older_version_is_still_told() {
    let scratch = scratch();
    let detail = r#"{"actions": ["start antnode0001"], "reasons": [
        {"rule": "held", "effect": "held", "text": "antnode0002: stopped by hand", "nodes": [2], "figure": null, "threshold": null},
        {"rule": "node_cap", "effect": "did", "text": "3 nodes are 1 more than node_cap 2", "nodes": [3], "figure": 3.0, "threshold": 2.0}
    ]}"#;
    let connection = rusqlite::Connection::open(&scratch.path).expect("it is opened");
    connection
        .execute("INSERT INTO history (at, cycle, kind, text, detail) VALUES (?, 1, 'decided', '', ?)", (NOW, detail))
        .expect("it is SQL");
    let entries = history(&scratch, &HistoryFilter::default());
    let reasons = &entries[0].decision.as_ref().expect("it is a decision").reasons;
    let (held, cap) = (&reasons[0], &reasons[1]);
    assert_eq!((held.rule.as_str(), held.effect, held.nodes.as_slice()), ("held", Effect::Held, &[NodeId(2)][..]));
    assert_eq!(held.text, "antnode0002: stopped by hand");
    assert_eq!(
        (cap.rule.as_str(), cap.effect, cap.figure, cap.threshold),
        ("node_cap", Effect::Did, Some(3.0), Some(2.0))
    );
}

#[test]
fn entries_are_found_by_node_cycle_and_kind() {
    let mut scratch = scratch();
    let note = |id, what: &str| Event::Noted { id: Some(NodeId(id)), what: what.to_owned() };
    scratch.apply(&[note(1, "first"), note(2, "second"), added(restored(StoredNode { metrics: None, ..stored(1) }))]);
    scratch.apply(&[note(1, "still the first cycle")]);
    scratch.store.begin_cycle();
    scratch.apply(&[note(1, "the second cycle")]);
    scratch.store = Store::open(&scratch.path).expect("it is opened again");
    scratch.apply(&[note(1, "the third cycle")]);

    let texts = |filter| history(&scratch, &filter).into_iter().map(|entry| entry.text).collect::<Vec<_>>();
    let all = HistoryFilter::default();
    let (node, kind) = (Some(NodeId(1)), Some(EventKind::Noted));
    assert_eq!(
        texts(HistoryFilter { node, kind, ..all.clone() }),
        ["the third cycle", "the second cycle", "still the first cycle", "first"]
    );
    assert_eq!(texts(HistoryFilter { cycle: Some(2), ..all.clone() }), ["the second cycle"]);
    assert_eq!(
        texts(HistoryFilter { cycle: Some(1), kind: Some(EventKind::Intended), ..all.clone() }),
        ["there is room"]
    );
    assert_eq!(texts(HistoryFilter { limit: Some(1), ..all.clone() }), ["the third cycle"]);
    assert_eq!(texts(HistoryFilter { node: Some(NodeId(9)), ..all }), Vec::<String>::new());
}

#[test]
fn a_refused_slice_tells_nothing() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(1))]);
    scratch.refused(&[Event::Noted { id: None, what: "never".to_owned() }, added(node(1))]);
    assert_eq!(history(&scratch, &HistoryFilter::default()).len(), 1);
}

#[test]
fn old_decisions_go_and_what_was_done_stays() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(1))]);
    let decisions: Vec<Event> = (0..4_330).map(|_| decided()).collect();
    scratch.apply(&decisions);
    let kind = Some(EventKind::Decided);
    assert_eq!(history(&scratch, &HistoryFilter { kind, ..HistoryFilter::default() }).len(), 4_320);
    let node = Some(NodeId(1));
    assert_eq!(history(&scratch, &HistoryFilter { node, ..HistoryFilter::default() }).len(), 1);
}

#[test]
fn the_history_has_an_end_and_its_numbers_go_on() {
    let mut scratch = scratch();
    let notes: Vec<Event> = (0..100_050).map(|_| Event::Noted { id: None, what: "it rained".to_owned() }).collect();
    scratch.apply(&notes);
    scratch.apply(&[decided()]);
    let entries = history(&scratch, &HistoryFilter::default());
    assert_eq!(entries.len(), 100_000);
    assert_eq!((entries[0].id, entries[99_999].id), (100_051, 52));
}
