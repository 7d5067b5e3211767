//! An error with its causes and hints, as a test shows it. How a person is told is the command line's business.

use wnm_pm::hint::{Advice, Hint, Hinted, chain};

/// The error with its causes, and each hint on a line of its own.
#[must_use]
pub fn told(error: &dyn Hinted) -> String {
    let hints = error.hints().into_iter().map(|hint| format!("\nhint: {}", text(&hint)));
    chain(error) + &hints.collect::<String>()
}

fn text(hint: &Hint) -> String {
    let advice = match &hint.advice {
        Advice::Set { setting, value } => format!("set {setting} {}", value.as_deref().unwrap_or("…")),
        Advice::Shell(command) => format!("`{command}`"),
        Advice::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    match &hint.purpose {
        Some(purpose) => format!("{advice} to {purpose}"),
        None => advice,
    }
}
