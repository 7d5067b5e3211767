//! Whether a living node is well: by its own answer, or, where it answers no questions, by what is seen of it.

use crate::node::{Evidence, Found, HealthFrom, Node, PortFault, Status};
use crate::observe::signs::Signs;
use crate::settings::Config;
use crate::snapshot::{Answer, Seen};
use wnm_pm::process_manager::ProcessState;

/// Whether a living node counts as running.
pub(super) enum Health {
    Good(Evidence),
    Bad(Evidence),
    /// It was not asked.
    Unknown,
}

pub(super) fn health(config: &Config, node: &Node, seen: &Seen) -> Health {
    match &seen.answer {
        Answer::Halted => return Health::Bad(Evidence::Halted),
        Answer::Signs { signs } => return health_of_signs(config, node, signs),
        _ => {}
    }
    let spec = node.spec();
    let Some(port) = spec.ports.metrics().filter(|_| spec.flavour.has_metrics()) else {
        return Health::Good(Evidence::Shows { health_from: HealthFrom::Process });
    };
    let fault = match &seen.answer {
        Answer::NotAsked | Answer::Halted | Answer::Signs { .. } => return Health::Unknown,
        Answer::Node { peer_id, .. } => match (peer_id.as_deref(), node.peer_id()) {
            (Some(reported), Some(own)) if reported != own => PortFault::OtherNode { peer_id: reported.to_owned() },
            _ => return Health::Good(Evidence::Running),
        },
        Answer::Foreign { said } => PortFault::OtherProgram { said: said.clone() },
        Answer::Refused => PortFault::Closed,
        Answer::TimedOut => PortFault::TimedOut,
        Answer::Broken { reason } => PortFault::Unreadable { reason: reason.clone() },
    };
    Health::Bad(Evidence::NotAnswering { port, fault })
}

/// Nodes write down their peers every ten minutes or so; one that has had its turn twice has none.
const PEERS_WRITTEN_SECONDS: u64 = 1_260;

fn health_of_signs(config: &Config, node: &Node, signs: &Signs) -> Health {
    let is_young = signs.uptime_seconds.is_some_and(|age| age < config.delay_start);
    match (signs.has_port, node.spec().ports.node()) {
        // Its manager may have started it a moment ago.
        (Some(false), _) if is_young && node.status() == Status::Running => Health::Unknown,
        (Some(false), Some(port)) => Health::Bad(Evidence::NotBound { port }),
        _ if lacks_peers(node, signs) => match signs.uptime_seconds {
            Some(age) if age >= PEERS_WRITTEN_SECONDS => Health::Bad(Evidence::NoPeers),
            _ => Health::Unknown,
        },
        _ => Health::Good(Evidence::Shows { health_from: signs.health_from() }),
    }
}

/// Whether a node that was upgraded has not found back to its peers.
fn lacks_peers(node: &Node, signs: &Signs) -> bool {
    node.status() == Status::Upgrading && signs.expects_peers && signs.peers.unwrap_or(0) == 0
}

/// What proves that a node is up before its delay has passed: only what can be seen of one that answers no questions.
pub(super) fn proof(node: &Node, seen: &Seen) -> Option<Evidence> {
    match &seen.answer {
        Answer::Signs { signs } if signs.has_port == Some(true) && !lacks_peers(node, signs) => {
            Some(Evidence::Shows { health_from: signs.health_from() })
        }
        _ => None,
    }
}

/// Whether the last that is known of a node is that it ended to start again as another version.
fn has_left(seen: &Seen) -> bool {
    matches!(&seen.answer, Answer::Signs { signs } if signs.left_to_upgrade)
}

/// Whether a node ended to start again as another version, and nothing has told it to start since.
pub(super) fn leaves_to_upgrade(node: &Node, seen: &Seen) -> bool {
    node.process().is_none() && has_left(seen) && matches!(seen.process, Ok(ProcessState::Stopped { .. }))
}

/// What became of a node that another process runs than before, or that ended for that.
pub(super) fn replaced_by(node: &Node, seen: &Seen, process: &ProcessState) -> Option<(Found, Evidence)> {
    let Answer::Signs { signs } = &seen.answer else { return None };
    let from = node.version().cloned();
    if has_left(seen) && matches!(process, ProcessState::Stopped { .. } | ProcessState::Waiting { .. }) {
        return Some((Found::Replaced { process: None, upgraded: true }, Evidence::UpgradedItself { from, to: None }));
    }
    let ProcessState::Running { process: Some(process) } = process else { return None };
    if node.process().is_none_or(|known| known == *process) {
        return None;
    }
    let upgraded = signs.version.is_some() && signs.version != from;
    let why =
        if upgraded { Evidence::UpgradedItself { from, to: signs.version.clone() } } else { Evidence::StartedAgain };
    Some((Found::Replaced { process: Some(*process), upgraded }, why))
}
