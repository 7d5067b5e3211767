//! A node whose directory is no directory any more, and of which a manager therefore tells nothing.

use wnm_core::decide::{Reconciled, reconcile};
use wnm_core::node::{Status, Verb};
use wnm_core::snapshot::{Answer, DirectoryState, Seen};
use wnm_testing::alter;

use Status::{Removing, Restarting, Running, Stopped, Upgrading};

use crate::fleet::{NOW, alive, config, fleet, gone};

#[test]
fn a_node_whose_directory_was_replaced_runs_no_more_when_nobody_can_tell() {
    for status in [Running, Restarting, Upgrading, Stopped] {
        let mut snapshot = fleet(&[status]);
        let process = Err("antnode0001 is left alone: a symbolic link stands there".to_owned());
        let answer = Answer::NotAsked;
        snapshot.nodes[0].seen = Some(Seen { process, answer, directory: DirectoryState::NotADirectory });
        let reconciled = reconcile(&config(), snapshot.clone()).snapshot;
        let node = &reconciled.nodes[0].node;
        assert_eq!((node.status(), node.life().failures()), (Stopped, 1), "{status}");
        assert!(node.life().retry_at() > Some(NOW), "it is not started at once");
        assert!(node.life().last_error().is_some_and(|error| error.contains("symbolic link")), "{node:?}");
        assert_eq!(reconcile(&config(), reconciled).events, [], "and that is said once");
    }
}

#[test]
fn a_living_node_is_left_alone_when_nobody_can_look_or_another_thing_stands_in_its_place() {
    let mut snapshot = fleet(&[Running, Running]);
    let living = alive(&snapshot.nodes[0].node);
    snapshot.nodes[0].seen = Some(Seen { directory: DirectoryState::NotADirectory, ..living.clone() });
    snapshot.nodes[1].seen = Some(Seen { process: Err("nobody can tell".to_owned()), ..living });
    let Reconciled { events, .. } = reconcile(&config(), snapshot);
    assert_eq!(events, []);
}

#[test]
fn what_was_begun_on_a_replaced_directory_is_not_forgotten() {
    for (verb, recorded, expected) in [
        (Verb::Start, Stopped, (Stopped, None)),
        (Verb::Stop, Running, (Stopped, None)),
        (Verb::Remove, Removing, (Removing, None)),
        (Verb::Disable, Status::Disabled, (Status::Disabled, Some(Verb::Disable))),
    ] {
        let mut snapshot = fleet(&[recorded]);
        alter(&mut snapshot.nodes[0].node, |node| node.pending = Some(verb));
        let process = Err("it is left alone".to_owned());
        snapshot.nodes[0].seen = Some(Seen { process, directory: DirectoryState::NotADirectory, ..gone() });
        let node = reconcile(&config(), snapshot).snapshot.nodes.remove(0).node;
        assert_eq!((node.status(), node.life().pending()), expected, "{verb}");
    }
}
