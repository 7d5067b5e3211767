//! A line of the user's crontab. It ends in `# wnm DATABASE`, by which it is found again; all other lines are kept as they
//! are, byte for byte.

use super::{Job, ScheduleError};
use wnm_pm::command::{Command, CommandError, CommandRunner};

/// Every minute.
const WHEN: &str = "* * * * * ";

/// The line that runs the job.
///
/// # Errors
/// [`ScheduleError::NotForCron`] for a path that no line can carry.
pub fn line(job: &Job) -> Result<String, ScheduleError> {
    for path in job.paths() {
        let problem = path.to_str().map_or(Some("is no UTF-8 text"), problem);
        if let Some(reason) = problem {
            return Err(ScheduleError::NotForCron { path: path.to_owned(), reason });
        }
    }
    for (name, value) in &job.environment {
        if let Some(reason) = problem(value) {
            return Err(ScheduleError::VariableNotForCron { name: name.clone(), reason });
        }
    }
    // Cron takes a bare percent sign for the end of the command.
    Ok(format!("{WHEN}{}{}", as_typed(job), mark(job)).replace('%', "\\%"))
}

/// Why no line of a crontab can carry a text.
fn problem(text: &str) -> Option<&'static str> {
    if text.contains(char::is_control) {
        return Some("has control characters");
    }
    // A backslash in front of cron's own would free the percent sign again, and it would end the command.
    let freed = text.contains('%') && quoted(text).contains('\\');
    freed.then_some("has a percent sign beside characters that need a backslash")
}

/// What the line ends in, before percent signs are written cron's way.
fn mark(job: &Job) -> String {
    format!(" # wnm {}", job.database.display())
}

/// As a POSIX shell reads it: cron hands the command to one.
fn quoted(word: &str) -> String {
    shlex::Quoter::new().allow_nul(true).quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// Whether this line of a crontab is this database's.
fn is_ours(line: &str, job: &Job) -> bool {
    let names_it = format!("--database {}", quoted(&job.database.to_string_lossy())).replace('%', "\\%");
    line.starts_with(WHEN) && line.contains(&names_it) && line.ends_with(&mark(job).replace('%', "\\%"))
}

/// The crontab with the job in it, once.
///
/// # Errors
/// As [`line()`].
pub fn with(crontab: &str, job: &Job) -> Result<String, ScheduleError> {
    let wanted = line(job)?;
    let ours: Vec<&str> = crontab.lines().filter(|line| is_ours(line, job)).collect();
    if ours == [wanted.as_str()] {
        return Ok(crontab.to_owned());
    }
    let mut kept = without(crontab, job);
    if !kept.is_empty() && !kept.ends_with('\n') {
        kept.push('\n');
    }
    Ok(format!("{kept}{wanted}\n"))
}

/// The crontab without the job.
#[must_use]
pub fn without(crontab: &str, job: &Job) -> String {
    let others = |line: &&str| !is_ours(line.trim_end_matches('\n'), job);
    crontab.split_inclusive('\n').filter(others).collect()
}

/// The line of this database that is in the crontab.
#[must_use]
pub fn find<'c>(crontab: &'c str, job: &Job) -> Option<&'c str> {
    crontab.lines().find(|line| is_ours(line, job))
}

/// The crontab of the user who calls; empty when there is none yet.
///
/// # Errors
/// When there is no cron, or it refuses: what cannot be read is never written over.
pub async fn read(job: &Job, runner: &dyn CommandRunner) -> Result<String, ScheduleError> {
    let listing = Command::new("crontab").arg("-l");
    let error = |source| ScheduleError::Cron { job: as_typed(job), source };
    let output = runner.run(&listing).await.map_err(error)?;
    match output.code {
        Some(0) if output.stdout.contains(char::REPLACEMENT_CHARACTER) => Err(ScheduleError::NotText(line(job)?)),
        Some(0) => Ok(output.stdout),
        Some(1) if output.stderr.contains("no crontab") => Ok(String::new()),
        code => Err(error(CommandError::Failed {
            command: listing.display(),
            how: code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}")),
            said: output.stderr.trim().to_owned(),
        })),
    }
}

/// Puts this crontab in the place of the one that was read.
#[must_use]
pub fn replace(crontab: String) -> Command {
    Command::new("crontab").arg("-").input(crontab)
}

/// Runs what [`replace`] made.
///
/// # Errors
/// When cron refuses the crontab; then the old one stays.
pub async fn carry_out(job: &Job, steps: &[Command], runner: &dyn CommandRunner) -> Result<(), ScheduleError> {
    for step in steps {
        runner.succeed(step).await.map_err(|source| ScheduleError::Cron { job: as_typed(job), source })?;
    }
    Ok(())
}

/// The job as a shell runs it.
fn as_typed(job: &Job) -> String {
    let assignments = job.environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let program = quoted(&job.program.to_string_lossy());
    let words = job.words().into_iter().map(|word| quoted(&word));
    assignments.chain([program]).chain(words).collect::<Vec<_>>().join(" ")
}
