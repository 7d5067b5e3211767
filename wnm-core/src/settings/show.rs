//! Showing writes a configuration so that what is shown can be given back, and the reference page from the table.

use std::fmt::Write;

use serde::Serialize;

use super::origin::{Origin, Origins};
use super::setting::{DefaultValue, Lifetime, Setting, Shape};
use super::table::{Config, TABLE, lookup};

/// One setting of a machine, as reports show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its value as text; empty for none.
    pub value: String,
    /// What the figure counts; empty where there is nothing to say.
    pub unit: &'static str,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Every setting, in the order of the table.
#[must_use]
pub fn rows(config: &Config, origins: &Origins) -> Vec<Row> {
    let texts = config.texts().into_iter().zip(TABLE);
    texts
        .map(|((name, value), setting)| Row { name, value, unit: setting.unit, origin: origins.of(name).clone() })
        .collect()
}

/// The configuration as a config file, each line with the origin of its value: reading it gives the same configuration.
#[must_use]
pub fn show(config: &Config, origins: &Origins) -> String {
    show_rows(&rows(config, origins))
}

/// The same of some settings.
#[must_use]
pub fn show_rows(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| {
        let value = toml_value(lookup(row.name).map(|setting| setting.shape), &row.value);
        format!("{} = {value}  # {}\n", row.name, row.origin)
    });
    lines.collect()
}

fn toml_value(shape: Option<Shape>, text: &str) -> String {
    match shape {
        // The texts of these are what TOML writes, too.
        Some(Shape::WholeNumber | Shape::Number | Shape::Switch) if !text.is_empty() => text.to_owned(),
        _ => toml_edit::Value::from(text).to_string(),
    }
}

/// The configuration as assignments of environment variables that any POSIX shell can source without running a thing.
#[must_use]
pub fn show_environment(rows: &[Row]) -> String {
    let variables = rows.iter().filter_map(|row| {
        let quoted = row.value.replace('\'', r"'\''");
        Some(format!("export {}='{quoted}'\n", lookup(row.name)?.variable()))
    });
    variables.collect()
}

/// The reference page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = PREFACE.to_owned();
    for setting in TABLE {
        page.push_str(&section(setting));
    }
    page
}

fn section(setting: &Setting) -> String {
    let default = match setting.default {
        DefaultValue::Required { .. } => "none: it must be given".to_owned(),
        DefaultValue::Always("") => "empty".to_owned(),
        DefaultValue::Always(text) => format!("`{text}`"),
        DefaultValue::Computed { words, .. } => words.to_owned(),
    };
    let lifetime = match setting.lifetime {
        Lifetime::Free => "",
        Lifetime::Pinned => "- recorded at init, also when it is the default\n",
        Lifetime::Settled => {
            "- recorded at init, also when it is the default\n- changed by `wnm init`, `wnm config set` and `wnm move-storage` only\n"
        }
        Lifetime::Explicit => "- changed by `wnm init` and `wnm config set` only\n",
        Lifetime::Fixed => "- fixed once the machine is initialised\n",
    };
    let mut section = String::new();
    let Setting { name, help, .. } = setting;
    write!(
        section,
        "\n### {name}\n\n{help}\n\n- flag `{flag}`, variable `{variable}`\n- value: {expects}\n- default: {default}\n{lifetime}",
        flag = setting.flag(),
        variable = setting.variable(),
        expects = setting.expects(),
    )
    .expect("a string takes whatever is written to it");
    section
}

const PREFACE: &str = include_str!("preface.md");
