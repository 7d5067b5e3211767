//! Which nodes are meant.

use clap::Args;
use wnm::Hint;
use wnm_core::decide::{Filter, Selection};

use crate::durations::seconds;
use crate::exit::Failure;

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
