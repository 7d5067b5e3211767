//! The decision engine, held to its laws, to the failings of the Python wnm, and to a fleet that runs in memory.

mod comeback;
mod convergence;
mod disks;
mod evidence;
mod failings;
mod fleet;
mod groups;
mod laws;
#[path = "../support/lives.rs"]
mod lives;
mod paused;
mod reasons;
mod reference;
mod replaced;
mod rollout;
mod rules;
mod saved;
mod select;
mod sentences;
mod stuck;
mod truths;
mod upgrades;
mod v2;
mod violations;
mod watch;
