//! What units wrote to the journal of systemd: `journalctl` is asked for it, again and again where it is followed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::JournalOf;
use super::line::plain;
use crate::command::{Command, CommandError, CommandRunner};

/// The most lines of a unit that are asked for at once: what `journalctl` says is kept in memory.
const LINES_MAX: usize = 10_000;

/// Longer than it takes to search a large journal.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The journals of units, of the machine or of a user, and how far they were read.
#[derive(Debug)]
pub(super) struct Journal {
    of: JournalOf,
    units: Vec<String>,
    /// The last entry that was heard of.
    cursor: Option<String>,
}

/// Hears of a line and the unit that wrote it; answers whether it wants more.
pub(super) type Heard<'a> = dyn FnMut(&str, &str) -> bool + Send + 'a;

impl Journal {
    pub(super) fn new(of: JournalOf, units: Vec<String>) -> Self {
        Self { of, units, cursor: None }
    }

    /// Reads the last lines of each unit; answers with those that have any.
    pub(super) async fn last(
        &mut self,
        lines: usize,
        runner: &dyn CommandRunner,
        heard: &mut Heard<'_>,
    ) -> Result<Vec<String>, CommandError> {
        let mut found = Vec::new();
        let mut newest: Option<(u64, String)> = None;
        for unit in &self.units {
            let count = format!("--lines={}", lines.clamp(1, LINES_MAX));
            let said = runner.succeed(&self.command(std::slice::from_ref(unit)).arg(count)).await?.stdout;
            let entries: Vec<Entry> = said.lines().filter_map(Entry::read).collect();
            let skipped = entries.len().saturating_sub(lines);
            if let Some(last) = entries.last() {
                found.push(unit.clone());
                if newest.as_ref().is_none_or(|(at, _)| *at < last.at) {
                    newest = Some((last.at, last.cursor.clone()));
                }
            }
            if !entries.iter().skip(skipped).all(|entry| entry.tell(unit, heard)) {
                return Ok(found);
            }
        }
        self.cursor = newest.map(|(_, cursor)| cursor);
        Ok(found)
    }

    /// Reads what was written since.
    pub(super) async fn more(
        &mut self,
        runner: &dyn CommandRunner,
        heard: &mut Heard<'_>,
    ) -> Result<bool, CommandError> {
        let command = self.command(&self.units);
        let command = match &self.cursor {
            Some(cursor) => command.arg(format!("--after-cursor={cursor}")),
            // Nothing was there when the last lines were asked for.
            None => command.arg("--since=-5s"),
        };
        let said = runner.succeed(&command).await?.stdout;
        for entry in said.lines().filter_map(Entry::read) {
            self.cursor = Some(entry.cursor.clone());
            let unit = self.units.iter().find(|unit| entry.is_of(unit)).cloned();
            if !entry.tell(&unit.unwrap_or_default(), heard) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn command(&self, units: &[String]) -> Command {
        let option = self.of.option();
        let fields = "--output-fields=MESSAGE,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,UNIT,USER_UNIT";
        self.of
            .privilege
            .command("journalctl")
            .args(["--quiet", "--no-pager", "--all", "--output=json", fields])
            .args(units.iter().map(|unit| format!("{option}={unit}")))
            .timeout(TIMEOUT)
    }
}

/// An entry of the journal.
#[derive(Debug)]
struct Entry {
    cursor: String,
    /// Microseconds since the epoch.
    at: u64,
    units: BTreeMap<String, Value>,
    message: String,
}

impl Entry {
    /// None for what is none, as the cut end of a long answer.
    fn read(line: &str) -> Option<Self> {
        let mut fields: BTreeMap<String, Value> = serde_json::from_str(line).ok()?;
        let cursor = fields.remove("__CURSOR")?.as_str()?.to_owned();
        let at = fields.remove("__REALTIME_TIMESTAMP").and_then(|at| at.as_str()?.parse().ok()).unwrap_or(0);
        let message = fields.remove("MESSAGE").map(|message| text(&message)).unwrap_or_default();
        Some(Self { cursor, at, units: fields, message })
    }

    fn is_of(&self, unit: &str) -> bool {
        self.units.values().any(|value| value.as_str() == Some(unit))
    }

    fn tell(&self, unit: &str, heard: &mut Heard<'_>) -> bool {
        self.message.lines().all(|line| heard(unit, &plain(line)))
    }
}

/// What is not UTF-8, or has escapes, is a list of bytes.
fn text(message: &Value) -> String {
    match message {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes = bytes.iter().filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
            String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_with_its_unit_and_its_lines() {
        let line = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1790000000000000","_SYSTEMD_UNIT":"antnode0001.service","MESSAGE":[27,91,51,49,109,97,10,98]}"#;
        let entry = Entry::read(line).expect("it is one");
        assert!(entry.is_of("antnode0001.service") && !entry.is_of("antnode0002.service"));
        let mut lines = Vec::new();
        entry.tell("antnode0001.service", &mut |_, line| {
            lines.push(line.to_owned());
            true
        });
        assert_eq!(
            (entry.cursor.as_str(), entry.at, lines),
            ("s=1;i=2", 1_790_000_000_000_000, vec!["a".into(), "b".into()])
        );
        assert!(Entry::read(&line[..40]).is_none() && Entry::read("-- No entries --").is_none());
    }
}
