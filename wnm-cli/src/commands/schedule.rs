//! `wnm schedule` has a cycle run every minute: by a timer of systemd, or by cron where no systemd runs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use wnm::Machine;
use wnm_core::host::schedule::timer::{Installed, Scope};
use wnm_core::host::schedule::{Job, ScheduleError, cron, timer};
use wnm_core::progress::Silent;
use wnm_pm::command::{Command, CommandError, CommandRunner, SystemRunner};
use wnm_pm::process_manager::Mode;

use crate::arguments::{Common, ScheduleCommand};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

/// What was done, or would be.
#[derive(Default, Serialize)]
struct Answer {
    dry_run: bool,
    /// A row per thing that is written or run, in order; empty when nothing had to be done.
    steps: Vec<Step>,
    /// What runs wnm every minute, afterwards (in a dry run: now); none when nothing of wnm's own does.
    schedule: Option<State>,
}

#[derive(Serialize)]
struct Step {
    command: String,
    /// What the command reads: the whole of a file that is written.
    input: Option<String>,
}

#[derive(Serialize)]
pub(super) struct State {
    /// `systemd` or `cron`.
    pub by: &'static str,
    /// The unit file, or the line of the crontab.
    pub at: String,
    /// Whether it is switched on.
    pub active: bool,
}

impl From<&Command> for Step {
    fn from(command: &Command) -> Self {
        let input = String::from_utf8_lossy(&command.input).into_owned();
        Self { command: command.display(), input: Some(input).filter(|input| !input.is_empty()) }
    }
}

pub(crate) async fn schedule(
    output: Output,
    common: &Common,
    given: &Given,
    command: &ScheduleCommand,
) -> Result<Exit, Failure> {
    let machine = given.open(Access::Read, &Silent)?;
    let place = Place::of(&machine, given, common)?;
    let runner = &SystemRunner;
    let mut answer = Answer { dry_run: common.dry_run, ..Answer::default() };
    let steps = match command {
        ScheduleCommand::Show => Vec::new(),
        ScheduleCommand::Install => place.to_install(runner).await?,
        ScheduleCommand::Remove => place.to_remove(runner).await?,
    };
    answer.steps = steps.iter().map(Step::from).collect();
    // Each is shown before it is done, so that whoever interrupts, or sees one fail, knows how far it came.
    for (step, shown) in steps.iter().zip(&answer.steps) {
        if !output.is_json() {
            output.answer(&answer, || step_text(shown))?;
        }
        if !common.dry_run {
            place.carry_out(std::slice::from_ref(step), runner).await?;
        }
    }
    answer.schedule = place.state(runner).await?;
    if output.is_json() {
        output.answer(&answer, String::new)?;
    } else {
        output.answer(&answer, || state_text(&answer))?;
        if matches!(command, ScheduleCommand::Install) {
            place.remind(output);
        }
    }
    Ok(Exit::Done)
}

/// Removes the schedule of a database whose nodes are gone, or says that it stays, and why.
pub(super) async fn end(output: Output, common: &Common, given: &Given) {
    match remove(common, given).await {
        Ok(None) => {}
        Ok(Some(State { by, at, .. })) => output.remark(&format!("The schedule is removed ({by}: {at}).")),
        Err(failure) => {
            let hint = failure.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            output.warn(&[format!("the schedule stays: {}{hint}", failure.text())]);
        }
    }
}

/// What there is of this database; none where there is nothing.
pub(super) async fn present(common: &Common, given: &Given) -> Result<Option<State>, Failure> {
    let machine = given.open(Access::Read, &Silent)?;
    Ok(Place::of(&machine, given, common)?.state(&SystemRunner).await?)
}

/// What was removed; none where there was nothing.
pub(super) async fn remove(common: &Common, given: &Given) -> Result<Option<State>, Failure> {
    let machine = given.open(Access::Read, &Silent)?;
    let (place, runner) = (Place::of(&machine, given, common)?, &SystemRunner);
    let before = place.state(runner).await?;
    if before.is_some() {
        place.carry_out(&place.to_remove(runner).await?, runner).await?;
    }
    Ok(before)
}

fn step_text(step: &Step) -> String {
    let input = step.input.as_deref().unwrap_or_default();
    let indented: String = input.lines().map(|line| format!("{}\n", format!("    {line}").trim_end())).collect();
    format!("$ {}\n{indented}", step.command)
}

fn state_text(answer: &Answer) -> String {
    if answer.dry_run {
        return "Nothing was changed.\n".to_owned();
    }
    match &answer.schedule {
        None => "Nothing of wnm's own runs it every minute.\n".to_owned(),
        Some(State { by, at, active: true }) => format!("wnm runs every minute, by {by}: {at}\n"),
        Some(State { by, at, active: false }) => {
            format!("wnm would run every minute, by {by}, but that is switched off: {at}\n")
        }
    }
}

/// The variables that name the container engine, as far as they are set: without them the job would look for its containers
/// in another engine than this shell does.
fn engine(machine: &Machine) -> Result<Vec<(String, String)>, Failure> {
    if !machine.config().process_manager.uses_containers() {
        return Ok(Vec::new());
    }
    let set = ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"].into_iter().filter_map(|name| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        let text = value.into_string().map(|value| (name.to_owned(), value));
        Some(text.map_err(|_| Failure::usage(format!("{name} is not UTF-8 text, and no schedule can carry it"))))
    });
    set.collect()
}

/// Where the schedule of this record belongs.
struct Place {
    job: Job,
    /// None where no systemd runs.
    scope: Option<Scope>,
}

impl Place {
    fn of(machine: &Machine, given: &Given, common: &Common) -> Result<Self, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))
        };
        let program = std::env::current_exe()
            .map_err(|error| Failure::Other(format!("cannot tell where this program lies: {error}")))?;
        let database = absolute(machine.database())?;
        let facts = given.options.facts();
        let config = common.config.as_deref().map(absolute).transpose()?;
        let environment = engine(machine)?;
        let scope = facts.systemd_runs.then(|| {
            let for_the_machine = machine.config().process_manager.mode == Mode::Sudo || facts.euid == 0;
            if for_the_machine {
                let owner = std::fs::metadata(&database).map_or(facts.euid, |file| file.uid());
                Scope::Machine { owner }
            } else {
                Scope::User { home: PathBuf::from(&facts.home), uid: facts.euid }
            }
        });
        Ok(Self { job: Job { program, database, config, environment }, scope })
    }

    async fn to_install(&self, runner: &dyn CommandRunner) -> Result<Vec<Command>, ScheduleError> {
        match &self.scope {
            Some(scope) => timer::to_install(&self.job, scope, runner).await,
            None => {
                let crontab = cron::read(&self.job, runner).await?;
                let wanted = cron::with(&crontab, &self.job)?;
                Ok(if wanted == crontab { Vec::new() } else { vec![cron::replace(wanted)] })
            }
        }
    }

    async fn to_remove(&self, runner: &dyn CommandRunner) -> Result<Vec<Command>, ScheduleError> {
        match &self.scope {
            Some(scope) => timer::to_remove(&self.job, scope, runner).await,
            None => {
                let crontab = self.crontab_if_any(runner).await?;
                let wanted = cron::without(&crontab, &self.job);
                Ok(if wanted == crontab { Vec::new() } else { vec![cron::replace(wanted)] })
            }
        }
    }

    async fn carry_out(&self, steps: &[Command], runner: &dyn CommandRunner) -> Result<(), ScheduleError> {
        match &self.scope {
            Some(scope) => timer::carry_out(steps, scope, runner).await,
            None => cron::carry_out(&self.job, steps, runner).await,
        }
    }

    async fn state(&self, runner: &dyn CommandRunner) -> Result<Option<State>, ScheduleError> {
        match &self.scope {
            Some(scope) => {
                let there = timer::installed(scope, runner).await;
                let ours = there.filter(|there| there.database.as_ref() == Some(&self.job.database));
                Ok(ours.map(|Installed { unit, active, .. }| State {
                    by: "systemd",
                    at: unit.display().to_string(),
                    active,
                }))
            }
            None => {
                let crontab = self.crontab_if_any(runner).await?;
                let line = cron::find(&crontab, &self.job);
                Ok(line.map(|line| State { by: "cron", at: line.to_owned(), active: true }))
            }
        }
    }

    /// Where there is no cron at all, nothing is scheduled by it.
    async fn crontab_if_any(&self, runner: &dyn CommandRunner) -> Result<String, ScheduleError> {
        match cron::read(&self.job, runner).await {
            Err(ScheduleError::Cron { source: CommandError::NotRun { .. }, .. }) => Ok(String::new()),
            read => read,
        }
    }

    /// A user's systemd ends with the last login, and the timer with it.
    fn remind(&self, output: Output) {
        let Some(Scope::User { uid, .. }) = self.scope else { return };
        if !timer::lingers(uid) {
            let command = timer::linger(uid);
            let hint = format!("hint: `{command}` to keep it running, also after a restart");
            output.remark(&format!("warning: the timer ends when this user logs out\n{hint}"));
        }
    }
}
