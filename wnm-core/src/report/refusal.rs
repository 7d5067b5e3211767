//! Why a request is refused, in words.

use std::fmt;

use super::words::{be, count, number};
use crate::decide::Refusal;
use crate::node::Verb;

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownNames(names) => write!(formatter, "there is no node called {}", names.join(", ")),
            Self::OverCap { asked, would_be, cap } => {
                let (asked, would_be, cap) = (count(*asked, "node"), number(*would_be), number(*cap));
                write!(formatter, "adding {asked} would exceed node_cap ({would_be} > {cap})")
            }
            Self::NotSoMany { verb, asked, there } => {
                let (are, there) = (be(*there as u64), number(*there as u64));
                write!(formatter, "cannot {verb} {}: only {there} {are} {}", count(*asked, "node"), candidates(*verb))
            }
            Self::WrongStatus { name, status, verb } => write!(formatter, "cannot {verb} {name}: it is {status}"),
            Self::StoppedByOwner { name } => {
                write!(formatter, "cannot upgrade {name}: it was stopped by hand, and an upgrade would start it")
            }
            Self::NoProgram { path } => write!(formatter, "no usable node program at {}", path.display()),
            Self::OtherFlavour { name, own, path, flavour } => {
                write!(formatter, "cannot upgrade {name}: it is a {own} node, and {} is {flavour}", path.display())
            }
            Self::OlderProgram { name, own, path, available } => {
                write!(formatter, "cannot upgrade {name}: it runs {own}, and {} is older ({available})", path.display())
            }
            Self::Ports { asked, there } => {
                write!(
                    formatter,
                    "cannot add {}: the port layout has ports for {}",
                    count(*asked, "node"),
                    number(*there as u64)
                )
            }
            Self::Layout(error) => error.fmt(formatter),
        }
    }
}

/// What nodes have to be for this to be done to them.
fn candidates(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "stopped",
        Verb::Upgrade => "running and outdated",
        Verb::Remove | Verb::Disable => "running or stopped",
        Verb::Enable => "disabled",
        Verb::Add | Verb::Stop | Verb::Restart => "running",
    }
}
