//! Observation, held against real sockets, real programs and hostile texts.

#[cfg(target_os = "linux")]
mod cgroup;
mod host;
mod nodes;
mod openmetrics;
mod program;
mod turns;
