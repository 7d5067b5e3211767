//! A schedule runs a cycle every minute: a timer of systemd, or a line of the user's crontab where no systemd runs.

use std::path::{Path, PathBuf};

use wnm_pm::command::CommandError;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::ManagerError;

pub mod cron;
pub mod timer;

/// What runs every minute: `wnm run --quiet` on one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The wnm program: an absolute path.
    pub program: PathBuf,
    /// The database: an absolute path.
    pub database: PathBuf,
    /// The config file, where it is not the usual one: an absolute path.
    pub config: Option<PathBuf>,
    /// Variables that the job is given beside the schedule's own few: those that name the container engine.
    pub environment: Vec<(String, String)>,
}

/// Why there is no schedule, or no other one.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// A path that the schedule's form cannot carry.
    #[error("wnm cannot be scheduled")]
    Unusable(#[from] ManagerError),
    /// A path that cron cannot carry.
    #[error("wnm cannot be scheduled by cron: {path:?} {reason}", path = .path.display())]
    NotForCron {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The value of a variable that cron cannot carry.
    #[error("wnm cannot be scheduled by cron: the value of {name} {reason}")]
    VariableNotForCron {
        /// The variable.
        name: String,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// The crontab could not be read or written.
    #[error("cannot use the crontab of this user")]
    Cron {
        /// What was to be run.
        job: String,
        /// Why not.
        source: CommandError,
    },
    /// The crontab holds what wnm could not write back unchanged.
    #[error("the crontab of this user holds bytes that are not UTF-8, and is left alone")]
    NotText(String),
    /// systemd could not be reached or refused.
    #[error("cannot use the systemd of this {whose}")]
    Systemd {
        /// `user` or `machine`.
        whose: &'static str,
        /// Why not.
        source: CommandError,
        /// What to do.
        hint: Box<Hint>,
    },
    /// The timer is there for another database.
    #[error("{unit} runs wnm on {other}, not on this database", unit = .unit.display(), other = .other.display())]
    Taken {
        /// The unit file.
        unit: PathBuf,
        /// The database that it is for.
        other: PathBuf,
    },
    /// A unit file that wnm did not write has the name of one of wnm's.
    #[error("{unit} was not written by wnm, and is left alone", unit = .unit.display())]
    Foreign {
        /// The unit file.
        unit: PathBuf,
    },
}

impl Hinted for ScheduleError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unusable(_) | Self::NotForCron { .. } => vec![Hint::text("move it to a path of plain characters")],
            Self::VariableNotForCron { name, .. } => vec![Hint::text(format!("set {name} to plain characters"))],
            Self::Cron { job, .. } => {
                vec![Hint::text(format!("install cron, or have something else run `{job}` every minute"))]
            }
            Self::NotText(line) => vec![Hint::text(format!("add this line with `crontab -e`: {line}"))],
            Self::Systemd { hint, .. } => vec![(**hint).clone()],
            Self::Taken { other, .. } => {
                vec![Hint::run(Task::RemoveSchedule { database: Some(other.clone()) }).to("free it")]
            }
            Self::Foreign { .. } => {
                vec![Hint::text("give it another name, or delete it: wnm's own timer needs that one")]
            }
        }
    }
}

impl Job {
    /// The words behind the program.
    fn words(&self) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut words = vec!["run".to_owned(), "--quiet".to_owned(), "--database".to_owned(), text(&self.database)];
        words.extend(self.config.iter().flat_map(|path| ["--config".to_owned(), text(path)]));
        words
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        [self.program.as_path(), &self.database].into_iter().chain(self.config.as_deref())
    }
}
