//! `wnm config` shows every setting with its origin, and changes settings for good.

use wnm_core::clock::{Clock, SystemClock};
use wnm_core::event::Event;
use wnm_core::progress::Silent;
use wnm_core::settings::{Lifetime, Occasion, Row, lookup, overlay, rows, show, show_environment};

use crate::arguments::{Common, ConfigCommand};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given, Session};

pub(crate) fn config(
    output: Output,
    common: &Common,
    given: &Given,
    command: Option<ConfigCommand>,
) -> Result<Exit, Failure> {
    match command.unwrap_or(ConfigCommand::Show { env: false }) {
        ConfigCommand::Show { env } => {
            let Session { machine, origins, .. } = Session::open(given, Access::Read, &Silent)?;
            let config = &machine.config;
            if env && !output.is_json() {
                output.raw(&show_environment(config))?;
            } else {
                output.answer(&rows(config, &origins), || show(config, &origins))?;
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
        None => Err(Failure::Usage(format!("{word:?} is not NAME=VALUE\nhint: `wnm config set NAME VALUE`"))),
    };
    words.iter().map(assignment).collect()
}

fn change(output: Output, common: &Common, given: &Given, changes: &[(String, Option<String>)]) -> Result<(), Failure> {
    for (name, _) in changes {
        if lookup(name).is_none() {
            return Err(Failure::Usage(format!("there is no setting called {name:?}\nhint: `wnm config` lists them")));
        }
    }
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut session = Session::open(given, access, &Silent)?;
    let before = session.machine.store.load()?.settings;
    let fixed = |name: &str| lookup(name).is_some_and(|setting| setting.lifetime == Lifetime::Fixed);
    if let Some((name, _)) = changes.iter().find(|(name, value)| value.is_none() && fixed(name)) {
        return Err(Failure::Usage(format!(
            "{name} is fixed once the machine is initialised\nhint: leave it out; it can only change with a teardown and a new init"
        )));
    }
    let mut after = before.clone();
    for (name, value) in changes {
        match value {
            Some(value) => after.insert(name.clone(), value.clone()),
            None => after.remove(name),
        };
    }
    let set = changes.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let layers = given.layers.clone().flags(set).database(before);
    overlay(&given.facts, Occasion::Change, &layers)?;
    let (config, origins) = overlay(&given.facts, Occasion::Use, &given.layers.clone().database(after))?;
    if !common.dry_run {
        let event = Event::SettingsChanged { changes: changes.to_vec() };
        session.machine.store.apply(SystemClock.now(), &[event])?;
    }
    let changed: Vec<Row> =
        rows(&config, &origins).into_iter().filter(|row| changes.iter().any(|(name, _)| name == row.name)).collect();
    output.answer(&changed, || {
        changed.iter().map(|row| format!("{} = {}  # {}\n", row.name, row.value, row.origin)).collect()
    })
}
