//! A layer is one place where settings are given: flags, environment, config file, database; each value as text.

use std::ffi::OsString;
use std::path::Path;
use wnm_pm::hint::{Hint, Task};

use toml_edit::{Document, Item, Value};

use super::origin::Origin;
use super::problem::Problem;
use super::setting::{Setting, Shape};
use super::table::{TABLE, lookup};
use super::value::join;

/// One value, as it was given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub name: String,
    pub text: String,
    pub origin: Origin,
}

/// What was given where; filled layer by layer, in any order.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    pub(super) given: Vec<Given>,
    /// What could not even be read as name and value.
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// With values of flags: names without dashes.
    #[must_use]
    pub fn flags<N: Into<String>, T: Into<String>>(mut self, flags: impl IntoIterator<Item = (N, T)>) -> Self {
        for (name, text) in flags {
            let name = name.into();
            let origin = Origin::Flag { flag: format!("--{name}") };
            self.push(name, text.into(), origin);
        }
        self
    }

    /// With the variables that begin with `WNM_`; all others are none of wnm's business. An empty one counts as given.
    ///
    /// `others` are variables beginning with `WNM_` that mean something else than a setting.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>, others: &[&str]) -> Self {
        for (variable, text) in variables {
            let Some(variable) = variable.to_str().filter(|name| name.starts_with("WNM_")) else {
                continue;
            };
            if others.contains(&variable) {
                continue;
            }
            let origin = Origin::Environment { variable: variable.to_owned() };
            let Some(setting) = TABLE.iter().find(|setting| setting.variable() == variable) else {
                let known = TABLE.iter().map(Setting::variable).chain(others.iter().map(|name| (*name).to_owned()));
                self.problems.push(unknown(variable, &text.to_string_lossy(), &origin, known));
                continue;
            };
            match text.into_string() {
                Ok(text) => self.push(setting.name.to_owned(), text, origin),
                Err(text) => {
                    let text = text.to_string_lossy();
                    self.problems.push(Problem::new(setting.name, Some(&text), &origin, "must be UTF-8"));
                }
            }
        }
        self
    }

    /// With the text of a config file: TOML, a `name = value` a line. Of several files, a later one outranks an earlier.
    #[must_use]
    pub fn file(mut self, path: &Path, text: &str) -> Self {
        let at = |offset: Option<usize>| Origin::File {
            path: path.to_string_lossy().into_owned(),
            line: offset.map(|offset| text[..offset.min(text.len())].matches('\n').count() + 1),
        };
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let origin = at(error.span().map(|span| span.start));
                let reason = format!("is not TOML: {}", error.message().trim_end());
                self.problems.push(
                    Problem::new("", None, &origin, reason)
                        .hint("a config file has a name = value a line, with \"…\" around a text"),
                );
                return self;
            }
        };
        for (name, item) in document.iter() {
            let span = document.key(name).and_then(|key| key.span()).or_else(|| item.span());
            let origin = at(span.map(|span| span.start));
            let value = item.to_string().trim().to_owned();
            // What nothing is called is reported as that, whatever its value looks like.
            match plain_text(name, item).or_else(|| lookup(name).is_none().then(|| value.clone())) {
                Some(value) => self.push(name.to_owned(), value, origin),
                None => {
                    let reason = "must be a text, a number, true or false, or, where words or paths are expected, a list of texts";
                    self.problems.push(Problem::new(name, Some(&value), &origin, reason));
                }
            }
        }
        self
    }

    /// With the settings that the database holds.
    #[must_use]
    pub fn database<N: Into<String>, T: Into<String>>(mut self, rows: impl IntoIterator<Item = (N, T)>) -> Self {
        for (name, text) in rows {
            self.push(name.into(), text.into(), Origin::Database);
        }
        self
    }

    /// What the highest layer that gives a setting says; without a setting of that name, none.
    #[must_use]
    pub fn winner(&self, name: &str) -> Option<(&str, &Origin)> {
        let given = self.given.iter().filter(|given| given.name == name);
        given.max_by_key(|given| given.origin.rank()).map(|given| (given.text.as_str(), &given.origin))
    }

    /// What the database holds of a setting.
    pub(super) fn recorded(&self, name: &str) -> Option<&str> {
        let mut rows = self.given.iter().filter(|given| given.origin == Origin::Database);
        rows.find(|given| given.name == name).map(|given| given.text.as_str())
    }

    fn push(&mut self, name: String, text: String, origin: Origin) {
        if lookup(&name).is_some() {
            self.given.push(Given { name, text, origin });
        } else {
            let names = TABLE.iter().map(|setting| setting.name.to_owned());
            self.problems.push(unknown(&name, &text, &origin, names));
        }
    }
}

/// The text form of a TOML value; none where there is no such form.
fn plain_text(name: &str, item: &Item) -> Option<String> {
    let value = item.as_value()?;
    let is_list = lookup(name).is_some_and(|setting| matches!(setting.shape, Shape::Words | Shape::Assignments));
    match value {
        Value::Array(words) if is_list => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            Some(join(words?.into_iter()))
        }
        Value::Array(paths) if lookup(name).is_some_and(|setting| setting.shape == Shape::Paths) => {
            let paths: Option<Vec<&str>> = paths.iter().map(Value::as_str).collect();
            Some(paths?.join(","))
        }
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Float(number) => Some(number.value().to_string()),
        Value::Boolean(switch) => Some(switch.value().to_string()),
        Value::Array(_) | Value::Datetime(_) | Value::InlineTable(_) => None,
    }
}

/// The problem of a name that nothing is called, with the name that was probably meant.
fn unknown(name: &str, text: &str, origin: &Origin, known: impl Iterator<Item = String>) -> Problem {
    let problem = Problem::new(name, Some(text), origin, "there is no such setting");
    // What all variables begin with says nothing about likeness.
    let core = |name: &str| name.replace('-', "_").to_lowercase().trim_start_matches("wnm_").to_owned();
    let likeness = |known: &String| strsim::jaro_winkler(&core(name), &core(known));
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|nearest| likeness(nearest) > 0.85) {
        Some(nearest) => problem.hint(format!("did you mean {nearest}?")),
        None => problem.advised(Hint::run(Task::ShowSettings).to("list all settings")),
    }
}
