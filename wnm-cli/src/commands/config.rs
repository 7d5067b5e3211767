//! `wnm config` shows every setting with its origin, and changes settings for good.

use wnm::Silent;
use wnm_core::settings::{Row, rows, show, show_environment};
use wnm_pm::hint::Hint;

use crate::arguments::{Common, ConfigCommand};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

pub(crate) fn config(
    output: Output,
    common: &Common,
    given: &Given,
    command: Option<ConfigCommand>,
) -> Result<Exit, Failure> {
    match command.unwrap_or(ConfigCommand::Show { env: false }) {
        ConfigCommand::Show { env } => {
            let machine = given.open(Access::Read, &Silent)?;
            let (config, origins) = (machine.config(), machine.origins());
            if env && !output.is_json() {
                output.raw(&show_environment(config))?;
            } else {
                output.answer(&rows(config, origins), || show(config, origins))?;
            }
        }
        ConfigCommand::Set { settings } => change(output, common, given, &assignments(&settings)?)?,
        ConfigCommand::Unset { names } => {
            let changes: Vec<(String, Option<String>)> = names.into_iter().map(|name| (name, None)).collect();
            change(output, common, given, &changes)?;
        }
    }
    Ok(Exit::Done)
}

/// `NAME VALUE`, or any number of `NAME=VALUE`.
fn assignments(words: &[String]) -> Result<Vec<(String, Option<String>)>, Failure> {
    if let [name, value] = words
        && !name.contains('=')
    {
        return Ok(vec![(name.clone(), Some(value.clone()))]);
    }
    let assignment = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None => {
            let hint = Hint::text("`wnm config set NAME VALUE`");
            Err(Failure::usage_hint(format!("{word:?} is not NAME=VALUE"), hint))
        }
    };
    words.iter().map(assignment).collect()
}

fn change(output: Output, common: &Common, given: &Given, changes: &[(String, Option<String>)]) -> Result<(), Failure> {
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &Silent)?;
    let (config, origins) = machine.change_settings(changes, common.dry_run)?;
    let changed: Vec<Row> =
        rows(&config, &origins).into_iter().filter(|row| changes.iter().any(|(name, _)| name == row.name)).collect();
    output.answer(&changed, || {
        changed.iter().map(|row| format!("{} = {}  # {}\n", row.name, row.value, row.origin)).collect()
    })
}
