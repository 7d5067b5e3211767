//! A flag for every setting.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use wnm_core::settings::{Setting, Shape, TABLE};

use super::Arguments;

/// Settings that were typed as flags: name and text.
pub(crate) type Flags = Vec<(&'static str, String)>;

/// The whole command line, settings and all.
pub(crate) fn command() -> clap::Command {
    let flags = TABLE.iter().map(|setting| {
        let flag = Arg::new(setting.name)
            .long(setting.name)
            .alias(setting.name.replace('_', "-"))
            .help(help(setting))
            .help_heading("Settings")
            .hide_short_help(true)
            .global(true)
            // Of a flag given twice the last counts, so that an alias can be corrected.
            .overrides_with(setting.name)
            .allow_hyphen_values(true)
            .value_name(setting.value_name());
        match setting.shape {
            Shape::Switch => flag.num_args(0..=1).require_equals(true).default_missing_value("true"),
            _ => flag,
        }
    });
    Arguments::command().args(flags)
}

/// What a setting is for, what it may be, what it is when nobody says, and its variable.
fn help(setting: &Setting) -> String {
    let Setting { help, .. } = setting;
    let default = setting.default_words();
    format!("{help} [value: {}] [default: {default}] [env: {}]", setting.expects(), setting.variable())
}

/// What was typed, with `config set NAME VALUE` as `config set NAME=VALUE` where the value begins with a hyphen: it is no
/// option.
pub(crate) fn with_values(typed: Vec<OsString>) -> Vec<OsString> {
    let text = |place: usize| typed.get(place).and_then(|word| word.to_str());
    let is_assignment = |at: &usize| {
        text(*at) == Some("config")
            && text(at + 1) == Some("set")
            && text(at + 2).is_some_and(|name| TABLE.iter().any(|setting| setting.name == name))
            && text(at + 3).is_some_and(|value| value.starts_with('-') && value != "--")
    };
    let Some(at) = (1..typed.len()).find(is_assignment) else { return typed };
    let assignment = format!("{}={}", text(at + 2).unwrap_or_default(), text(at + 3).unwrap_or_default());
    let (before, after) = (typed[..at + 2].iter(), typed[at + 4..].iter());
    before.cloned().chain([assignment.into()]).chain(after.cloned()).collect()
}

impl Arguments {
    /// Reads what was typed, and the settings among it as name and text.
    pub(crate) fn read(matches: &ArgMatches) -> Result<(Self, Flags), clap::Error> {
        let arguments = Self::from_arg_matches(matches)?;
        let mut deepest = matches;
        while let Some((_, inner)) = deepest.subcommand() {
            deepest = inner;
        }
        let given = |name| deepest.get_one::<String>(name).cloned();
        let flags = TABLE.iter().filter_map(|setting| Some((setting.name, given(setting.name)?)));
        Ok((arguments, flags.collect()))
    }
}
