//! Upgrades happen to the nodes that they help, and are refused with the reason where they are asked for and do not.

use semver::Version;
use wnm_core::decide::{Refusal, Request, Selection, decide, decide_request};
use wnm_core::node::{Desired, Flavour, Status};
use wnm_core::plan::Rule;
use wnm_core::settings::Config;
use wnm_core::snapshot::Snapshot;
use wnm_testing::{alter, told};

use Status::{Removing, Running, Stopped};

use crate::failings::cycle;
use crate::fleet::{config, fleet};

/// What asking for the upgrade of node 1 comes to: its actions, or the refusal.
fn asked(snapshot: &Snapshot) -> Result<usize, String> {
    let request = Request::Upgrade(Selection::names(vec!["antnode0001".to_owned()]));
    let plan = decide_request(&config(), snapshot, &request).map_err(|refusal| told(&refusal))?;
    Ok(plan.actions.len())
}

/// One node of 0.4.16 with this status; the program is 0.4.17.
fn outdated(status: Status) -> Snapshot {
    let mut snapshot = fleet(&[status]);
    alter(&mut snapshot.nodes[0].node, |node| node.version = Some(Version::new(0, 4, 16)));
    snapshot
}

#[test]
fn a_program_of_another_flavour_is_no_upgrade() {
    let config = Config { node_cap: 1, ..config() };
    let mut snapshot = outdated(Running);
    snapshot.flavour = Flavour::V2;
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
    let reasons = decide(&config, &snapshot).reasons;
    let reason = reasons.iter().find(|reason| reason.rule() == Rule::Flavour).expect("it says why");
    insta::assert_snapshot!(reason, @"antnode0001: a v2 program (/usr/bin/antnode) cannot upgrade a v1 node");
    insta::assert_snapshot!(asked(&snapshot).expect_err("it is refused"), @"
    cannot upgrade antnode0001: it is a v1 node, and /usr/bin/antnode is v2
    hint: set antnode_path … to use a v1 program
    hint: Run(MigrateFlavour) to move all nodes to v2
    ");
    let count = Request::Upgrade(Selection::count(1));
    let plan = decide_request(&config, &snapshot, &count).expect("there is nothing to do");
    assert_eq!(plan.actions, []);
}

#[test]
fn no_node_is_added_beside_those_of_another_flavour() {
    let config = Config { node_cap: 2, ..config() };
    let mut snapshot = outdated(Running);
    snapshot.flavour = Flavour::V2;
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
    let reasons = decide(&config, &snapshot).reasons;
    let reason = reasons.iter().rfind(|reason| reason.rule() == Rule::Flavour).expect("it says why");
    insta::assert_snapshot!(reason, @"the nodes of this machine are v1, and the node program is v2; no node is added");
    let refused = decide_request(&config, &snapshot, &Request::Add(1)).expect_err("it is refused");
    insta::assert_snapshot!(refused, @"cannot add nodes: those of this machine are v1, and /usr/bin/antnode is v2");
    alter(&mut snapshot.nodes[0].node, |node| node.status = Removing);
    assert_eq!(cycle(&config, &snapshot), ["remove 1", "add 2"], "one that goes is in nobody's way");
}

#[test]
fn nodes_of_v2_that_upgrade_themselves_leave_no_reason() {
    let config = Config { node_cap: 1, ..config() };
    let mut snapshot = outdated(Running);
    alter(&mut snapshot.nodes[0].node, |node| node.spec.flavour = Flavour::V2);
    let reasons = decide(&config, &snapshot).reasons;
    assert!(reasons.iter().all(|reason| reason.rule() != Rule::Flavour), "{reasons:?}");
}

#[test]
fn an_older_program_is_no_upgrade() {
    let mut snapshot = outdated(Running);
    alter(&mut snapshot.nodes[0].node, |node| node.version = Some(Version::new(0, 5, 0)));
    insta::assert_snapshot!(asked(&snapshot).expect_err("it is refused"), @"
    cannot upgrade antnode0001: it runs 0.5.0, and /usr/bin/antnode is older (0.4.17)
    hint: put a newer program there
    hint: set antnode_path … to use another one
    ");
}

#[test]
fn an_equal_program_is_nothing_to_do() {
    for status in [Running, Stopped] {
        assert_eq!(asked(&fleet(&[status])), Ok(0), "{status}");
    }
    let mut held = fleet(&[Stopped]);
    alter(&mut held.nodes[0].node, |node| node.desired = Desired::Stop);
    assert_eq!(asked(&held), Ok(0));
}

#[test]
fn a_node_whose_version_nobody_knows_is_upgraded_when_it_is_asked_for() {
    let mut snapshot = outdated(Running);
    alter(&mut snapshot.nodes[0].node, |node| node.version = None);
    assert_eq!(asked(&snapshot), Ok(1));
    assert_eq!(asked(&outdated(Running)), Ok(1));
    assert_eq!(asked(&outdated(Stopped)), Ok(1), "wnm would have started it anyway");
}

#[test]
fn what_its_owner_stopped_is_not_started_by_an_upgrade() {
    let mut snapshot = outdated(Stopped);
    alter(&mut snapshot.nodes[0].node, |node| node.desired = Desired::Stop);
    insta::assert_snapshot!(asked(&snapshot).expect_err("it is refused"), @"
    cannot upgrade antnode0001: it was stopped by hand, and an upgrade would start it
    hint: Run(Nodes { verb: \"start\", names: [\"antnode0001\"] }) to start it first
    ");
}

#[test]
fn a_node_that_is_being_removed_is_not_upgraded() {
    let refusal = asked(&outdated(Removing)).expect_err("it is refused");
    insta::assert_snapshot!(refusal, @"
    cannot upgrade antnode0001: it is REMOVING
    hint: Run(Nodes { verb: \"start\", names: [\"antnode0001\"] }) to keep it
    ");
}

#[test]
fn one_that_is_refused_keeps_the_whole_request_from_being_begun() {
    let mut snapshot = fleet(&[Running, Running]);
    alter(&mut snapshot.nodes[0].node, |node| node.version = Some(Version::new(0, 4, 16)));
    alter(&mut snapshot.nodes[1].node, |node| node.version = Some(Version::new(0, 5, 0)));
    let request = Request::Upgrade(Selection::names(vec!["1".to_owned(), "2".to_owned()]));
    let refusal = decide_request(&config(), &snapshot, &request).expect_err("the second is newer");
    assert!(matches!(refusal, Refusal::OlderProgram { .. }), "{refusal}");
}
