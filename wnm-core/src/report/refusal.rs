//! Why a request is refused, in words, and what can be done about it.

use std::fmt;

use super::count::{counted, thousands};
use crate::decide::{Refusal, WordFault, statuses};
use crate::node::{Status, Verb};
use wnm_pm::hint::{Hint, Hinted, Task};

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownNames(names) => write!(formatter, "there is no node called {}", names.join(", ")),
            Self::OverCap { asked, would_be, cap } => {
                let (nodes, total) = (counted(*asked as usize, "node"), thousands(*would_be));
                write!(formatter, "adding {nodes} would exceed node_cap ({total} > {cap})")
            }
            Self::NoMatch(words) => write!(formatter, "no node is in {}", words.join(", ")),
            Self::BadWord { word, fault } => match fault {
                WordFault::Backwards => write!(formatter, "\"{word}\" ends before it begins"),
                WordFault::Pattern(why) => write!(formatter, "\"{word}\" is not a pattern: {why}"),
                WordFault::Status => write!(formatter, "\"{word}\" is not a status"),
            },
            Self::WrongStatus { name, status, verb } => write!(formatter, "cannot {verb} {name}: it is {status}"),
            Self::NodesLeft(count) => {
                let are = super::count::be(*count);
                write!(formatter, "{} {are} recorded, and uninstalling removes none", counted(*count, "node"))
            }
            Self::StoppedByOwner { name } => {
                write!(formatter, "cannot upgrade {name}: it was stopped by hand, and an upgrade would start it")
            }
            Self::TornDown => formatter.write_str("everything on this machine was taken down"),
            Self::NoProgram { path } => write!(formatter, "no usable node program at {}", path.display()),
            Self::MixedFlavours { own, path, flavour } => {
                write!(
                    formatter,
                    "cannot add nodes: those of this machine are {own}, and {} is {flavour}",
                    path.display()
                )
            }
            Self::OtherFlavour { name, own, path, flavour } => {
                write!(formatter, "cannot upgrade {name}: it is a {own} node, and {} is {flavour}", path.display())
            }
            Self::OlderProgram { name, own, path, available } => {
                write!(formatter, "cannot upgrade {name}: it runs {own}, and {} is older ({available})", path.display())
            }
            Self::Ports { asked, there } => {
                write!(
                    formatter,
                    "cannot add {}: the port layout has ports for {there}",
                    counted(*asked as usize, "node")
                )
            }
            Self::Layout(error) => error.fmt(formatter),
        }
    }
}

/// What nodes have to be for this to be done to them.
pub(super) fn candidates(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "stopped",
        Verb::Upgrade => "running and outdated",
        Verb::Remove | Verb::Disable => "running or stopped",
        Verb::Enable => "disabled",
        Verb::Add | Verb::Stop | Verb::Restart | Verb::Revert => "running",
    }
}

impl Hinted for Refusal {
    fn hints(&self) -> Vec<Hint> {
        match self {
            // People try it.
            Self::UnknownNames(names) if names.iter().any(|name| name == "all") => {
                vec![Hint::text("`--all` means all nodes")]
            }
            Self::UnknownNames(_) => vec![Hint::run(Task::Status).to("list the nodes")],
            Self::OverCap { would_be, .. } => vec![Hint::set("node_cap", would_be).to("allow them")],
            Self::NoMatch(_) => vec![Hint::run(Task::Status).to("list the nodes")],
            Self::BadWord { fault: WordFault::Backwards, .. } => vec![Hint::text("write the smaller number first")],
            Self::BadWord { fault: WordFault::Pattern(_), .. } => {
                vec![Hint::text("`*` is any text, `?` any character")]
            }
            Self::BadWord { fault: WordFault::Status, .. } => {
                vec![Hint::text(statuses().collect::<Vec<_>>().join(", "))]
            }
            Self::WrongStatus { name, status, .. } => vec![way_out(name, *status)],
            Self::NodesLeft(_) => vec![Hint::run(Task::Teardown).to("remove the nodes first")],
            Self::StoppedByOwner { name } => vec![Hint::node("start", name).to("start it first")],
            Self::TornDown => vec![Hint::run(Task::Init).to("begin anew")],
            Self::NoProgram { .. } => vec![Hint::text("install one there"), elsewhere()],
            Self::OtherFlavour { own, flavour, .. } | Self::MixedFlavours { own, flavour, .. } => {
                let other = Hint::run(Task::MigrateFlavour).to(format!("move all nodes to {flavour}"));
                vec![Hint::change("antnode_path").to(format!("use a {own} program")), other]
            }
            Self::OlderProgram { .. } => vec![Hint::text("put a newer program there"), elsewhere()],
            Self::Ports { there: 0, .. } => vec![Hint::text("free some of the ports that follow from port_start")],
            Self::Ports { there, .. } => {
                let names = vec!["--count".to_owned(), there.to_string()];
                vec![Hint::run(Task::Nodes { verb: "add".into(), names }).to("add as many as fit")]
            }
            Self::Layout(error) => error.hint().map(Hint::text).into_iter().collect(),
        }
    }
}

fn elsewhere() -> Hint {
    Hint::change("antnode_path").to("use another one")
}

/// How a node with this status comes back to where something can be done to it, or goes.
fn way_out(name: &str, status: Status) -> Hint {
    match status {
        Status::Disabled => Hint::node("enable", name).to("manage it again"),
        Status::Removing => Hint::node("start", name).to("keep it"),
        _ => Hint::node("remove", name).to("remove it from the database"),
    }
}
