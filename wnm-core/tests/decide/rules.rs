//! For every rule a case in which it fires, and one like it in which it must not.

use std::collections::BTreeSet;

use semver::Version;
use wnm_core::decide::{Request, Selection, decide, decide_request};
use wnm_core::node::{Desired, Flavour, NodeId, Status, Verb};
use wnm_core::observe::signs::Signs;
use wnm_core::pause::CyclePause;
use wnm_core::plan::{Gauge, Plan, Rule};
use wnm_core::rollout::{Failure, Pause, Phase, Revert, Role, Rollout, Rollouts, Target, Trial, TrialState};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, BlockedNumber, Blocker, DirectoryState, HostLoad, Seen, Snapshot};
use wnm_pm::container_host::GroupState;
use wnm_pm::process_manager::NumberingKind;

use Status::{Dead, Disabled, Migrating, Removing, Restarting, Running, Stopped, Upgrading};

use wnm_testing::alter;

use crate::fleet::{NOW, alive, config, fleet, gone};
use crate::groups::group;

/// What a cycle decides on a fleet that may have three nodes, changed as a case needs it.
fn cycle(statuses: &[Status], change: impl FnOnce(&mut Config, &mut Snapshot)) -> Plan {
    let mut config = Config { node_cap: 3, ..config() };
    let mut snapshot = fleet(statuses);
    change(&mut config, &mut snapshot);
    decide(&config, &snapshot)
}

fn measure(host: &mut HostLoad, gauge: Gauge, figure: u32) {
    let (number, rate) = (f64::from(figure), u64::from(figure));
    match gauge {
        Gauge::Cpu => host.used_cpu_percent = number,
        Gauge::Memory => host.used_mem_percent = number,
        Gauge::Disk => host.used_hd_percent = number,
        Gauge::Inodes => host.used_inodes_percent = number,
        Gauge::Load1 => host.load_average_1 = number,
        Gauge::Load5 => host.load_average_5 = number,
        Gauge::Load15 => host.load_average_15 = number,
        Gauge::DiskReads => host.hdio_read_bytes = rate,
        Gauge::DiskWrites => host.hdio_write_bytes = rate,
        Gauge::NetworkIn => host.netio_read_bytes = rate,
        Gauge::NetworkOut => host.netio_write_bytes = rate,
    }
}

/// One running node where everything may be 50 for growth and 60 at most, and one thing is this.
fn measured(gauge: Gauge, figure: u32) -> Plan {
    cycle(&[Running], |config, snapshot| {
        *config = Config {
            cpu_less_than: 50.0,
            cpu_remove: 60.0,
            mem_less_than: 50.0,
            mem_remove: 60.0,
            hd_less_than: 50.0,
            hd_remove: 60.0,
            desired_load_average: 50.0,
            max_load_average_allowed: 60.0,
            hdio_read_less_than: 50,
            hdio_read_remove: 60,
            hdio_write_less_than: 50,
            hdio_write_remove: 60,
            netio_read_less_than: 50,
            netio_read_remove: 60,
            netio_write_less_than: 50,
            netio_write_remove: 60,
            ..config.clone()
        };
        measure(&mut snapshot.host, gauge, figure);
    })
}

/// One node of 0.4.16 for each of these statuses, where the program is 0.4.17.
fn outdated(statuses: &[Status], change: impl FnOnce(&mut Config, &mut Snapshot)) -> Plan {
    cycle(statuses, |config, snapshot| {
        for each in &mut snapshot.nodes {
            alter(&mut each.node, |node| node.version = Some(Version::new(0, 4, 16)));
        }
        change(config, snapshot);
    })
}

/// Two running nodes of 0.4.16 where the program is 0.4.17, whose roll-out is in this phase, and the trial of node 1.
fn rolled_out(phase: Phase, pause: Option<Pause>, trial: Option<TrialState>) -> Plan {
    outdated(&[Running, Running], |config, snapshot| {
        config.max_concurrent_operations = 2;
        let target = Target { version: Version::new(0, 4, 17), digest: Some("a file".to_owned()) };
        let rollout = Rollout { target: target.clone(), started_at: NOW, phase, phase_since: NOW, pause };
        let mut rollouts = Rollouts { digest: Some("a file".to_owned()), last: Some(rollout), ..Rollouts::default() };
        let node = &mut snapshot.nodes[0].node;
        let begun = Trial::begun(node, target.clone(), Role::Canary, NOW);
        rollouts.trials.extend(trial.map(|state| (node.id(), Trial { state, ..begun })));
        if rollouts.trials.values().any(|trial| !trial.is_to_be_reverted()) {
            alter(node, |node| node.version = Some(target.version));
        }
        snapshot.rollouts = Some(rollouts);
    })
}

fn on_trial() -> Option<TrialState> {
    Some(TrialState::Open { since: Some(NOW), healthy_since: None, process: None })
}

fn failed(revert: Revert) -> Option<TrialState> {
    Some(TrialState::Failed { at: NOW, why: Failure::Restarted, revert })
}

fn proved() -> Option<TrialState> {
    Some(TrialState::Proved { at: NOW, forgotten: true })
}

/// A running node in container group a1, which is in this state and made from this image.
fn in_group(state: GroupState, image: &str) -> Plan {
    cycle(&[Running], |config, snapshot| {
        *config =
            Config { node_cap: 1, docker_image: "nodes:2".to_owned(), max_node_per_container: 1, ..config.clone() };
        snapshot.numbering = NumberingKind::Blocks;
        alter(&mut snapshot.nodes[0].node, |node| node.spec.group = Some(1));
        snapshot.groups = vec![group(1, image, state)];
    })
}

/// A stopped node that failed so often, and is tried again so many seconds from now.
fn resting(failures: u32, seconds: i64) -> Plan {
    cycle(&[Stopped], |_, snapshot| {
        alter(&mut snapshot.nodes[0].node, |node| {
            node.failures = failures;
            node.retry_at = Some(NOW + seconds);
            node.last_error = Some("it exited".to_owned());
        });
    })
}

/// A stopped node that fell so often in a row.
fn fallen(falls: u32) -> Plan {
    cycle(&[Stopped], |_, snapshot| alter(&mut snapshot.nodes[0].node, |node| node.falls = falls))
}

/// A stopped node that went down with the machine, or without it.
fn returning(comes_back: bool) -> Plan {
    cycle(&[Stopped], |_, snapshot| alter(&mut snapshot.nodes[0].node, |node| node.comes_back = comes_back))
}

/// No nodes yet, in containers, with so many groups from the start.
fn first_nodes(min_container_count: u32) -> Plan {
    cycle(&[], |config, snapshot| {
        config.min_container_count = min_container_count;
        config.max_concurrent_starts = 1;
        snapshot.numbering = NumberingKind::Blocks;
    })
}

/// A stopped node that lives, and what answers on its metrics port.
fn living(answer: Answer) -> Plan {
    cycle(&[Stopped], |_, snapshot| {
        let mut seen = alive(&snapshot.nodes[0].node);
        seen.answer = answer;
        snapshot.nodes[0].seen = Some(seen);
    })
}

/// Node 6 is added next where numbers are never reused, and this number cannot be had.
fn blocked(number: u32) -> Plan {
    cycle(&[], |_, snapshot| {
        snapshot.numbering = NumberingKind::NeverReuse;
        snapshot.highest_number_used = 5;
        let by = Blocker::Directory { path: "/node/antnode".into() };
        snapshot.blocked = vec![BlockedNumber { number: NodeId(number), by }];
    })
}

/// A plan in which a rule fires, and one like it in which it does not.
fn plans(rule: Rule) -> (Plan, Plan) {
    let unchanged = |_: &mut Config, _: &mut Snapshot| {};
    match rule {
        Rule::Paused => {
            let paused = |is_paused: bool| {
                let pause = is_paused.then_some(CyclePause { since: NOW, until: None, reason: None });
                cycle(&[Stopped], move |_, snapshot| snapshot.pause = pause)
            };
            (paused(true), paused(false))
        }
        Rule::Down => {
            let busy = |percent| cycle(&[Stopped], move |_, snapshot| snapshot.host.used_cpu_percent = percent);
            (busy(55.0), busy(10.0))
        }
        Rule::TornDown => {
            let torn_down = |is| cycle(&[], move |_, snapshot| snapshot.torn_down = is);
            (torn_down(true), torn_down(false))
        }
        Rule::Reboot => {
            let rebooted = |seconds| cycle(&[Running], move |_, snapshot| snapshot.boot_time += seconds);
            (rebooted(1), rebooted(0))
        }
        Rule::DelayRemove => {
            let removed = |ago| {
                cycle(&[Removing], move |_, snapshot| {
                    alter(&mut snapshot.nodes[0].node, |node| node.status_since = NOW - ago)
                })
            };
            (removed(300), removed(299))
        }
        Rule::Disable => {
            let begun = |verb| {
                cycle(&[Disabled], move |_, snapshot| alter(&mut snapshot.nodes[0].node, |node| node.pending = verb))
            };
            (begun(Some(Verb::Disable)), begun(None))
        }
        Rule::OwnUpgrade => {
            let left = |left_to_upgrade| {
                cycle(&[Upgrading], move |_, snapshot| {
                    let signs = Box::new(Signs { left_to_upgrade, ..Signs::default() });
                    snapshot.nodes[0].seen = Some(Seen { answer: Answer::Signs { signs }, ..gone() });
                })
            };
            (left(true), left(false))
        }
        Rule::Dead => (cycle(&[Dead], unchanged), cycle(&[Stopped], unchanged)),
        Rule::DirectoryGone => {
            let without = |directory| {
                cycle(&[Running], move |_, snapshot| {
                    let each = &mut snapshot.nodes[0];
                    each.seen = Some(Seen { directory, ..alive(&each.node) });
                })
            };
            (without(DirectoryState::Missing), without(DirectoryState::Present))
        }
        Rule::ContainerGroup => (in_group(GroupState::Stopped, "nodes:2"), in_group(GroupState::Running, "nodes:2")),
        Rule::MinContainerCount => (first_nodes(2), first_nodes(1)),
        Rule::DockerImage => (in_group(GroupState::Running, "nodes:1"), in_group(GroupState::Running, "nodes:2")),
        Rule::MaxConcurrentOperations => {
            let one = |config: &mut Config, _: &mut Snapshot| config.max_concurrent_operations = 1;
            (cycle(&[Restarting], one), cycle(&[Running, Running], one))
        }
        Rule::NodeCap => (cycle(&[Running, Running, Running], unchanged), cycle(&[Running, Running], unchanged)),
        Rule::CpuRemove => (measured(Gauge::Cpu, 61), measured(Gauge::Cpu, 60)),
        Rule::MemRemove => (measured(Gauge::Memory, 61), measured(Gauge::Memory, 60)),
        Rule::HdRemove => (measured(Gauge::Inodes, 61), measured(Gauge::Inodes, 60)),
        Rule::MaxLoadAverageAllowed => (measured(Gauge::Load5, 61), measured(Gauge::Load5, 60)),
        Rule::HdioReadRemove => (measured(Gauge::DiskReads, 61), measured(Gauge::DiskReads, 60)),
        Rule::HdioWriteRemove => (measured(Gauge::DiskWrites, 61), measured(Gauge::DiskWrites, 60)),
        Rule::NetioReadRemove => (measured(Gauge::NetworkIn, 61), measured(Gauge::NetworkIn, 60)),
        Rule::NetioWriteRemove => (measured(Gauge::NetworkOut, 61), measured(Gauge::NetworkOut, 60)),
        Rule::Stop => (measured(Gauge::Cpu, 61), measured(Gauge::Disk, 61)),
        Rule::Remove => (measured(Gauge::Disk, 61), measured(Gauge::Cpu, 61)),
        Rule::MaxConcurrentRemovals => {
            let pressed = |since| {
                cycle(&[Running, Removing], move |_, snapshot| {
                    alter(&mut snapshot.nodes[1].node, |node| node.status_since = since);
                    snapshot.host.used_cpu_percent = 99.0;
                })
            };
            (pressed(NOW), pressed(NOW - 300))
        }
        Rule::Relief => {
            let pressed = |status| cycle(&[status], |_, snapshot| snapshot.host.used_cpu_percent = 99.0);
            (pressed(Stopped), pressed(Running))
        }
        Rule::Upgrade => (outdated(&[Running], unchanged), outdated(&[Stopped], unchanged)),
        Rule::MaxConcurrentUpgrades => {
            let one = |config: &mut Config, _: &mut Snapshot| config.max_concurrent_upgrades = 1;
            (outdated(&[Running, Upgrading], one), outdated(&[Running, Restarting], one))
        }
        Rule::UpgradesFirst => (outdated(&[Running], unchanged), outdated(&[Stopped], unchanged)),
        Rule::UpgradeCanary => {
            (rolled_out(Phase::Canary, None, on_trial()), rolled_out(Phase::Batches, None, on_trial()))
        }
        Rule::UpgradeSettleSeconds => {
            (rolled_out(Phase::Batches, None, on_trial()), rolled_out(Phase::Batches, None, proved()))
        }
        Rule::AutoRevert => {
            (rolled_out(Phase::Paused, None, failed(Revert::Due)), rolled_out(Phase::Paused, None, failed(Revert::Off)))
        }
        Rule::UpgradeFailurePercent => {
            let paused = |pause| rolled_out(Phase::Paused, Some(pause), failed(Revert::Done));
            let canary = Pause::CanaryFailed { node: NodeId(1), why: Failure::Restarted };
            (paused(Pause::TooManyFailed { failed: 1, fleet: 2, percent: 10.0 }), paused(canary))
        }
        Rule::Rollout => (rolled_out(Phase::Aborted, None, None), rolled_out(Phase::Batches, None, None)),
        Rule::Flavour => {
            let program = |flavour| outdated(&[Running], move |_, snapshot| snapshot.flavour = flavour);
            (program(Flavour::V2), program(Flavour::V1))
        }
        Rule::CpuLessThan => (measured(Gauge::Cpu, 50), measured(Gauge::Cpu, 49)),
        Rule::MemLessThan => (measured(Gauge::Memory, 50), measured(Gauge::Memory, 49)),
        Rule::HdLessThan => (measured(Gauge::Disk, 50), measured(Gauge::Disk, 49)),
        Rule::DesiredLoadAverage => (measured(Gauge::Load15, 50), measured(Gauge::Load15, 49)),
        Rule::HdioReadLessThan => (measured(Gauge::DiskReads, 50), measured(Gauge::DiskReads, 49)),
        Rule::HdioWriteLessThan => (measured(Gauge::DiskWrites, 50), measured(Gauge::DiskWrites, 49)),
        Rule::NetioReadLessThan => (measured(Gauge::NetworkIn, 50), measured(Gauge::NetworkIn, 49)),
        Rule::NetioWriteLessThan => (measured(Gauge::NetworkOut, 50), measured(Gauge::NetworkOut, 49)),
        Rule::Migrating => (cycle(&[Running, Migrating], unchanged), cycle(&[Running, Disabled], unchanged)),
        Rule::Start => (cycle(&[Stopped], unchanged), cycle(&[Running], unchanged)),
        Rule::Add => (cycle(&[Running, Running], unchanged), cycle(&[Running, Running, Disabled], unchanged)),
        Rule::MaxConcurrentStarts => {
            let most = |most| cycle(&[Running], move |config, _| config.max_concurrent_starts = most);
            (most(1), most(2))
        }
        Rule::StoppedByOwner => {
            let stopped = |by_owner| {
                cycle(&[Stopped], move |_, snapshot| {
                    alter(&mut snapshot.nodes[0].node, |node| {
                        node.desired = if by_owner { Desired::Stop } else { Desired::Run }
                    })
                })
            };
            (stopped(true), stopped(false))
        }
        Rule::Broken => (fallen(10), fallen(9)),
        Rule::RestartPace => (returning(true), returning(false)),
        Rule::BackOff => (resting(1, 1), resting(1, 0)),
        Rule::DelayRestart => (resting(0, 1), resting(1, 1)),
        Rule::PortInUse => (living(Answer::Foreign { said: "hello".to_owned() }), living(Answer::TimedOut)),
        Rule::AntnodePath => {
            let none = |_: &mut Config, snapshot: &mut Snapshot| snapshot.available = None;
            (cycle(&[Running, Running], none), cycle(&[Running, Running, Running], none))
        }
        Rule::Ports => {
            // Port 65535 is that of node 10535.
            let used = |highest| {
                cycle(&[Running, Running], move |_, snapshot| {
                    snapshot.numbering = NumberingKind::NeverReuse;
                    snapshot.highest_number_used = highest;
                })
            };
            (used(10_535), used(10_534))
        }
        Rule::NumberTaken => (blocked(6), blocked(5)),
        Rule::Request => {
            let (config, snapshot) = (Config { node_cap: 3, ..config() }, fleet(&[Running, Running]));
            let asked = decide_request(&config, &snapshot, &Request::Stop(Selection::count(1)));
            (asked.expect("one can be stopped"), decide(&config, &snapshot))
        }
    }
}

#[test]
fn every_rule_fires_where_it_should_and_only_there() {
    for rule in Rule::ALL {
        let (fires, rests) = plans(*rule);
        let rules = |plan: &Plan| plan.reasons.iter().map(|reason| reason.rule()).collect::<BTreeSet<_>>();
        assert!(rules(&fires).contains(rule), "{rule} does not fire: {:?}", fires.reasons);
        assert!(!rules(&rests).contains(rule), "{rule} fires: {:?}", rests.reasons);
    }
}

/// Of three limits that could hold starts back, the one that does is named.
#[test]
fn the_limit_that_is_reached_first_is_the_one_that_is_named() {
    let limits = |starts, operations| {
        let plan = cycle(&[Stopped, Stopped], move |config, _| {
            (config.max_concurrent_starts, config.max_concurrent_operations) = (starts, operations);
        });
        plan.reasons.iter().map(|reason| format!("{}: {reason}", reason.rule())).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(limits(1, 2), @"
    start: the machine has room; oldest nodes first
    max_concurrent_starts: 1 more node to start in later cycles (max_concurrent_starts = 1)
    max_concurrent_starts: 1 more node to add in later cycles (max_concurrent_starts = 1)
    down: antnode0002: down
    ");
    insta::assert_snapshot!(limits(2, 1), @"
    start: the machine has room; oldest nodes first
    max_concurrent_operations: 1 more node to start in later cycles (max_concurrent_operations = 1)
    max_concurrent_operations: 1 more node to add in later cycles (max_concurrent_operations = 1)
    down: antnode0002: down
    ");
    insta::assert_snapshot!(limits(3, 3), @"
    start: the machine has room; oldest nodes first
    add: the machine has room (2 of 3 nodes)
    ");
}
