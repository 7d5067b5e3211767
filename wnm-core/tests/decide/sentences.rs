//! Decisions as a person reads them.

use std::path::PathBuf;

use insta::assert_snapshot;
use semver::Version;
use wnm_allocator::LayoutError;
use wnm_core::decide::{Refusal, Request, Selection, WordFault, decide, decide_request};
use wnm_core::node::Status::{Dead, Disabled, Removing, Running, Stopped};
use wnm_core::node::{Flavour, Status, Verb};
use wnm_core::report::{Detail, plan_text};
use wnm_core::settings::Config;
use wnm_core::snapshot::Snapshot;
use wnm_pm::hint::{Hinted, chain};
use wnm_pm::process_manager::NumberingKind;
use wnm_testing::told;

use crate::fleet::{config, fleet, machine};

#[test]
fn a_first_cycle_in_containers() {
    let config = Config { max_concurrent_starts: 3, min_container_count: 2, ..config() };
    let snapshot = Snapshot { numbering: NumberingKind::Blocks, ..machine() };
    assert_snapshot!(plan_text(&decide(&config, &snapshot), Detail::Summary), @"
    Would do:
      bring up 2 container groups: a1–a2
        node ports 55001–55400, metrics ports 13001–13400
      add 3 nodes (0.4.17): a1 antnode0001–0002, a2 antnode0201
        node ports 55001–55002, 55201, metrics ports 13001–13002, 13201
        rewards to 0x00455d78f850b0358E8cea5be24d415E01E107CF
    Why:
      opening container groups a1–a2 for new nodes [container_group]
      the machine has room (0 of 10 nodes) [add]
    Not done, because:
      7 more nodes to add in later cycles (max_concurrent_starts = 3)
    ");
}

#[test]
fn pressure_on_everything() {
    let config = Config { max_concurrent_removals: 2, hdio_read_less_than: 500, hdio_read_remove: 1_000, ..config() };
    let mut snapshot = fleet(&[Running, Running, Stopped]);
    snapshot.host.used_cpu_percent = 71.25;
    snapshot.host.load_average_5 = 2.5;
    snapshot.host.hdio_read_bytes = 4_000;
    assert_snapshot!(plan_text(&decide(&config, &snapshot), Detail::Summary), @"
    Would do:
      stop 2 nodes: antnode0001–0002
    Why:
      CPU usage is 71.2 %, above the limit (cpu_remove = 70 %)
      load average (5 min) is 2.5, above the limit (max_load_average_allowed = 2)
      disk read rate is 4000 B/s, above the limit (hdio_read_remove = 1000 B/s)
      youngest nodes first [stop]
    Not done, because:
      antnode0003: down [down]
    ");
}

#[test]
fn no_room_for_growth() {
    let config = Config { node_cap: 2, ..config() };
    let mut snapshot = fleet(&[Running, Running, Stopped]);
    snapshot.nodes.pop();
    snapshot.host.used_mem_percent = 60.0;
    snapshot.host.load_average_15 = 1.2;
    assert_snapshot!(plan_text(&decide(&config, &snapshot), Detail::Summary), @"
    Would do:
      check all nodes
    Not done, because:
      memory usage is 60.0 %, too high to add or start nodes (mem_less_than = 60 %)
      load average (15 min) is 1.2, too high to add or start nodes (desired_load_average = 1.2)
      2 nodes running, the maximum (node_cap = 2)
    ");
}

#[test]
fn removal_for_a_full_disk() {
    let mut snapshot = fleet(&[Running, Stopped]);
    snapshot.host.used_hd_percent = 95.0;
    let config = Config { max_concurrent_removals: 1, ..config() };
    assert_snapshot!(plan_text(&decide(&config, &snapshot), Detail::Summary), @"
    Would do:
      stop antnode0002 and remove it after delay_remove
    Why:
      disk usage is 95.0 %, above the limit (hd_remove = 90 %)
      stopped nodes first, then the youngest [remove]
    ");
}

#[test]
fn refusals() {
    let refusal = |request| told(&decide_request(&config(), &fleet(&[Running]), &request).expect_err("refused"));
    assert_snapshot!(refusal(Request::Add(100_000)), @"
    adding 100,000 nodes would exceed node_cap (100,001 > 10)
    hint: set node_cap 100001 to allow them
    ");
    assert_snapshot!(refusal(Request::Stop(Selection::names(vec!["antnode0009".to_owned()]))), @"
    there is no node called antnode0009
    hint: Run(Status) to list the nodes
    ");
    assert_snapshot!(refusal(Request::Restart(Selection::names(vec!["9-12".to_owned()]))), @"
    no node is in 9-12
    hint: Run(Status) to list the nodes
    ");
    assert_snapshot!(refusal(Request::Restart(Selection::names(vec!["all".to_owned()]))), @"
    there is no node called all
    hint: `--all` means all nodes
    ");
    assert_snapshot!(refusal(Request::Add(10)), @"
    adding 10 nodes would exceed node_cap (11 > 10)
    hint: set node_cap 11 to allow them
    ");
}

/// Why a request about the first node of a fleet with this status is refused.
fn refused(status: Status, verb: fn(Selection) -> Request) -> String {
    let request = verb(Selection::names(vec!["antnode0001".to_owned()]));
    told(&decide_request(&config(), &fleet(&[status]), &request).expect_err("it is refused"))
}

#[test]
fn refusals_for_what_a_node_is() {
    assert_snapshot!(refused(Disabled, Request::Start), @"
    cannot start antnode0001: it is DISABLED
    hint: Run(Nodes { verb: \"enable\", names: [\"antnode0001\"] }) to manage it again
    ");
    assert_snapshot!(refused(Dead, Request::Restart), @"
    cannot restart antnode0001: it is DEAD
    hint: Run(Nodes { verb: \"remove\", names: [\"antnode0001\"] }) to remove it from the database
    ");
    assert_snapshot!(refused(Removing, Request::Stop), @"
    cannot stop antnode0001: it is REMOVING
    hint: Run(Nodes { verb: \"start\", names: [\"antnode0001\"] }) to keep it
    ");
    assert_snapshot!(refused(Removing, Request::Upgrade), @"
    cannot upgrade antnode0001: it is REMOVING
    hint: Run(Nodes { verb: \"start\", names: [\"antnode0001\"] }) to keep it
    ");
}

#[test]
fn refusals_for_what_the_machine_has() {
    let refusal =
        |config: Config, snapshot| told(&decide_request(&config, &snapshot, &Request::Add(3)).expect_err("refused"));
    let no_program = Snapshot { available: None, ..machine() };
    assert_snapshot!(refusal(config(), no_program), @"
    no usable node program at /nonexistent/.local/bin/antnode
    hint: install one there
    hint: set antnode_path … to use another one
    ");
    let numbers_used_up = Snapshot { numbering: NumberingKind::NeverReuse, highest_number_used: 10_534, ..machine() };
    assert_snapshot!(refusal(config(), numbers_used_up), @r#"
    cannot add 3 nodes: the port layout has ports for 1
    hint: Run(Nodes { verb: "add", names: ["--count", "1"] }) to add as many as fit
    "#);
    let no_blocks = Config { max_node_per_container: 0, ..config() };
    assert_snapshot!(refusal(no_blocks, Snapshot { numbering: NumberingKind::Blocks, ..machine() }), @"max_node_per_container 0 is not between 1 and 65535");
}

#[test]
fn no_refusal_has_a_second_line_or_a_hint_in_its_text() {
    let name = || "antnode0001".to_owned();
    let (path, version) = (PathBuf::from("/usr/bin/antnode"), Box::new(Version::new(0, 4, 17)));
    let refusals = [
        Refusal::UnknownNames(vec![name()]),
        Refusal::TornDown,
        Refusal::OverCap { asked: 1, would_be: 2, cap: 1 },
        Refusal::NoMatch(vec!["1-50".to_owned()]),
        Refusal::BadWord { word: "50-1".to_owned(), fault: WordFault::Backwards },
        Refusal::BadWord { word: "a[".to_owned(), fault: WordFault::Pattern("it does not end") },
        Refusal::BadWord { word: "UP".to_owned(), fault: WordFault::Status },
        Refusal::WrongStatus { name: name(), status: Disabled, verb: Verb::Start },
        Refusal::StoppedByOwner { name: name() },
        Refusal::NoProgram { path: path.clone() },
        Refusal::MixedFlavours { own: Flavour::V1, path: path.clone(), flavour: Flavour::V2 },
        Refusal::OtherFlavour { name: name(), own: Flavour::V1, path: path.clone(), flavour: Flavour::V2 },
        Refusal::OlderProgram { name: name(), own: version.clone(), path, available: version },
        Refusal::Ports { asked: 2, there: 1 },
        Refusal::Layout(LayoutError::NumbersUsedUp { wanted: 2, possible: 1, highest_number: 3 }),
    ];
    for refusal in refusals {
        let text = chain(&refusal);
        assert!(!text.contains('\n') && !text.contains("hint") && !text.contains('`'), "{text:?}");
        assert!(!refusal.hints().is_empty(), "{text}");
    }
}
