//! Files that only their owner should read, in the hands of who runs wnm; and the mark of the storage.

use super::{Facts, FileKind, OwnFile, error, warning};
use crate::settings::Config;
use crate::snapshot::DiskLoad;
use crate::storage::STORAGE_MARKER;
use wnm_pm::process_manager::{Finding, Mode};
use wnm_pm::shell::word;

pub(super) fn storage_marks(facts: &Facts) -> Vec<Finding> {
    let finding = |disk: &DiskLoad| {
        let what = format!("{} has no file {STORAGE_MARKER}, which wnm puts there", disk.storage.display());
        let consequence = "it is taken for a disk that is not mounted: no node that is missing there is given up";
        let mark = word(&disk.storage.join(STORAGE_MARKER));
        let fix = format!("mount the disk; if this is the right directory, `touch {mark}`");
        error("storage-unmarked", what, consequence, fix)
    };
    facts.disks.iter().filter(|disk| !disk.is_there).map(finding).collect()
}

pub(super) fn rights(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for OwnFile { path, kind, owner, mode } in &facts.files {
        let open = mode & 0o077 != 0;
        let (shell_word, path) = (word(path), path.display());
        if *kind == FileKind::Database && *owner != facts.user {
            let what = format!("{path} belongs to user {owner}, and this wnm runs as user {}", facts.user);
            let consequence = "what one of them writes, the other may not be able to read";
            findings.push(warning("database-of-another", what, consequence, format!("sudo -u '#{owner}' wnm doctor")));
        }
        let (code, what, consequence, change) = match kind {
            FileKind::Database if open => (
                "database-readable",
                "others may use the database",
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
        let fix = format!("{}chmod {change} {shell_word}", sudo(facts, &[*owner]));
        findings.push(warning(code, format!("{what}: {path} has mode {mode:04o}"), consequence, fix));
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
    // Directories stay as they are: some managers look into them for nodes that run as a user of their own.
    let files: Vec<String> = keys.iter().map(|file| word(&file.path)).collect();
    let owners: Vec<u32> = keys.iter().map(|file| file.owner).collect();
    let fix = format!("{}chmod go-rwx {}", sudo(facts, &owners), files.join(" "));
    Some(error("key-readable", what, "whoever copies a key can pass for the node", fix))
}

/// What stands before a command that changes files of these owners.
fn sudo(facts: &Facts, owners: &[u32]) -> &'static str {
    let own = facts.user == 0 || owners.iter().all(|owner| *owner == facts.user);
    if own { "" } else { "sudo " }
}

/// Nodes that run as whoever owns the database need directories that are that user's.
pub(super) fn owners(config: &Config, facts: &Facts) -> Vec<Finding> {
    let of_kind = |kind: FileKind| facts.files.iter().filter(move |file| file.kind == kind);
    let keeper = of_kind(FileKind::Database).map(|database| database.owner).next().unwrap_or(facts.user);
    if config.process_manager.mode != Mode::User || !facts.runs_nodes_as_caller {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for storage in of_kind(FileKind::Storage).filter(|storage| storage.owner != keeper) {
        let (path, owner) = (storage.path.display(), storage.owner);
        let what = format!("{path} belongs to user {owner}, and nodes run as user {keeper}");
        let fix = format!("sudo chown {keeper} {}", word(&storage.path));
        findings.push(error("storage-of-another", what, "no node can be added or removed there", fix));
    }
    let others: Vec<&OwnFile> = of_kind(FileKind::Node).filter(|node| node.owner != keeper).collect();
    if let Some(first) = others.first() {
        let (path, owner) = (first.path.display(), first.owner);
        let what = format!(
            "directories of nodes belong to another user than {keeper}, who runs them ({}): {path} to user {owner}",
            others.len()
        );
        let directories: Vec<String> = others.iter().map(|node| word(&node.path)).collect();
        let fix = format!("sudo chown -R {keeper} {}", directories.join(" "));
        findings.push(error("node-of-another", what, "these nodes cannot start, and cannot be removed", fix));
    }
    findings
}
