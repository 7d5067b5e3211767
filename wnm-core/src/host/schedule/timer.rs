//! A timer of systemd, and the service that it starts: the machine's own, or that of the user who calls.

use std::path::{Path, PathBuf};

use super::{Job, ScheduleError};
use wnm_pm::command::{Command, CommandError, CommandRunner};
use wnm_pm::hint::Hint;
use wnm_pm::privilege::{Privilege, SUDO_HINT};
use wnm_pm::unit_file;
use wnm_pm::user::User;

const SERVICE: &str = "wnm.service";
/// The unit that is switched on and off.
pub const TIMER: &str = "wnm.timer";
/// What a file of wnm's begins with; one that does not is somebody's own.
const HEADER: &str = "# Written by `wnm schedule install`.\n";

/// Whose systemd it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The machine's; the cycle runs as this user id, since the database belongs to that user.
    Machine {
        /// The database's owner.
        owner: u32,
    },
    /// That of the user who calls, who has this home directory and this user id.
    User {
        /// The home directory.
        home: PathBuf,
        /// The user id.
        uid: u32,
    },
}

impl Scope {
    /// Where a unit file of wnm's lies.
    fn unit(&self, name: &str) -> PathBuf {
        match self {
            Self::Machine { .. } => Path::new("/etc/systemd/system").join(name),
            Self::User { home, .. } => home.join(".config/systemd/user").join(name),
        }
    }

    fn whose(&self) -> &'static str {
        match self {
            Self::Machine { .. } => "machine",
            Self::User { .. } => "user",
        }
    }

    fn privilege(&self) -> Privilege {
        match self {
            Self::Machine { .. } => Privilege::of_root(),
            Self::User { .. } => Privilege::Own,
        }
    }

    fn systemctl(&self, privilege: Privilege, words: &[&str]) -> Command {
        match self {
            Self::Machine { .. } => privilege.command("systemctl").args(words),
            // A job of cron, or a session that su made, is not told where its user's systemd listens.
            Self::User { .. } => wnm_pm::user::in_own_session(Command::new("systemctl")).arg("--user").args(words),
        }
    }
}

/// The service: one cycle.
///
/// # Errors
/// When systemd cannot carry a path.
pub fn service_unit(job: &Job, scope: &Scope) -> Result<String, ScheduleError> {
    let start = unit_file::exec_start(&job.program, &job.words())?;
    let user = match scope {
        Scope::Machine { owner } if *owner != 0 => format!("User={owner}\n"),
        _ => String::new(),
    };
    let mut environment = String::new();
    for (name, value) in &job.environment {
        environment.push_str(&format!("Environment={}\n", unit_file::environment(name, value)?));
    }
    Ok(format!(
        "{HEADER}\
        [Unit]\n\
        Description=One cycle of wnm\n\
        \n\
        [Service]\n\
        Type=oneshot\n\
        {user}{environment}ExecStart={start}\n\
        # Nodes that wnm starts by itself (setsid) outlive the cycle.\n\
        KillMode=process\n\
        TasksMax=infinity\n"
    ))
}

/// The timer: every minute, and none made up for a time when the machine was off.
#[must_use]
pub fn timer_unit() -> String {
    format!(
        "{HEADER}\
        [Unit]\n\
        Description=One cycle of wnm every minute\n\
        \n\
        [Timer]\n\
        OnCalendar=minutely\n\
        AccuracySec=1s\n\
        Persistent=false\n\
        \n\
        [Install]\n\
        WantedBy=timers.target\n"
    )
}

/// What installs the timer, in order. May be repeated.
///
/// # Errors
/// When systemd cannot carry a path.
pub fn install(job: &Job, scope: &Scope, privilege: Privilege) -> Result<Vec<Command>, ScheduleError> {
    let write = |name: &str, content: String| {
        // `install` also makes the directory, and puts the file in place at once.
        let command = privilege.command("install").args(["-D", "--mode=0644", "/dev/stdin"]);
        command.arg(scope.unit(name)).input(content)
    };
    Ok(vec![
        write(SERVICE, service_unit(job, scope)?),
        write(TIMER, timer_unit()),
        scope.systemctl(privilege, &["daemon-reload"]),
        scope.systemctl(privilege, &["enable", "--now", TIMER]),
    ])
}

/// What removes the timer, in order.
#[must_use]
pub fn remove(scope: &Scope, privilege: Privilege) -> Vec<Command> {
    vec![
        scope.systemctl(privilege, &["disable", "--now", TIMER]),
        privilege.command("rm").arg("--force").arg("--").arg(scope.unit(TIMER)).arg(scope.unit(SERVICE)),
        scope.systemctl(privilege, &["daemon-reload"]),
    ]
}

/// A timer that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The service's unit file.
    pub unit: PathBuf,
    /// What is in it.
    pub content: String,
    /// The database that it runs wnm on.
    pub database: Option<PathBuf>,
    /// Whether the timer runs.
    pub active: bool,
}

/// The timer as it is now.
pub async fn installed(scope: &Scope, runner: &dyn CommandRunner) -> Option<Installed> {
    let unit = scope.unit(SERVICE);
    let content = std::fs::read_to_string(&unit).ok()?;
    scope.unit(TIMER).is_file().then_some(())?;
    let asked = runner.run(&scope.systemctl(Privilege::Own, &["is-active", "--quiet", TIMER])).await;
    let database = database(&content);
    Some(Installed { unit, content, database, active: asked.is_ok_and(|output| output.success()) })
}

/// The database that a service runs wnm on.
fn database(content: &str) -> Option<PathBuf> {
    let line = content.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    let mut words = unit_file::split(line).into_iter().skip_while(|word| word != "--database");
    words.nth(1).map(PathBuf::from)
}

/// What has to be done for the timer to run this job: nothing when it does.
///
/// # Errors
/// [`ScheduleError::Taken`] when it runs another database's, [`ScheduleError::Foreign`] where a unit file that wnm did not
/// write is in the way, and what [`install`] refuses.
pub async fn to_install(job: &Job, scope: &Scope, runner: &dyn CommandRunner) -> Result<Vec<Command>, ScheduleError> {
    let there = installed(scope, runner).await;
    if let Some(Installed { unit, database: Some(other), .. }) = &there
        && *other != job.database
    {
        return Err(ScheduleError::Taken { unit: unit.clone(), other: other.clone() });
    }
    refuse_foreign(scope)?;
    let content = service_unit(job, scope)?;
    let timer = std::fs::read_to_string(scope.unit(TIMER)).unwrap_or_default();
    if timer == timer_unit() && there.is_some_and(|there| there.active && there.content == content) {
        return Ok(Vec::new());
    }
    install(job, scope, scope.privilege())
}

/// What has to be done for no timer to run wnm on this database: nothing when none does.
///
/// # Errors
/// [`ScheduleError::Foreign`] when one does that wnm did not write.
pub async fn to_remove(job: &Job, scope: &Scope, runner: &dyn CommandRunner) -> Result<Vec<Command>, ScheduleError> {
    let there = installed(scope, runner).await;
    if there.is_none_or(|there| there.database.as_ref() != Some(&job.database)) {
        return Ok(Vec::new());
    }
    refuse_foreign(scope)?;
    Ok(remove(scope, scope.privilege()))
}

/// Refuses where somebody's own file, or a link that masks the unit, stands in the place of one of wnm's.
fn refuse_foreign(scope: &Scope) -> Result<(), ScheduleError> {
    let is_foreign = |unit: &PathBuf| match std::fs::read(unit) {
        Ok(content) => !content.starts_with(HEADER.as_bytes()),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound || unit.is_symlink(),
    };
    match [SERVICE, TIMER].map(|name| scope.unit(name)).into_iter().find(is_foreign) {
        Some(unit) => Err(ScheduleError::Foreign { unit }),
        None => Ok(()),
    }
}

/// Runs what [`to_install`] or [`to_remove`] came to.
///
/// # Errors
/// [`ScheduleError::Systemd`] with what the first program that failed said.
pub async fn carry_out(steps: &[Command], scope: &Scope, runner: &dyn CommandRunner) -> Result<(), ScheduleError> {
    for step in steps {
        runner.succeed(step).await.map_err(|error| failure(scope, &error))?;
    }
    Ok(())
}

fn failure(scope: &Scope, error: &CommandError) -> ScheduleError {
    let hint = match scope {
        Scope::Machine { .. } => Hint::text(SUDO_HINT),
        Scope::User { uid, .. } => Hint::shell(linger(*uid)).to("keep a systemd of this user running without a login"),
    };
    ScheduleError::Systemd { whose: scope.whose(), source: error.clone(), hint: Box::new(hint) }
}

/// The command that has a user's systemd run from boot on.
#[must_use]
pub fn linger(uid: u32) -> String {
    format!("sudo loginctl enable-linger {uid}")
}

/// Whether a user's systemd runs without a login.
#[must_use]
pub fn lingers(uid: u32) -> bool {
    let user = User::with_id(uid).ok().flatten();
    user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user.name).exists())
}
