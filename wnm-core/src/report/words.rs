//! Words that sentences have in common.

use std::fmt::Display;

use super::{counted, thousands};

/// "1 node", "2,000 nodes".
pub(super) fn count(number: impl Into<u64>, noun: &str) -> String {
    counted(size(number), noun)
}

/// "2,000".
pub(super) fn number(number: impl Into<u64>) -> String {
    thousands(size(number))
}

fn size(number: impl Into<u64>) -> usize {
    usize::try_from(number.into()).unwrap_or(usize::MAX)
}

/// "is" for one, "are" for more.
pub(super) fn be(number: impl Into<u64>) -> &'static str {
    if number.into() == 1 { "is" } else { "are" }
}

/// "2 nodes, the maximum (node_cap = 2)"; beyond it, "3 nodes, above the maximum (node_cap = 2)".
pub(super) fn at_most(what: impl Display, figure: u32, setting: impl Display, most: u32) -> String {
    let above = if figure > most { "above " } else { "" };
    format!("{what}, {above}the maximum ({setting} = {most})")
}
