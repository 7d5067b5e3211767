//! `wnm doctor` looks for everything on this machine that would keep nodes from working, now or later. It changes nothing.

use serde::Serialize;
use wnm::Machine;
use wnm_core::host::doctor::STORAGE_HANGS;
use wnm_core::progress::{Work, during};
use wnm_core::report::{DiskRow, disk_rows};
use wnm_pm::process_manager::{Finding, Severity};

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    findings: Vec<Finding>,
    disks: Vec<DiskRow>,
}

pub(crate) async fn doctor(output: Output, given: &Given) -> Result<Exit, Failure> {
    let watch = given.watch();
    let answer = match given.open(Access::Read, &watch) {
        Ok(machine) => {
            let findings = during(&watch, Work::Examine, machine.examine()).await;
            // A disk that does not answer is not asked again.
            let hangs = findings.iter().any(|finding| finding.code == STORAGE_HANGS);
            Answer { findings, disks: if hangs { vec![] } else { disks(&machine)? } }
        }
        Err(failure) => Answer { findings: vec![unreadable(failure)?], disks: vec![] },
    };
    drop(watch);
    output.answer(&answer, || text(&answer.findings))?;
    if !answer.findings.is_empty() && !output.answers() {
        output.alert(&[text(&answer.findings).trim_end().to_owned()]);
    }
    Ok(if answer.findings.is_empty() { Exit::Done } else { Exit::Failed })
}

fn disks(machine: &Machine) -> Result<Vec<DiskRow>, Failure> {
    Ok(disk_rows(machine.config(), &machine.disks(), machine.nodes()?.iter()))
}

/// Without its database, and the settings in it, nothing else of a machine can be judged; without its process manager
/// nothing can be done about it.
fn unreadable(failure: Failure) -> Result<Finding, Failure> {
    let (code, usual_fix) = match failure.exit() {
        Exit::Database => ("database-unreadable", "restore it from a backup"),
        Exit::Manager => ("manager-unavailable", "repair what it says, and run `wnm doctor` again"),
        _ => return Err(failure),
    };
    Ok(Finding {
        code: code.to_owned(),
        severity: Severity::Error,
        what: failure.text(),
        consequence: "wnm can do nothing, and nothing else can be looked at".to_owned(),
        fix: failure.hint().unwrap_or_else(|| usual_fix.to_owned()),
    })
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "Nothing was found that would keep nodes from working.\n".to_owned();
    }
    let one = |finding: &Finding| {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Finding { code, what, consequence, fix, .. } = finding;
        format!("{word} {code}: {what}\n  consequence: {consequence}\n  fix: {fix}\n")
    };
    findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use wnm::{Hint, ManagerError};

    use super::*;

    #[test]
    fn a_manager_that_cannot_be_begun_is_a_finding() {
        let hint = Hint::text("run wnm as root");
        let reason = "antctl manages the machine's nodes for root only";
        let failure = Failure::from(wnm::Error::from(ManagerError::unavailable("antctl+sudo", reason, hint)));
        let finding = unreadable(failure).unwrap_or_else(|failure| panic!("{failure} is a finding"));
        assert_eq!(finding.code, "manager-unavailable");
        assert_eq!(finding.what, "antctl+sudo cannot be used here: antctl manages the machine's nodes for root only");
        assert_eq!(finding.fix, "run wnm as root");
        assert!(unreadable(Failure::usage("no such flag")).is_err(), "that is not about the machine");
    }
}
