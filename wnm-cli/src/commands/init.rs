//! `wnm init` initialises a machine: the settings are checked, and the database and the storage are made.

use serde::Serialize;
use wnm::{Config, Finding, Machine, foresee};
use wnm_core::report::counted;
use wnm_core::store::{Problem, StoreError};
use wnm_pm::container_host::ContainerNetwork;

use super::survey::{Row, adopt_all, dropped_lines, service_names, untracked_lines};
use crate::arguments::{Common, Init};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::Given;

#[derive(Serialize)]
struct Answer {
    database: String,
    node_storage: String,
    process_manager: String,
    adopted: Vec<String>,
    /// Nodes that run here and could not be taken over, and why.
    left: Vec<Row>,
    /// What says already that nodes will not work.
    findings: Vec<Finding>,
    dry_run: bool,
}

pub(crate) async fn init(output: Output, common: &Common, given: &Given, init: &Init) -> Result<Exit, Failure> {
    let (config, _) = given.options.new_config()?;
    let mut answer = Answer {
        database: given.options.new_database_path(&config).display().to_string(),
        node_storage: config.node_storage.to_string(),
        process_manager: config.process_manager.to_string(),
        adopted: Vec::new(),
        left: Vec::new(),
        findings: Vec::new(),
        dry_run: common.dry_run,
    };
    let mut found = Vec::new();
    if common.dry_run {
        if Machine::is_initialised(&given.options)? {
            let path = given.options.new_database_path(&config);
            return Err(wnm::Error::from(StoreError { path, problem: Problem::Exists }).into());
        }
    } else {
        let watch = given.watch();
        let options = given.options.clone().take_over(init.take_over);
        let mut machine = Machine::init(&options, &watch).await?;
        if init.import {
            (answer.adopted, found) = adopt_all(&mut machine, &watch).await?;
        }
    }
    answer.findings = foresee(&given.options).await?;
    let dropped = dropped_lines(&found);
    answer.left = found.into_iter().filter(|row| row.obstacle.is_some()).collect();
    output.answer(&answer, || text(&answer))?;
    remind(output, &config);
    output.warn(&answer.findings.iter().map(foreseen).collect::<Vec<_>>());
    output.warn(&dropped);
    output.warn(&untracked_lines(&answer.left, false, output.detail()));
    Ok(if answer.left.is_empty() { Exit::Done } else { Exit::NodeFailed })
}

fn text(answer: &Answer) -> String {
    let what = if answer.dry_run { "Would initialise" } else { "Initialised" };
    let names: Vec<&str> = answer.adopted.iter().map(String::as_str).collect();
    let adopted = match names.len() {
        0 => String::new(),
        count => format!("Took over {}: {}.\n", counted(count, "node"), service_names(&names)),
    };
    format!(
        "{what} {} with {}; nodes go to {}.\n{adopted}Next: `wnm plan` shows what a cycle would do, `wnm run` does it.\n",
        answer.database, answer.process_manager, answer.node_storage
    )
}

fn foreseen(finding: &Finding) -> String {
    let Finding { what, consequence, fix, .. } = finding;
    format!("{what}: {consequence}\nhint: {fix}")
}

fn remind(output: Output, config: &Config) {
    for (word, address) in config.rewards_address.of_others() {
        output.remark(&format!("note: {word} is {address}, an address of others: what nodes earn for it goes there"));
    }
    if config.process_manager.uses_containers() && config.container_network == ContainerNetwork::Docker {
        output.remark(
            "note: Docker publishes ports one by one: the first container of 200 nodes takes it about 10 s, each further one longer, and each restart as well; container_network = published takes one rule for each range",
        );
    }
}
