//! Reasons in words, and as programs read them.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::count::{be, counted};
use super::cycle_pause_text;
use super::names::{group_names, names};
use super::rollout::pause_text;
use crate::node::{NodeId, Verb};
use crate::plan::{Cause, Effect, Gauge, Limit, Reason, Rule};
use crate::snapshot::{Allowance, Blocker};
use wnm_pm::container_host::GroupState;

/// A reason as programs read it, and as the history keeps it: rules of older versions are read, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasonRow {
    /// The word of the rule, see [`Rule`].
    pub rule: String,
    /// Whether the rule caused something, or held it back.
    pub effect: Effect,
    /// The sentence.
    pub text: String,
    /// The nodes that it is about; empty when it is about the machine.
    pub nodes: Vec<NodeId>,
    /// What was measured or counted, where it was held against something.
    pub figure: Option<f64>,
    /// What it was held against.
    pub threshold: Option<f64>,
}

impl From<&Reason> for ReasonRow {
    fn from(reason: &Reason) -> Self {
        Self {
            rule: reason.rule().as_str().to_owned(),
            effect: reason.effect(),
            text: reason_text(reason),
            nodes: reason.nodes.clone(),
            figure: reason.figure(),
            threshold: reason.threshold(),
        }
    }
}

/// The row, and the cause from which the reason is read back.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            row: ReasonRow,
            cause: &'a Cause,
        }
        Whole { row: self.into(), cause: &self.cause }.serialize(serializer)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&reason_text(self))
    }
}

/// The reason in one sentence, with the figures. It names nodes only where the actions of its plan do not.
#[must_use]
pub fn reason_text(reason: &Reason) -> String {
    match sentence(&reason.cause, reason.nodes.len()) {
        Sentence::Whole(text) => text,
        Sentence::Of(text) => format!("{}: {text}", names(&reason.nodes)),
    }
}

/// What a cause says.
enum Sentence {
    /// All there is to say.
    Whole(String),
    /// What holds for the nodes that go before it.
    Of(String),
}

/// The table of sentences.
fn sentence(cause: &Cause, number: usize) -> Sentence {
    use Cause as C;
    use Sentence::{Of, Whole};
    let of = |text: &str| Of(text.to_owned());
    let whole = |text: &str| Whole(text.to_owned());
    match cause {
        C::Paused { pause } => Whole(format!("{}; only what the owner asks for is done", cycle_pause_text(pause))),
        C::Down => of("down"),
        C::TornDown => whole("everything was taken down; no node is added before `wnm init`"),
        C::DownWhilePaused => of("down; not started while cycles are paused"),
        C::GroupsDownWhilePaused { groups } => {
            let (what, are) = (container_groups(groups), be(groups.len()));
            Whole(format!("{what} {are} not up; not repaired while cycles are paused"))
        }
        C::Reboot => whole("the machine was restarted; checking all nodes first"),
        C::RemovalDue => of("the delay before removal has passed; deleting the files"),
        C::LeftToUpgrade => of("upgraded itself and ended; starting it again"),
        C::DisableInterrupted => of("disabling was interrupted; finishing it"),
        C::RunsWithoutDirectory => of("running, but the directory is gone: put it back, or remove the node"),
        C::DirectoryGone => of("directory is gone; removed from the database"),
        C::NothingToRun => of("nothing left to run; removing what remains"),
        C::GroupNotUp { group, state } => Whole(format!("container group a{group} {}", repair(*state))),
        C::GroupsNeeded { groups } => Whole(format!("opening {} for new nodes", container_groups(groups))),
        C::FirstGroups { groups, least } => {
            Whole(format!("opening {} from the start (min_container_count = {least})", container_groups(groups)))
        }
        C::ImageChanged { group, from, to } => {
            Whole(format!("container group a{group} uses {from}: recreating it (docker_image = {to})"))
        }
        C::OperationsInProgress { in_progress, most } => {
            let what = format!("{} in progress", counted(*in_progress as usize, "operation"));
            Whole(at_most(&what, *in_progress, Rule::MaxConcurrentOperations, *most))
        }
        C::Pressure { gauge, figure, limit } => {
            let (what, limit) = measured(*gauge, *figure, *limit);
            Whole(format!("{what}, above the limit ({} = {limit})", gauge.remove_rule()))
        }
        C::OverCap { total, cap } => {
            Whole(format!("{}, {} too many (node_cap = {cap})", nodes(*total), total.saturating_sub(*cap)))
        }
        C::YoungestStopped => whole("youngest nodes first"),
        C::YoungestOthersStopped => whole("youngest nodes first, apart from those that wait for another try"),
        C::YoungestRemoved => whole("stopped nodes first, then the youngest"),
        C::RemovalsInProgress { removing, .. } => {
            Whole(format!("waiting for {} in progress", counted(*removing as usize, "removal")))
        }
        C::RemovalFailed => of("could not be removed; will be retried before other nodes are removed"),
        C::OperationFailed => of("last operation failed; will be retried"),
        C::NothingLeft => whole("no node left to stop or remove"),
        C::Outdated { version } => Whole(format!("{version} is available; oldest nodes first")),
        C::UpgradesLater { waiting, version, limit } => {
            Whole(later(*waiting, &format!("upgrade to {version}"), *limit))
        }
        C::UpgradesFirst { version } => {
            Whole(format!("no node is added or started until the running nodes are upgraded to {version}"))
        }
        C::CanariesFirst { waiting, canaries, version } => Whole(format!(
            "{} to upgrade once {version} has proved itself on {}",
            more(*waiting),
            counted(*canaries as usize, "canary node")
        )),
        C::Proving { version, settle_seconds } => {
            Of(format!("on {version}, not proved yet (upgrade_settle_seconds = {settle_seconds} s)"))
        }
        C::Proved => of("healthy on the new version; deleting the previous programs"),
        C::Reverting { version } => Of(format!("{version} failed; putting the previous program back")),
        C::RolloutPaused { version, pause } => {
            Whole(format!("the roll-out of {version} is paused: {}", pause_text(pause)))
        }
        C::RolloutAborted { version } => Whole(format!("the owner ended the roll-out of {version}")),
        C::OneAtATime { version, other } => Of(format!("on {other}, not finished; {version} is not tried before")),
        C::Unproved { version } => Whole(format!("no node is added with {version} before it has proved itself")),
        C::OtherFlavour { path, program, own } => {
            Of(format!("a {program} program ({}) cannot upgrade a {own} node", path.display()))
        }
        C::MixedFlavours { program, own } => {
            Whole(format!("the nodes of this machine are {own}, and the node program is {program}; no node is added"))
        }
        C::NoRoom { gauge, figure, limit } => {
            let (what, limit) = measured(*gauge, *figure, *limit);
            Whole(format!("{what}, too high to add or start nodes ({} = {limit})", gauge.less_than_rule()))
        }
        C::FewInodes { free, needed } => Whole(few_inodes(*free, *needed)),
        C::DiskPressure { storage, gauge, figure, limit } => {
            let (what, limit) = measured(*gauge, *figure, *limit);
            Whole(format!("{}: {what}, above the limit ({} = {limit})", storage.display(), gauge.remove_rule()))
        }
        C::DiskNoRoom { storage, gauge, figure, limit } => {
            let (what, limit) = measured(*gauge, *figure, *limit);
            let rule = gauge.less_than_rule();
            Whole(format!("{}: {what}, too high to add or start nodes there ({rule} = {limit})", storage.display()))
        }
        C::DiskFewInodes { storage, free, needed } => {
            Whole(format!("{}: {} there", storage.display(), few_inodes(*free, *needed)))
        }
        C::DiskAway { storage } => Whole(format!(
            "{} has no mark of wnm's: is its disk mounted? No node is added or started there",
            storage.display()
        )),
        C::MeasuredAgainst { gauge, allowance } => {
            Whole(format!("{} {}", gauge_name(*gauge), part_of(*gauge, allowance)))
        }
        C::Migrating { count } => {
            let are = be(*count as usize);
            Whole(format!("{} {are} being taken over; no node is added or started", nodes(*count)))
        }
        C::RunningAtCap { running, cap } => Whole(at_cap(*running, "running", *cap)),
        C::TotalAtCap { total, cap } => Whole(at_cap(*total, "in total", *cap)),
        C::StoppedByOwner => of("stopped by the owner; not started automatically"),
        C::Broken { most } => Of(format!("broken, fell too often; not started automatically (broken_after = {most})")),
        C::Fell => of("fell again soon after the last start; will be retried"),
        C::Returning { rebooted: true } => whole("running until the machine was restarted; oldest nodes first"),
        C::Returning { rebooted: false } => whole("running until they fell; oldest nodes first"),
        C::ReturnsLater { rebooted: false, waiting, .. } => {
            Whole(format!("{} to start again, as the load allows", more(*waiting)))
        }
        C::ReturnsLater { rebooted: true, waiting, pace } => Whole(format!(
            "{} to start after the restart of the machine, as the load allows (restart_pace = {pace})",
            more(*waiting)
        )),
        C::StartFailed => of("failed to start recently; will be retried"),
        C::WentDown => of("ended before it was up; will be retried"),
        C::Recovering { delay_seconds } => {
            Of(format!("given time to recover before a restart (delay_restart = {delay_seconds} s)"))
        }
        C::MetricsPortInUse => of("running, but another program answers on the metrics port"),
        C::RoomToStart => whole("the machine has room; oldest nodes first"),
        C::StartsLater { waiting, limit } => Whole(later(*waiting, "start", *limit)),
        C::RoomToAdd { total, cap } => Whole(format!("the machine has room ({total} of {})", nodes(*cap))),
        C::AddsLater { waiting, limit } => Whole(later(*waiting, "add", *limit)),
        C::NoProgram { path } => Whole(format!("no usable node program at {}; no node is added", path.display())),
        C::NoNumberLeft { missing } => Whole(format!("no number with free ports left for {}", more(*missing))),
        C::BadLayout { error } => Whole(error.to_string()),
        C::NumberTaken { by } => Of(taken(by, number)),
        C::StorageMoves { to } => Whole(format!("moving to {}, as the owner asked", to.display())),
        C::Requested => whole("requested by the owner"),
        C::Fewer { verb, asked, there } => Whole(fewer(*verb, *asked, *there)),
        C::NothingToDo { verb } => of(nothing_to_do(*verb)),
    }
}

fn fewer(verb: Verb, asked: u32, there: u32) -> String {
    let candidates = super::refusal::candidates(verb);
    match there {
        0 => format!("no node is {candidates} (asked for up to {asked})"),
        _ => format!("found {} {candidates} (asked for up to {asked})", counted(there as usize, "node")),
    }
}

fn few_inodes(free: u64, needed: u64) -> String {
    let number = usize::try_from(free).unwrap_or(usize::MAX);
    let (inodes, are) = (counted(number, "inode"), be(number));
    format!(
        "{inodes} {are} free on the disk, and a node may need {needed}, one for each file: no node is added or started"
    )
}

/// "container group a1", "container groups a1–a5".
fn container_groups(groups: &[u32]) -> String {
    let plural = if groups.len() == 1 { "" } else { "s" };
    format!("container group{plural} {}", group_names(groups))
}

fn repair(state: GroupState) -> &'static str {
    match state {
        GroupState::Running => "is up",
        GroupState::Damaged => "is damaged: repairing it",
        GroupState::Stopped => "is stopped but has nodes: restarting it",
        GroupState::Paused => "is paused but has nodes: resuming it",
        GroupState::Restarting => "is not up yet but has nodes: restarting it",
        GroupState::Gone => "is gone but has nodes: creating it again",
    }
}

/// "2 nodes, the maximum (node_cap = 2)"; beyond it, "3 nodes, above the maximum (node_cap = 2)".
fn at_most(what: &str, figure: u32, rule: Rule, most: u32) -> String {
    let above = if figure > most { "above " } else { "" };
    format!("{what}, {above}the maximum ({rule} = {most})")
}

fn nodes(number: u32) -> String {
    counted(number as usize, "node")
}

fn at_cap(figure: u32, what: &str, cap: u32) -> String {
    at_most(&format!("{} {what}", nodes(figure)), figure, Rule::NodeCap, cap)
}

/// "2 more nodes to add in later cycles (max_concurrent_starts = 1)".
fn later(waiting: u32, verb: &str, limit: Limit) -> String {
    format!("{} to {verb} in later cycles ({} = {})", more(waiting), limit.rule, limit.most)
}

fn more(nodes: u32) -> String {
    counted(nodes as usize, "more node")
}

/// What is measured, and what it is held against. Rounded as far as the two still differ.
fn measured(gauge: Gauge, figure: f64, limit: f64) -> (String, String) {
    let (what, unit) = (gauge_name(gauge), gauge_unit(gauge));
    let decimals = if gauge.is_rate() { 0 } else { 1 };
    let rounded = (decimals..6).map(|decimals| format!("{figure:.decimals$}"));
    let is_clear = |text: &String| figure == limit || text.parse() != Ok(limit);
    let figure = rounded.into_iter().find(is_clear).unwrap_or_else(|| figure.to_string());
    (format!("{what} is {figure}{unit}"), format!("{limit}{unit}"))
}

fn gauge_name(gauge: Gauge) -> &'static str {
    match gauge {
        Gauge::Cpu => "CPU usage",
        Gauge::Memory => "memory usage",
        Gauge::Disk => "disk usage",
        Gauge::Inodes => "inode usage of the disk",
        Gauge::Load1 => "load average (1 min)",
        Gauge::Load5 => "load average (5 min)",
        Gauge::Load15 => "load average (15 min)",
        Gauge::DiskReads => "disk read rate",
        Gauge::DiskWrites => "disk write rate",
        Gauge::NetworkIn => "network receive rate",
        Gauge::NetworkOut => "network send rate",
    }
}

fn gauge_unit(gauge: Gauge) -> &'static str {
    match gauge {
        Gauge::Cpu | Gauge::Memory | Gauge::Disk | Gauge::Inodes => " %",
        Gauge::Load1 | Gauge::Load5 | Gauge::Load15 => "",
        _ => " B/s",
    }
}

/// "is a part of the 67 MB that control group /user.slice may have".
fn part_of(gauge: Gauge, allowance: &Allowance) -> String {
    format!("is a part of {}", allowance_text(gauge == Gauge::Memory, allowance))
}

/// "the 67 MB that control group /user.slice may have".
#[must_use]
pub fn allowance_text(is_memory: bool, allowance: &Allowance) -> String {
    let Allowance { control_group, amount } = allowance;
    let what = if is_memory { format!("{:.0} MB", amount / 1e6) } else { format!("{amount:.2} processors") };
    format!("the {what} that control group {control_group} may have")
}

fn taken(by: &Blocker, numbers: usize) -> String {
    match (by, numbers) {
        (Blocker::PortInUse { protocol, port }, 1) => format!("skipped, {} port {port} is in use", protocol.as_str()),
        (Blocker::PortInUse { protocol, port }, _) => {
            format!("skipped, their ports are in use (the first: {} {port})", protocol.as_str())
        }
        (Blocker::PortOfNode { port, node }, 1) => format!("skipped, port {port} belongs to {node}"),
        (Blocker::PortOfNode { port, node }, _) => {
            format!("skipped, their ports belong to other nodes (the first: {port}, of {node})")
        }
        (Blocker::Name { why }, 1) => format!("skipped, {why}"),
        (Blocker::Name { why }, _) => format!("skipped, their names are taken (the first: {why})"),
        (Blocker::Directory { path }, 1) => format!("skipped, {} already exists", path.display()),
        (Blocker::Directory { path }, _) => {
            format!("skipped, their directories already exist (the first: {})", path.display())
        }
    }
}

fn nothing_to_do(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "already started",
        Verb::Stop => "already stopped",
        Verb::Upgrade => "already up to date",
        Verb::Disable => "already disabled",
        Verb::Enable => "not disabled",
        Verb::Add | Verb::Restart | Verb::Revert | Verb::Remove => "nothing to do",
    }
}
