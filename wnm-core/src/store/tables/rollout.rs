//! The roll-out of a new program, and a row for each node that got it.

use rusqlite::Connection;

use crate::node::NodeId;
use crate::rollout::{Rollout, Rollouts, Target, Trial};
use crate::store::cell::{Cell, all, json, upsert};
use crate::store::error::Problem;

pub(in crate::store) fn write(connection: &Connection, rollout: &Rollout) -> Result<(), Problem> {
    let before = read(connection)?;
    let mut after = before.clone();
    after.turn_to(rollout.clone());
    for node in before.trials.keys().filter(|node| !after.trials.contains_key(node)) {
        delete_trial(connection, *node)?;
    }
    let pause = rollout.pause.as_ref().map(|pause| json("pause", pause)).transpose()?;
    upsert(
        connection,
        "rollout",
        &[
            ("id", &1),
            ("version", &rollout.target.version.to_string()),
            ("digest", &digest(&rollout.target)),
            ("started_at", &rollout.started_at),
            ("phase", &rollout.phase.as_str()),
            ("phase_since", &rollout.phase_since),
            ("pause", &pause),
        ],
    )
}

/// A node that was removed in the meantime has no trial any more.
pub(in crate::store) fn write_trial(connection: &Connection, trial: &Trial) -> Result<(), Problem> {
    if !connection.prepare_cached("SELECT 1 FROM node WHERE number = ?1")?.exists([trial.node.0])? {
        return Ok(());
    }
    upsert(
        connection,
        "trial",
        &[
            ("node", &trial.node.0),
            ("version", &trial.target.version.to_string()),
            ("digest", &digest(&trial.target)),
            ("role", &trial.role.as_str()),
            ("from_version", &trial.from.as_ref().map(ToString::to_string)),
            ("memory_before", &trial.memory_before),
            ("began_at", &trial.began_at),
            ("state", &json("state", &trial.state)?),
        ],
    )
}

pub(in crate::store) fn delete_trial(connection: &Connection, node: NodeId) -> Result<(), Problem> {
    connection.prepare_cached("DELETE FROM trial WHERE node = ?1")?.execute([node.0])?;
    Ok(())
}

pub(super) fn read(connection: &Connection) -> Result<Rollouts, Problem> {
    let last = all(connection, "rollout", "SELECT * FROM rollout", [], read_rollout)?.pop();
    let trials = all(connection, "trial", "SELECT * FROM trial", [], read_trial)?;
    let trials = trials.into_iter().map(|trial| (trial.node, trial)).collect();
    Ok(Rollouts { digest: None, last, trials })
}

fn read_rollout(cell: &Cell<'_>) -> Result<Rollout, Problem> {
    Ok(Rollout {
        target: read_target(cell)?,
        started_at: cell.get("started_at")?,
        phase: cell.required("phase", cell.word("phase")?)?,
        phase_since: cell.get("phase_since")?,
        pause: cell.json("pause")?,
    })
}

fn read_trial(cell: &Cell<'_>) -> Result<Trial, Problem> {
    Ok(Trial {
        node: NodeId(cell.get("node")?),
        target: read_target(cell)?,
        role: cell.required("role", cell.word("role")?)?,
        from: cell.word("from_version")?,
        memory_before: cell.get("memory_before")?,
        began_at: cell.get("began_at")?,
        state: cell.required("state", cell.json("state")?)?,
    })
}

/// Of a version that nodes upgrade themselves to no digest is known.
fn digest(target: &Target) -> &str {
    target.digest.as_deref().unwrap_or_default()
}

fn read_target(cell: &Cell<'_>) -> Result<Target, Problem> {
    let digest: String = cell.get("digest")?;
    let digest = Some(digest).filter(|digest| !digest.is_empty());
    Ok(Target { version: cell.required("version", cell.word("version")?)?, digest })
}
