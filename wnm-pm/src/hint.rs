//! A hint says what a person can do about an error. It is a value, not a text: whoever shows it words it, since only a
//! command line knows its commands, and only a page its buttons.

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What can be done about an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// What to do.
    pub advice: Advice,
    /// What that achieves, to be read behind "to": "allow them".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Cow<'static, str>>,
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Advice {
    /// Change a setting.
    Set {
        /// The setting's name.
        setting: Cow<'static, str>,
        /// Its new value; none when only the owner can know it.
        value: Option<String>,
    },
    /// Have wnm do something.
    Run(Task),
    /// Run a command of this machine at a shell; every word is quoted already.
    Shell(String),
    /// What no command does: a sentence without a full stop.
    Text(Cow<'static, str>),
}

/// Something that wnm does when it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// Initialise this machine.
    Init,
    /// Initialise another database, with this process manager.
    InitElsewhere {
        /// The word for the process manager: `setsid+user`.
        process_manager: String,
    },
    /// Take over the nodes that run here already.
    Adopt,
    /// Run a cycle.
    Cycle,
    /// Make a plan; into a file, where one is named.
    Plan {
        /// Where the plan is saved.
        out: Option<String>,
    },
    /// Show the nodes.
    Status,
    /// Do something to nodes.
    Nodes {
        /// What: `start`, `remove`, ….
        verb: Cow<'static, str>,
        /// Their names.
        names: Vec<String>,
    },
    /// List the removed nodes of which something is kept.
    Removed,
    /// End the pause of the cycles.
    Resume,
    /// Show the roll-out of a new version, or have it go on or end.
    Rollout {
        /// Which: `status`, `resume` or `abort`.
        word: Cow<'static, str>,
    },
    /// Move all nodes to the flavour of the node program.
    MigrateFlavour,
    /// Move the nodes of a storage to another disk.
    MoveStorage {
        /// The storage that they leave.
        from: PathBuf,
    },
    /// Show the settings.
    ShowSettings,
    /// Find what is wrong with this machine.
    Doctor,
    /// Remove all nodes; a person is asked first.
    Teardown,
    /// Remove all nodes without asking.
    ConfirmedTeardown,
    /// Print the Dockerfile of the image that container groups are made of.
    Dockerfile,
    /// Build the image that container groups are made of, from the Dockerfile that wnm prints.
    BuildImage {
        /// The name that the image gets: `wnm-node:latest`.
        image: String,
    },
    /// Install the schedule.
    InstallSchedule,
    /// Remove the schedule.
    RemoveSchedule {
        /// That of another database than the present one.
        database: Option<PathBuf>,
    },
}

impl Hint {
    fn new(advice: Advice) -> Self {
        Self { advice, purpose: None }
    }

    /// Give a setting this value.
    #[must_use]
    pub fn set(setting: impl Into<Cow<'static, str>>, value: impl ToString) -> Self {
        Self::new(Advice::Set { setting: setting.into(), value: Some(value.to_string()) })
    }

    /// Give a setting a value that only the owner can know.
    #[must_use]
    pub fn change(setting: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Advice::Set { setting: setting.into(), value: None })
    }

    /// Have wnm do something.
    #[must_use]
    pub fn run(task: Task) -> Self {
        Self::new(Advice::Run(task))
    }

    /// Have wnm do something to one node.
    #[must_use]
    pub fn node(verb: &'static str, name: impl Into<String>) -> Self {
        Self::run(Task::Nodes { verb: verb.into(), names: vec![name.into()] })
    }

    /// Run a command of this machine, whose words are quoted already.
    #[must_use]
    pub fn shell(command: impl Into<String>) -> Self {
        Self::new(Advice::Shell(command.into()))
    }

    /// Do what no command does.
    #[must_use]
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Advice::Text(text.into()))
    }

    /// With what that achieves, to be read behind "to".
    #[must_use]
    pub fn to(mut self, purpose: impl Into<Cow<'static, str>>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }
}

/// An error that knows what can be done about it.
pub trait Hinted: Error {
    /// What can be done about it, or about what caused it; each is a way of its own.
    fn hints(&self) -> Vec<Hint>;
}

/// An error with all its causes, in one line: "cannot open the database: the disk is full".
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write {0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn a_chain_names_each_cause_once() {
        let error = Outer("the file", std::io::Error::other("the disk is full"));
        assert_eq!(chain(&error), "cannot write the file: the disk is full");
    }

    #[test]
    fn a_hint_survives_being_written_down() {
        for hint in [Hint::set("node_cap", 7).to("allow them"), Hint::run(Task::Status), Hint::text("mount the disk")] {
            let text = serde_json::to_string(&hint).expect("it can be written");
            assert_eq!(serde_json::from_str::<Hint>(&text).expect("it can be read"), hint);
        }
    }
}
