//! Rules of the architecture that the compiler does not hold: see ARCHITECTURE.md.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every source file below a folder, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("the file is read");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has sources");
    files
}

/// Code without comments and without its unit tests.
fn code(text: &str) -> String {
    let until_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
    until_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn nowhere(folder: &str, but: &[&str], words: &[&str]) {
    for (path, text) in sources(folder) {
        if but.iter().any(|allowed| path.ends_with(allowed)) {
            continue;
        }
        for word in words {
            assert!(!code(&text).contains(word), "{} has {word:?}", path.display());
        }
    }
}

fn dependencies(member: &str) -> String {
    let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).expect("the manifest is read");
    let after = manifest.split("[dependencies]").nth(1).expect("it has dependencies");
    after.split("\n[").next().unwrap_or_default().to_owned()
}

#[test]
fn the_allocator_does_arithmetic_only() {
    let lib = fs::read_to_string(root().join("wnm-allocator/src/lib.rs")).expect("it is read");
    assert!(lib.contains("#![no_std]"));
    nowhere("wnm-allocator/src", &[], &["std::", "unsafe", "println"]);
    assert!(!dependencies("wnm-allocator").contains("wnm-"));
}

#[test]
fn a_decision_reads_no_clock_and_touches_no_file() {
    let effects = [
        "async ",
        ".await",
        "std::fs",
        "std::net",
        "std::process",
        "SystemTime",
        "Instant",
        "std::env",
        "tokio",
        "rand::",
    ];
    nowhere("wnm-core/src/decide", &[], &effects);
    nowhere("wnm-core/src/plan", &[], &effects);
    nowhere("wnm-core/src/report", &[], &effects);
}

#[test]
fn a_decision_has_figures_and_no_prose() {
    nowhere("wnm-core/src/decide", &[], &["format!", "#[error("]);
    for (path, text) in sources("wnm-core/src/decide").into_iter().chain(sources("wnm-core/src/plan")) {
        // The words of the rules' table are a page of the docs, and an unreadable plan is no decision.
        if path.ends_with("plan/rule.rs") || path.ends_with("plan/mod.rs") {
            continue;
        }
        let code = code(&text);
        // An attribute gives its reason in a sentence.
        let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("#[")).collect();
        let code = lines.join("\n");
        let sentence = code.split('"').skip(1).step_by(2).find(|literal| literal.contains(' '));
        assert_eq!(sentence, None, "{}", path.display());
    }
}

const MANAGERS: [&str; 5] = ["setsid", "systemd", "launchd", "antctl", "s6overlay"];

#[test]
fn process_managers_know_the_toolkit_alone() {
    for manager in MANAGERS {
        let member = format!("wnm-pm-{manager}");
        nowhere(&format!("{member}/src"), &[], &["wnm_core", "rusqlite", "Flavour::V"]);
        let manifest = fs::read_to_string(root().join(&member).join("Cargo.toml")).expect("the manifest is read");
        assert!(!manifest.contains("wnm-core"), "{member} depends on wnm-core, if only for its tests");
        for crate_name in ["rusqlite", "hyper", "alloy", "toml"] {
            assert!(!dependencies(&member).contains(&format!("\n{crate_name} ")), "{member} depends on {crate_name}");
        }
    }
}

#[test]
fn what_a_manager_can_do_is_asked_and_not_which_it_is() {
    for folder in ["wnm-core/src", "wnm-cli/src"] {
        nowhere(folder, &[], &["Supervisor::"]);
    }
}

#[test]
fn sql_is_in_the_store_only() {
    for folder in ["wnm-core/src", "wnm-cli/src"] {
        for (path, text) in sources(folder) {
            let in_store = path.components().any(|part| part.as_os_str() == "store");
            assert!(in_store || !text.contains("rusqlite"), "{}", path.display());
        }
    }
}

#[test]
fn programs_are_run_through_one_door() {
    // `clippy.toml` keeps `Command::new` away from everybody else.
    nowhere("wnm-pm/src", &["command.rs"], &["duct::"]);
    for member in members().iter().filter(|member| *member != "wnm-pm" && *member != "wnm-testing") {
        nowhere(&format!("{member}/src"), &[], &["duct::"]);
    }
}

#[test]
fn no_process_manager_knows_another() {
    for manager in MANAGERS {
        let known = dependencies(&format!("wnm-pm-{manager}"));
        for other in MANAGERS.iter().filter(|other| **other != manager) {
            assert!(!known.contains(&format!("wnm-pm-{other}")), "{manager} knows {other}");
        }
    }
    for member in ["wnm-core", "wnm-allocator"] {
        assert!(!dependencies(member).contains("wnm-pm-"), "{member} knows a process manager");
    }
    assert!(!dependencies("wnm-cli").contains("wnm-pm-"), "the front door alone knows the process managers");
}

#[test]
fn every_member_takes_part_in_the_lints() {
    for member in members() {
        let manifest = fs::read_to_string(root().join(&member).join("Cargo.toml")).expect("it is read");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} has no lints");
    }
}

/// The members of the workspace: their folders.
fn members() -> Vec<String> {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("it is read");
    let members =
        workspace.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).expect("it has members");
    members.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn a_target_without_the_built_in_harness_has_no_test_that_only_that_would_find() {
    let mut targets = 0;
    for member in members() {
        let manifest = fs::read_to_string(root().join(&member).join("Cargo.toml")).expect("it is read");
        for target in manifest.split("[[test]]").skip(1).filter(|target| target.contains("harness = false")) {
            let name = target.split('"').nth(1).expect("a target has a name");
            let folder = format!("{member}/tests/{name}");
            let files = if root().join(&folder).is_dir() {
                sources(&folder)
            } else {
                let path = root().join(format!("{folder}.rs"));
                let text = fs::read_to_string(&path).expect("the target is read");
                vec![(path, text)]
            };
            targets += 1;
            for (path, text) in files {
                for attribute in ["#[test]", "#[tokio::test", "proptest!"] {
                    assert!(!text.contains(attribute), "{} has {attribute}: list it in trials!", path.display());
                }
            }
        }
    }
    assert!(targets > 10, "{targets} targets list their tests");
}

#[test]
fn a_member_without_doctests_has_no_example_that_nobody_runs() {
    for member in members() {
        let manifest = fs::read_to_string(root().join(&member).join("Cargo.toml")).expect("it is read");
        if manifest.contains("doctest = false") {
            for (path, text) in sources(&format!("{member}/src")) {
                let fences = text.lines().filter_map(|line| line.trim_start().strip_prefix("//")?.split("```").nth(1));
                // Every other one closes a block.
                let is_run = |language| ["", "rust", "no_run", "should_panic"].contains(&language);
                assert!(!fences.step_by(2).any(is_run), "{}: take `doctest = false` out", path.display());
            }
        }
    }
}
