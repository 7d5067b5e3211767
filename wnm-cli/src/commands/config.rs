//! `wnm config` shows every setting with its origin, and changes settings for good.

use wnm::{Config, Machine, Node, Silent, Status};
use wnm_core::renewal::outdated;
use wnm_core::report::counted;
use wnm_core::settings::{Origin, Row, rows, show_environment, show_rows};
use wnm_pm::hint::{Hint, Task};

use crate::arguments::{Common, ConfigCommand};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

pub(crate) async fn config(
    output: Output,
    common: &Common,
    given: &Given,
    command: Option<ConfigCommand>,
) -> Result<Exit, Failure> {
    match command.unwrap_or(ConfigCommand::Show { names: Vec::new(), env: false }) {
        ConfigCommand::Show { names, env } => {
            let machine = given.open(Access::Read, &Silent)?;
            let rows = named(rows(machine.config(), machine.origins()), &names)?;
            if env && !output.is_json() {
                output.raw(&show_environment(&rows))?;
            } else {
                output.answer(&rows, || show_rows(&rows))?;
            }
        }
        ConfigCommand::Set { settings, confirm } => {
            change(output, common, given, &assignments(&settings)?, confirm).await?;
        }
        ConfigCommand::Unset { names, confirm } => {
            let changes: Vec<(String, Option<String>)> = names.into_iter().map(|name| (name, None)).collect();
            change(output, common, given, &changes, confirm).await?;
        }
    }
    Ok(Exit::Done)
}

/// The rows of these settings, in the order of the names; all of them where there are none.
fn named(rows: Vec<Row>, names: &[String]) -> Result<Vec<Row>, Failure> {
    if names.is_empty() {
        return Ok(rows);
    }
    let row = |name: &String| {
        let row = rows.iter().find(|row| row.name == name.replace('-', "_")).cloned();
        row.ok_or_else(|| {
            let hint = Hint::run(Task::ShowSettings).to("list all settings");
            Failure::usage_hint(format!("there is no setting {name}"), hint)
        })
    };
    names.iter().map(row).collect()
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
            let hint = Hint::text("`wnm config set NAME VALUE`, with quotes around a value of several words");
            Err(Failure::usage_hint(format!("{word:?} is not NAME=VALUE"), hint))
        }
    };
    words.iter().map(assignment).collect()
}

/// What holds instead of a value that was just recorded, or put back; none where that holds.
fn outranked(row: &Row, recorded: Option<&str>) -> Option<String> {
    let Row { name, value, origin, .. } = row;
    if matches!(origin, Origin::Database | Origin::Default) {
        return None;
    }
    let value = if value.is_empty() { "empty" } else { value };
    Some(match recorded {
        Some(_) => format!("note: {name} is recorded, but {origin} outranks the database: {value} stays"),
        None => format!("note: {name} is no longer recorded, but {origin} sets it: {value} stays"),
    })
}

/// Whether a change has yet to reach a node.
fn is_new_to(node: &Node, before: &Config, after: &Config) -> bool {
    let old = outdated(before, node);
    outdated(after, node).iter().any(|setting| !old.contains(setting))
}

/// The nodes that cycles would remove because of other settings, in words; none where there are none.
async fn loss(machine: &Machine, before: &Config, after: &Config) -> Result<Option<String>, Failure> {
    let nodes = machine.nodes()?;
    let staying = nodes.iter().filter(|node| node.status() != Status::Removing).count();
    let excess = |cap: u32| staying.saturating_sub(cap as usize);
    if excess(after.node_cap) > excess(before.node_cap) {
        let (nodes, keys) = match excess(after.node_cap) {
            1 => ("1 node".to_owned(), "its key"),
            more => (counted(more, "node"), "their keys"),
        };
        return Ok(Some(format!("{nodes} with {keys} (node_cap = {}, and there are {staying})", after.node_cap)));
    }
    if nodes.is_empty() || after.hd_remove >= before.hd_remove {
        return Ok(None);
    }
    let used = machine.observe(&Silent).await?.snapshot.host.used_hd_percent;
    let is_worse = used > after.hd_remove && used <= before.hd_remove;
    let loss = || {
        format!("nodes with their keys while more than {} % of the disk is in use ({used:.1} % now)", after.hd_remove)
    };
    Ok(is_worse.then(loss))
}

async fn change(
    output: Output,
    common: &Common,
    given: &Given,
    changes: &[(String, Option<String>)],
    confirm: bool,
) -> Result<(), Failure> {
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &Silent)?;
    let before = machine.config().clone();
    let (config, origins) = machine.change_settings(changes, true)?;
    if let Some(loss) = loss(&machine, &before, &config).await? {
        if common.dry_run {
            output.remark(&format!("This would have cycles remove {loss}."));
        } else if !confirm && !output.ask(&format!("Cycles will remove {loss}. Change it?")) {
            return Err(Failure::NotConfirmed {
                what: format!("cycles would remove {loss}, and that was not confirmed"),
                hint: Hint::text("the same with `--confirm`"),
            });
        }
    }
    if !common.dry_run {
        machine.change_settings(changes, false)?;
    }
    let behind = machine.nodes()?.iter().filter(|node| is_new_to(node, &before, &config)).count();
    let changed: Vec<Row> =
        rows(&config, &origins).into_iter().filter(|row| changes.iter().any(|(name, _)| name == row.name)).collect();
    output.answer(&changed, || show_rows(&changed))?;
    for (name, value) in changes {
        let row = changed.iter().find(|row| row.name == name);
        row.and_then(|row| outranked(row, value.as_deref())).into_iter().for_each(|note| output.remark(&note));
    }
    if behind > 0 {
        let (keep, they) = if behind == 1 { ("keeps", "it was") } else { ("keep", "they were") };
        let nodes = counted(behind, "node");
        output.remark(&format!(
            "{nodes} {keep} what {they} started with: `wnm restart --all --outdated` applies the change."
        ));
    }
    Ok(())
}
