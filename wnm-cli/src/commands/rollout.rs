//! `wnm rollout` shows the roll-out of a new version, and gives the owner's word on it.

use serde::Serialize;
use wnm::{CyclePause, Observation, RolloutReport, rollout_report};
use wnm_core::report::rollout_text;

use super::pause;
use crate::arguments::{Common, RolloutCommand};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    /// The owner's pause of the cycles, while it lasts: nothing of the roll-out happens meanwhile.
    paused: Option<CyclePause>,
    /// None where no version was ever rolled out.
    rollout: Option<RolloutReport>,
}

pub(crate) async fn rollout(
    output: Output,
    common: &Common,
    given: &Given,
    command: RolloutCommand,
) -> Result<Exit, Failure> {
    if command == RolloutCommand::Status {
        return status(output, given).await;
    }
    let watch = given.watch();
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &watch)?;
    let mut observation = machine.observe(&watch).await?;
    output.warn(&observation.warnings);
    if command == RolloutCommand::Resume {
        machine.resume_rollout(&mut observation, common.dry_run)?;
    } else {
        machine.abort_rollout(&mut observation, common.dry_run)?;
    }
    drop(watch);
    let done = if common.dry_run { "Nothing was changed.\n" } else { "" };
    show(output, machine.config(), &observation, done)
}

async fn status(output: Output, given: &Given) -> Result<Exit, Failure> {
    let watch = given.watch();
    let machine = given.open(Access::Read, &watch)?;
    let observation = machine.observe(&watch).await?;
    drop(watch);
    output.warn(&observation.warnings);
    show(output, machine.config(), &observation, "")
}

fn show(output: Output, config: &wnm::Config, observation: &Observation, end: &str) -> Result<Exit, Failure> {
    let answer =
        Answer { paused: observation.snapshot.pause.clone(), rollout: rollout_report(config, &observation.snapshot) };
    let paused = answer.paused.as_ref().map(pause::line).unwrap_or_default();
    output.answer(&answer, || match &answer.rollout {
        Some(report) => format!("{}{paused}{end}", rollout_text(report)),
        None => "No new version has been rolled out on this machine yet.\n".to_owned(),
    })?;
    Ok(Exit::Done)
}
