//! Reasons as a person reads them: a line each, with the word of its rule, which docs/rules.md explains.

use super::{Detail, section, shorten};
use crate::plan::{Effect, Plan, Reason};

/// How many reasons of one rule a summary shows.
const SAME_RULE_MAX: usize = 3;

/// Why, and why not: several lines.
#[must_use]
pub fn reasons_text(plan: &Plan, detail: Detail) -> String {
    let lines = |effect| reason_lines(&plan.reasons, effect, detail);
    section("Why:", &lines(Effect::Did)) + &section("Not done, because:", &lines(Effect::Held))
}

/// A line for each reason with this effect. Of many reasons of one rule, such as a number that is taken, a summary shows
/// the first ones.
pub(super) fn reason_lines(reasons: &[Reason], effect: Effect, detail: Detail) -> Vec<String> {
    let mut rules: Vec<(&str, Vec<&str>)> = Vec::new();
    for (rule, text) in reasons.iter().filter_map(|reason| words(reason, effect)) {
        match rules.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, texts)) => texts.push(text),
            None => rules.push((rule, vec![text])),
        }
    }
    let lines = rules.into_iter().flat_map(|(rule, texts)| {
        let lines = texts.iter().map(|text| format!("{text} [{rule}]")).collect();
        shorten(lines, SAME_RULE_MAX, detail, |left| format!("… and {left} more [{rule}]"))
    });
    lines.collect()
}

/// The rule of a reason and its sentence; none when its effect is the other one.
fn words(reason: &Reason, effect: Effect) -> Option<(&str, &str)> {
    (reason.effect == effect).then_some((reason.rule.as_str(), reason.text.as_str()))
}
