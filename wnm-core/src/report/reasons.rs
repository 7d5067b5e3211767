//! Reasons as a person reads them: a line each, with the word of its rule, which docs/rules.md explains.

use super::{Detail, ReasonRow, section, shorten};
use crate::plan::{Effect, Plan};

/// How many reasons of one rule a summary shows.
const SAME_RULE_MAX: usize = 3;

/// Why, and why not: several lines.
#[must_use]
pub fn reasons_text(plan: &Plan, detail: Detail) -> String {
    let rows: Vec<ReasonRow> = plan.reasons.iter().map(ReasonRow::from).collect();
    let lines = |effect| reason_lines(&rows, effect, detail);
    section("Why:", &lines(Effect::Did)) + &section("Not done, because:", &lines(Effect::Held))
}

/// A line for each reason with this effect. Of many reasons of one rule, such as a number that is taken, a summary shows
/// the first ones.
pub(super) fn reason_lines(reasons: &[ReasonRow], effect: Effect, detail: Detail) -> Vec<String> {
    let mut rules: Vec<(&str, Vec<String>)> = Vec::new();
    for reason in reasons.iter().filter(|reason| reason.effect == effect) {
        match rules.iter_mut().find(|(known, _)| *known == reason.rule) {
            Some((_, lines)) => lines.push(line(reason)),
            None => rules.push((&reason.rule, vec![line(reason)])),
        }
    }
    let lines = rules
        .into_iter()
        .flat_map(|(rule, lines)| shorten(lines, SAME_RULE_MAX, detail, |left| format!("… and {left} more [{rule}]")));
    lines.collect()
}

/// The sentence, and the word of its rule unless the sentence names it with its figure: `(node_cap = 3)`.
fn line(ReasonRow { rule, text, .. }: &ReasonRow) -> String {
    if text.contains(&format!("({rule} = ")) { text.clone() } else { format!("{text} [{rule}]") }
}
