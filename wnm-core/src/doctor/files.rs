//! Files that only their owner should read, in the hands of who runs wnm; and the mark of the storage.

use super::{Facts, FileKind, OwnFile, error, warning, word};
use crate::config::Config;
use crate::cycle::storage::MARK;
use crate::process_manager::Finding;

pub(super) fn storage_mark(config: &Config, facts: &Facts) -> Option<Finding> {
    let storage = config.node_storage.display();
    (!facts.storage_is_marked).then(|| {
        let what = format!("{storage} has no file {MARK}, which wnm puts there");
        let consequence = "it is taken for a disk that is not mounted: no node that is missing there is given up";
        let mark = word(&config.node_storage.join(MARK));
        let mend = format!("mount the disk; if this is the right directory, `touch {mark}`");
        error("storage-unmarked", what, consequence, mend)
    })
}

pub(super) fn rights(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for OwnFile { path, kind, owner, mode } in &facts.files {
        let open = mode & 0o077 != 0;
        let (shell_word, path) = (word(path), path.display());
        if *kind == FileKind::Record && *owner != facts.user {
            let what = format!("{path} belongs to user {owner}, and this wnm runs as user {}", facts.user);
            let consequence = "what one of them writes, the other may not be able to read";
            findings.push(warning("record-of-another", what, consequence, format!("sudo -u '#{owner}' wnm doctor")));
        }
        let (code, what, consequence, change) = match kind {
            FileKind::Record if open => (
                "record-readable",
                "others may use the record",
                "others see, or change, addresses and settings",
                "go-rwx",
            ),
            // Reading stays: nodes may run as a user of their own.
            FileKind::Storage if mode & 0o022 != 0 => (
                "storage-writable",
                "others may write to the storage",
                "others can replace programs that run as you",
                "go-w",
            ),
            _ => continue,
        };
        let mend = format!("chmod {change} {shell_word}");
        findings.push(warning(code, format!("{what}: {path} has mode {mode:04o}"), consequence, mend));
    }
    findings.extend(keys(facts));
    findings
}

/// All keys together: there may be thousands.
fn keys(facts: &Facts) -> Option<Finding> {
    let open = |file: &&OwnFile| file.kind == FileKind::Key && file.mode & 0o077 != 0;
    let keys: Vec<&OwnFile> = facts.files.iter().filter(open).collect();
    let first = keys.first()?;
    let (path, mode) = (first.path.display(), first.mode);
    let what = format!("others may read the keys of {} nodes: {path} has mode {mode:04o}", keys.len());
    let directories = keys.iter().map(|file| word(file.path.parent().unwrap_or(&file.path)));
    let mend = format!("chmod go-rwx {}", directories.collect::<Vec<_>>().join(" "));
    Some(error("key-readable", what, "whoever copies a key can pass for the node", mend))
}
