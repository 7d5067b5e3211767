//! What happened, as a person reads it: the oldest entry first.

use super::kind::{Kind, Tense, by_kind};
use super::reasons::reason_lines;
use super::{Detail, section, time_text};
use crate::node::{NodeId, Verb};
use crate::plan::Effect;
use crate::store::{Decision, HistoryEntry};

/// Entries of the history, which come newest first, in words: a line for what happened to a node, a few lines for a
/// decision.
#[must_use]
pub fn history_text(entries: &[HistoryEntry], detail: Detail) -> String {
    if entries.is_empty() {
        return "Nothing has been recorded yet.\n".to_owned();
    }
    entries.iter().rev().map(|entry| entry_text(entry, detail)).collect()
}

fn entry_text(entry: &HistoryEntry, detail: Detail) -> String {
    let at = time_text(entry.at);
    let Some(decision) = &entry.decision else {
        let verb = entry.verb.map(|verb| format!(" {verb}")).unwrap_or_default();
        let status = entry.status.map(|status| format!(" [{status}]")).unwrap_or_default();
        let text = if entry.text.is_empty() { String::new() } else { format!(": {}", entry.text) };
        return format!("{at} {}{verb}{status}{}\n", kind(entry), text.replace('\n', "\n  "));
    };
    section(&format!("{at} cycle {}:", entry.cycle), &decision_lines(decision, detail))
}

/// The word that JSON uses, too.
fn kind(entry: &HistoryEntry) -> String {
    serde_json::to_value(entry.kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn decision_lines(decision: &Decision, detail: Detail) -> Vec<String> {
    let mut lines = actions(&decision.actions, detail);
    let reasons = |effect, word: &str| -> Vec<String> {
        let lines = reason_lines(&decision.reasons, effect, detail);
        lines.into_iter().map(|line| format!("{word}: {line}")).collect()
    };
    lines.extend(reasons(Effect::Did, "why"));
    lines.extend(reasons(Effect::Held, "not done"));
    lines
}

/// Decisions are recorded in words, `add antnode0007` each; a word of another form stands for itself.
fn actions(words: &[String], detail: Detail) -> Vec<String> {
    let step = |word: &String| {
        let (verb, name) = word.split_once(' ')?;
        let verb = Verb::ALL.into_iter().find(|known| known.as_str() == verb)?;
        Some((Kind::Plain(verb), NodeId::of_name(name)?))
    };
    if detail == Detail::Each {
        return words.to_vec();
    }
    let lines = by_kind(words.iter().filter_map(step)).into_iter().map(|(kind, nodes)| kind.line(Tense::ToDo, &nodes));
    let others = words.iter().filter(|word| step(word).is_none()).cloned();
    lines.chain(others).collect()
}
