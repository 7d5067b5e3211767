//! Reports turn what is known into what is shown. Pure: rows for programs, and sentences for persons.

mod names;
mod plan;
mod status;

pub use names::names;
pub use plan::{plan_text, reasons_text};
pub use status::{HostRow, NodeRow, StatusReport, status};
