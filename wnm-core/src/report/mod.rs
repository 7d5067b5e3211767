//! Reports turn what is known into what is shown. Pure: rows for programs, and sentences for persons.
//!
//! A summary has a line for each *kind* of step, however many nodes it is about, so that what was done to 1,000 nodes
//! can be read. What removes nodes always comes first and names every one of them.

mod action;
mod change;
mod count;
mod disks;
mod evidence;
mod execution;
mod failures;
mod history;
mod kind;
mod names;
mod pause;
mod plan;
mod reason;
mod reasons;
mod refusal;
mod rollout;
mod rules;
mod status;
mod time;
mod violation;

pub use change::changes_text;
pub use count::{counted, thousands};
pub use disks::{DiskRow, disk_rows, disks_text};
pub(crate) use evidence::PROCESS_GONE;
pub use execution::{execution_text, failure_lines};
pub use failures::{Shared, by_reason};
pub use history::history_text;
pub use names::{all_names, group_names, names, port_ranges};
pub use pause::{cycle_pause_text, pause_end_text};
pub use plan::plan_text;
pub use reason::{ReasonRow, allowance_text, reason_text};
pub use reasons::reasons_text;
pub(crate) use rollout::moved_text;
pub use rollout::{
    FailedNode, Next, RolloutReport, failure_text, pause_text, rollout_report, rollout_text, trial_text,
};
pub use rules::rules_page;
pub use status::{HostRow, NodeRow, StatusReport, errors_text, outdated_text, status};
pub use time::time_text;
pub use violation::violations_text;

/// How much a person wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// A line for each kind of step.
    #[default]
    Summary,
    /// A line for each step and each reason.
    Each,
}

/// A title with lines below it; empty without lines. Further lines of a text are indented further.
fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.iter().map(|line| format!("  {}\n", line.replace('\n', "\n    ")));
    format!("{title}\n{}", lines.collect::<String>())
}

/// The first lines, and a last one that says how many there are more; all of them where each is wanted, and where
/// leaving some out would save nothing.
fn shorten(mut lines: Vec<String>, most: usize, detail: Detail, rest: impl FnOnce(&str) -> String) -> Vec<String> {
    let left = lines.len().saturating_sub(most);
    if detail == Detail::Summary && left > 1 {
        lines.truncate(most);
        lines.push(rest(&thousands(left)));
    }
    lines
}

/// The first of many sentences, and how many more there are.
fn first_of(mut sentences: Vec<String>) -> String {
    const SHOWN: usize = 5;
    let left = sentences.len().saturating_sub(SHOWN);
    sentences.truncate(SHOWN);
    let shown = sentences.join("; ");
    if left == 0 { shown } else { format!("{shown}; and {} more", thousands(left)) }
}
