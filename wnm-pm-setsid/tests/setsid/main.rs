//! Setsid with test nodes for nodes.

mod contract;
mod failings;
mod machine;
mod processes;
mod refusals;
