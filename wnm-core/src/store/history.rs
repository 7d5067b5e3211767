//! The history holds what happened and why, as far back as its bounds allow.

use rusqlite::{Connection, OptionalExtension, ToSql};
use serde::{Deserialize, Serialize};

use super::cell::{Cell, all, json, word};
use super::error::Problem;
use crate::event::Event;
use crate::node::{NodeId, Status, UnixSeconds, Verb};
use crate::plan::Reason;
use crate::report::{ReasonRow, moved_text, pause_end_text, trial_text};

/// How many entries are kept. Counted rather than dated: a clock that jumps ahead must not empty the history.
const ENTRIES_MAX: u32 = 100_000;

/// How many decisions are kept, which are long and come each minute: three days of them.
const DECISIONS_MAX: u32 = 4_320;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "these are the names of the events, which say it")]
pub enum EventKind {
    Initialised,
    SettingsChanged,
    Intended,
    Completed,
    Failed,
    Forgotten,
    Reconciled,
    Surveyed,
    Measured,
    VersionCached,
    Rebooted,
    Decided,
    RolloutMoved,
    Tried,
    TrialVoid,
    GroupSeen,
    GroupClosed,
    Adopted,
    Restored,
    Rolling,
    IdentityKept,
    BroughtBack,
    IdentitiesExpired,
    FlavourChanged,
    MoveIntended,
    Moved,
    MoveEnded,
    Paused,
    Resumed,
    TornDown,
    Noted,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What was to be done, in words.
    pub actions: Vec<String>,
    /// Why, and why not.
    pub reasons: Vec<ReasonRow>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Grows with each entry, whatever the clock does.
    pub id: i64,
    /// When it happened.
    pub at: UnixSeconds,
    /// The cycle that it belongs to; they are counted from 1.
    pub cycle: i64,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// The node that it is about.
    pub node: Option<NodeId>,
    /// The step that it is about.
    pub verb: Option<Verb>,
    /// The status that the node had afterwards.
    pub status: Option<Status>,
    /// What there is to say about it: the reason, the error, what was seen or done.
    pub text: String,
    /// For a decision: all of it.
    pub decision: Option<Decision>,
}

/// Which entries of the history are asked for: those that fit all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryFilter {
    /// Only what is about this node.
    pub node: Option<NodeId>,
    /// Only what belongs to this cycle.
    pub cycle: Option<i64>,
    /// Only things of this kind.
    pub kind: Option<EventKind>,
    /// So many of the newest at most; all without.
    pub limit: Option<u32>,
}

/// The columns of an entry that follow from its event.
struct Columns<'a> {
    kind: EventKind,
    node: Option<NodeId>,
    verb: Option<Verb>,
    status: Option<Status>,
    text: String,
    decision: Option<(&'a [String], &'a [Reason])>,
}

impl<'a> Columns<'a> {
    fn new(event: &'a Event) -> Self {
        let plain = |kind, text: &str| Self {
            kind,
            node: None,
            verb: None,
            status: None,
            text: text.to_owned(),
            decision: None,
        };
        let about = |kind, node: &crate::node::Node, verb, text: &str| Self {
            node: Some(node.id()),
            verb,
            status: Some(node.status()),
            ..plain(kind, text)
        };
        match event {
            Event::Initialised { settings, .. } => {
                let settings = settings.iter().map(|(name, value)| assignment(name, Some(value)));
                plain(EventKind::Initialised, &settings.collect::<Vec<_>>().join(", "))
            }
            Event::SettingsChanged { changes } => {
                let changes = changes.iter().map(|(name, value)| assignment(name, value.as_deref()));
                plain(EventKind::SettingsChanged, &changes.collect::<Vec<_>>().join(", "))
            }
            Event::Intended { verb, node, why } => about(EventKind::Intended, node, Some(*verb), why),
            Event::Completed { verb, node } => about(EventKind::Completed, node, Some(*verb), ""),
            Event::Failed { verb, node, error } => about(EventKind::Failed, node, Some(*verb), error),
            Event::Reconciled { from, node, why } => {
                about(EventKind::Reconciled, node, None, &format!("{from} -> {}: {why}", node.status()))
            }
            Event::Adopted { node } => about(EventKind::Adopted, node, None, node.service()),
            Event::FlavourChanged { from, node } => {
                about(EventKind::FlavourChanged, node, None, &format!("{from} -> {}", node.spec().flavour))
            }
            Event::Rolling { .. } => plain(EventKind::Rolling, ""),
            Event::MoveIntended { moving } => {
                Self { node: Some(moving.node), ..plain(EventKind::MoveIntended, &moving.to.display().to_string()) }
            }
            Event::Moved { from, node } => {
                let text = format!("{} -> {}", from.display(), node.spec().root_dir.display());
                about(EventKind::Moved, node, None, &text)
            }
            Event::MoveEnded { node, gone } => {
                let text = format!("{} is gone", gone.display());
                Self { node: Some(*node), ..plain(EventKind::MoveEnded, &text) }
            }
            Event::IdentityKept { node, .. } => about(EventKind::IdentityKept, node, None, ""),
            Event::BroughtBack { node, .. } => {
                about(EventKind::BroughtBack, node, None, &node.spec().root_dir.display().to_string())
            }
            Event::IdentitiesExpired { .. } => plain(EventKind::IdentitiesExpired, ""),
            Event::Restored { node } => {
                about(EventKind::Restored, node, None, &node.spec().root_dir.display().to_string())
            }
            Event::Forgotten { id, why } => Self { node: Some(*id), ..plain(EventKind::Forgotten, why) },
            Event::Noted { id, what } => Self { node: *id, ..plain(EventKind::Noted, what) },
            Event::Surveyed { .. } => plain(EventKind::Surveyed, ""),
            Event::Measured { .. } => plain(EventKind::Measured, ""),
            Event::VersionCached { .. } | Event::SignsKept { .. } => plain(EventKind::VersionCached, ""),
            Event::Rebooted { boot_time } => plain(EventKind::Rebooted, &format!("boot time {boot_time}")),
            Event::Decided { actions, reasons } => {
                Self { decision: Some((actions, reasons)), ..plain(EventKind::Decided, &actions.join("; ")) }
            }
            Event::GroupSeen { group } => {
                let state = word(&group.state).unwrap_or_default();
                plain(EventKind::GroupSeen, &format!("{} {state}", group.spec.name))
            }
            Event::RolloutMoved { rollout } => plain(EventKind::RolloutMoved, &moved_text(rollout)),
            Event::Tried { trial } => Self { node: Some(trial.node), ..plain(EventKind::Tried, &trial_text(trial)) },
            Event::TrialVoid { node } => Self { node: Some(*node), ..plain(EventKind::TrialVoid, "") },
            Event::GroupClosed { group } => plain(EventKind::GroupClosed, &format!("a{group}")),
            Event::Paused { pause } => plain(EventKind::Paused, pause_end_text(pause).trim_start()),
            Event::Resumed { expired: true } => plain(EventKind::Resumed, "its time has passed"),
            Event::Resumed { expired: false } => plain(EventKind::Resumed, "by the owner"),
            Event::TornDown => plain(EventKind::TornDown, ""),
        }
    }
}

fn assignment(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("{name} back to its default"), |value| format!("{name}={value}"))
}

/// The number of a cycle that begins now.
pub(super) fn next_cycle(connection: &Connection) -> Result<i64, Problem> {
    let last: Option<i64> =
        connection.query_row("SELECT cycle FROM history ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0) + 1)
}

pub(super) fn write(connection: &Connection, at: UnixSeconds, cycle: i64, event: &Event) -> Result<(), Problem> {
    #[derive(Serialize)]
    struct Detail<'a> {
        actions: &'a [String],
        reasons: &'a [Reason],
    }
    let columns = Columns::new(event);
    let detail = match columns.decision {
        Some((actions, reasons)) => Some(json("decision", &Detail { actions, reasons })?),
        None => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO history (at, cycle, kind, number, verb, status, text, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute((
            at,
            cycle,
            word(&columns.kind),
            columns.node.map(|id| id.0),
            columns.verb.map(Verb::as_str),
            columns.status.map(Status::as_str),
            columns.text,
            detail,
        ))?;
    Ok(())
}

/// Lets go of what is beyond the bounds.
pub(super) fn prune(connection: &Connection) -> Result<(), Problem> {
    connection
        .prepare_cached("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?1")?
        .execute([ENTRIES_MAX])?;
    connection
        .prepare_cached(
            "DELETE FROM history WHERE kind = 'decided' AND id <=
                (SELECT id FROM history WHERE kind = 'decided' ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute([DECISIONS_MAX])?;
    Ok(())
}

pub(super) fn read(connection: &Connection, filter: &HistoryFilter) -> Result<Vec<HistoryEntry>, Problem> {
    let number = filter.node.map(|id| id.0);
    let kind = filter.kind.and_then(|kind| word(&kind));
    let limit = filter.limit.map_or(-1, i64::from);
    let conditions: [(&str, Option<&dyn ToSql>); 3] = [
        ("number = ?", number.as_ref().map(|value| value as &dyn ToSql)),
        ("cycle = ?", filter.cycle.as_ref().map(|value| value as &dyn ToSql)),
        ("kind = ?", kind.as_ref().map(|value| value as &dyn ToSql)),
    ];
    let mut sql = String::from("SELECT * FROM history WHERE true");
    let mut values = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(&limit);
    all(connection, "history", &sql, values.as_slice(), read_entry)
}

fn read_entry(cell: &Cell<'_>) -> Result<HistoryEntry, Problem> {
    Ok(HistoryEntry {
        id: cell.get("id")?,
        at: cell.get("at")?,
        cycle: cell.get("cycle")?,
        kind: cell.required("kind", cell.word("kind")?)?,
        node: cell.get::<Option<u32>>("number")?.map(NodeId),
        verb: cell.word("verb")?,
        status: cell.word("status")?,
        text: cell.get("text")?,
        decision: cell.json("detail")?,
    })
}
