//! What each subcommand takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::nodes::{Nodes, Shown};
use crate::durations::seconds;

/// Many nodes, in batches.
#[derive(Debug, Args)]
pub(crate) struct Many {
    #[command(flatten)]
    pub nodes: Nodes,
    /// N nodes in a batch; the next one begins when the last is healthy [default: a tenth of the nodes, at most 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Wait this long between batches: 30s, 2m
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub pause: Option<u64>,
    /// Stop once N nodes have failed, and leave the others as they are [default: 1]
    #[arg(long, alias = "max_failures", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    pub nodes: Nodes,
    /// Do not ask
    #[arg(long)]
    pub confirm: bool,
    /// Lower node_cap to what is left, so that cycles do not add nodes again
    #[arg(long, alias = "lower_cap")]
    pub lower_cap: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Take over the nodes that run here already
    #[arg(long)]
    pub import: bool,
    /// Take node_storage over from another database that keeps its nodes there
    #[arg(long, alias = "take_over")]
    pub take_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Show how far it is, on which nodes it failed and why, and what happens next
    Status,
    /// Try the version again on the nodes where it failed, and go on
    Resume,
    /// Bring the version to no other node; nodes that have not proved themselves get their previous program back
    Abort,
}

#[derive(Debug, Args)]
pub(crate) struct Survey {
    #[command(flatten)]
    pub shown: Shown,
    /// Record the untracked nodes, to manage them from now on
    #[arg(long)]
    pub adopt: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub shown: Shown,
    /// Order of the nodes: figures with the highest first, everything else with the lowest
    #[arg(long, value_enum, value_name = "BY", default_value_t = Sort::Number)]
    pub sort: Sort,
    /// The other way round
    #[arg(long)]
    pub reverse: bool,
    /// All columns; without it the table fits 80 characters
    #[arg(long)]
    pub wide: bool,
    /// Show it anew every so often, until interrupted
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "5s", value_parser = seconds)]
    pub watch: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub nodes: Nodes,
    /// Go on with what they write, until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// The last N lines of each log
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub lines: u64,
    /// Show where the logs lie, and nothing of them
    #[arg(long = "where")]
    pub at: bool,
}

/// What nodes are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Number
    Number,
    /// Status
    Status,
    /// Since when they have it
    For,
    /// When they were created
    Age,
    /// Version
    Version,
    /// Peers
    Peers,
    /// Records
    Records,
    /// Memory
    Memory,
    /// CPU
    Cpu,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// How long, such as 30s, 45m, 2h, 1d or 1h30m [default: until `wnm resume`]
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds, allow_hyphen_values = true)]
    pub seconds: Option<u64>,
    /// Why, in one line: shown wherever the pause is
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A directory, or an archive where it ends in .tar; an older backup there is replaced
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Check the backup that is there: every digest, every key and the database
    #[arg(long)]
    pub verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Removed nodes by name or number, or the directory or archive that `wnm backup` wrote
    #[arg(value_name = "NODE|PATH", required_unless_present = "id")]
    pub what: Vec<String>,
    /// A removed node by its id in `wnm removed`
    #[arg(long, value_name = "ID", conflicts_with = "what")]
    pub id: Vec<i64>,
    /// Restore a backup of another machine, which must run these nodes no more
    #[arg(long, alias = "from_other_machine")]
    pub from_other_machine: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MoveStorage {
    /// The directory on the other disk that the nodes go to
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// Of several directories in node_storage the one that they leave
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// So many nodes are down at the same time; those in containers go all at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Read all that was copied again, and not only keys, before it is deleted where it was
    #[arg(long)]
    pub verify: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Install or repair the schedule
    Install,
    /// Remove the schedule
    Remove,
    /// Show the schedule
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show settings: their values and where these come from
    Show {
        /// These only
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// As environment variables
        #[arg(long)]
        env: bool,
    },
    /// Set settings for good
    Set {
        /// NAME VALUE, or any number of NAME=VALUE
        #[arg(required = true, allow_negative_numbers = true)]
        settings: Vec<String>,
        /// Do not ask where cycles would remove nodes because of it
        #[arg(long)]
        confirm: bool,
    },
    /// Put settings back to their defaults
    Unset {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        /// Do not ask where cycles would remove nodes because of it
        #[arg(long)]
        confirm: bool,
    },
}
