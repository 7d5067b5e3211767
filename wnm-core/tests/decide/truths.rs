//! Every reason is true: what it says is stated here once more, without a look at how decisions come to it.

use proptest::prelude::*;
use wnm_core::decide::{decide, decide_request, reconcile};
use wnm_core::node::{Desired, Flavour, Node, NodeId, Status, Verb};
use wnm_core::plan::{Action, Cause, Effect, Gauge, Limit, Plan, Reason, Rule};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, DirectoryState, HostLoad, NodeSnapshot, Snapshot};
use wnm_pm::container_host::GroupState;
use wnm_pm::process_manager::NumberingKind;

use crate::laws::{machines, requests};

/// A plan and all that it was made from.
struct Case<'a> {
    config: &'a Config,
    snapshot: &'a Snapshot,
    plan: &'a Plan,
}

impl Case<'_> {
    fn nodes(&self) -> impl Iterator<Item = &NodeSnapshot> {
        self.snapshot.nodes.iter()
    }

    fn of<'s>(&'s self, reason: &'s Reason) -> impl Iterator<Item = &'s NodeSnapshot> {
        self.nodes().filter(|each| reason.nodes.contains(&each.node.id()))
    }

    /// Whether all nodes of a reason exist and are such.
    fn all(&self, reason: &Reason, are: impl Fn(&NodeSnapshot) -> bool) -> bool {
        self.of(reason).count() == reason.nodes.len() && self.of(reason).all(are)
    }

    fn count(&self, are: impl Fn(&NodeSnapshot) -> bool) -> usize {
        self.nodes().filter(|each| are(each)).count()
    }

    fn acted_on(&self, is: impl Fn(&Action) -> bool) -> Vec<NodeId> {
        self.plan.actions.iter().filter(|action| is(action)).filter_map(Action::step).map(|(_, id)| id).collect()
    }

    fn does(&self, verb: Verb) -> Vec<NodeId> {
        self.acted_on(|action| action.step().is_some_and(|(other, _)| other == verb))
    }

    fn starts(&self) -> Vec<NodeId> {
        self.acted_on(|action| matches!(action, Action::Start { .. } | Action::Restart { .. }))
    }

    fn grows(&self) -> bool {
        !self.starts().is_empty() || !self.does(Verb::Add).is_empty()
    }

    /// Nodes that are stopped or removed for relief.
    fn relieved(&self) -> Vec<NodeId> {
        self.acted_on(|action| matches!(action, Action::Stop { .. } | Action::Remove { now: false, .. }))
    }

    /// Whether the time has come, or lies so far ahead that the clock must have been set back.
    fn rests(&self, node: &Node) -> bool {
        let longest = 3_600.max(i64::try_from(self.config.delay_restart).expect("it is short"));
        node.life().retry_at().is_some_and(|at| at > self.snapshot.now && at - self.snapshot.now <= longest)
    }

    fn removal_is_due(&self, node: &Node) -> bool {
        let (now, delay) = (self.snapshot.now, i64::try_from(self.config.delay_remove).expect("it is short"));
        node.status() == Status::Removing
            && (node.life().status_since() > now
                || node.life().retry_at().unwrap_or(node.life().status_since() + delay) <= now)
    }

    fn removing(&self) -> usize {
        self.count(|each| {
            let failed = each.node.life().failures() > 0 && each.node.life().retry_at().is_some();
            each.node.status() == Status::Removing && !failed && !self.removal_is_due(&each.node)
        })
    }

    fn in_progress(&self) -> usize {
        self.count(|each| is_starting(each) || has(Status::Upgrading)(each)) + self.removing()
    }

    fn is_outdated(&self, node: &Node) -> bool {
        let (own, available) = (node.version(), self.snapshot.available.as_ref());
        let both_v1 = node.spec().flavour == Flavour::V1 && self.snapshot.flavour == Flavour::V1;
        both_v1 && own.zip(available).is_some_and(|(own, available)| *own < available.version)
    }

    /// Whether nothing more fits into a limit, counting what the plan begins.
    fn is_used_up(&self, limit: Limit) -> bool {
        let (starting, upgrading) = (is_starting, has(Status::Upgrading));
        let (begun, already, most) = match limit.rule {
            Rule::MaxConcurrentStarts => {
                let begun = self.starts().len() + self.does(Verb::Add).len();
                (begun, self.count(starting), self.config.max_concurrent_starts)
            }
            Rule::MaxConcurrentUpgrades => {
                (self.does(Verb::Upgrade).len(), self.count(upgrading), self.config.max_concurrent_upgrades)
            }
            Rule::MaxConcurrentOperations => {
                let begun = self.starts().len() + self.does(Verb::Add).len() + self.does(Verb::Upgrade).len();
                (begun, self.in_progress(), self.config.max_concurrent_operations)
            }
            _ => return false,
        };
        limit.most == most && begun + already >= most as usize
    }

    fn group(&self, number: u32) -> Option<GroupState> {
        let group = self.snapshot.groups.iter().find(|group| group.spec.group == number);
        group.map(|group| group.state)
    }

    fn opens(&self, number: u32) -> bool {
        self.plan.groups.iter().any(|group| group.group == number) && self.group(number) != Some(GroupState::Running)
    }

    fn adds_to(&self, group: u32) -> bool {
        self.plan.actions.iter().any(|action| matches!(action, Action::Add { node } if node.group == Some(group)))
    }

    fn starts_all(&self, reason: &Reason) -> bool {
        let starts = self.starts();
        !reason.nodes.is_empty() && reason.nodes.iter().all(|node| starts.contains(node))
    }

    fn starts_in(&self, group: u32) -> bool {
        let starts = self.starts();
        self.nodes().any(|each| each.node.spec().group == Some(group) && starts.contains(&each.node.id()))
    }
}

fn is_starting(each: &NodeSnapshot) -> bool {
    matches!(each.node.status(), Status::Starting | Status::Restarting)
}

fn has(status: Status) -> impl Fn(&NodeSnapshot) -> bool + Copy {
    move |each| each.node.status() == status
}

fn same<T: Into<u64>>(figure: T, counted: usize) -> bool {
    figure.into() == counted as u64
}

fn sorted(mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    nodes.sort_unstable();
    nodes
}

#[expect(clippy::cast_precision_loss, reason = "the rates of these tests are small")]
fn measured(host: &HostLoad, gauge: Gauge) -> f64 {
    match gauge {
        Gauge::Cpu => host.used_cpu_percent,
        Gauge::Memory => host.used_mem_percent,
        Gauge::Disk => host.used_hd_percent,
        Gauge::Inodes => host.used_inodes_percent,
        Gauge::Load1 => host.load_average_1,
        Gauge::Load5 => host.load_average_5,
        Gauge::Load15 => host.load_average_15,
        Gauge::DiskReads => host.hdio_read_bytes as f64,
        Gauge::DiskWrites => host.hdio_write_bytes as f64,
        Gauge::NetworkIn => host.netio_read_bytes as f64,
        Gauge::NetworkOut => host.netio_write_bytes as f64,
    }
}

/// The value of the setting that a rule is.
fn setting(config: &Config, rule: Rule) -> f64 {
    let texts = config.texts();
    let text = texts.iter().find(|(name, _)| *name == rule.as_str()).map(|(_, text)| text.as_str());
    text.expect("the rule is a setting").parse().expect("it is a number")
}

/// Whether a reason about the machine, or about how nodes were chosen, is true.
fn machine_is_so(case: &Case<'_>, reason: &Reason) -> Option<bool> {
    let Case { config, snapshot, plan } = case;
    let cap = config.node_cap;
    let removing = has(Status::Removing);
    Some(match &reason.cause {
        Cause::Reboot => snapshot.boot_time > snapshot.last_surveyed_boot && plan.actions == [Action::Resurvey],
        Cause::OperationsInProgress { in_progress, most } => {
            same(*in_progress, case.in_progress()) && *most == config.max_concurrent_operations && in_progress >= most
        }
        Cause::Pressure { gauge, figure, limit } => {
            *figure == measured(&snapshot.host, *gauge)
                && *limit == setting(config, reason.rule())
                && figure > limit
                && sorted(reason.nodes.clone()) == sorted(case.relieved())
        }
        Cause::NoRoom { gauge, figure, limit } => {
            *figure == measured(&snapshot.host, *gauge)
                && *limit == setting(config, reason.rule())
                && figure >= limit
                && !case.grows()
        }
        Cause::FewInodes { free, needed } => snapshot.host.free_inodes == Some(*free) && free < needed && !case.grows(),
        Cause::MeasuredAgainst { gauge: Gauge::Memory, allowance } => {
            snapshot.host.mem_allowance.as_ref() == Some(allowance)
        }
        Cause::MeasuredAgainst { allowance, .. } => snapshot.host.cpu_allowance.as_ref() == Some(allowance),
        Cause::OverCap { total, cap: most } => {
            same(*total, case.count(|each| !removing(each))) && *most == cap && *total > cap
        }
        Cause::RemovalsInProgress { removing, .. } => same(*removing, case.removing()) && *removing > 0,
        Cause::NothingLeft => {
            case.relieved().is_empty() && (case.in_progress() as u32) < config.max_concurrent_operations
        }
        Cause::UpgradesLater { waiting, limit, .. } => {
            let outdated = |each: &NodeSnapshot| {
                each.node.status() == Status::Running && case.is_outdated(&each.node) && !case.rests(&each.node)
            };
            same(*waiting, case.count(outdated) - case.does(Verb::Upgrade).len()) && case.is_used_up(*limit)
        }
        Cause::UpgradesFirst { .. } => {
            !case.grows()
                && case.count(|each| each.node.status() == Status::Running && case.is_outdated(&each.node)) > 0
        }
        Cause::Migrating { count } => same(*count, case.count(has(Status::Migrating))) && !case.grows(),
        Cause::RunningAtCap { running, .. } => {
            same(*running, case.count(has(Status::Running))) && *running >= cap && !case.grows()
        }
        Cause::TotalAtCap { total, .. } => {
            same(*total, snapshot.nodes.len()) && *total >= cap && case.does(Verb::Add).is_empty()
        }
        Cause::StartsLater { waiting, limit } => {
            *waiting as usize <= case.count(has(Status::Stopped)) - case.starts().len() && case.is_used_up(*limit)
        }
        Cause::ReturnsLater { rebooted, waiting, pace } => {
            let back = case.count(|each| each.node.life().returns());
            let is_paced = if *rebooted { *pace == config.restart_pace } else { *pace >= config.restart_pace };
            *waiting as usize + case.starts().len() <= back && is_paced
        }
        Cause::AddsLater { waiting, limit } => {
            *waiting as usize + case.does(Verb::Add).len() + snapshot.nodes.len() == cap as usize
                && case.is_used_up(*limit)
        }
        Cause::NoProgram { .. } => snapshot.available.is_none() && case.does(Verb::Add).is_empty(),
        Cause::NoNumberLeft { missing } => {
            *missing as usize + case.does(Verb::Add).len() + snapshot.nodes.len() == cap as usize
        }
        Cause::BadLayout { .. } => case.does(Verb::Add).is_empty(),
        Cause::GroupNotUp { group, state } => case.group(*group) == Some(*state) && case.opens(*group),
        Cause::GroupsNeeded { groups } => {
            groups.iter().all(|group| case.opens(*group) && (case.adds_to(*group) || case.starts_in(*group)))
        }
        Cause::FirstGroups { groups, least } => {
            groups.iter().all(|group| case.opens(*group) && !case.adds_to(*group) && group <= least)
        }
        Cause::ImageChanged { group, from, to } => {
            let old = snapshot.groups.iter().find(|old| old.spec.group == *group);
            old.is_some_and(|old| old.spec.image == *from) && *to == config.docker_image && from != to
        }
        _ => return None,
    })
}

/// Whether a reason about nodes is true of each of them.
fn nodes_are_so(case: &Case<'_>, reason: &Reason) -> bool {
    let is = |status| move |each: &NodeSnapshot| each.node.status() == status;
    let seen = |each: &NodeSnapshot| each.seen.clone();
    let rests = |each: &NodeSnapshot| case.rests(&each.node);
    match &reason.cause {
        Cause::RemovalDue => case.all(reason, |each| case.removal_is_due(&each.node)),
        Cause::LeftToUpgrade => case.all(reason, |each| is(Status::Upgrading)(each) && !each.lives()),
        Cause::DisableInterrupted => case.all(reason, |each| each.node.life().pending() == Some(Verb::Disable)),
        Cause::DirectoryGone => case.all(reason, |each| {
            is(Status::Dead)(each) && seen(each).is_none_or(|seen| seen.directory == DirectoryState::Missing)
        }),
        Cause::RunsWithoutDirectory => case.all(reason, NodeSnapshot::lives_without_directory),
        Cause::NothingToRun => case.all(reason, is(Status::Dead)),
        Cause::YoungestStopped => {
            let stopped = case.does(Verb::Stop);
            let youngest = case.of(reason).map(|each| each.node.created_at()).min();
            let mut others =
                case.nodes().filter(|each| is(Status::Running)(each) && !stopped.contains(&each.node.id()));
            reason.nodes == stopped && others.all(|each| Some(each.node.created_at()) <= youngest)
        }
        Cause::YoungestOthersStopped => {
            let stopped = case.does(Verb::Stop);
            let oldest = case.of(reason).map(|each| each.node.created_at()).min();
            let lives = |each: &NodeSnapshot| is(Status::Running)(each) || each.lives();
            let passed_over = case.nodes().any(|each| {
                let is_left = rests(each) || each.lives_without_directory();
                lives(each) && is_left && Some(each.node.created_at()) >= oldest
            });
            reason.nodes == stopped && passed_over
        }
        Cause::YoungestRemoved => {
            let stopped_stay =
                case.nodes().any(|each| is(Status::Stopped)(each) && !reason.nodes.contains(&each.node.id()));
            reason.nodes == case.relieved() && (!stopped_stay || case.all(reason, is(Status::Stopped)))
        }
        Cause::RemovalFailed => {
            case.relieved().is_empty()
                && case.all(reason, |each| is(Status::Removing)(each) && each.node.life().failures() > 0)
        }
        Cause::OperationFailed => case.all(reason, rests),
        Cause::Broken { most } => {
            *most == case.config.broken_after
                && case.all(reason, |each| is(Status::Stopped)(each) && each.node.life().falls() >= *most)
        }
        Cause::Fell => case.all(reason, |each| {
            let life = each.node.life();
            is(Status::Stopped)(each) && rests(each) && life.failures() == 0 && life.falls() > 1
        }),
        Cause::Returning { .. } => {
            let comes_back = |each: &NodeSnapshot| is(Status::Stopped)(each) && each.node.life().returns();
            case.starts_all(reason) && case.all(reason, comes_back)
        }
        Cause::StartFailed | Cause::WentDown => case.all(reason, |each| {
            let ended = each.node.life().last_error().is_some_and(|error| error.starts_with("its process is gone"));
            let failed = each.node.life().failures() > 0;
            is(Status::Stopped)(each) && rests(each) && failed && ended == (reason.cause == Cause::WentDown)
        }),
        Cause::Recovering { .. } => {
            case.all(reason, |each| is(Status::Stopped)(each) && rests(each) && each.node.life().failures() == 0)
        }
        Cause::Outdated { .. } => {
            reason.nodes == case.does(Verb::Upgrade) && case.all(reason, |each| case.is_outdated(&each.node))
        }
        Cause::MixedFlavours { program, own } => {
            *program == case.snapshot.flavour
                && program != own
                && case.does(Verb::Add).is_empty()
                && case.nodes().any(|each| each.node.spec().flavour == *own)
        }
        Cause::OtherFlavour { program, own, .. } => {
            *program == case.snapshot.flavour
                && case.all(reason, |each| each.node.spec().flavour == *own)
                && program != own
        }
        Cause::StoppedByOwner => {
            case.all(reason, |each| is(Status::Stopped)(each) && each.node.life().is_stopped_by_owner())
        }
        Cause::MetricsPortInUse => case.all(reason, |each| {
            each.lives() && seen(each).is_some_and(|seen| matches!(seen.answer, Answer::Foreign { .. }))
        }),
        Cause::RoomToStart => case.starts_all(reason) && case.all(reason, is(Status::Stopped)),
        Cause::RoomToAdd { total, cap } => {
            reason.nodes == case.does(Verb::Add) && same(*total, case.snapshot.nodes.len()) && total < cap
        }
        Cause::NumberTaken { .. } => {
            let blocked: Vec<NodeId> = case.snapshot.blocked.iter().map(|blocked| blocked.number).collect();
            let lowest = if case.snapshot.numbering == NumberingKind::NeverReuse {
                case.snapshot.highest_number_used + 1
            } else {
                1
            };
            case.of(reason).count() == 0 && reason.nodes.iter().all(|node| blocked.contains(node) && node.0 >= lowest)
        }
        Cause::Requested => sorted(reason.nodes.clone()) == sorted(case.acted_on(|_| true)),
        Cause::Down => {
            case.all(reason, |each| each.node.status() == Status::Stopped && each.node.life().desired() == Desired::Run)
        }
        Cause::TornDown => case.snapshot.torn_down && case.does(Verb::Add).is_empty(),
        Cause::Fewer { asked, there, .. } => there < asked && same(*there, case.acted_on(|_| true).len()),
        Cause::NothingToDo { .. } => case.of(reason).count() == reason.nodes.len(),
        _ => false,
    }
}

/// What holds for all reasons: what caused something did, what held something back did that, and no action is without
/// a reason.
fn consistent(case: &Case<'_>) -> Result<(), TestCaseError> {
    let touched = case.acted_on(|_| true);
    let nodes_of = |effect| case.plan.reasons.iter().filter(move |reason| reason.effect() == effect);
    for reason in nodes_of(Effect::Did) {
        prop_assert!(reason.nodes.iter().all(|node| touched.contains(node)), "{reason:?} did nothing");
    }
    for reason in nodes_of(Effect::Held) {
        prop_assert!(reason.nodes.iter().all(|node| !touched.contains(node)), "{reason:?} held nothing back");
    }
    for node in &touched {
        prop_assert!(nodes_of(Effect::Did).any(|reason| reason.nodes.contains(node)), "{node} has no reason");
    }
    Ok(())
}

fn true_in_all(case: &Case<'_>) -> Result<(), TestCaseError> {
    consistent(case)?;
    for reason in &case.plan.reasons {
        let is_true = machine_is_so(case, reason).unwrap_or_else(|| nodes_are_so(case, reason));
        prop_assert!(is_true, "{reason:?}\n{:#?}", case.plan.actions);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_reason_of_a_cycle_is_true((config, snapshot) in machines()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        true_in_all(&Case { config: &config, snapshot: &snapshot, plan: &decide(&config, &snapshot) })?;
    }

    #[test]
    fn every_reason_of_a_request_is_true((config, snapshot) in machines(), request in requests()) {
        let snapshot = reconcile(&config, snapshot).snapshot;
        if let Ok(plan) = decide_request(&config, &snapshot, &request) {
            true_in_all(&Case { config: &config, snapshot: &snapshot, plan: &plan })?;
        }
    }
}
