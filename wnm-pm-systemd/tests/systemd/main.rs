//! The process manager under a real systemd, with test nodes for nodes.

mod antnode;
mod batches;
mod contract;
mod damage;
mod refusals;
mod takeover;
mod units;
mod world;
