//! Hints are worded here and nowhere else: only the command line knows its commands.

use wnm::{Advice, Hint, Hinted, Task};
use wnm_pm::shell::word;

/// The hints of an error in one line; none where there are none.
pub(crate) fn hints(error: &dyn Hinted) -> Option<String> {
    words(&error.hints())
}

/// Several hints in one line, each a way of its own.
pub(crate) fn words(hints: &[Hint]) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in hints.iter().map(hint) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    (!texts.is_empty()).then(|| texts.join("; or "))
}

/// One hint in words: "`wnm config set node_cap 7` to allow them".
fn hint(hint: &Hint) -> String {
    let advice = match &hint.advice {
        Advice::Set { setting, value: Some(value) } => code(&format!("wnm config set {setting} {}", text(value))),
        Advice::Set { setting, value: None } => format!("set {setting}"),
        Advice::Run(task) => code(&format!("wnm {}", command(task))),
        Advice::Shell(command) => code(command),
        Advice::Text(text) => text.to_string(),
        _ => return String::new(),
    };
    match &hint.purpose {
        Some(purpose) => format!("{advice} to {purpose}"),
        None => advice,
    }
}

fn command(task: &Task) -> String {
    match task {
        Task::Init => "init".to_owned(),
        Task::InitElsewhere { process_manager } => {
            format!("init --process_manager {process_manager} --database FILE")
        }
        Task::Adopt => "survey --adopt".to_owned(),
        Task::Cycle => "run".to_owned(),
        Task::Plan { out: None } => "plan".to_owned(),
        Task::Plan { out: Some(file) } => format!("plan --out {}", text(file)),
        Task::Status => "status".to_owned(),
        Task::Nodes { verb, names } => format!("{verb} {}", names.join(" ")).trim_end().to_owned(),
        Task::ShowSettings => "config".to_owned(),
        Task::Doctor => "doctor".to_owned(),
        Task::Teardown => "teardown".to_owned(),
        Task::ConfirmedTeardown => "teardown --confirm".to_owned(),
        Task::Dockerfile => "dockerfile".to_owned(),
        Task::BuildImage { image } => format!("dockerfile | docker build --tag {} -", text(image)),
        Task::InstallSchedule => "schedule install".to_owned(),
        Task::RemoveSchedule { database: None } => "schedule remove".to_owned(),
        Task::RemoveSchedule { database: Some(database) } => format!("schedule remove --database {}", word(database)),
        _ => "--help".to_owned(),
    }
}

fn code(command: &str) -> String {
    format!("`{command}`")
}

/// A text as one word of a shell.
fn text(text: &str) -> String {
    word(text.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_commands_that_can_be_typed() {
        let hints = [
            Hint::set("node_cap", 7).to("allow them"),
            Hint::change("antnode_path").to("name a node program"),
            Hint::node("enable", "antnode0007").to("manage it again"),
            Hint::run(Task::Plan { out: Some("my plan.json".to_owned()) }),
            Hint::run(Task::RemoveSchedule { database: Some("/srv/a b.db".into()) }).to("free it"),
            Hint::run(Task::BuildImage { image: "wnm-node:latest".to_owned() }).to("build it"),
            Hint::shell("sudo loginctl enable-linger 1000").to("keep it running"),
            Hint::text("mount the disk"),
        ];
        insta::assert_snapshot!(hints.each_ref().map(hint).join("\n"), @"
        `wnm config set node_cap 7` to allow them
        set antnode_path to name a node program
        `wnm enable antnode0007` to manage it again
        `wnm plan --out 'my plan.json'`
        `wnm schedule remove --database '/srv/a b.db'` to free it
        `wnm dockerfile | docker build --tag wnm-node:latest -` to build it
        `sudo loginctl enable-linger 1000` to keep it running
        mount the disk
        ");
        let several = [Hint::text("a"), Hint::text("b"), Hint::text("a")];
        assert_eq!(words(&several).as_deref(), Some("a; or b"));
        assert_eq!(words(&[]), None);
    }
}
