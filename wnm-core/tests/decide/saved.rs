//! A saved plan holds as long as what it rests on does, however often the machine is looked at in between.

use wnm_core::decide::reconcile;
use wnm_core::node::{Desired, Status, Verb};
use wnm_core::plan::Basis;
use wnm_core::snapshot::Snapshot;
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
    assert_eq!(before.changes(&basis(&snapshot)), Vec::<String>::new());
}

#[test]
fn what_became_of_a_node_is_a_change() {
    let snapshot = fleet(&[Stopped, Running]);
    let before = basis(&snapshot);
    let changes = |change: fn(&mut Snapshot)| {
        let mut after = snapshot.clone();
        change(&mut after);
        before.changes(&Basis::of(&config(), &after)).join("\n")
    };
    let stopped_by_owner = changes(|after| alter(&mut after.nodes[0].node, |node| node.desired = Desired::Stop));
    insta::assert_snapshot!(stopped_by_owner, @"antnode0001 was STOPPED (0.4.17) and is STOPPED (0.4.17, stopped by its owner)");
    let begun = changes(|after| alter(&mut after.nodes[1].node, |node| node.pending = Some(Verb::Restart)));
    insta::assert_snapshot!(begun, @"antnode0002 was RUNNING (0.4.17) and is RUNNING (0.4.17, restart was begun)");
    let stopped = changes(|after| alter(&mut after.nodes[1].node, |node| node.status = Stopped));
    insta::assert_snapshot!(stopped, @"antnode0002 was RUNNING (0.4.17) and is STOPPED (0.4.17)");
    let unknown = changes(|after| alter(&mut after.nodes[1].node, |node| node.version = None));
    insta::assert_snapshot!(unknown, @"antnode0002 was RUNNING (0.4.17) and is RUNNING (no version)");
}
