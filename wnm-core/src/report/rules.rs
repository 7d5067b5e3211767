//! The reference page of the rules, in Markdown.

use std::fmt::Write;

use crate::plan::Rule;
use crate::settings::lookup;

/// The page `docs/rules.md`.
#[must_use]
pub fn rules_page() -> String {
    let mut page = PREFACE.to_owned();
    for rule in Rule::ALL {
        let word = rule.as_str();
        let name = if lookup(word).is_some() { format!("[{word}](settings.md#{word})") } else { word.to_owned() };
        let effects: Vec<&str> = rule.effects().iter().map(|effect| effect.as_str()).collect();
        writeln!(page, "| {name} | {} | {} |", effects.join(", "), rule.explanation())
            .expect("a string takes whatever is written to it");
    }
    page
}

const PREFACE: &str = include_str!("rules_preface.md");
