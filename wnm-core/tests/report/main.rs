//! What persons read stays short, however many nodes it is about: 1,000 nodes in at most 25 lines.

#[path = "../decide/fleet.rs"]
mod fleet;

mod thousand;
mod words;
