//! Observation, held against real sockets, real programs and hostile texts.

mod host;
mod nodes;
mod openmetrics;
mod program;
mod turns;
