//! What each event changes in the database.

use rusqlite::{Connection, OptionalExtension};

use super::cell::json;
use super::error::Problem;
use super::tables::{counters, group, metrics, moves, node, removed, rollout, signs};
use crate::event::{Event, NodeReport};
use crate::node::{Node, NodeId, UnixSeconds, Verb};

/// Applies one event; answers whether it belongs in the history. What comes each minute and only repeats does not.
pub(super) fn apply(connection: &Connection, at: UnixSeconds, event: &Event) -> Result<bool, Problem> {
    match event {
        Event::Initialised { settings, boot_time } => initialise(connection, at, settings, *boot_time)?,
        Event::SettingsChanged { changes } => {
            for (name, value) in changes {
                set(connection, name, value.as_deref())?;
            }
        }
        Event::Intended { verb: Verb::Add, node, .. } => {
            require_free(connection, node, |_| false)?;
            record_node(connection, node)?;
        }
        Event::Adopted { node } => {
            // The same node may be found twice; another one must not take its number.
            require_free(connection, node, |root_dir| node.spec().root_dir.to_str() == Some(root_dir))?;
            record_node(connection, node)?;
        }
        Event::Intended { node, .. }
        | Event::Completed { node, .. }
        | Event::Failed { node, .. }
        | Event::Moved { node, .. }
        | Event::FlavourChanged { node, .. }
        | Event::Reconciled { node, .. } => record_node(connection, node)?,
        Event::Restored { node } => {
            record_node(connection, node)?;
            // It is where its backup says, and what else there is of it nobody knows.
            moves::delete(connection, node.id())?;
        }
        Event::MoveIntended { moving } => moves::write(connection, moving)?,
        Event::MoveEnded { node, .. } => moves::delete(connection, *node)?,
        Event::Forgotten { id, .. } => {
            connection.prepare_cached("DELETE FROM node WHERE number = ?1")?.execute([id.0])?;
        }
        Event::Surveyed { reports } => {
            for report in reports {
                record_report(connection, report)?;
            }
            return Ok(false);
        }
        Event::Measured { counters } => {
            counters::write(connection, counters)?;
            return Ok(false);
        }
        Event::VersionCached { json } => {
            connection.execute("UPDATE machine SET version_cache = ?1", [json])?;
            return Ok(false);
        }
        Event::SignsKept { memories } => {
            memories.iter().try_for_each(|(id, memory)| signs::write(connection, *id, memory))?;
            return Ok(false);
        }
        Event::Rebooted { boot_time } => {
            connection.execute("UPDATE machine SET last_surveyed_boot = ?1", [boot_time])?;
        }
        Event::RolloutMoved { rollout } => rollout::write(connection, rollout)?,
        Event::Tried { trial } => rollout::write_trial(connection, trial)?,
        Event::TrialVoid { node } => rollout::delete_trial(connection, *node)?,
        Event::GroupSeen { group } => {
            if group::find(connection, group.spec.group)?.as_ref() == Some(group) {
                return Ok(false);
            }
            group::write(connection, group)?;
        }
        Event::GroupClosed { group } => {
            connection.execute("DELETE FROM container_group WHERE number = ?1", [group])?;
        }
        Event::Paused { pause } => {
            connection.execute("UPDATE machine SET pause = ?1", [json("pause", pause)?])?;
        }
        Event::Resumed { .. } => drop(connection.execute("UPDATE machine SET pause = NULL", [])?),
        Event::Rolling { rolling } => {
            let text = rolling.as_ref().map(|rolling| json("rolling", rolling)).transpose()?;
            connection.execute("UPDATE machine SET rolling = ?1", [text])?;
            return Ok(false);
        }
        Event::IdentityKept { node, key } => removed::write(connection, at, node, key)?,
        Event::BroughtBack { id, node } => {
            require_free(connection, node, |_| false)?;
            record_node(connection, node)?;
            removed::delete(connection, *id)?;
        }
        Event::IdentitiesExpired { before } => return Ok(removed::expire(connection, *before)? > 0),
        Event::TornDown => {
            connection.execute_batch(
                "DELETE FROM node; DELETE FROM container_group; DELETE FROM rollout;
                 UPDATE machine SET highest_number_used = 0, pause = NULL;
                 DELETE FROM setting WHERE name = 'withheld_numbers'",
            )?;
            connection.execute("UPDATE machine SET torn_down_at = ?1", [at])?;
        }
        Event::Decided { .. } | Event::Noted { .. } => {}
    }
    Ok(true)
}

fn initialise(
    connection: &Connection,
    at: UnixSeconds,
    settings: &[(String, String)],
    boot_time: UnixSeconds,
) -> Result<(), Problem> {
    let sql = "UPDATE machine SET initialised_at = ?1, last_surveyed_boot = ?2, torn_down_at = NULL, pause = NULL
               WHERE NOT EXISTS (SELECT 1 FROM node) AND NOT EXISTS (SELECT 1 FROM container_group)";
    if connection.execute(sql, [at, boot_time])? == 0 {
        return Err(Problem::AlreadyInitialised);
    }
    connection.execute("DELETE FROM setting", [])?;
    settings.iter().try_for_each(|(name, value)| set(connection, name, Some(value)))
}

fn set(connection: &Connection, name: &str, value: Option<&str>) -> Result<(), Problem> {
    match value {
        Some(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)")?
            .execute([name, value])?,
        None => connection.prepare_cached("DELETE FROM setting WHERE name = ?1")?.execute([name])?,
    };
    Ok(())
}

/// Refuses a new node whose number is taken, unless what has it is `same`, told by its directory.
fn require_free(connection: &Connection, node: &Node, same: impl Fn(&str) -> bool) -> Result<(), Problem> {
    let number = node.id();
    let taken: Option<(String, String)> = connection
        .prepare_cached("SELECT name, root_dir FROM node WHERE number = ?1")?
        .query_row([number.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match taken {
        Some((name, root_dir)) if !same(&root_dir) => Err(Problem::NumberTaken { number, name }),
        _ => Ok(()),
    }
}

fn record_node(connection: &Connection, node: &Node) -> Result<(), Problem> {
    if node.id() == NodeId(0) {
        return Err(Problem::Unstorable {
            what: format!("node {}", node.spec().name),
            reason: "numbers begin at 1".to_owned(),
        });
    }
    node::write(connection, node)?;
    let sql = "UPDATE machine SET highest_number_used = ?1 WHERE highest_number_used < ?1";
    connection.prepare_cached(sql)?.execute([node.id().0])?;
    Ok(())
}

/// Takes in what a node reported about itself, and never its status: that is reconciled. A node that was removed from
/// the database in the meantime is passed over.
fn record_report(connection: &Connection, report: &NodeReport) -> Result<(), Problem> {
    let sql = "UPDATE node SET peer_id = coalesce(?2, peer_id), version = coalesce(?3, version) WHERE number = ?1";
    let version = report.version.as_ref().map(ToString::to_string);
    let found = connection.prepare_cached(sql)?.execute((report.id.0, &report.peer_id, version))?;
    if found > 0 {
        metrics::write(connection, report.id, &report.metrics)?;
    }
    Ok(())
}
