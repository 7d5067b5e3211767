//! The overlay lays the layers over each other: of each setting the highest layer counts. Pure, and it finds all problems.

use std::path::PathBuf;
use wnm_pm::hint::Hint;

use super::check;
use super::facts::Facts;
use super::layers::{Layers, Origin};
use super::problem::{Problem, Problems};
use super::setting::{DefaultValue, Lifetime, Setting, lookup};
use super::table::{Config, TABLE};
use super::value::Value;
use wnm_pm::process_manager::{ManagerKind, Mode};

/// What the settings are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// They are made or changed: `init`, `config set`.
    Change,
    /// They are used: everything else.
    Use,
}

/// Where each setting's value comes from, in the order of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Origins(Vec<(&'static str, Origin)>);

impl Origins {
    /// Whether these settings all have the values that they were given.
    pub(super) fn all_sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.0.iter().any(|(known, _)| known == name))
    }

    /// Where the value of a setting comes from; the default when there is no such setting.
    #[must_use]
    pub fn of(&self, name: &str) -> &Origin {
        self.0.iter().find(|(known, _)| *known == name).map_or(&Origin::Default, |(_, origin)| origin)
    }
}

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
            *origins.of(name) != Origin::Default || matches!(setting.lifetime, Lifetime::Fixed | Lifetime::Pinned)
        })
        .map(|((name, text), _)| (name.to_owned(), text))
        .collect()
}

/// Reads one setting after the other and keeps what is wrong.
pub(super) struct Reader<'a> {
    facts: &'a Facts,
    occasion: Occasion,
    layers: &'a Layers,
    mode: Mode,
    origins: Vec<(&'static str, Origin)>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value of a setting. When it cannot be had, that is a problem, and what is returned stands in for it, so that
    /// the other settings can be checked all the same.
    pub(super) fn read<V: Value>(&mut self, setting: &'static Setting) -> V {
        match self.try_read(setting) {
            Ok((value, origin)) => {
                self.origins.push((setting.name, origin));
                value
            }
            Err(problem) => {
                self.problems.push(*problem);
                let text = match setting.default {
                    DefaultValue::Required { stand_in } => stand_in.to_owned(),
                    _ => setting.default_text(self.facts, self.mode).unwrap_or_default(),
                };
                V::read(&text, setting, &self.facts.home).expect("a test reads every default and stand-in of the table")
            }
        }
    }

    fn try_read<V: Value>(&self, setting: &Setting) -> Result<(V, Origin), Box<Problem>> {
        let (name, home) = (setting.name, &self.facts.home);
        let default = setting.default_text(self.facts, self.mode);
        let given = self.layers.winner(name).map(|(text, origin)| (text.to_owned(), origin.clone()));
        let Some((text, origin)) = given.or_else(|| default.map(|text| (text, Origin::Default))) else {
            let hint = format!("give {}, for example with {}", setting.expects(), setting.flag());
            let problem = Problem::new(name, None, &Origin::Default, "is not set, and has no default");
            return Err(Box::new(problem.hint(hint)));
        };
        let value = V::read(&text, setting, home).map_err(|reason| {
            let hint = V::hint(&text);
            Problem { hint, ..Problem::new(name, Some(&text), &origin, reason) }
        })?;
        if let Some((standing, reason, hint)) = self.standing(setting)
            && origin.rank() > Origin::Database.rank()
            && V::read(&standing, setting, home).is_ok_and(|standing| standing != value)
        {
            let reason = format!("{reason}: here it is {standing:?}");
            return Err(Box::new(Problem::new(name, Some(&text), &origin, reason).advised(hint)));
        }
        Ok((value, origin))
    }

    /// What a setting must stay on this occasion, why, and what to do; none where it may be anything.
    fn standing(&self, setting: &Setting) -> Option<(String, &'static str, Hint)> {
        let name = setting.name;
        let recorded = self.layers.recorded(name).map(str::to_owned);
        match (setting.lifetime, self.occasion) {
            (Lifetime::Fixed, _) => {
                let hint = Hint::text("leave it out; it can only change with a teardown and a new init");
                recorded.map(|text| (text, "is fixed once the machine is initialised", hint))
            }
            (Lifetime::Explicit, Occasion::Use) => {
                let text = recorded.or_else(|| setting.default_text(self.facts, self.mode))?;
                Some((text, "changes only when asked to", Hint::change(name)))
            }
            _ => None,
        }
    }
}
