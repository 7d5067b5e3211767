//! `wnm pause` has cycles look and record, and change nothing; `wnm resume` ends that.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};
use wnm::{CyclePause, Machine, PauseChange, Silent};
use wnm_core::report::{cycle_pause_text, pause_end_text};

use crate::arguments::{Common, Pause};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

/// How long a cycle in progress is waited for: it keeps others from changing anything.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    /// The pause that holds now, or would.
    paused: Option<CyclePause>,
    /// The pause that held before.
    before: Option<CyclePause>,
}

pub(crate) async fn pause(output: Output, common: &Common, given: &Given, pause: &Pause) -> Result<Exit, Failure> {
    let mut machine = open(common, given).await?;
    answer(output, common, machine.pause_cycles(pause.seconds, pause.reason.as_deref(), common.dry_run)?)
}

pub(crate) async fn resume(output: Output, common: &Common, given: &Given) -> Result<Exit, Failure> {
    let mut machine = open(common, given).await?;
    answer(output, common, machine.resume_cycles(common.dry_run)?)
}

/// Opens the machine, once the cycle in progress has ended: somebody who wants a pause does not want to try again.
async fn open(common: &Common, given: &Given) -> Result<Machine, Failure> {
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let began = Instant::now();
    loop {
        match given.open(access, &Silent) {
            Err(failure) if failure.exit() == Exit::Locked && began.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(200)).await;
            }
            opened => return opened,
        }
    }
}

fn answer(output: Output, common: &Common, change: PauseChange) -> Result<Exit, Failure> {
    let answer = Answer { dry_run: common.dry_run, paused: change.after, before: change.before };
    output.answer(&answer, || text(&answer))?;
    Ok(Exit::Done)
}

/// What every report says while cycles are paused.
pub(super) fn line(pause: &CyclePause) -> String {
    let text = cycle_pause_text(pause);
    format!("C{}; `wnm resume` ends that.\n", text.strip_prefix('c').unwrap_or(&text))
}

fn text(answer: &Answer) -> String {
    let Answer { dry_run, paused, before } = answer;
    let said = match (before, paused) {
        (_, Some(after)) => {
            let how = match before {
                Some(before) if before == after => "are paused already",
                _ if *dry_run => "would be paused",
                _ => "are paused",
            };
            format!(
                "Cycles {how}{}: they look and record, and change nothing; `wnm resume` ends that.\n",
                pause_end_text(after)
            )
        }
        (None, None) => "Cycles are not paused.\n".to_owned(),
        (Some(_), None) if *dry_run => "Cycles would act again.\n".to_owned(),
        (Some(_), None) => "Cycles act again.\n".to_owned(),
    };
    said + if *dry_run { "Nothing was changed.\n" } else { "" }
}
