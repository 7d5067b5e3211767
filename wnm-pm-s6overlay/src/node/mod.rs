//! Nodes in containers: what the volume keeps about each, what is run in its container, and what becomes of its process.

mod ask;
mod command_line;
mod create;
pub mod definition;
mod files;
mod inspect;
pub mod keeper;
mod launch;
pub mod output;
mod paths;
mod processes;
mod program;
pub mod script;
mod start;
mod survey;
pub mod turn;

use wnm_pm::batch::Outcomes;
use wnm_pm::logs::LogPlace;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;

use crate::host::Host;
use crate::settings::S6Settings;

/// The nodes of a machine, in whatever container group.
pub struct Nodes<'h>(pub &'h Host);

/// Where a node's logs lie on this machine: what its container keeps of what it prints, and its own.
pub fn logs(settings: &S6Settings, node: &NodeRef) -> Vec<LogPlace> {
    let printed = files::definition(settings, &node.spec).ok().map(|definition| LogPlace::File(definition.said));
    printed.into_iter().chain([LogPlace::own(&node.spec)]).collect()
}

/// The same failure for all nodes of a call.
fn all_failed<T>(nodes: &[NodeRef], error: impl Into<ManagerError>) -> Outcomes<T> {
    Outcomes::all_failed(nodes.iter().map(NodeRef::id), &error.into())
}
