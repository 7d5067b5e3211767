//! The overlay lays the layers over each other: of each setting the highest layer counts. Pure, and it finds all problems.

use std::path::PathBuf;

use super::check;
use super::facts::Facts;
use super::layers::Layers;
use super::origin::{Origin, Origins};
use super::problem::{Problem, Problems};
use super::reader::{Occasion, Reader};
use super::setting::Lifetime;
use super::table::{Config, TABLE, lookup};
use super::value::Value;
use wnm_pm::process_manager::{ManagerKind, Mode};

/// Lays the layers over each other. Nothing is written anywhere.
///
/// # Errors
/// Everything that is wrong, at once: names that nothing is called, values out of bounds, settings that may not change
/// on this occasion, settings that are missing, and settings that contradict each other. Of a value that a higher layer
/// outranks only the name is looked at, so that a flag can help out of a bad file.
pub fn overlay(facts: &Facts, occasion: Occasion, layers: &Layers) -> Result<(Config, Origins), Problems> {
    // Defaults lie below the home directory, so that nothing can be said without it.
    if let Err(reason) = <PathBuf as Value>::read(&facts.home, &TABLE[0], "") {
        let origin = Origin::Environment { variable: "HOME".to_owned() };
        return Err(Problems(vec![Problem::new("HOME", Some(&facts.home), &origin, reason)]));
    }
    let mut reader = Reader {
        facts,
        occasion,
        layers,
        mode: mode(facts, layers),
        origins: Vec::new(),
        problems: layers.problems.clone(),
    };
    let mut config = Config::read(&mut reader);
    config.rewards_address = config.rewards_address.with_donate(config.donate_address);
    let (origins, mut problems) = (Origins(reader.origins), reader.problems);
    problems.extend(check::contradictions(&config, &origins, facts));
    if problems.is_empty() { Ok((config, origins)) } else { Err(Problems(problems)) }
}

/// The mode that defaults hang on: that of the process manager, or, while its text is wrong, that of its default.
fn mode(facts: &Facts, layers: &Layers) -> Mode {
    let default = lookup("process_manager").and_then(|setting| setting.default_text(facts, Mode::User));
    let texts = layers.winner("process_manager").map(|(text, _)| text).into_iter().chain(default.as_deref());
    let manager = texts.filter_map(|text| text.trim().parse::<ManagerKind>().ok()).next();
    manager.map_or(Mode::User, |manager| manager.mode)
}

/// What the database needs to hold at init: what was given, and what must not change with whoever calls next.
#[must_use]
pub fn to_record(config: &Config, origins: &Origins) -> Vec<(String, String)> {
    let texts = config.texts().into_iter().zip(TABLE);
    texts
        .filter(|((name, _), setting)| {
            *origins.of(name) != Origin::Default
                || matches!(setting.lifetime, Lifetime::Fixed | Lifetime::Pinned | Lifetime::Settled)
        })
        .map(|((name, text), _)| (name.to_owned(), text))
        .collect()
}
