//! How nodes are chosen: by words, by what they are, and up to a number.

use proptest::prelude::*;
use semver::Version;
use wnm_core::decide::{Filter, Refusal, Request, Selection, decide_request};
use wnm_core::node::Status::{self, Disabled, Restarting, Running, Stopped};
use wnm_core::report::names;
use wnm_core::settings::Config;
use wnm_core::snapshot::Snapshot;
use wnm_pm::container_host::GroupState;
use wnm_testing::alter;

use crate::fleet::{NOW, config, fleet};
use crate::groups::group;

/// Nodes 1 to 12; 3 is stopped, 4 disabled, 5 starts again. The first four are in group a1, the others in a2.
fn machine() -> Snapshot {
    let mut statuses = [Running; 12];
    (statuses[2], statuses[3], statuses[4]) = (Stopped, Disabled, Restarting);
    let mut snapshot = fleet(&statuses);
    snapshot.groups = [1, 2].map(|number| group(number, "image", GroupState::Running)).to_vec();
    for (place, each) in snapshot.nodes.iter_mut().enumerate() {
        alter(&mut each.node, |row| {
            row.spec.group = Some(if place < 4 { 1 } else { 2 });
            row.version = Some(Version::new(0, 4, if place == 7 { 18 } else { 17 }));
            row.created_at = NOW - 1_000 * i64::try_from(place + 1).unwrap_or(0);
        });
    }
    snapshot
}

fn words(words: &[&str]) -> Selection {
    Selection::names(words.iter().map(ToString::to_string).collect())
}

/// The nodes that a request is about, in their order.
fn chosen(verb: fn(Selection) -> Request, selection: Selection) -> Result<String, Refusal> {
    let plan = decide_request(&config(), &machine(), &verb(selection))?;
    let steps: Vec<_> = plan.actions.iter().filter_map(|action| Some(action.step()?.1)).collect();
    Ok(steps.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(" "))
}

fn restarted(selection: Selection) -> String {
    chosen(Request::Restart, selection).expect("it is not refused")
}

#[test]
fn words_are_names_numbers_ranges_patterns_and_groups() {
    for (given, expected) in [
        (&["antnode0002"][..], "2"),
        (&["7", "2"], "7 2"),
        (&["1-2", "antnode0001"], "1 2"),
        (&["antnode0006-antnode0008"], "6 7 8"),
        (&["antnode0006–0008"], "6 7 8"),
        (&["0-3"], "1 2"),
        (&["10-99"], "10 11 12"),
        (&["antnode001*"], "10 11 12"),
        (&["antnode000[1-4]"], "1 2"),
        (&["a1"], "1 2"),
        (&["a1", "a2"], "1 2 5 6 7 8 9 10 11 12"),
    ] {
        // A range or a group means those that run: what is stopped by hand is named by itself.
        assert_eq!(restarted(words(given)), expected, "{given:?}");
    }
}

#[test]
fn ranges_are_read_as_reports_print_them() {
    let ids: Vec<_> = machine().nodes.iter().skip(5).take(3).map(|each| each.node.id()).collect();
    assert_eq!(restarted(words(&[&names(&ids)])), "6 7 8");
}

#[test]
fn filters_take_away_and_all_is_all_that_can_be_done() {
    let filtered = |filter: Filter| restarted(Selection { filter, ..Selection::all() });
    assert_eq!(restarted(Selection::all()), "12 11 10 9 8 7 6 2 1 5");
    assert_eq!(filtered(Filter { groups: vec!["a1".to_owned()], ..Filter::default() }), "2 1");
    assert_eq!(filtered(Filter { status: vec!["restarting".to_owned()], ..Filter::default() }), "5");
    assert_eq!(filtered(Filter { versions: vec![Version::new(0, 4, 18)], ..Filter::default() }), "8");
    assert_eq!(filtered(Filter { older_than_seconds: Some(10_999), ..Filter::default() }), "12 11");
    let both = Filter { groups: vec!["a2".to_owned()], older_than_seconds: Some(9_999), ..Filter::default() };
    assert_eq!(restarted(Selection { filter: both, ..words(&["1-11"]) }), "10 11");
    assert_eq!(chosen(Request::Start, Selection::all()), Ok("3".to_owned()));
    assert_eq!(chosen(Request::Enable, Selection::all()), Ok("4".to_owned()));
    let removed = chosen(Request::Remove, Selection::all()).expect("it is not refused");
    assert!(!removed.split(' ').any(|number| number == "4"), "what is unmanaged is named by itself: {removed}");
}

#[test]
fn a_number_of_nodes_is_chosen_among_those_that_are_meant() {
    assert_eq!(restarted(Selection { count: Some(2), ..Selection::all() }), "12 11");
    assert_eq!(restarted(Selection { count: Some(2), ..words(&["a1"]) }), "2 1");
    let plan = decide_request(&config(), &machine(), &Request::Restart(Selection { count: Some(5), ..words(&["a1"]) }));
    let said: Vec<String> = plan.expect("up to so many").reasons.iter().map(ToString::to_string).collect();
    assert_eq!(said.last().map(String::as_str), Some("found 2 nodes running (asked for up to 5)"));
}

#[test]
fn outdated_nodes_are_those_that_settings_have_yet_to_reach() {
    let same = Config { no_upnp: true, start_args: Vec::new(), ..config() };
    let filter = Filter { outdated: true, ..Filter::default() };
    let mut snapshot = machine();
    for each in &mut snapshot.nodes {
        let spec = wnm_core::renewal::renewed(&same, &each.node);
        each.node.renew(spec);
    }
    alter(&mut snapshot.nodes[1].node, |row| row.spec.start_args = vec!["--old".to_owned()]);
    let request = Request::Restart(Selection { filter, ..Selection::all() });
    let plan = decide_request(&same, &snapshot, &request).expect("it is not refused");
    assert_eq!(plan.actions.iter().filter_map(|action| Some(action.step()?.1.0)).collect::<Vec<_>>(), [2]);
}

proptest! {
    /// Whatever is chosen fits what was asked for, and no node is chosen twice.
    #[test]
    fn what_is_chosen_was_asked_for(
        first in 1_u32..14, more in 0_u32..14, group in 0_usize..3, most in proptest::option::of(1_u32..9),
    ) {
        let groups = [vec![], vec!["a1".to_owned()], vec!["a2".to_owned()]][group].clone();
        let selection = Selection {
            words: vec![format!("{first}-{}", first + more)],
            filter: Filter { groups: groups.clone(), ..Filter::default() },
            count: most,
        };
        let snapshot = machine();
        match decide_request(&config(), &snapshot, &Request::Restart(selection)) {
            Err(refusal) => prop_assert_eq!(refusal, Refusal::NoMatch(vec![format!("{first}-{}", first + more)])),
            Ok(plan) => {
                let ids: Vec<u32> = plan.actions.iter().filter_map(|action| Some(action.step()?.1.0)).collect();
                prop_assert!(most.is_none_or(|most| ids.len() <= most as usize));
                for (place, id) in ids.iter().enumerate() {
                    prop_assert!((first..=first + more).contains(id) && !ids[..place].contains(id));
                    let status: Status = snapshot.nodes[*id as usize - 1].node.status();
                    prop_assert!(matches!(status, Running | Restarting));
                    let own = if *id < 5 { "a1" } else { "a2" };
                    prop_assert!(groups.is_empty() || groups[0] == own);
                }
            }
        }
    }
}
