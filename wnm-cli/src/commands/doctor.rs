//! `wnm doctor` looks for everything on this machine that would keep nodes from working, now or later. It changes nothing.

use serde::Serialize;
use wnm_core::process_manager::{Finding, Severity};

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given, Session};

#[derive(Serialize)]
struct Answer {
    findings: Vec<Finding>,
}

pub(crate) async fn doctor(output: Output, given: &Given) -> Result<Exit, Failure> {
    let findings = match Session::open(given, Access::Read) {
        Ok(session) => session.machine.examine().await,
        Err(failure) => vec![unreadable(failure)?],
    };
    let answer = Answer { findings };
    output.answer(&answer, || text(&answer.findings))?;
    Ok(if answer.findings.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Without its record, and the settings in it, nothing else of a machine can be judged.
fn unreadable(failure: Failure) -> Result<Finding, Failure> {
    if failure.exit() != Exit::Record {
        return Err(failure);
    }
    let text = failure.to_string();
    let (what, mend) = text.split_once("\nhint: ").unwrap_or((&text, "restore it from a backup"));
    Ok(Finding {
        code: "record-unreadable".to_owned(),
        severity: Severity::Error,
        what: what.to_owned(),
        consequence: "wnm can do nothing, and nothing else can be looked at".to_owned(),
        mend: mend.to_owned(),
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
        let Finding { code, what, consequence, mend, .. } = finding;
        format!("{word} {code}: {what}\n  consequence: {consequence}\n  mend: {mend}\n")
    };
    findings.iter().map(one).collect()
}
