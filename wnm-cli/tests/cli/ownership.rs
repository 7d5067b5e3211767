//! Whose a database and a storage are: nobody takes them from anybody by mistake.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use wnm_core::node::Status::Running;
use wnm_core::storage::STORAGE_MARKER;
use wnm_testing::Colony;
use wnm_testing::Need::Root;

use crate::{WNM, running};

const NOBODY: u32 = 65_534;

fn give_to_nobody(path: &Path) {
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(path).status();
    assert!(given.expect("chown can be run").success());
}

fn another_users_database_is_refused_without_as_owner() {
    // Where nobody can run it.
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("its mode is set");
    let program = place.path().join("wnm");
    fs::copy(WNM, &program).expect("the program is copied");
    let colony = Colony::initialised(&program, &["--node_cap=2"]);
    colony.cycle_until_running(2);
    give_to_nobody(colony.path());

    for words in
        [&["run"][..], &["start", "2"], &["stop", "2"], &["remove", "2", "--confirm"], &["teardown", "--confirm"]]
    {
        let run = colony.wnm(words);
        assert_eq!(run.code, 4, "{words:?}: {run:?}");
        assert!(run.stderr.contains("belongs to nobody, whose nodes run as nobody, and this is root"), "{run:?}");
        assert!(run.stderr.contains("hint: run wnm as nobody; or as root, `--as-owner` does that"), "{run:?}");
    }
    colony.done(&["status"]);

    let run = colony.wnm(&["--as-owner", "restart", "2"]);
    assert_eq!(run.code, 3, "root started it, and nobody may not look: {run:?}");
    assert!(run.stderr.contains("cannot tell whether antnode0002 is running"), "{run:?}");
    assert!(colony.node_dir(2).join("secret-key").is_file());

    colony.kill(colony.pid(1));
    colony.kill(colony.pid(2));
    colony.done(&["--as-owner", "start", "1", "2"]);
    for (pid, _) in colony.processes() {
        assert_eq!(fs::metadata(format!("/proc/{pid}")).expect("it lives").uid(), NOBODY);
    }
    assert_eq!(colony.processes().len(), 2);
    let mine = fs::metadata(colony.node_dir(1).join("wnm.process")).expect("it is there").uid();
    assert_eq!(mine, NOBODY, "the files are the owner's as well");
    colony.done(&["--as-owner", "teardown", "--confirm"]);
}

/// A second machine whose storage is the first one's.
fn beside(first: &Colony) -> Colony {
    let second = first.beside();
    symlink(first.path().join("nodes"), second.path().join("nodes")).expect("a link is made");
    second
}

const INIT: &[&str] = &["init", "--import", "--rewards_address", "faucet"];

fn a_storage_that_another_database_uses_is_refused() {
    let first = running(2);
    let second = beside(&first);
    let run = second.wnm(INIT);
    assert_eq!(run.code, 4, "{run:?}");
    let named = format!("belongs to another database, {}", first.database().display());
    assert!(run.stderr.contains(&named) && run.stderr.contains("--take-over"), "{run:?}");
    assert!(!second.database().exists(), "nothing is left of it");
    first.done(&["run"]);
    assert_eq!(first.statuses(), [(1, Running), (2, Running)]);

    second.done(&[INIT, &["--take-over"]].concat());
    assert_eq!(second.statuses().len(), 2, "its nodes are taken over, too");
    for words in [&["run"][..], &["stop", "1"], &["teardown", "--confirm"]] {
        let run = first.wnm(words);
        assert_eq!(run.code, 4, "{words:?}: {run:?}");
        assert!(run.stderr.contains(&second.database().display().to_string()), "{run:?}");
    }
    assert_eq!(first.processes().len(), 2, "nobody's node was touched");
}

fn a_mark_that_names_nobody_is_signed_by_the_database_that_works_there() {
    let first = running(1);
    let mark = first.path().join("nodes").join(STORAGE_MARKER);
    fs::write(&mark, "wnm keeps the directories of nodes here.\n").expect("an old mark is put there");
    first.done(&["run"]);
    let text = fs::read_to_string(&mark).expect("it is read");
    assert!(text.contains(&format!("database={}\n", first.database().display())), "{text}");
    assert_eq!(beside(&first).wnm(INIT).code, 4);
}

fn a_storage_is_free_when_its_database_is_gone_or_has_torn_everything_down() {
    let first = running(1);
    fs::rename(first.database(), first.path().join("aside.db")).expect("it is moved away");
    first.done(INIT);
    assert_eq!(first.statuses().len(), 1, "begun anew in the same place, with the node that runs there");

    fs::remove_file(first.database()).expect("it is deleted");
    let second = beside(&first);
    second.done(INIT);
    second.done(&["teardown", "--confirm"]);
    first.done(INIT);
}

wnm_testing::trials! {
    &[] =>
        a_storage_that_another_database_uses_is_refused,
        a_mark_that_names_nobody_is_signed_by_the_database_that_works_there,
        a_storage_is_free_when_its_database_is_gone_or_has_torn_everything_down;
    &[Root] => another_users_database_is_refused_without_as_owner;
}
