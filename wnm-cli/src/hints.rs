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
        Task::Removed => "removed".to_owned(),
        Task::Resume => "resume".to_owned(),
        Task::Rollout { word } => format!("rollout {word}"),
        Task::MigrateFlavour => "migrate-flavour".to_owned(),
        Task::MoveStorage { from } => format!("move-storage DIR --from {}", word(from)),
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
    use wnm_core::settings::{Lifetime, TABLE, lookup};

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

    /// One of each.
    fn tasks() -> Vec<Task> {
        let file = || Some("plan.json".to_owned());
        vec![
            Task::Init,
            Task::InitElsewhere { process_manager: "setsid+user".to_owned() },
            Task::Adopt,
            Task::Removed,
            Task::Cycle,
            Task::Plan { out: file() },
            Task::Plan { out: None },
            Task::Status,
            Task::Nodes { verb: "add".into(), names: vec!["--count".to_owned(), "3".to_owned()] },
            Task::Nodes { verb: "enable".into(), names: vec!["antnode0001".to_owned()] },
            Task::Nodes { verb: "remove".into(), names: vec!["antnode0001".to_owned()] },
            Task::Nodes { verb: "start".into(), names: vec!["antnode0001".to_owned()] },
            Task::Resume,
            Task::Rollout { word: "status".into() },
            Task::Rollout { word: "resume".into() },
            Task::Rollout { word: "abort".into() },
            Task::MigrateFlavour,
            Task::MoveStorage { from: "/srv/nodes".into() },
            Task::ShowSettings,
            Task::Doctor,
            Task::Teardown,
            Task::ConfirmedTeardown,
            Task::Dockerfile,
            Task::BuildImage { image: "wnm-node:latest".to_owned() },
            Task::InstallSchedule,
            Task::RemoveSchedule { database: None },
            Task::RemoveSchedule { database: Some("/srv/colony.db".into()) },
        ]
    }

    fn is_accepted(command: &str) -> Result<(), String> {
        let words = command.split(" | ").next().unwrap_or_default().split(' ');
        let parsed = crate::arguments::command().try_get_matches_from(words);
        parsed.map(drop).map_err(|error| format!("{command}: {error}"))
    }

    /// The sources of all crates, without their unit tests.
    fn sources() -> Vec<(std::path::PathBuf, String)> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = Vec::new();
        let crates = std::fs::read_dir(root).expect("the sources are there").flatten().map(|entry| entry.path());
        let mut folders: Vec<_> = crates.map(|member| member.join("src")).filter(|folder| folder.is_dir()).collect();
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).expect("it is read").flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                    let text = std::fs::read_to_string(&path).expect("it is read");
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                    found.push((path, code));
                }
            }
        }
        found
    }

    #[test]
    fn every_hint_that_names_a_command_of_wnm_is_accepted_by_it() {
        for task in tasks() {
            let command = format!("wnm {}", command(&task));
            is_accepted(&command).expect("it is a command line");
        }
        let (_, declared) =
            sources().into_iter().find(|(path, _)| path.ends_with("wnm-pm/src/hint.rs")).expect("it is there");
        let body =
            declared.split("pub enum Task {").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("its tasks");
        let named = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(char::is_uppercase));
        for name in named.map(|line| line.trim_end_matches([',', '{', ' '])) {
            assert!(
                tasks().iter().any(|task| format!("{task:?}").split(' ').next() == Some(name)),
                "{name} is not tried"
            );
        }
    }

    #[test]
    fn every_setting_that_a_hint_names_may_be_changed() {
        let fixed = |name: &str| lookup(name).is_some_and(|setting| setting.lifetime == Lifetime::Fixed);
        let mut named = 0;
        for (path, code) in sources() {
            for verb in ["Hint::set(\"", "Hint::change(\""] {
                for rest in code.split(verb).skip(1) {
                    let name = rest.split('"').next().expect("a name ends");
                    // It is checked before it is recorded, so that whoever reads this has not initialised the machine.
                    if path.ends_with("node/definition.rs") && name == "max_node_per_container" {
                        continue;
                    }
                    assert!(lookup(name).is_some() && !fixed(name), "{}: {name} cannot be changed", path.display());
                    named += 1;
                }
            }
            for setting in TABLE.iter().filter(|setting| fixed(setting.name)) {
                for words in ["set", "use another", "choose another", "another"] {
                    let advice = format!("{words} {}", setting.name);
                    assert!(!code.contains(&advice), "{}: {advice}", path.display());
                }
            }
        }
        assert!(named > 10, "hints were found");
    }
}
