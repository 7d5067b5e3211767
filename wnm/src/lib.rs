//! The front door of wnm, for programs that keep machines full of Autonomi nodes: [`Machine::init`], [`Machine::open`] and
//! [`Machine::open_read_only`], with everything behind them set up in the order that a crash asks for.
//!
//! ```
#![doc = include_str!("../examples/embed.rs")]
//! ```
//!
//! Each process manager is a feature (`setsid`, `systemd`, `launchd`, `antctl`, `s6overlay`); all are on by default.

mod backup;
mod error;
mod foresight;
mod machine;
mod managers;
mod mixed;
mod options;
mod rolling;
mod storages;

pub use backup::{Restore, read_backup};
pub use error::Error;
pub use foresight::foresee;
pub use machine::Machine;
#[cfg(feature = "s6overlay")]
pub use managers::dockerfile;
pub use options::Options;
pub use rolling::{BatchEnd, RollPlan, Rolled, roll, roll_plan};

pub use wnm_core::backup::{Backup, BackupError, Flaw, Made, Manifest, Restored};
pub use wnm_core::decide::{Filter, Refusal, Request, Selection};
pub use wnm_core::execute::{Execution, StepResult};
pub use wnm_core::machine::{
    BringBackError, NodeLogs, Observation, PauseChange, Report, Trigger, Uninstalled, Untracked, WhichRemoved,
};
pub use wnm_core::migration::{Direction, Migration, MigrationError, Obstacle};
pub use wnm_core::node::{Node, NodeId, Status, Verb};
pub use wnm_core::pause::CyclePause;
pub use wnm_core::plan::{Action, Cause, Effect, Plan, Reason, Rule};
pub use wnm_core::progress::{Moment, Progress, Silent, Work};
pub use wnm_core::relocation::{Move, Relocated, Relocation, RelocationError};
pub use wnm_core::removed::Removed;
pub use wnm_core::report::{NodeRow, RolloutReport, StatusReport, rollout_report, status};
pub use wnm_core::rolling::{Pace, Rolling};
pub use wnm_core::rollout::{Phase, Rollout, Rollouts, Trial, TrialState};
pub use wnm_core::settings::{Config, Origins, Problems, Settings};
pub use wnm_core::snapshot::{DiskLoad, HostLoad, NodeSnapshot, Snapshot};
pub use wnm_core::store::{HistoryEntry, HistoryFilter};
pub use wnm_core::wallet::{Address, Wallets};
pub use wnm_pm::container_host::{Group, Usage};
pub use wnm_pm::hint::{Advice, Hint, Hinted, Task, chain};
pub use wnm_pm::logs::{LogFault, LogLine, LogPlace, LogReader};
pub use wnm_pm::process_manager::{Finding, ManagerError, ManagerKind, Severity};
