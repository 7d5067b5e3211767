//! The reader takes one setting after the other from the layers, checks it alone, and keeps what is wrong.

use wnm_pm::hint::Hint;
use wnm_pm::process_manager::Mode;

use super::facts::Facts;
use super::layers::Layers;
use super::origin::Origin;
use super::problem::Problem;
use super::setting::{DefaultValue, Lifetime, Setting};
use super::value::{Source, Value};

/// What the settings are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// They are made or changed: `init`, `config set`.
    Change,
    /// They are used: everything else.
    Use,
}

/// Reads one setting after the other and keeps what is wrong.
pub(super) struct Reader<'a> {
    pub facts: &'a Facts,
    pub occasion: Occasion,
    pub layers: &'a Layers,
    pub mode: Mode,
    pub origins: Vec<(&'static str, Origin)>,
    pub problems: Vec<Problem>,
}

impl Source for Reader<'_> {
    /// The value of a setting. When it cannot be had, that is a problem, and what is returned stands in for it, so that
    /// the other settings can be checked all the same.
    fn read<V: Value>(&mut self, setting: &'static Setting) -> V {
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
}

impl Reader<'_> {
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
            (Lifetime::Explicit | Lifetime::Settled, Occasion::Use) => {
                let text = recorded.or_else(|| setting.default_text(self.facts, self.mode))?;
                Some((text, "changes only when asked to", Hint::change(name)))
            }
            _ => None,
        }
    }
}
