//! Arguments are what was typed: subcommands, the options that all of them share, and a flag for every setting.

mod nodes;
mod options;
mod settings;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

pub(crate) use nodes::{Nodes, Shown};
pub(crate) use options::*;
pub(crate) use settings::{Flags, command, with_values};

/// Keeps a machine full of Autonomi nodes, and no fuller than its owner allows.
///
/// Without a subcommand, one cycle is run: the machine is looked at, what should happen is decided and done, and what
/// happened is written down.
#[derive(Debug, Parser)]
#[command(name = "wnm", version, after_help = MORE)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const MORE: &str = "Every setting is an option of every command, for that one run: `wnm --help` lists them.

Exit codes:
    0  done, also when there was nothing to do
    1  another failure
    2  arguments or settings are wrong
    3  some node failed
    4  refused
    5  another wnm is at work
    6  not initialised
    7  the database cannot be read or written
    8  the process manager cannot be used here
  130  interrupted

Environment:
  WNM_DATABASE, WNM_CONFIG  as --database and --config
  WNM_LOG                   what is logged to the standard error, instead of what -v says:
                            a level (error, warn, info, debug, trace), or parts of wnm with theirs,
                            such as wnm_core=debug,wnm_pm_systemd=trace";

/// Options that all subcommands share.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Database file to use instead of the default
    #[arg(long, global = true, value_name = "FILE", env = "WNM_DATABASE", alias = "dbpath")]
    pub database: Option<PathBuf>,
    /// Config file to use instead of the default
    #[arg(short = 'c', long, global = true, value_name = "FILE", env = "WNM_CONFIG")]
    pub config: Option<PathBuf>,
    /// As root, work on another user's database as that user
    #[arg(long, global = true, alias = "as_owner")]
    pub as_owner: bool,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Show what would be done, and do nothing
    #[arg(long, global = true, alias = "dry_run")]
    pub dry_run: bool,
    /// A line for each node and each reason, instead of one for each kind; of `status`, everything known of each node
    #[arg(long, global = true)]
    pub details: bool,
    /// Print errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print details, and log to the standard error what is done: -v info, -vv debug, -vvv trace
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Initialise wnm on this machine
    Init(Init),
    /// Run one cycle
    Run,
    /// Show what a cycle would do, and why
    Plan {
        /// Write the plan to a file that `wnm apply` reads
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Carry out a saved plan, if the machine has not changed since
    Apply {
        /// The file that `wnm plan --out` wrote
        file: PathBuf,
    },
    /// Add nodes
    Add {
        /// So many
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
    },
    /// Start stopped nodes
    Start(Nodes),
    /// Stop running nodes, until `wnm start`
    Stop(Nodes),
    /// Stop and start running nodes
    Restart(Many),
    /// Upgrade nodes to the node program on this machine
    Upgrade(Many),
    /// Remove nodes, with their files
    Remove(Remove),
    /// Stop nodes and leave them unmanaged
    Disable(Nodes),
    /// Manage nodes again
    Enable(Nodes),
    /// Check all nodes, and look for untracked nodes
    Survey(Survey),
    /// Remove all nodes with their files
    Teardown {
        /// Do not ask
        #[arg(long)]
        confirm: bool,
    },
    /// Show the nodes as they are now
    Status(Status),
    /// Show what nodes write
    Logs(Logs),
    /// Back up the nodes' keys and the database
    Backup(Backup),
    /// Bring removed nodes back, or restore a backup where no nodes are
    Restore(Restore),
    /// List the removed nodes that can be brought back
    Removed,
    /// Move all nodes from v1 to v2, keeping numbers, wallets and ports
    MigrateFlavour {
        /// Move them back, while none was started as v2
        #[arg(long)]
        undo: bool,
    },
    /// Move the nodes of node_storage to another disk
    MoveStorage(MoveStorage),
    /// Pause the cycles: they look and record, and change nothing; what you ask for by hand is still done
    Pause(Pause),
    /// End the pause of the cycles
    Resume,
    /// Show or change settings
    Config {
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// Show the reasons of the last cycles
    Why {
        /// This node only: name, service or number
        #[arg(value_name = "NODE")]
        name: Option<String>,
        /// So many entries
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        last: u32,
    },
    /// Show the roll-out of a new version, or have it go on or end
    Rollout {
        #[command(subcommand)]
        command: Option<RolloutCommand>,
    },
    /// Show the container groups as they are now
    Groups,
    /// Print the Dockerfile of the image that container groups are made of
    #[command(long_flag = "dockerfile")]
    Dockerfile,
    /// Have wnm run every minute: by a timer of systemd, or by cron where no systemd runs
    Schedule {
        #[command(subcommand)]
        command: ScheduleCommand,
    },
    /// Look for everything on this machine that would keep nodes from working, now or later
    Doctor,
    /// Show the manual page of wnm, or of a command; or write all of them
    Man {
        /// The command, such as `status` or `config set`
        #[arg(value_name = "COMMAND", conflicts_with = "out")]
        command: Vec<String>,
        /// Write all pages into this directory, such as /usr/local/share/man/man1
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Remove what wnm has put on this machine: its schedule, units and marks. Never nodes
    Uninstall,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}
