//! Upkeep: the node program, the clock, the firewall, and whatever runs wnm every minute.

use super::{Facts, error, warning};
use crate::node::Status;
use crate::report::{Shared, by_reason, cycle_pause_text, names, pause_text};
use wnm_pm::privilege::SUDO_HINT;
use wnm_pm::process_manager::Finding;

/// 2026-01-01: wnm is younger than that.
const YEAR_2026: i64 = 1_767_225_600;

pub(super) fn node_program(facts: &Facts) -> Option<Finding> {
    let (what, fix) = facts.program_problem.clone()?;
    Some(error("node-program", what, "no node can be added or upgraded", fix))
}

/// What is wrong with nodes, a finding for each cause.
pub(super) fn nodes(facts: &Facts) -> Vec<Finding> {
    let looked_after = facts.nodes.iter().filter(|node| !matches!(node.status, Status::Disabled | Status::Removing));
    let errors = looked_after.filter_map(|node| Some((node.id, node.last_error.as_deref()?)));
    let finding = |Shared { nodes, text }: Shared| {
        let what = format!("{}: {text}", names(&nodes));
        let fix = format!("wnm run tries it again; `wnm why {}` tells more", nodes[0].name());
        error("node-failed", what, "these nodes do not run as they should", fix)
    };
    by_reason(errors).into_iter().map(finding).collect()
}

pub(super) fn rollout(facts: &Facts) -> Option<Finding> {
    let rollout = facts.paused_rollout.as_ref()?;
    let why = rollout.pause.as_ref().map(pause_text).unwrap_or_default();
    let what = format!("the roll-out of {} is paused: {why}", rollout.target.version);
    let (consequence, fix) = match rollout.target.digest {
        Some(_) => (
            "no node is upgraded, and no node is added",
            "put another node program in its place, or `wnm rollout resume` to try it again",
        ),
        None => {
            ("no node is added; nodes go on upgrading themselves", "`wnm rollout resume` to add nodes all the same")
        }
    };
    Some(warning("rollout-paused", what, consequence, fix.to_owned()))
}

/// A pause of a day may have been forgotten.
const LONG_PAUSE_SECONDS: i64 = 86_400;

pub(super) fn paused(facts: &Facts) -> Option<Finding> {
    let pause = facts.cycle_pause.as_ref()?;
    let is_long = facts.now.saturating_sub(pause.since) >= LONG_PAUSE_SECONDS;
    is_long.then(|| {
        let consequence = "nodes that end stay down, and nothing is added, upgraded or removed";
        warning("paused", cycle_pause_text(pause), consequence, "wnm resume".to_owned())
    })
}

pub(super) fn clock(facts: &Facts) -> Option<Finding> {
    let fix = "sudo timedatectl set-ntp true".to_owned();
    if facts.now < YEAR_2026 {
        let what = format!("the clock says that it is {} s after 1970, which is before 2026", facts.now);
        return Some(error("clock-not-set", what, "delays never pass or pass at once, and peers refuse the node", fix));
    }
    (facts.clock_is_synchronised == Some(false)).then(|| {
        let what = "the clock is not kept right over the network (timedatectl: NTPSynchronized=no)".to_owned();
        warning("clock-drifts", what, "payments and peers are refused once it is wrong by minutes", fix)
    })
}

pub(super) fn firewall(facts: &Facts) -> Option<Finding> {
    let state = facts.firewall.as_ref()?;
    let name = state.name;
    match &state.closed {
        Err(reason) => {
            let consequence = "node ports are neither opened nor closed by wnm";
            Some(warning("firewall-unusable", reason.clone(), consequence, SUDO_HINT.to_owned()))
        }
        Ok(closed) => {
            closed.first()?;
            let commands: Vec<&str> = closed.iter().map(|(_, command)| command.as_str()).collect();
            let ports: Vec<String> = closed.iter().map(|(port, _)| port.port.to_string()).collect();
            let what =
                format!("{name} keeps out the ports of nodes ({}): UDP {}", ports.len(), super::ports::some(&ports));
            Some(error("firewall-closed", what, "no peer can begin to talk to these nodes", commands.join(" && ")))
        }
    }
}

pub(super) fn schedule(facts: &Facts) -> Option<Finding> {
    facts.schedule.is_none().then(|| {
        let what = "no timer of systemd and no line of a crontab runs wnm".to_owned();
        let consequence = "nodes that end stay down, and nothing is added, upgraded or removed";
        warning("not-scheduled", what, consequence, "wnm schedule install".to_owned())
    })
}
