//! `wnm init` puts a machine under wnm's care: the settings are checked, and the record and the storage are made.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use wnm_core::clock::{Clock, SystemClock};
use wnm_core::cycle::{CycleError, storage};
use wnm_core::event::Event;
use wnm_core::lock::Lock;
use wnm_core::observe;
use wnm_core::progress::{Progress, Work, during};
use wnm_core::report::counted;
use wnm_core::settings::Config;
use wnm_core::settings::{Occasion, overlay, to_record};
use wnm_core::store::{Problem, Store, StoreError};
use wnm_pm::command::{CommandRunner, SystemRunner};
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::process_manager::{Mode, Supervisor};

use super::survey::{Row, adopt_all, service_names, untracked_lines};
use crate::arguments::{Common, Init};
use crate::exit::{Exit, Failure};
use crate::managers;
use crate::output::Output;
use crate::session::{Given, Session};

#[derive(Serialize)]
struct Answer {
    database: String,
    node_storage: String,
    process_manager: String,
    adopted: Vec<String>,
    /// Nodes that run here and could not be taken over, and why.
    left: Vec<Row>,
    dry_run: bool,
}

pub(crate) async fn init(output: Output, common: &Common, given: &Given, init: &Init) -> Result<Exit, Failure> {
    let watch = given.watch();
    let (config, origins) = overlay(&given.facts, Occasion::Change, &given.layers)?;
    // A manager that cannot be had here is told before anything is written.
    managers::manager(&config, &(Arc::new(SystemRunner) as Arc<dyn CommandRunner>))?;
    let database = given.new_database(config.process_manager.mode);
    let mut answer = Answer {
        database: database.display().to_string(),
        node_storage: config.node_storage.display().to_string(),
        process_manager: config.process_manager.to_string(),
        adopted: Vec::new(),
        left: Vec::new(),
        dry_run: common.dry_run,
    };
    if common.dry_run && database.exists() && !has_begun(&database)? {
        return Err(StoreError { path: database, problem: Problem::Exists }.into());
    }
    if !common.dry_run {
        let (lock, store) = create(&config, &database, to_record(&config, &origins), &watch).await?;
        if init.import {
            let mut session = Session::with_store(given, Some(lock), store, &database)?;
            (answer.adopted, answer.left) = adopt_all(&mut session, &watch).await?;
        }
    }
    drop(watch);
    let what = if common.dry_run { "Would initialise" } else { "Initialised" };
    output.answer(&answer, || {
        let names: Vec<&str> = answer.adopted.iter().map(String::as_str).collect();
        let adopted = match names.len() {
            0 => String::new(),
            count => format!("Took over {}: {}.\n", counted(count, "node"), service_names(&names)),
        };
        format!(
            "{what} {} with {}; nodes go to {}.\n{adopted}Next: `wnm plan` shows what a cycle would do, `wnm run` does it.\n",
            answer.database, answer.process_manager, answer.node_storage
        )
    })?;
    if config.process_manager.supervisor == Supervisor::S6overlay
        && config.container_network == ContainerNetwork::Docker
    {
        output.remark(
            "note: Docker publishes ports one by one: the first container of 200 nodes takes it about 10 s, each further one longer, and each restart as well; container_network = published takes one rule for each range",
        );
    }
    for line in untracked_lines(&answer.left, false, output.detail()) {
        output.remark(&format!("warning: {line}"));
    }
    Ok(if answer.left.is_empty() { Exit::Done } else { Exit::NodeFailed })
}

/// Whether an `init` made this record and was interrupted.
fn has_begun(database: &Path) -> Result<bool, Failure> {
    Ok(Store::open_read_only(database)?.load().is_ok_and(|record| !record.initialised))
}

/// Makes the storage, then the record. An `init` that was interrupted goes on; one that ended is not repeated.
async fn create(
    config: &Config,
    database: &Path,
    settings: Vec<(String, String)>,
    progress: &dyn Progress,
) -> Result<(Lock, Store), Failure> {
    let directory = database.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Nodes that run in the machine's name are another user's, who has to get through to them; nobody else sees more.
    let mode = if config.process_manager.mode == Mode::Sudo { 0o711 } else { 0o700 };
    let made = DirBuilder::new().recursive(true).mode(mode).create(directory);
    made.map_err(|error| Failure::Other(format!("cannot make {}: {error}", directory.display())))?;
    let lock = Lock::acquire(database, "wnm init")?;
    let begun = database.exists() && has_begun(database)?;
    let mut store = if begun { Store::open(database)? } else { Store::create(database)? };
    storage::prepare(&config.node_storage).map_err(CycleError::from)?;
    let now = SystemClock.now();
    let measuring = observe::host(None, &config.node_storage, now);
    let counters = during(progress, Work::MeasureMachine, measuring).await.map_err(CycleError::from)?.counters;
    let boot_time = counters.boot_time;
    store.apply(now, &[Event::Initialised { settings, boot_time }, Event::Measured { counters }])?;
    Ok((lock, store))
}
