//! What of a node antctl cannot carry: it writes unit files without quoting anything, and hands on only the options it knows.

use wnm_pm::node::{NodeRef, Ports};
use wnm_pm::process_manager::{ManagerError, Mode};

use crate::AntctlSettings;
use crate::render::{PORTS, log_parent, parent};
use crate::words::{handed_on, unusable, word};

/// Refuses what antctl would alter or drop on its way into a unit file.
///
/// # Errors
/// [`ManagerError::Unusable`] names the value and what is wrong with it.
pub(crate) fn check(node: &NodeRef, settings: &AntctlSettings) -> Result<(), ManagerError> {
    let NodeRef { spec, launch, .. } = node;
    launch.check()?;
    check_ports(&spec.name, &spec.ports)?;
    for (name, value) in &spec.environment {
        let proper = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !proper || name.starts_with(|first: char| first.is_ascii_digit()) {
            let what = format!("the environment variable {name:?}");
            return Err(unusable(what, "systemd takes letters, digits and underscores only, and no digit in front"));
        }
        // antctl writes Environment="NAME=value" as it is.
        if let Some(bad) = value
            .chars()
            .find(|character| matches!(character, '"' | '\\' | '%') || (character.is_control() && *character != '\t'))
        {
            let what = format!("the value {value:?} of the environment variable {name}");
            return Err(unusable(what, &format!("antctl would write {bad:?} into a unit file unquoted")));
        }
    }
    if settings.mode != Mode::Zen {
        word("node_storage", &parent(&spec.root_dir).display().to_string())?;
        word("log_dir", &log_parent(spec).display().to_string())?;
    }
    // antctl calls the node's copy as the original is called.
    let program = spec.program.file_name().unwrap_or_default();
    word("the node program's name", &program.to_string_lossy())?;
    handed_on(spec).map(drop)
}

/// antctl gives its nodes these kinds of ports and no others. `ant-node` has fewer: antctl cannot run it.
fn check_ports(name: &str, ports: &Ports) -> Result<(), ManagerError> {
    if let Some((kind, _)) = PORTS.into_iter().find(|(kind, _)| ports.get(*kind).is_none()) {
        let reason = format!("it has no {kind} port, and antctl runs only antnode, which has one");
        return Err(unusable(name.to_owned(), &reason));
    }
    match ports.iter().find(|(kind, _)| PORTS.iter().all(|(known, _)| known != kind)) {
        Some((kind, port)) => Err(unusable(format!("the {kind} port {port}"), "antctl cannot give a node such a port")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use wnm_pm::node::{NodeSpec, PortKind};

    use super::*;
    use crate::render::tests::{settings, spec};

    #[test]
    fn what_antctl_would_alter_is_refused_by_name() {
        let refused = |change: fn(&mut NodeSpec)| {
            let mut spec = spec(7);
            change(&mut spec);
            check(&NodeRef::new(spec), &settings(Mode::User)).expect_err("it cannot be used").to_string()
        };
        check(&NodeRef::new(spec(7)), &settings(Mode::User)).expect("nothing is wrong with it");
        let reasons = [
            refused(|spec| spec.root_dir = "/srv/my nodes/antnode0007".into()),
            refused(|spec| spec.program = "/opt/antnode 2".into()),
            refused(|spec| spec.environment[0].1 = "say \"hi\"".to_owned()),
            refused(|spec| spec.environment[0].0 = "9-LIVES".to_owned()),
            refused(|spec| spec.start_args = vec!["--home-network".to_owned()]),
            refused(|spec| spec.start_args = vec!["--peer".to_owned()]),
            refused(|spec| spec.start_args = vec!["--peer".to_owned(), "a b".to_owned()]),
            refused(|spec| spec.start_args = vec!["--peer=a".to_owned(), "--peer=b".to_owned()]),
            refused(|spec| spec.ports = spec.ports.iter().filter(|(kind, _)| *kind != PortKind::Metrics).collect()),
            refused(|spec| spec.environment[0].1 = "zero\0byte".to_owned()),
        ];
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        node_storage "/srv/my nodes" cannot be used: antctl would write ' ' into a unit file unquoted
        the node program's name "antnode 2" cannot be used: antctl would write ' ' into a unit file unquoted
        the value "say \"hi\"" of the environment variable A cannot be used: antctl would write '"' into a unit file unquoted
        the environment variable "9-LIVES" cannot be used: systemd takes letters, digits and underscores only, and no digit in front
        the argument "--home-network" cannot be used: antctl has no option for it
        the argument "--peer" cannot be used: its value is missing
        --peer "a b" cannot be used: antctl would write ' ' into a unit file unquoted
        the argument "--peer=b" cannot be used: antctl would join it with the one before
        antnode0007 cannot be used: it has no metrics port, and antctl runs only antnode, which has one
        the value "zero\0byte" of the environment variable A cannot be used: it holds a zero byte, which no process can be given
        "#);
    }
}
