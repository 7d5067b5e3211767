//! `wnm uninstall`: what wnm has put on a machine goes, nodes never do.

use insta::assert_snapshot;
use wnm_testing::Colony;

use crate::{machine, running, steady};

/// What was said, without the program of this test.
fn told(colony: &Colony, text: &str) -> String {
    steady(colony, text).replace(crate::WNM, "[WNM]")
}

fn with_nodes_it_is_refused_and_nothing_goes() {
    let colony = running(1);
    for words in [&["uninstall"] as &[&str], &["uninstall", "--dry-run"]] {
        let run = colony.wnm(words);
        assert_eq!(run.code, 4, "{run:?}");
        assert!(run.stderr.contains("hint: `wnm teardown` to remove the nodes first"), "{run:?}");
    }
    assert!(colony.path().join("nodes/.wnm-storage").exists());
    assert_eq!(colony.processes().len(), 1);
    assert_snapshot!(colony.wnm(&["uninstall"]).stderr, @"
    error: 1 node is recorded, and uninstalling removes none
    hint: `wnm teardown` to remove the nodes first
    ");
}

fn without_nodes_marks_go_and_what_stays_is_said() {
    let colony = machine(&[]);
    let mark = colony.path().join("nodes/.wnm-storage");
    let dry = colony.done(&["uninstall", "--dry-run"]);
    assert_snapshot!(told(&colony, &dry.stdout), @"
    Would remove [DIR]/nodes/.wnm-storage.
    Kept; delete by hand what is no longer needed:
      [DIR]/colony.db, with its settings and history
      [DIR]/nodes
      [WNM]
    Nothing was changed.
    ");
    assert!(mark.exists());
    let run = colony.done(&["uninstall", "--json"]).json();
    assert_eq!(run["marks"][0], mark.display().to_string());
    assert_eq!(run["kept"]["database"], colony.database().display().to_string());
    assert!(!mark.exists() && colony.database().exists());
    let again = colony.done(&["uninstall"]);
    assert_snapshot!(told(&colony, &again.stdout), @"
    Nothing of wnm's own is on this machine but what is kept.
    Kept; delete by hand what is no longer needed:
      [DIR]/colony.db, with its settings and history
      [DIR]/nodes
      [WNM]
    ");
    assert_eq!(colony.wnm(&["add"]).code, 4, "everything was taken down");
}

fn untracked_nodes_stay_and_what_they_need_does() {
    let colony = running(1);
    std::fs::remove_file(colony.database()).expect("it was there");
    colony.init(&[], &[]);
    let run = colony.done(&["uninstall"]);
    assert!(run.stdout.contains("1 untracked node of this process manager"), "{run:?}");
    assert!(colony.path().join("nodes/.wnm-storage").exists());
    assert_eq!(colony.processes().len(), 1);
}

wnm_testing::trials! {
    &[] =>
        with_nodes_it_is_refused_and_nothing_goes,
        without_nodes_marks_go_and_what_stays_is_said,
        untracked_nodes_stay_and_what_they_need_does;
}
