//! A plan as a person reads it: what would be done, why, and what would not be done and why.

use std::fmt::Write;

use crate::plan::{Action, Effect, Plan, Reason};

/// The plan in words, several lines.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let mut text = String::from("What is done:\n");
    for group in &plan.groups {
        let _ = writeln!(
            text,
            "  open container group {}: node ports {}-{}, metrics ports {}-{}",
            group.name,
            group.node_ports.first,
            group.node_ports.last,
            group.metrics_ports.first,
            group.metrics_ports.last,
        );
    }
    for action in &plan.actions {
        let _ = writeln!(text, "  {}", action_text(action));
    }
    text + &reasons_text(plan)
}

/// Why, and why not: several lines.
#[must_use]
pub fn reasons_text(plan: &Plan) -> String {
    let mut text = String::new();
    section(&mut text, plan, Effect::Did, "Why:");
    section(&mut text, plan, Effect::Held, "What is not done, and why:");
    text
}

fn section(text: &mut String, plan: &Plan, effect: Effect, title: &str) {
    let reasons: Vec<&Reason> = plan.reasons.iter().filter(|reason| reason.effect == effect).collect();
    if reasons.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for reason in reasons {
        let _ = writeln!(text, "  {}: {}", reason.rule, reason.text);
    }
}

fn action_text(action: &Action) -> String {
    match action {
        Action::Survey => "survey: look at all nodes".to_owned(),
        Action::Resurvey => "resurvey: look at all nodes after the restart of the machine".to_owned(),
        Action::Teardown { numbers, groups } => {
            format!("teardown: remove {} nodes with their files, and {} container groups", numbers.len(), groups.len())
        }
        Action::Add { node } => {
            let group = node.group.map(|group| format!(", group a{group}")).unwrap_or_default();
            let version = node.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            format!(
                "add {}{version}: node port {}, metrics port {}, earning for {}{group}",
                node.name, node.ports.node, node.ports.metrics, node.wallet
            )
        }
        Action::Upgrade { number, to } => format!("upgrade {} to {}", number.name(), to.version),
        Action::Remove { number, now: false } => {
            format!("remove {}: stop it now, delete its files after delay_remove", number.name())
        }
        Action::Remove { number, now: true } => format!("remove {}: with its files, at once", number.name()),
        Action::Stop { number, by_owner: true } => format!("stop {}, until it is started by hand", number.name()),
        other => other.step().map_or_else(String::new, |(verb, id)| format!("{verb} {}", id.name())),
    }
}
