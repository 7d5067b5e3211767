//! A saved plan holds as long as what it rests on does, however often the machine is looked at in between.

use wnm_core::decide::reconcile;
use wnm_core::node::{Desired, Status, Verb};
use wnm_core::plan::Basis;
use wnm_core::report::changes_text;
use wnm_core::snapshot::Snapshot;
use wnm_pm::container_host::GroupState;
use wnm_testing::alter;

use Status::{Restarting, Running, Stopped};

use crate::fleet::{config, fleet, gone};

/// What a plan rests on that is made from this, reconciled and not recorded.
fn basis(snapshot: &Snapshot) -> Basis {
    Basis::of(&config(), &reconcile(&config(), snapshot.clone()).snapshot)
}

#[test]
fn what_each_observation_reconciles_anew_is_not_a_change() {
    let mut snapshot = fleet(&[Running, Restarting, Running]);
    snapshot.nodes[0].seen = Some(gone());
    snapshot.nodes[1].seen = Some(gone());
    alter(&mut snapshot.nodes[2].node, |node| node.pending = Some(Verb::Stop));
    let before = basis(&snapshot);
    snapshot.now += 60;
    assert_eq!(before.changes(&basis(&snapshot)), []);
}

#[test]
fn what_became_of_the_machine_is_a_change() {
    let before = Basis::of(&config(), &fleet(&[Running]));
    let after =
        Basis { boot_time: 1, config: None, available: None, groups: vec![(1, GroupState::Gone)], ..before.clone() };
    insta::assert_snapshot!(changes_text(&before.changes(&after)), @"the machine was restarted; settings have changed; the node program has changed; the container groups have changed");
    let after = Basis { highest_number_used: 9, ..before.clone() };
    insta::assert_snapshot!(changes_text(&before.changes(&after)), @"nodes were added and removed");
}

#[test]
fn nodes_with_the_same_change_share_a_sentence() {
    let before = Basis::of(&config(), &fleet(&[Running; 500]));
    let mut statuses = [Running; 500];
    statuses[100..].fill(Stopped);
    let after = Basis::of(&config(), &fleet(&statuses));
    insta::assert_snapshot!(changes_text(&before.changes(&after)), @"antnode0101–0500: STOPPED (0.4.17) instead of RUNNING (0.4.17)");
}

#[test]
fn what_became_of_a_node_is_a_change() {
    let snapshot = fleet(&[Stopped, Running]);
    let before = basis(&snapshot);
    let changes = |change: fn(&mut Snapshot)| {
        let mut after = snapshot.clone();
        change(&mut after);
        changes_text(&before.changes(&Basis::of(&config(), &after)))
    };
    let stopped_by_owner = changes(|after| alter(&mut after.nodes[0].node, |node| node.desired = Desired::Stop));
    insta::assert_snapshot!(stopped_by_owner, @"antnode0001: STOPPED (0.4.17, stopped by its owner) instead of STOPPED (0.4.17)");
    let begun = changes(|after| alter(&mut after.nodes[1].node, |node| node.pending = Some(Verb::Restart)));
    insta::assert_snapshot!(begun, @"antnode0002: RUNNING (0.4.17, restart not finished) instead of RUNNING (0.4.17)");
    let stopped = changes(|after| alter(&mut after.nodes[1].node, |node| node.status = Stopped));
    insta::assert_snapshot!(stopped, @"antnode0002: STOPPED (0.4.17) instead of RUNNING (0.4.17)");
    let new = changes(|after| after.nodes.extend(fleet(&[Stopped; 5]).nodes.drain(2..)));
    insta::assert_snapshot!(new, @"antnode0003–0005: new");
    let gone = changes(|after| after.nodes.clear());
    insta::assert_snapshot!(gone, @"antnode0001–0002: gone");
    let unknown = changes(|after| alter(&mut after.nodes[1].node, |node| node.version = None));
    insta::assert_snapshot!(unknown, @"antnode0002: RUNNING (no version) instead of RUNNING (0.4.17)");
}
