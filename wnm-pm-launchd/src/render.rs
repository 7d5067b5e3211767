//! The property list of a node's job: everything that launchd knows about it.

use std::path::{Path, PathBuf};

use plist::{Dictionary, Value};
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::process_manager::ManagerError;

/// What all labels of nodes begin with.
pub(crate) const PREFIX: &str = "com.autonomi.antnode-";

/// How long launchd waits between asking a node to end and making it.
pub(crate) const EXIT_TIMEOUT_SECONDS: i64 = 20;

/// Where standard output and error of a node go.
pub(crate) fn output(spec: &NodeSpec) -> PathBuf {
    spec.log_dir.join("output.log")
}

/// macOS gives a process 256 open files unless a job asks for more; a node with many peers needs more.
const OPEN_FILES: i64 = 8192;

/// The label of a node's job: that of the Python wnm, so that its nodes are found.
pub(crate) fn label(id: NodeId) -> String {
    format!("{PREFIX}{id}")
}

/// The number in a label.
pub(crate) fn number(label: &str) -> Option<NodeId> {
    label.strip_prefix(PREFIX)?.parse().ok().map(NodeId)
}

/// Refuses what a property list cannot carry: XML knows no control characters but tab and line feed, and reads a carriage
/// return as a line feed.
///
/// # Errors
/// [`ManagerError::Unusable`] names the value and what is wrong with it.
pub(crate) fn check(node: &NodeRef) -> Result<(), ManagerError> {
    let launch = &node.launch;
    let path = |name: &'static str, path: &Path| (name.to_owned(), path.display().to_string());
    let paths =
        [path("binary", &launch.program), path("root_dir", &launch.directory), path("log_dir", &node.spec.log_dir)];
    let arguments = launch.arguments.iter().map(|word| ("an argument".to_owned(), word.clone()));
    let environment = launch.environment.iter().flat_map(|(name, value)| {
        [("an environment variable's name".to_owned(), name.clone()), (format!("the value of {name}"), value.clone())]
    });
    for (what, text) in paths.into_iter().chain(arguments).chain(environment) {
        if let Some(bad) = text.chars().find(|character| is_lost(*character)) {
            let reason = format!("it holds {bad:?}, which a property list cannot carry");
            return Err(ManagerError::Unusable { what: format!("{what} {text:?}"), reason });
        }
    }
    Ok(())
}

fn is_lost(character: char) -> bool {
    (character.is_control() && !matches!(character, '\t' | '\n')) || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// The property list of a node's job.
pub(crate) fn job(node: &NodeRef, label: &str) -> Value {
    let launch = &node.launch;
    let text = |path: &Path| Value::from(path.to_string_lossy().into_owned());
    let arguments = launch.arguments.iter().map(|word| Value::from(word.as_str()));
    let output = text(&output(&node.spec));
    let limits = || Value::from(Dictionary::from_iter([("NumberOfFiles", Value::from(OPEN_FILES))]));
    let mut job = Dictionary::from_iter([
        ("Label", Value::from(label)),
        ("ProgramArguments", Value::Array(std::iter::once(text(&launch.program)).chain(arguments).collect())),
        ("WorkingDirectory", text(&launch.directory)),
        ("StandardOutPath", output.clone()),
        ("StandardErrorPath", output),
        ("RunAtLoad", Value::from(true)),
        // Also after a crash; what shall stay stopped is taken out of launchd and disabled.
        ("KeepAlive", Value::from(true)),
        ("ExitTimeOut", Value::from(EXIT_TIMEOUT_SECONDS)),
        // Background jobs get so little of disk and network that a node would be shunned.
        ("ProcessType", Value::from("Standard")),
        ("SoftResourceLimits", limits()),
        ("HardResourceLimits", limits()),
        // Files that hold keys are for the node's user alone.
        ("Umask", Value::from(0o077)),
    ]);
    if !launch.environment.is_empty() {
        let environment = launch.environment.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        job.insert("EnvironmentVariables".to_owned(), Value::from(environment.collect::<Dictionary>()));
    }
    Value::from(job)
}
