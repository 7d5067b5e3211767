//! What was left out since `cargo test` began. Each target is a process of its own, so they hand the reasons on in a file
//! of the build directory; the last target prints the sum.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use wnm_pm::process;

use crate::traces::build_directory;

/// Adds the reasons of this target, one for each test, and prints the sum of all targets so far, unless it is none.
#[expect(clippy::print_stderr, reason = "what is left out has to be seen")]
pub(super) fn print(left_out: &[String]) {
    let file = file();
    let run = this_run();
    let before = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let mut reasons = reasons_of(&run, &before);
    reasons.extend(left_out.iter().map(String::as_str));
    // A target that runs itself again has nothing to add, and is not of this run.
    if let Some(file) = file.filter(|_| !left_out.is_empty()) {
        // Only the sum would suffer.
        let _ = fs::write(file, text_of(&run, &reasons));
    }
    if !reasons.is_empty() {
        eprintln!("{}", sentence(&reasons));
    }
}

/// Beside what cargo built.
fn file() -> Option<PathBuf> {
    Some(build_directory()?.join("tests-left-out"))
}

/// Names the `cargo test` that runs this target, or this very process where it is run by hand.
fn this_run() -> String {
    let by_cargo = std::env::var_os("CARGO").is_some();
    let pid = if by_cargo { std::os::unix::process::parent_id() } else { std::process::id() };
    format!("{pid} {}", process::start_time(pid).unwrap_or_default())
}

/// The file's reasons, if it is of this run.
fn reasons_of<'t>(run: &str, text: &'t str) -> Vec<&'t str> {
    let mut lines = text.lines();
    if lines.next() == Some(run) { lines.collect() } else { Vec::new() }
}

fn text_of(run: &str, reasons: &[&str]) -> String {
    let mut lines = vec![run];
    lines.extend(reasons);
    lines.join("\n")
}

/// "3 tests left out so far: 2 not run as root, 1 no python3".
fn sentence(reasons: &[&str]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let tests = |count: usize| format!("{count} {}", if count == 1 { "test" } else { "tests" });
    let mut sentence = format!("{} left out so far:", tests(reasons.len()));
    for (reason, count) in counts {
        let _ = write!(sentence, "\n{count:>5}  {reason}");
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_one_run_are_summed_up_and_those_of_another_are_not() {
        let first = text_of("812 7", &["not run as root"]);
        let mut reasons = reasons_of("812 7", &first);
        reasons.extend(["no IPv6", "not run as root"]);
        let second = text_of("812 7", &reasons);
        let reasons = reasons_of("812 7", &second);
        assert_eq!(sentence(&reasons), "3 tests left out so far:\n    1  no IPv6\n    2  not run as root");
        assert_eq!(reasons_of("812 8", &second), Vec::<&str>::new());
        assert_eq!(sentence(&["no IPv6"]), "1 test left out so far:\n    1  no IPv6");
    }
}
