//! The property list of a node's job: what launchd is told about it.

use plist::{Dictionary, Value};
use wnm_pm::flavour;
use wnm_pm::node::{NodeId, NodeSpec};
use wnm_pm::process_manager::ManagerError;

/// What all labels of nodes begin with.
pub(crate) const PREFIX: &str = "com.autonomi.antnode-";

/// How long launchd waits between asking a node to end and making it.
pub(crate) const EXIT_TIMEOUT_SECONDS: i64 = 20;

/// Where standard output and error of a node go, inside its log directory.
pub(crate) const OUTPUT: &str = "output.log";

/// macOS gives a process 256 open files unless told otherwise; a node with many peers needs more.
const OPEN_FILES: i64 = 8192;

/// The label of a node's job: that of the Python wnm, so that its nodes are found.
pub(crate) fn label(id: NodeId) -> String {
    format!("{PREFIX}{id}")
}

/// The number that a label tells.
pub(crate) fn number(label: &str) -> Option<NodeId> {
    label.strip_prefix(PREFIX)?.parse().ok().map(NodeId)
}

/// Refuses what a property list cannot carry: XML knows no control characters but tab and line feed, and reads a carriage
/// return as a line feed.
///
/// # Errors
/// [`ManagerError::Unusable`] names the value and what is wrong with it.
pub(crate) fn check(spec: &NodeSpec) -> Result<(), ManagerError> {
    flavour::check(spec)?;
    let bent = |character: char| {
        (character.is_control() && !matches!(character, '\t' | '\n')) || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    let arguments = flavour::arguments(spec).into_iter().map(|word| ("an argument".to_owned(), word));
    let environment = spec.environment.iter().flat_map(|(name, value)| {
        [("an environment variable's name".to_owned(), name.clone()), (format!("the value of {name}"), value.clone())]
    });
    let binary = std::iter::once(("binary".to_owned(), spec.binary.display().to_string()));
    for (what, text) in arguments.chain(environment).chain(binary) {
        if let Some(bad) = text.chars().find(|character| bent(*character)) {
            let reason = format!("it holds {bad:?}, which a property list cannot carry");
            return Err(ManagerError::Unusable { what: format!("{what} {text:?}"), reason });
        }
    }
    Ok(())
}

/// What launchd is told about a node.
pub(crate) fn job(spec: &NodeSpec) -> Value {
    let text = |path: &std::path::Path| Value::from(path.to_string_lossy().into_owned());
    let program = spec.binary.to_string_lossy().into_owned();
    let line = std::iter::once(program).chain(flavour::arguments(spec)).map(Value::from);
    let output = text(&spec.log_dir.join(OUTPUT));
    let limits = || Value::from(Dictionary::from_iter([("NumberOfFiles", Value::from(OPEN_FILES))]));
    let mut job = Dictionary::from_iter([
        ("Label", Value::from(label(spec.id))),
        ("ProgramArguments", Value::Array(line.collect())),
        ("WorkingDirectory", text(&spec.root_dir)),
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
    if !spec.environment.is_empty() {
        let environment = spec.environment.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        job.insert("EnvironmentVariables".to_owned(), Value::from(environment.collect::<Dictionary>()));
    }
    Value::from(job)
}
