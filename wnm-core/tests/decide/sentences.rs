//! Decisions as a person reads them.

use insta::assert_snapshot;
use wnm_core::decide::{Request, Selection, decide, decide_request};
use wnm_core::node::Status::{Running, Stopped};
use wnm_core::report::{Detail, plan_text};
use wnm_core::settings::Config;
use wnm_pm::process_manager::NumberingKind;

use crate::fleet::{config, fleet, machine};

#[test]
fn a_first_cycle_in_containers() {
    let config = Config { max_concurrent_starts: 3, min_container_count: 2, ..config() };
    let snapshot = wnm_core::snapshot::Snapshot { numbering: NumberingKind::Blocks, ..machine() };
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
    let refusal = |request| decide_request(&config(), &fleet(&[Running]), &request).expect_err("refused").to_string();
    assert_snapshot!(refusal(Request::Add(100_000)), @"adding 100,000 nodes would exceed node_cap (100,001 > 10)");
    assert_snapshot!(refusal(Request::Stop(Selection::Names(vec!["antnode0009".to_owned()]))), @"there is no node called antnode0009");
    assert_snapshot!(refusal(Request::Restart(Selection::Count(300))), @"cannot restart 300 nodes: only 1 is running");
    assert_snapshot!(refusal(Request::Add(10)), @"adding 10 nodes would exceed node_cap (11 > 10)");
    assert_snapshot!(refusal(Request::Remove(Selection::Count(5))), @"cannot remove 5 nodes: only 1 is running or stopped");
}
