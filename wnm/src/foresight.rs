//! What says already, when a machine is initialised, that its nodes will not work.

use std::path::Path;

use wnm_core::observe::{Observer, ThisMachine, VersionCache};
use wnm_core::report::counted;
use wnm_core::settings::{Config, Layers, Occasion, base_dirs, overlay};
use wnm_core::store::Store;
use wnm_pm::command::CommandRunner;
use wnm_pm::hint::chain;
use wnm_pm::path_policy::resolve;
use wnm_pm::process_manager::Finding;

use crate::machine::runner;
use crate::managers::manager;
use crate::options::DATABASE;
use crate::{Error, Options};

/// What a process manager finds that keeps every node from working, by the codes of the doctor. What else it finds can wait
/// for the doctor.
const FATAL: [&str; 11] = [
    "manager-unavailable",
    "engine-unreachable",
    "engine-forbidden",
    "engine-refuses",
    "image-missing",
    "image-unknown",
    "storage-of-root",
    "node-storage-closed",
    "node-storage-noexec",
    "node-storage-not-writable",
    "lingering-off",
];

/// What says already that the nodes of a machine with these settings will not work: the node program, the process manager
/// with its engine and image, and another database that keeps nodes on this machine. Changes nothing.
///
/// # Errors
/// When the settings are wrong.
pub async fn foresee(options: &Options) -> Result<Vec<Finding>, Error> {
    let (config, _) = options.new_config()?;
    let runner = runner();
    let mut findings: Vec<Finding> = program(&config, runner.clone()).await.into_iter().collect();
    match manager(&config, &runner) {
        Ok(manager) => findings.extend(manager.examine().await),
        Err(error) => {
            findings.push(Finding::error("manager-unavailable", error.text(), NO_NODE, "repair what it says"))
        }
    }
    findings.retain(|finding| finding.code == PROGRAM || FATAL.contains(&finding.code.as_str()));
    findings.extend(other_databases(options, &config));
    Ok(findings)
}

const PROGRAM: &str = "node-program";
const NO_NODE: &str = "no node can be added";

async fn program(config: &Config, runner: std::sync::Arc<dyn CommandRunner>) -> Option<Finding> {
    let asked = ThisMachine::new(runner).program(&config.antnode_path, &VersionCache::default()).await;
    let what = match asked {
        Err(error) => chain(&error),
        Ok((program, _)) => {
            let wanted = config.node_flavour.wanted().filter(|wanted| *wanted != program.flavour)?;
            format!(
                "{} is a program of {}, and node_flavour is {wanted}",
                config.antnode_path.display(),
                program.flavour
            )
        }
    };
    let fix = format!("put a node program at {}, or set antnode_path", config.antnode_path.display());
    Some(Finding::error(PROGRAM, what, NO_NODE, fix))
}

/// Other databases of this user's or the machine's that have nodes.
fn other_databases(options: &Options, config: &Config) -> Vec<Finding> {
    let own = resolve(&options.new_database_path(config));
    let places = base_dirs(options.facts(), None).into_iter().map(|directory| directory.join(DATABASE));
    places.filter(|path| resolve(path) != own).filter_map(|path| other_database(options, config, &path)).collect()
}

fn other_database(options: &Options, config: &Config, path: &Path) -> Option<Finding> {
    let stored = Store::open_read_only(path).ok()?.load().ok().filter(|stored| !stored.nodes.is_empty())?;
    let layers = Layers::default().database(stored.settings.clone());
    let theirs = overlay(options.facts(), Occasion::Use, &layers).ok().map(|(theirs, _)| theirs);
    let what = format!("{} keeps {} on this machine", path.display(), counted(stored.nodes.len(), "node"));
    let shares = theirs.is_some_and(|theirs| {
        theirs.port_start == config.port_start || theirs.metrics_port_start == config.metrics_port_start
    });
    let (consequence, fix) = match shares {
        true => (
            "both give their nodes the same ports: the nodes of one do not start while those of the other run",
            "begin the ports elsewhere (--port_start, --metrics_port_start), or use that database".to_owned(),
        ),
        false => (
            "each measures the load of both, and takes room that the other one counts on",
            "lower the limits of both (cpu_less_than, mem_less_than, hd_less_than), or use that database".to_owned(),
        ),
    };
    Some(Finding::warning("another-database", what, consequence, fix))
}
