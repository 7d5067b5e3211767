//! A decision turns a snapshot into a plan. It is a function of configuration and snapshot: the time and the dice are
//! in the snapshot, nothing here reads a clock or touches a file, and it cannot fail.

use crate::node::{Node, NodeId, Status, UnixSeconds};
use crate::plan::{Action, Basis, Effect, Plan, Reason};
use crate::settings::Config;
use crate::snapshot::{HostLoad, NodeSnapshot, Snapshot};

mod due;
mod groups;
mod growth;
mod load;
mod placement;
mod relief;
mod request;
mod settle;
mod upgrade;

pub(crate) use placement::{group_of, port_start, ports_of};
pub use request::{Refusal, Request, Selection, decide_request};
pub use settle::{Settled, back_off, settle};

/// Decides what a cycle does. The snapshot must have been settled ([`settle`]).
///
/// The ladder: what is due, then the first rung that yields actions; where none does, the nodes are looked at.
#[must_use]
pub fn decide(config: &Config, snapshot: &Snapshot) -> Plan {
    let mut draft = Draft::new(config, snapshot);
    if snapshot.boot_time > snapshot.last_surveyed_boot {
        draft.did("reboot", "the machine was restarted since the last cycle: all nodes are looked at first", &[]);
        // Rules do not outlive a boot, and nodes that nobody can reach look dead to whoever looks at them.
        groups::repair(&mut draft);
        return draft.finish(vec![Action::Resurvey]);
    }
    let mut actions = due::actions(&mut draft);
    groups::repair(&mut draft);
    actions.extend(rungs(&mut draft));
    if actions.is_empty() {
        actions.push(Action::Survey);
    }
    draft.finish(actions)
}

fn rungs(draft: &mut Draft<'_>) -> Vec<Action> {
    let dead = due::dead(draft);
    if !dead.is_empty() {
        return dead;
    }
    if draft.free_slots() == 0 {
        let (busy, limit) = (draft.in_flight(), draft.config.max_concurrent_operations);
        draft.held(
            "max_concurrent_operations",
            format!("{busy} in flight (being started, upgraded or removed), and max_concurrent_operations is {limit}"),
            Some((f64::from(busy), f64::from(limit))),
            &[],
        );
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

/// Why nothing may grow on a machine with this load, a sentence for each thing that is too high; empty when there is room.
#[must_use]
pub fn lack_of_room(config: &Config, host: &HostLoad) -> Vec<String> {
    load::gauges(config, host).iter().filter(|gauge| !gauge.leaves_room()).map(load::Gauge::no_room).collect()
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
    /// and holds nobody's hands any more.
    fn in_flight(&self) -> u32 {
        let nodes = self.snapshot.nodes.iter();
        let busy = nodes.filter(|each| each.node.status.is_underway() || self.waits_for_removal(each));
        u32::try_from(busy.count()).unwrap_or(u32::MAX)
    }

    fn removing(&self) -> u32 {
        let waiting = self.snapshot.nodes.iter().filter(|each| self.waits_for_removal(each));
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    /// One whose removal failed waits for nobody but itself: it must not keep the whole fleet waiting with it.
    fn waits_for_removal(&self, each: &NodeSnapshot) -> bool {
        each.node.status == Status::Removing
            && !each.node.removal_failed()
            && !due::is_due(self.config, self.snapshot.now, &each.node)
    }

    /// Nodes whose removal failed and is not tried again yet.
    fn failed_removals(&self) -> Vec<NodeId> {
        let nodes = self.snapshot.nodes.iter().map(|each| &each.node);
        let failed = nodes.filter(|node| node.removal_failed());
        failed.filter(|node| !due::is_due(self.config, self.snapshot.now, node)).map(Node::id).collect()
    }

    /// How many more operations may begin.
    fn free_slots(&self) -> u32 {
        self.config.max_concurrent_operations.saturating_sub(self.in_flight())
    }

    /// Whether a node's pause has passed. A pause too long to be one means that the clock was set back, and holds nobody.
    fn may_retry(&self, node: &Node) -> bool {
        let now = self.snapshot.now;
        let delay = UnixSeconds::try_from(self.config.delay_restart).unwrap_or(UnixSeconds::MAX);
        let longest = now.saturating_add(delay.max(settle::LONGEST_BACK_OFF_SECONDS));
        node.retry_at.is_none_or(|at| at <= now || at > longest)
    }

    /// The nodes with this status, oldest first; equally old ones by number.
    fn oldest_first(&self, status: Status) -> Vec<&'a NodeSnapshot> {
        let mut nodes: Vec<_> = self.snapshot.nodes.iter().filter(|each| each.node.status == status).collect();
        nodes.sort_by_key(|each| (each.node.born, each.node.id()));
        nodes
    }

    fn youngest_first(&self, status: Status) -> Vec<&'a NodeSnapshot> {
        let mut nodes = self.oldest_first(status);
        nodes.reverse();
        nodes
    }

    fn did(&mut self, rule: &str, text: impl Into<String>, nodes: &[NodeId]) {
        self.reason(rule, Effect::Did, text.into(), None, nodes);
    }

    fn held(&mut self, rule: &str, text: impl Into<String>, figures: Option<(f64, f64)>, nodes: &[NodeId]) {
        self.reason(rule, Effect::Held, text.into(), figures, nodes);
    }

    fn reason(&mut self, rule: &str, effect: Effect, text: String, figures: Option<(f64, f64)>, nodes: &[NodeId]) {
        self.plan.reasons.push(Reason {
            rule: rule.to_owned(),
            effect,
            text,
            nodes: nodes.to_vec(),
            figure: figures.map(|(figure, _)| figure),
            threshold: figures.map(|(_, threshold)| threshold),
        });
    }
}

/// "antnode0001, antnode0002 and 3 more".
fn names(nodes: &[NodeId]) -> String {
    const SHOWN: usize = 5;
    let mut text = nodes.iter().take(SHOWN).map(|id| id.name()).collect::<Vec<_>>().join(", ");
    if nodes.len() > SHOWN {
        text.push_str(&format!(" and {} more", nodes.len() - SHOWN));
    }
    text
}
