//! A saved plan holds as long as what it rests on does, however often the machine is looked at in between.

use wnm_core::decide::settle;
use wnm_core::node::Status;
use wnm_core::node::Verb;
use wnm_core::plan::Basis;
use wnm_core::report::changes_text;
use wnm_core::snapshot::Snapshot;

use Status::{Restarting, Running, Stopped};

use crate::fleet::{config, fleet, gone};

/// What a plan rests on that is made from this, settled and not recorded.
fn basis(snapshot: &Snapshot) -> Basis {
    Basis::of(&config(), &settle(&config(), snapshot.clone()).snapshot)
}

#[test]
fn what_looking_settles_anew_each_time_is_no_change() {
    let mut snapshot = fleet(&[Running, Restarting, Running]);
    snapshot.nodes[0].seen = Some(gone());
    snapshot.nodes[1].seen = Some(gone());
    snapshot.nodes[2].node.intention = Some(Verb::Stop);
    let before = basis(&snapshot);
    snapshot.now += 60;
    assert_eq!(before.changes(&basis(&snapshot)), []);
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
    let held = changes(|after| after.nodes[0].node.held = true);
    insta::assert_snapshot!(held, @"antnode0001 is now STOPPED (0.4.17, stopped by its owner), was STOPPED (0.4.17)");
    let begun = changes(|after| after.nodes[1].node.intention = Some(Verb::Disable));
    insta::assert_snapshot!(begun, @"antnode0002 is now RUNNING (0.4.17, disable not finished), was RUNNING (0.4.17)");
    let stopped = changes(|after| after.nodes[1].node.status = Stopped);
    insta::assert_snapshot!(stopped, @"antnode0002 is now STOPPED (0.4.17), was RUNNING (0.4.17)");
    let unknown = changes(|after| after.nodes[1].node.version = None);
    insta::assert_snapshot!(unknown, @"antnode0002 is now RUNNING (no version), was RUNNING (0.4.17)");
}
