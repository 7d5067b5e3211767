//! Reasons of every kind: in words, in JSON, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use insta::assert_snapshot;
use proptest::prelude::*;
use semver::Version;
use wnm_allocator::LayoutError;
use wnm_core::node::{Flavour, NodeId, Verb};
use wnm_core::pause::CyclePause;
use wnm_core::plan::{Cause, Effect, Gauge, Limit, Reason, Rule};
use wnm_core::report::{ReasonRow, reason_text};
use wnm_core::rollout::{Failure, Pause};
use wnm_core::snapshot::{Allowance, Blocker};
use wnm_pm::container_host::GroupState;
use wnm_pm::port_use::Protocol;

/// What a reason may hold.
#[derive(Debug, Clone)]
struct Figures {
    count: u32,
    most: u32,
    figure: f64,
    limit: f64,
    text: String,
    version: Version,
    groups: Vec<u32>,
    nodes: Vec<NodeId>,
}

/// A cause of every kind, and of those that hold a kind of something, one for each.
fn causes(figures: &Figures) -> Vec<Cause> {
    let Figures { count, most, figure, limit, text, version, groups, nodes: _ } = figures.clone();
    let path = PathBuf::from(&text);
    let limit_of = |rule| Limit { rule, in_progress: count, most };
    let mut causes = vec![
        Cause::Paused { pause: CyclePause { since: 1_790_000_000, until: None, reason: Some(text.clone()) } },
        Cause::DownWhilePaused,
        Cause::TornDown,
        Cause::Down,
        Cause::GroupsDownWhilePaused { groups: groups.clone() },
        Cause::Reboot,
        Cause::RemovalDue,
        Cause::LeftToUpgrade,
        Cause::DisableInterrupted,
        Cause::DirectoryGone,
        Cause::RunsWithoutDirectory,
        Cause::NothingToRun,
        Cause::GroupsNeeded { groups: groups.clone() },
        Cause::FirstGroups { groups, least: most },
        Cause::ImageChanged { group: count, from: text.clone(), to: text.clone() },
        Cause::OperationsInProgress { in_progress: count, most },
        Cause::OverCap { total: count, cap: most },
        Cause::YoungestStopped,
        Cause::YoungestOthersStopped,
        Cause::YoungestRemoved,
        Cause::RemovalsInProgress { removing: count, most },
        Cause::DiskPressure { storage: path.clone(), gauge: Gauge::Disk, figure, limit },
        Cause::DiskNoRoom { storage: path.clone(), gauge: Gauge::Inodes, figure, limit },
        Cause::DiskFewInodes { storage: path.clone(), free: count.into(), needed: most.into() },
        Cause::DiskAway { storage: path.clone() },
        Cause::StorageMoves { to: path.clone() },
        Cause::RemovalFailed,
        Cause::OperationFailed,
        Cause::NothingLeft,
        Cause::Outdated { version: version.clone() },
        Cause::UpgradesLater { waiting: count, version: version.clone(), limit: limit_of(Rule::MaxConcurrentUpgrades) },
        Cause::UpgradesFirst { version: version.clone() },
        Cause::CanariesFirst { waiting: count, canaries: most, version: version.clone() },
        Cause::Proving { version: version.clone(), settle_seconds: u64::from(count) },
        Cause::Proved,
        Cause::Reverting { version: version.clone() },
        Cause::RolloutAborted { version: version.clone() },
        Cause::OneAtATime { version: version.clone(), other: Version::new(0, 4, 16) },
        Cause::Unproved { version: version.clone() },
        Cause::OtherFlavour { path: path.clone(), program: Flavour::V2, own: Flavour::V1 },
        Cause::MixedFlavours { program: Flavour::V2, own: Flavour::V1 },
        Cause::Migrating { count },
        Cause::RunningAtCap { running: count, cap: most },
        Cause::TotalAtCap { total: count, cap: most },
        Cause::StoppedByOwner,
        Cause::Broken { most },
        Cause::Fell,
        Cause::Returning { rebooted: true },
        Cause::Returning { rebooted: false },
        Cause::ReturnsLater { rebooted: true, waiting: count, pace: most },
        Cause::ReturnsLater { rebooted: false, waiting: count, pace: most },
        Cause::StartFailed,
        Cause::WentDown,
        Cause::Recovering { delay_seconds: u64::from(count) },
        Cause::MetricsPortInUse,
        Cause::RoomToStart,
        Cause::StartsLater { waiting: count, limit: limit_of(Rule::MaxConcurrentStarts) },
        Cause::RoomToAdd { total: count, cap: most },
        Cause::AddsLater { waiting: count, limit: limit_of(Rule::MaxConcurrentOperations) },
        Cause::FewInodes { free: u64::from(count), needed: 1_000 },
        Cause::MeasuredAgainst {
            gauge: Gauge::Memory,
            allowance: Allowance { control_group: text.clone(), amount: 64e6 },
        },
        Cause::NoProgram { path: path.clone() },
        Cause::NoNumberLeft { missing: count },
        Cause::BadLayout { error: LayoutError::NoSuchNumber { number: count } },
        Cause::Requested,
    ];
    let blockers = [
        Blocker::PortInUse { protocol: Protocol::Udp, port: 55_007 },
        Blocker::PortOfNode { port: 13_007, node: text },
        Blocker::Directory { path },
        Blocker::Name { why: "/etc/systemd/system/antnode0001.service is there already".to_owned() },
    ];
    causes.extend(blockers.map(|by| Cause::NumberTaken { by }));
    let why = Failure::NoPeers { within_seconds: u64::from(count) };
    let pauses = [
        Pause::CanaryFailed { node: NodeId(count), why },
        Pause::TooManyFailed { failed: count, fleet: most, percent: limit },
    ];
    causes.extend(pauses.map(|pause| Cause::RolloutPaused { version: version.clone(), pause }));
    causes.extend(Gauge::ALL.map(|gauge| Cause::Pressure { gauge, figure, limit }));
    causes.extend(Gauge::ALL.map(|gauge| Cause::NoRoom { gauge, figure, limit }));
    let verbs = [Verb::Start, Verb::Stop, Verb::Restart, Verb::Upgrade, Verb::Remove, Verb::Disable, Verb::Enable];
    causes.extend(verbs.map(|verb| Cause::NothingToDo { verb }));
    causes.extend(verbs.map(|verb| Cause::Fewer { verb, asked: most, there: count }));
    use GroupState::{Damaged, Gone, Paused, Restarting, Stopped};
    causes.extend([Damaged, Stopped, Paused, Restarting, Gone].map(|state| Cause::GroupNotUp { group: count, state }));
    causes
}

fn reasons(figures: &Figures) -> Vec<Reason> {
    causes(figures).into_iter().map(|cause| Reason { nodes: figures.nodes.clone(), cause }).collect()
}

fn few(count: u32) -> Figures {
    Figures {
        count,
        most: 2,
        figure: 71.25,
        limit: 70.0,
        text: "/usr/bin/antnode".to_owned(),
        version: Version::new(0, 4, 17),
        groups: (1..=count).collect(),
        nodes: (1..=count).map(NodeId).collect(),
    }
}

/// The kinds that there are, as the deserialiser lists them when it is given another one.
fn kinds() -> BTreeSet<String> {
    let error = serde_json::from_str::<Cause>(r#"{"kind": "nothing of the sort"}"#).expect_err("there is no such kind");
    let words: Vec<String> = error.to_string().split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(words[0], "nothing of the sort", "{error}");
    words.into_iter().skip(1).collect()
}

#[test]
fn the_causes_of_these_tests_are_all_that_there_are() {
    let kind = |cause| serde_json::to_value(cause).expect("it is JSON")["kind"].as_str().map(str::to_owned);
    let tested: BTreeSet<String> = causes(&few(1)).iter().filter_map(kind).collect();
    assert_eq!(tested, kinds());
}

#[test]
fn every_rule_has_a_cause_with_each_of_its_effects_and_no_other() {
    let mut found: BTreeMap<Rule, BTreeSet<&str>> = BTreeMap::new();
    for reason in reasons(&few(1)).into_iter().chain(reasons(&few(0))) {
        found.entry(reason.rule()).or_default().insert(reason.effect().as_str());
    }
    let declared = |rule: &Rule| (*rule, rule.effects().iter().map(|effect| effect.as_str()).collect());
    assert_eq!(found, Rule::ALL.iter().map(declared).collect());
}

#[test]
fn pressure_that_nothing_is_done_about_is_held() {
    let cause = Cause::Pressure { gauge: Gauge::Cpu, figure: 99.0, limit: 70.0 };
    let effect = |nodes| Reason { nodes, cause: cause.clone() }.effect();
    assert_eq!((effect(vec![NodeId(1)]), effect(Vec::new())), (Effect::Did, Effect::Held));
}

/// Rule and sentence of each reason.
fn sentences(figures: &Figures) -> Vec<String> {
    reasons(figures).iter().map(|reason| format!("{}: {reason}", reason.rule())).collect()
}

#[test]
fn the_sentences_for_one() {
    assert_snapshot!(sentences(&few(1)).join("\n"), @"
    paused: cycles have been paused since 2026-09-21T14:13:20Z (/usr/bin/antnode); only what the owner asks for is done
    paused: antnode0001: down; not started while cycles are paused
    torn_down: everything was taken down; no node is added before `wnm init`
    down: antnode0001: down
    paused: container group a1 is not up; not repaired while cycles are paused
    reboot: the machine was restarted; checking all nodes first
    delay_remove: antnode0001: the delay before removal has passed; deleting the files
    own_upgrade: antnode0001: upgraded itself and ended; starting it again
    disable: antnode0001: disabling was interrupted; finishing it
    dead: antnode0001: directory is gone; removed from the database
    directory_gone: antnode0001: running, but the directory is gone: put it back, or remove the node
    dead: antnode0001: nothing left to run; removing what remains
    container_group: opening container group a1 for new nodes
    min_container_count: opening container group a1 from the start (min_container_count = 2)
    docker_image: container group a1 uses /usr/bin/antnode: recreating it (docker_image = /usr/bin/antnode)
    max_concurrent_operations: 1 operation in progress, the maximum (max_concurrent_operations = 2)
    node_cap: 1 node, 0 too many (node_cap = 2)
    stop: youngest nodes first
    stop: youngest nodes first, apart from those that wait for another try
    remove: stopped nodes first, then the youngest
    max_concurrent_removals: waiting for 1 removal in progress
    hd_remove: /usr/bin/antnode: disk usage is 71.2 %, above the limit (hd_remove = 70 %)
    hd_less_than: /usr/bin/antnode: inode usage of the disk is 71.2 %, too high to add or start nodes there (hd_less_than = 70 %)
    hd_less_than: /usr/bin/antnode: 1 inode is free on the disk, and a node may need 2, one for each file: no node is added or started there
    hd_less_than: /usr/bin/antnode has no mark of wnm's: is its disk mounted? No node is added or started there
    request: moving to /usr/bin/antnode, as the owner asked
    back_off: antnode0001: could not be removed; will be retried before other nodes are removed
    back_off: antnode0001: last operation failed; will be retried
    relief: no node left to stop or remove
    upgrade: 0.4.17 is available; oldest nodes first
    max_concurrent_upgrades: 1 more node to upgrade to 0.4.17 in later cycles (max_concurrent_upgrades = 2)
    upgrades_first: no node is added or started until the running nodes are upgraded to 0.4.17
    upgrade_canary: 1 more node to upgrade once 0.4.17 has proved itself on 2 canary nodes
    upgrade_settle_seconds: antnode0001: on 0.4.17, not proved yet (upgrade_settle_seconds = 1 s)
    upgrade_settle_seconds: antnode0001: healthy on the new version; deleting the previous programs
    auto_revert: antnode0001: 0.4.17 failed; putting the previous program back
    rollout: the owner ended the roll-out of 0.4.17
    rollout: antnode0001: on 0.4.16, not finished; 0.4.17 is not tried before
    rollout: no node is added with 0.4.17 before it has proved itself
    flavour: antnode0001: a v2 program (/usr/bin/antnode) cannot upgrade a v1 node
    flavour: the nodes of this machine are v1, and the node program is v2; no node is added
    migrating: 1 node is being taken over; no node is added or started
    node_cap: 1 node running, the maximum (node_cap = 2)
    node_cap: 1 node in total, the maximum (node_cap = 2)
    stopped_by_owner: antnode0001: stopped by the owner; not started automatically
    broken: antnode0001: broken, fell too often; not started automatically (broken_after = 2)
    back_off: antnode0001: fell again soon after the last start; will be retried
    restart_pace: running until the machine was restarted; oldest nodes first
    restart_pace: running until they fell; oldest nodes first
    restart_pace: 1 more node to start after the restart of the machine, as the load allows (restart_pace = 2)
    restart_pace: 1 more node to start again, as the load allows
    back_off: antnode0001: failed to start recently; will be retried
    back_off: antnode0001: ended before it was up; will be retried
    delay_restart: antnode0001: given time to recover before a restart (delay_restart = 1 s)
    port_in_use: antnode0001: running, but another program answers on the metrics port
    start: the machine has room; oldest nodes first
    max_concurrent_starts: 1 more node to start in later cycles (max_concurrent_starts = 2)
    add: the machine has room (1 of 2 nodes)
    max_concurrent_operations: 1 more node to add in later cycles (max_concurrent_operations = 2)
    hd_less_than: 1 inode is free on the disk, and a node may need 1000, one for each file: no node is added or started
    mem_less_than: memory usage is a part of the 64 MB that control group /usr/bin/antnode may have
    antnode_path: no usable node program at /usr/bin/antnode; no node is added
    ports: no number with free ports left for 1 more node
    ports: node number 1 is not between 1 and 65535
    request: requested by the owner
    number_taken: antnode0001: skipped, UDP port 55007 is in use
    number_taken: antnode0001: skipped, port 13007 belongs to /usr/bin/antnode
    number_taken: antnode0001: skipped, /usr/bin/antnode already exists
    number_taken: antnode0001: skipped, /etc/systemd/system/antnode0001.service is there already
    rollout: the roll-out of 0.4.17 is paused: it failed on antnode0001: it had no peers within 1 s
    upgrade_failure_percent: the roll-out of 0.4.17 is paused: it failed on 1 of 2 nodes (upgrade_failure_percent = 70 %)
    cpu_remove: CPU usage is 71.2 %, above the limit (cpu_remove = 70 %)
    mem_remove: memory usage is 71.2 %, above the limit (mem_remove = 70 %)
    hd_remove: disk usage is 71.2 %, above the limit (hd_remove = 70 %)
    hd_remove: inode usage of the disk is 71.2 %, above the limit (hd_remove = 70 %)
    max_load_average_allowed: load average (1 min) is 71.2, above the limit (max_load_average_allowed = 70)
    max_load_average_allowed: load average (5 min) is 71.2, above the limit (max_load_average_allowed = 70)
    max_load_average_allowed: load average (15 min) is 71.2, above the limit (max_load_average_allowed = 70)
    hdio_read_remove: disk read rate is 71 B/s, above the limit (hdio_read_remove = 70 B/s)
    hdio_write_remove: disk write rate is 71 B/s, above the limit (hdio_write_remove = 70 B/s)
    netio_read_remove: network receive rate is 71 B/s, above the limit (netio_read_remove = 70 B/s)
    netio_write_remove: network send rate is 71 B/s, above the limit (netio_write_remove = 70 B/s)
    cpu_less_than: CPU usage is 71.2 %, too high to add or start nodes (cpu_less_than = 70 %)
    mem_less_than: memory usage is 71.2 %, too high to add or start nodes (mem_less_than = 70 %)
    hd_less_than: disk usage is 71.2 %, too high to add or start nodes (hd_less_than = 70 %)
    hd_less_than: inode usage of the disk is 71.2 %, too high to add or start nodes (hd_less_than = 70 %)
    desired_load_average: load average (1 min) is 71.2, too high to add or start nodes (desired_load_average = 70)
    desired_load_average: load average (5 min) is 71.2, too high to add or start nodes (desired_load_average = 70)
    desired_load_average: load average (15 min) is 71.2, too high to add or start nodes (desired_load_average = 70)
    hdio_read_less_than: disk read rate is 71 B/s, too high to add or start nodes (hdio_read_less_than = 70 B/s)
    hdio_write_less_than: disk write rate is 71 B/s, too high to add or start nodes (hdio_write_less_than = 70 B/s)
    netio_read_less_than: network receive rate is 71 B/s, too high to add or start nodes (netio_read_less_than = 70 B/s)
    netio_write_less_than: network send rate is 71 B/s, too high to add or start nodes (netio_write_less_than = 70 B/s)
    request: antnode0001: already started
    request: antnode0001: already stopped
    request: antnode0001: nothing to do
    request: antnode0001: already up to date
    request: antnode0001: nothing to do
    request: antnode0001: already disabled
    request: antnode0001: not disabled
    request: found 1 node stopped (asked for up to 2)
    request: found 1 node running (asked for up to 2)
    request: found 1 node running (asked for up to 2)
    request: found 1 node running and outdated (asked for up to 2)
    request: found 1 node running or stopped (asked for up to 2)
    request: found 1 node running or stopped (asked for up to 2)
    request: found 1 node disabled (asked for up to 2)
    container_group: container group a1 is damaged: repairing it
    container_group: container group a1 is stopped but has nodes: restarting it
    container_group: container group a1 is paused but has nodes: resuming it
    container_group: container group a1 is not up yet but has nodes: restarting it
    container_group: container group a1 is gone but has nodes: creating it again
    ");
}

#[test]
fn what_is_different_for_three() {
    let one = sentences(&few(1));
    let different: Vec<String> = sentences(&few(3)).into_iter().filter(|line| !one.contains(line)).collect();
    assert_snapshot!(different.join("\n"), @"
    paused: antnode0001–0003: down; not started while cycles are paused
    down: antnode0001–0003: down
    paused: container groups a1–a3 are not up; not repaired while cycles are paused
    delay_remove: antnode0001–0003: the delay before removal has passed; deleting the files
    own_upgrade: antnode0001–0003: upgraded itself and ended; starting it again
    disable: antnode0001–0003: disabling was interrupted; finishing it
    dead: antnode0001–0003: directory is gone; removed from the database
    directory_gone: antnode0001–0003: running, but the directory is gone: put it back, or remove the node
    dead: antnode0001–0003: nothing left to run; removing what remains
    container_group: opening container groups a1–a3 for new nodes
    min_container_count: opening container groups a1–a3 from the start (min_container_count = 2)
    docker_image: container group a3 uses /usr/bin/antnode: recreating it (docker_image = /usr/bin/antnode)
    max_concurrent_operations: 3 operations in progress, above the maximum (max_concurrent_operations = 2)
    node_cap: 3 nodes, 1 too many (node_cap = 2)
    max_concurrent_removals: waiting for 3 removals in progress
    hd_less_than: /usr/bin/antnode: 3 inodes are free on the disk, and a node may need 2, one for each file: no node is added or started there
    back_off: antnode0001–0003: could not be removed; will be retried before other nodes are removed
    back_off: antnode0001–0003: last operation failed; will be retried
    max_concurrent_upgrades: 3 more nodes to upgrade to 0.4.17 in later cycles (max_concurrent_upgrades = 2)
    upgrade_canary: 3 more nodes to upgrade once 0.4.17 has proved itself on 2 canary nodes
    upgrade_settle_seconds: antnode0001–0003: on 0.4.17, not proved yet (upgrade_settle_seconds = 3 s)
    upgrade_settle_seconds: antnode0001–0003: healthy on the new version; deleting the previous programs
    auto_revert: antnode0001–0003: 0.4.17 failed; putting the previous program back
    rollout: antnode0001–0003: on 0.4.16, not finished; 0.4.17 is not tried before
    flavour: antnode0001–0003: a v2 program (/usr/bin/antnode) cannot upgrade a v1 node
    migrating: 3 nodes are being taken over; no node is added or started
    node_cap: 3 nodes running, above the maximum (node_cap = 2)
    node_cap: 3 nodes in total, above the maximum (node_cap = 2)
    stopped_by_owner: antnode0001–0003: stopped by the owner; not started automatically
    broken: antnode0001–0003: broken, fell too often; not started automatically (broken_after = 2)
    back_off: antnode0001–0003: fell again soon after the last start; will be retried
    restart_pace: 3 more nodes to start after the restart of the machine, as the load allows (restart_pace = 2)
    restart_pace: 3 more nodes to start again, as the load allows
    back_off: antnode0001–0003: failed to start recently; will be retried
    back_off: antnode0001–0003: ended before it was up; will be retried
    delay_restart: antnode0001–0003: given time to recover before a restart (delay_restart = 3 s)
    port_in_use: antnode0001–0003: running, but another program answers on the metrics port
    max_concurrent_starts: 3 more nodes to start in later cycles (max_concurrent_starts = 2)
    add: the machine has room (3 of 2 nodes)
    max_concurrent_operations: 3 more nodes to add in later cycles (max_concurrent_operations = 2)
    hd_less_than: 3 inodes are free on the disk, and a node may need 1000, one for each file: no node is added or started
    ports: no number with free ports left for 3 more nodes
    ports: node number 3 is not between 1 and 65535
    number_taken: antnode0001–0003: skipped, their ports are in use (the first: UDP 55007)
    number_taken: antnode0001–0003: skipped, their ports belong to other nodes (the first: 13007, of /usr/bin/antnode)
    number_taken: antnode0001–0003: skipped, their directories already exist (the first: /usr/bin/antnode)
    number_taken: antnode0001–0003: skipped, their names are taken (the first: /etc/systemd/system/antnode0001.service is there already)
    rollout: the roll-out of 0.4.17 is paused: it failed on antnode0003: it had no peers within 3 s
    upgrade_failure_percent: the roll-out of 0.4.17 is paused: it failed on 3 of 2 nodes (upgrade_failure_percent = 70 %)
    request: antnode0001–0003: already started
    request: antnode0001–0003: already stopped
    request: antnode0001–0003: nothing to do
    request: antnode0001–0003: already up to date
    request: antnode0001–0003: nothing to do
    request: antnode0001–0003: already disabled
    request: antnode0001–0003: not disabled
    request: found 3 nodes stopped (asked for up to 2)
    request: found 3 nodes running (asked for up to 2)
    request: found 3 nodes running (asked for up to 2)
    request: found 3 nodes running and outdated (asked for up to 2)
    request: found 3 nodes running or stopped (asked for up to 2)
    request: found 3 nodes running or stopped (asked for up to 2)
    request: found 3 nodes disabled (asked for up to 2)
    container_group: container group a3 is damaged: repairing it
    container_group: container group a3 is stopped but has nodes: restarting it
    container_group: container group a3 is paused but has nodes: resuming it
    container_group: container group a3 is not up yet but has nodes: restarting it
    container_group: container group a3 is gone but has nodes: creating it again
    ");
}

#[test]
fn a_figure_is_rounded_as_far_as_it_differs_from_its_threshold() {
    let text = |gauge, figure, limit| {
        reason_text(&Reason { nodes: vec![NodeId(1)], cause: Cause::Pressure { gauge, figure, limit } })
    };
    assert_snapshot!(text(Gauge::Cpu, 70.04, 70.0), @"CPU usage is 70.04 %, above the limit (cpu_remove = 70 %)");
    assert_snapshot!(text(Gauge::Cpu, 70.000_000_1, 70.0), @"CPU usage is 70.0000001 %, above the limit (cpu_remove = 70 %)");
    assert_snapshot!(text(Gauge::DiskReads, 1_000_000_001.0, 1_000_000_000.0), @"disk read rate is 1000000001 B/s, above the limit (hdio_read_remove = 1000000000 B/s)");
    assert_snapshot!(text(Gauge::Load15, 12.0, 2.5), @"load average (15 min) is 12.0, above the limit (max_load_average_allowed = 2.5)");
}

#[test]
fn a_reason_in_json_has_all_that_programs_read() {
    let reason =
        Reason { nodes: vec![NodeId(7)], cause: Cause::Pressure { gauge: Gauge::Cpu, figure: 71.5, limit: 70.0 } };
    insta::assert_json_snapshot!(reason, @r#"
    {
      "rule": "cpu_remove",
      "effect": "did",
      "text": "CPU usage is 71.5 %, above the limit (cpu_remove = 70 %)",
      "nodes": [
        7
      ],
      "figure": 71.5,
      "threshold": 70.0,
      "cause": {
        "kind": "pressure",
        "gauge": "cpu",
        "figure": 71.5,
        "limit": 70.0
      }
    }
    "#);
    let reason = Reason { nodes: Vec::new(), cause: Cause::Reboot };
    insta::assert_json_snapshot!(reason, @r#"
    {
      "rule": "reboot",
      "effect": "did",
      "text": "the machine was restarted; checking all nodes first",
      "nodes": [],
      "figure": null,
      "threshold": null,
      "cause": {
        "kind": "reboot"
      }
    }
    "#);
}

proptest! {
    #[test]
    fn a_reason_is_read_back_as_it_was(
        (count, most) in any::<(u32, u32)>(),
        (figure, limit) in (-1e300..1e300, -1e15..1e15),
        text in any::<String>(),
        (major, patch, pre) in (any::<u64>(), any::<u64>(), proptest::option::of("[a-z]{1,5}")),
        groups in proptest::collection::vec(any::<u32>(), 0..5),
        nodes in proptest::collection::vec(any::<u32>().prop_map(NodeId), 0..5),
    ) {
        let mut version = Version::new(major, 4, patch);
        version.pre = pre.map_or(semver::Prerelease::EMPTY, |pre| pre.parse().expect("it is one"));
        for reason in reasons(&Figures { count, most, figure, limit, text, version, groups, nodes }) {
            let json = serde_json::to_string(&reason).expect("it is JSON");
            prop_assert_eq!(&serde_json::from_str::<Reason>(&json).expect("it is read"), &reason);
            let row: ReasonRow = serde_json::from_str(&json).expect("the history reads the same");
            prop_assert_eq!(&row, &ReasonRow::from(&reason));
            prop_assert!(!row.text.is_empty());
        }
    }
}
