//! Reports turn what is known into what is shown. Pure: rows for programs, and sentences for persons.

mod change;
mod names;
mod plan;
mod reason;
mod refusal;
mod rules;
mod status;
mod violation;
mod words;

pub use change::changes_text;
pub use names::{all_names, group_names, names, port_ranges};
pub use plan::{plan_text, reasons_text};
pub use reason::{ReasonRow, reason_text};
pub use rules::rules_page;
pub use status::{HostRow, NodeRow, StatusReport, status};
pub use violation::violations_text;
