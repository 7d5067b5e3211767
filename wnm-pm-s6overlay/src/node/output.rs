//! A node's output is what it printed: its container keeps the newest part of it beside the node's definition, each line
//! with the time in front.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::last_words;

use super::definition::Definition;

/// The end of what a node printed, without the times. Empty when it printed nothing, or it cannot be read.
#[must_use]
pub fn tail(definition: &Definition) -> String {
    let current = last_words::tail(&definition.said, 0);
    // A full part was just put aside, and nothing has come after it.
    let aside = || newest_aside(&definition.said).map(|path| last_words::tail(&path, 0)).unwrap_or_default();
    let text = if current.is_empty() { aside() } else { current };
    text.lines().fold(String::new(), |all, line| all + without_time(line) + "\n")
}

/// The part that was put aside last: the names of parts are times.
fn newest_aside(said: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(said.parent()?).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_aside(path)).max()
}

fn is_aside(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('@'))
}

fn without_time(line: &str) -> &str {
    match line.split_once("  ") {
        Some((time, rest)) if is_time(time) => rest,
        _ => line,
    }
}

/// `2026-11-22 17:11:50`, or with `.367372354` behind it, as it was written before.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    ["0000-00-00 00:00:00", "0000-00-00 00:00:00.000000000"].contains(&shape.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(files: &[(&str, &str)]) -> (tempfile::TempDir, Definition) {
        let dir = tempfile::tempdir().unwrap();
        let definition = Definition::new(dir.path(), "a1", "antnode0001");
        let log = definition.said.parent().unwrap();
        fs::create_dir_all(log).unwrap();
        files.iter().for_each(|(name, text)| fs::write(log.join(name), text).unwrap());
        (dir, definition)
    }

    #[test]
    fn the_newest_output_is_read_without_times() {
        let current = "2026-11-22 17:11:50.367372354  hello\n2026-11-22 17:11:50  \nno  time\n";
        let (_dir, definition) = definition(&[("current", current), ("@400000006b032a63038b2841.s", "older\n")]);
        assert_eq!(tail(&definition), "hello\n\nno  time\n");
    }

    #[test]
    fn what_was_just_put_aside_is_the_newest() {
        let aside = [("current", ""), ("@400000006b032a6303.s", "older\n"), ("@400000006b032a6304.s", "newer\n")];
        let (_dir, definition) = definition(&aside);
        assert_eq!(tail(&definition), "newer\n");
    }

    #[test]
    fn only_the_end_of_long_output_is_read() {
        let (_dir, definition) = definition(&[("current", &"x".repeat(1_000_000))]);
        assert_eq!(tail(&definition).len(), 64 * 1024 + 1);
    }

    #[test]
    fn a_link_is_not_followed_and_missing_output_is_empty() {
        let (dir, definition) = definition(&[]);
        assert_eq!(tail(&definition), "");
        fs::write(dir.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), &definition.said).unwrap();
        assert_eq!(tail(&definition), "");
    }
}
