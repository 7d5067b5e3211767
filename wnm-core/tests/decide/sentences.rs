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
      container group a1 is opened: node ports 55001-55200, metrics ports 13001-13200 [container_group]
      container group a2 is opened: node ports 55201-55400, metrics ports 13201-13400 [container_group]
      add antnode0001, antnode0201, antnode0002: there is room, and 0 in all is below node_cap 10 [add]
    Not done, because:
      7 more up to node_cap 10, in later cycles [max_concurrent_starts]
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
      CPU use is 71.2 %, above cpu_remove 70 % [cpu_remove]
      the load average of 5 minutes is 2.5, above max_load_average_allowed 2 [max_load_average_allowed]
      disk reading is 4000.0 B/s, above hdio_read_remove 1000 B/s [hdio_read_remove]
      stop antnode0002, antnode0001: youngest first [stop]
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
      memory use is 60.0 %, not below mem_less_than 60 % [mem_less_than]
      the load average of 15 minutes is 1.2, not below desired_load_average 1.2 [desired_load_average]
      2 running, and node_cap is 2 [node_cap]
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
      disk use is 95.0 %, above hd_remove 90 % [hd_remove]
      remove antnode0002: youngest first [remove]
    ");
}

#[test]
fn refusals() {
    let refusal = |request| decide_request(&config(), &fleet(&[Running]), &request).expect_err("refused").to_string();
    assert_snapshot!(refusal(Request::Add(100_000)), @"
    100000 more nodes would make 100001, and node_cap is 10
    hint: `wnm config set node_cap 100001` allows them
    ");
    assert_snapshot!(refusal(Request::Stop(Selection::Names(vec!["antnode0009".to_owned()]))), @"
    there is no node called antnode0009
    hint: `wnm status` lists the nodes
    ");
    assert_snapshot!(refusal(Request::Remove(Selection::Count(5))), @"
    5 to remove were asked for, and only 1 would do
    hint: ask for 1 at most, or name the nodes
    ");
}
