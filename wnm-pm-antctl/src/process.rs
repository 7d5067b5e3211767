//! A node's true process: antctl's own `pid` is mostly that of a thread, and sometimes that of another node.

use std::fs;
use std::path::Path;

use wnm_pm::last_words::tail;
use wnm_pm::node::ProcessId;
use wnm_pm::process::identity;

use crate::parse::Entry;

/// The process that the node wrote down itself, as long as it lives and runs the node's own program.
pub(crate) fn of_node(entry: &Entry) -> Option<ProcessId> {
    let note = tail(&entry.data_dir_path.join("antnode.pid"), 0);
    let pid = note.trim().parse().ok()?;
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    runs(&program, &entry.antnode_path).then(|| identity(pid)).flatten()
}

/// Whether the kernel's name for a running program means this file, also when the file was replaced meanwhile.
fn runs(program: &Path, file: &Path) -> bool {
    program == file
        || program.to_str().and_then(|name| name.strip_suffix(" (deleted)")).is_some_and(|name| file == Path::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_program_still_runs_for_its_node() {
        let file = Path::new("/var/antctl/services/antnode1/antnode");
        assert!(runs(file, file));
        assert!(runs(Path::new("/var/antctl/services/antnode1/antnode (deleted)"), file));
        assert!(!runs(Path::new("/var/antctl/services/antnode11/antnode"), file));
    }
}
