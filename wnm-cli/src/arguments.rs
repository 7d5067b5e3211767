//! Arguments are what was typed: subcommands, the options that all of them share, and a flag for every setting.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use wnm::Hint;
use wnm_core::decide::{Filter, Selection};
use wnm_core::settings::{Setting, Shape, TABLE};

use crate::durations::seconds;
use crate::exit::Failure;

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

/// Which nodes are meant. Nothing is done to a node unless something here says so.
#[derive(Debug, Clone, Args)]
pub(crate) struct Nodes {
    /// Nodes: names, services, numbers, ranges (1-50), patterns ('antnode00*') or container groups (a1)
    #[arg(value_name = "NODE", conflicts_with = "all")]
    pub names: Vec<String>,
    /// All nodes to which it can be done
    #[arg(long)]
    pub all: bool,
    /// Up to N of them, picked the way a cycle would
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    #[command(flatten)]
    pub filter: NodeFilter,
}

/// What nodes must be besides.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NodeFilter {
    /// Only nodes with this status, as `status` shows it; more than one with commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub status: Vec<String>,
    /// Only nodes of this container group; more than one with commas
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub group: Vec<String>,
    /// Only nodes that run this version; more than one with commas
    #[arg(long = "version", id = "node_version", value_name = "VERSION", value_delimiter = ',')]
    pub versions: Vec<semver::Version>,
    /// Only nodes that were created longer ago than this: 30s, 2h, 1d
    #[arg(long, alias = "older_than", value_name = "DURATION", value_parser = seconds)]
    pub older_than: Option<u64>,
    /// Only nodes that have yet to get settings which changed since their last start
    #[arg(long)]
    pub outdated: bool,
}

impl From<NodeFilter> for Filter {
    fn from(filter: NodeFilter) -> Self {
        Self {
            status: filter.status,
            groups: filter.group,
            versions: filter.versions,
            older_than_seconds: filter.older_than,
            outdated: filter.outdated,
        }
    }
}

impl TryFrom<Nodes> for Selection {
    type Error = Failure;

    fn try_from(nodes: Nodes) -> Result<Self, Failure> {
        let Nodes { names: words, all, count, filter } = nodes;
        let selection = Self { words, filter: filter.into(), count };
        if selection == Self::default() && !all {
            let hint = Hint::text("`--all` means all nodes, `--status STOPPED` those with that status");
            return Err(Failure::usage_hint("name nodes, or give --count, --all or a filter", hint));
        }
        Ok(selection)
    }
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

/// Which nodes are shown; all of them unless something here says so.
#[derive(Debug, Clone, Args)]
pub(crate) struct Shown {
    /// These nodes only: names, services, numbers, ranges (1-50), patterns ('antnode00*') or container groups (a1)
    #[arg(value_name = "NODE")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub filter: NodeFilter,
}

impl Shown {
    /// What was asked for.
    pub(crate) fn selection(&self) -> Selection {
        Selection { words: self.names.clone(), filter: self.filter.clone().into(), count: None }
    }
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

/// Settings that were typed as flags: name and text.
pub(crate) type Flags = Vec<(&'static str, String)>;

/// The whole command line, settings and all.
pub(crate) fn command() -> clap::Command {
    let flags = TABLE.iter().map(|setting| {
        let flag = Arg::new(setting.name)
            .long(setting.name)
            .alias(setting.name.replace('_', "-"))
            .help(help(setting))
            .help_heading("Settings")
            .hide_short_help(true)
            .global(true)
            // Of a flag given twice the last counts, so that an alias can be corrected.
            .overrides_with(setting.name)
            .allow_hyphen_values(true)
            .value_name(setting.value_name());
        match setting.shape {
            Shape::Switch => flag.num_args(0..=1).require_equals(true).default_missing_value("true"),
            _ => flag,
        }
    });
    Arguments::command().args(flags)
}

/// What a setting is for, what it may be, what it is when nobody says, and its variable.
fn help(setting: &Setting) -> String {
    let Setting { help, .. } = setting;
    let default = setting.default_words();
    format!("{help} [value: {}] [default: {default}] [env: {}]", setting.expects(), setting.variable())
}

/// What was typed, with `config set NAME VALUE` as `config set NAME=VALUE` where the value begins with a hyphen: it is no
/// option.
pub(crate) fn with_values(typed: Vec<OsString>) -> Vec<OsString> {
    let text = |place: usize| typed.get(place).and_then(|word| word.to_str());
    let is_assignment = |at: &usize| {
        text(*at) == Some("config")
            && text(at + 1) == Some("set")
            && text(at + 2).is_some_and(|name| TABLE.iter().any(|setting| setting.name == name))
            && text(at + 3).is_some_and(|value| value.starts_with('-') && value != "--")
    };
    let Some(at) = (1..typed.len()).find(is_assignment) else { return typed };
    let assignment = format!("{}={}", text(at + 2).unwrap_or_default(), text(at + 3).unwrap_or_default());
    let (before, after) = (typed[..at + 2].iter(), typed[at + 4..].iter());
    before.cloned().chain([assignment.into()]).chain(after.cloned()).collect()
}

impl Arguments {
    /// Reads what was typed, and the settings among it as name and text.
    pub(crate) fn read(matches: &ArgMatches) -> Result<(Self, Flags), clap::Error> {
        let arguments = Self::from_arg_matches(matches)?;
        let mut deepest = matches;
        while let Some((_, inner)) = deepest.subcommand() {
            deepest = inner;
        }
        let given = |name| deepest.get_one::<String>(name).cloned();
        let flags = TABLE.iter().filter_map(|setting| Some((setting.name, given(setting.name)?)));
        Ok((arguments, flags.collect()))
    }
}
