//! What became of one step of a plan.

use serde::Serialize;
use wnm_pm::hint::Hint;

use crate::node::{Node, NodeId, Verb};

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepResult {
    /// What was done.
    pub verb: Verb,
    /// To which node.
    pub number: NodeId,
    /// The node's name.
    pub name: String,
    /// Why it failed; none when it did not.
    pub error: Option<String>,
    /// What can be done about that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

impl StepResult {
    /// That something was done to a node, and went well.
    pub(super) fn done(verb: Verb, node: &Node) -> Self {
        Self { verb, number: node.id(), name: node.name().to_owned(), error: None, hints: vec![] }
    }
}
