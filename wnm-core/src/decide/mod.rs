//! A decision turns a snapshot into a plan. It is a function of configuration and snapshot: the time and the dice are
//! in the snapshot, nothing here reads a clock or touches a file, and it cannot fail.

use std::collections::BTreeSet;

use crate::node::{Desired, LONGEST_BACK_OFF_SECONDS, Node, NodeId, Status, UnixSeconds};
use crate::plan::{Action, Basis, Cause, Limit, Plan, Reason, Rule};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};

mod comeback;
pub(crate) mod disks;
mod due;
mod groups;
mod growth;
mod health;
pub(crate) mod load;
mod order;
mod paused;
mod placement;
mod reconcile;
mod relief;
mod request;
mod rollout;
mod select;
mod trial;
mod upgrade;
mod watch;

pub(crate) use placement::{group_of, layout, place_again, port_kinds, port_start, ports_of};
pub use reconcile::{Reconciled, reconcile};
pub use request::{Refusal, Request, decide_request};
pub use rollout::advance;
pub(crate) use rollout::{first_phase, untried};
pub(crate) use select::statuses;
pub use select::{BROKEN, FROZEN, Filter, Selected, Selection, WordFault, shown_status};
pub use trial::is_well;
pub(crate) use watch::waiting as waiting_for_own_upgrade;
pub use watch::watch;

/// Decides what a cycle does. The snapshot must have been reconciled ([`reconcile`]).
///
/// The ladder: what is due, then the first rung that yields actions; where none does, the nodes are looked at.
#[must_use]
pub fn decide(config: &Config, snapshot: &Snapshot) -> Plan {
    let mut draft = Draft::new(config, snapshot);
    if let Some(pause) = &snapshot.pause {
        let action = paused::action(&mut draft, pause);
        return draft.finish(vec![action]);
    }
    if snapshot.boot_time > snapshot.last_surveyed_boot {
        draft.because(Cause::Reboot, &[]);
        // Rules do not outlive a boot, and nodes that nobody can reach look dead to whoever looks at them.
        groups::repair(&mut draft);
        return draft.finish(vec![Action::Resurvey]);
    }
    let mut actions = due::actions(&mut draft);
    actions.extend(due::own_upgrades(&mut draft));
    actions.extend(rollout::forgets(&mut draft));
    let is_kept =
        |each: &&NodeSnapshot| !matches!(each.node.status(), Status::Disabled | Status::Removing | Status::Dead);
    let lost: Vec<_> = snapshot.nodes.iter().filter(is_kept).filter(|each| each.lives_without_directory()).collect();
    draft.because_of(Cause::RunsWithoutDirectory, &numbers(&lost));
    watch::reasons(&mut draft);
    groups::repair(&mut draft);
    actions.extend(rungs(&mut draft));
    if actions.is_empty() {
        actions.push(Action::Survey);
    }
    down(&mut draft, &actions);
    draft.finish(actions)
}

/// Says which nodes are down where nothing else does: whoever reads it wants to know in every case.
fn down(draft: &mut Draft<'_>, actions: &[Action]) {
    let mut told: BTreeSet<NodeId> = touched(actions).into_iter().collect();
    told.extend(draft.plan.reasons.iter().flat_map(|reason| reason.nodes.iter().copied()));
    let is_down = |each: &&NodeSnapshot| {
        each.node.status() == Status::Stopped
            && each.node.life().desired() == Desired::Run
            && !told.contains(&each.node.id())
    };
    let nodes: Vec<&NodeSnapshot> = draft.snapshot.nodes.iter().filter(is_down).collect();
    draft.because_of(Cause::Down, &numbers(&nodes));
}

fn rungs(draft: &mut Draft<'_>) -> Vec<Action> {
    let dead = due::dead(draft);
    if !dead.is_empty() {
        return dead;
    }
    let reverts = rollout::reverts(draft);
    if !reverts.is_empty() {
        return reverts;
    }
    if let Some(actions) = comeback::actions(draft) {
        return actions;
    }
    let operations = draft.operations();
    if operations.free() == 0 {
        let Limit { in_progress, most, .. } = operations;
        draft.because(Cause::OperationsInProgress { in_progress, most }, &[]);
        return Vec::new();
    }
    if let Some(actions) = relief::actions(draft) {
        return actions;
    }
    if let Some(actions) = upgrade::actions(draft) {
        return actions;
    }
    growth::actions(draft)
}

/// Why nothing may grow on a machine with such a load, a reason for each thing that is too high; empty when there is room.
#[must_use]
pub fn lack_of_room(config: &Config, snapshot: &Snapshot) -> Vec<Reason> {
    load::obstacles(config, snapshot).into_iter().map(|cause| Reason { nodes: Vec::new(), cause }).collect()
}

/// A plan in the making: what is known, and the reasons so far.
struct Draft<'a> {
    config: &'a Config,
    snapshot: &'a Snapshot,
    plan: Plan,
}

impl<'a> Draft<'a> {
    fn new(config: &'a Config, snapshot: &'a Snapshot) -> Self {
        let plan = Plan {
            format: Plan::FORMAT,
            made_at: snapshot.now,
            by_request: false,
            basis: Basis::of(config, snapshot),
            groups: Vec::new(),
            actions: Vec::new(),
            reasons: Vec::new(),
        };
        Self { config, snapshot, plan }
    }

    fn finish(mut self, actions: Vec<Action>) -> Plan {
        self.plan.actions = actions;
        self.plan
    }

    /// Nodes that are being started, upgraded or removed. A removal that is due now is carried out in this very cycle
    /// and counts no longer.
    fn in_flight(&self) -> u32 {
        let nodes = self.snapshot.nodes.iter();
        let busy = nodes.filter(|each| each.node.status().is_underway() || self.waits_for_removal(each));
        u32::try_from(busy.count()).unwrap_or(u32::MAX)
    }

    fn removing(&self) -> u32 {
        let waiting = self.snapshot.nodes.iter().filter(|each| self.waits_for_removal(each));
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    /// One whose removal failed waits for nobody but itself: it must not keep the whole fleet waiting with it.
    fn waits_for_removal(&self, each: &NodeSnapshot) -> bool {
        each.node.status() == Status::Removing
            && !each.node.life().removal_failed()
            && !due::is_due(self.config, self.snapshot.now, &each.node)
    }

    /// Nodes whose removal failed and is not tried again yet.
    fn failed_removals(&self) -> Vec<NodeId> {
        let nodes = self.snapshot.nodes.iter().map(|each| &each.node);
        let failed = nodes.filter(|node| node.life().removal_failed());
        failed.filter(|node| !due::is_due(self.config, self.snapshot.now, node)).map(Node::id).collect()
    }

    /// The limit on operations of all kinds together.
    fn operations(&self) -> Limit {
        let (in_progress, most) = (self.in_flight(), self.config.max_concurrent_operations);
        Limit { rule: Rule::MaxConcurrentOperations, in_progress, most }
    }

    /// Of a limit on one kind of operations and the one on all kinds together, the one that leaves less.
    fn narrower(&self, rule: Rule, in_progress: u32, most: u32) -> Limit {
        let (own, all) = (Limit { rule, in_progress, most }, self.operations());
        if own.free() <= all.free() { own } else { all }
    }

    /// Whether a node's pause has passed. A pause too long to be one means that the clock was set back, and holds nobody.
    fn may_retry(&self, node: &Node) -> bool {
        let now = self.snapshot.now;
        let delay = UnixSeconds::try_from(self.config.delay_restart).unwrap_or(UnixSeconds::MAX);
        let longest = now.saturating_add(delay.max(LONGEST_BACK_OFF_SECONDS));
        node.life().retry_at().is_none_or(|at| at <= now || at > longest)
    }

    /// The nodes with this status, oldest first; equally old ones by number. One that lives without its directory is
    /// its owner's to decide about.
    fn oldest_first(&self, status: Status) -> Vec<&'a NodeSnapshot> {
        let mut nodes: Vec<_> = self
            .snapshot
            .nodes
            .iter()
            .filter(|each| each.node.status() == status && !each.lives_without_directory())
            .collect();
        nodes.sort_by_key(|each| (each.node.created_at(), each.node.id()));
        nodes
    }

    fn youngest_first(&self, status: Status) -> Vec<&'a NodeSnapshot> {
        let mut nodes = self.oldest_first(status);
        nodes.reverse();
        nodes
    }

    /// Leaves a reason; without nodes it is about the machine.
    fn because(&mut self, cause: Cause, nodes: &[NodeId]) {
        self.plan.reasons.push(Reason { nodes: nodes.to_vec(), cause });
    }

    /// Leaves a reason about the machine, unless it is there already.
    fn because_once(&mut self, cause: Cause) {
        if !self.plan.reasons.iter().any(|reason| reason.cause == cause) {
            self.because(cause, &[]);
        }
    }

    /// Leaves a reason about these nodes, if there are any.
    fn because_of(&mut self, cause: Cause, nodes: &[NodeId]) {
        if !nodes.is_empty() {
            self.because(cause, nodes);
        }
    }
}

/// The numbers of these nodes, in their order.
fn numbers(nodes: &[&NodeSnapshot]) -> Vec<NodeId> {
    nodes.iter().map(|each| each.node.id()).collect()
}

/// The numbers of the nodes that these actions are about, in their order.
fn touched(actions: &[Action]) -> Vec<NodeId> {
    actions.iter().filter_map(Action::step).map(|(_, id)| id).collect()
}

fn count<T>(many: &[T]) -> u32 {
    u32::try_from(many.len()).unwrap_or(u32::MAX)
}
