//! The real antnode, offline: added, watched, restarted and removed by the whole program.

use wnm_testing::Need::Tool;
use wnm_testing::tool;

use crate::machine;

fn a_real_node_lives_under_wnm() {
    let program = tool("antnode").expect("this test needs it");
    // Without a network only a first node runs; without UPnP it stays.
    let colony = machine(&["--node_cap=2", "--start_args=--first"]);
    colony.install(&program);
    colony.done(&["run"]);
    colony.cycle_until_running(2);
    colony.agrees();
    let status = colony.done(&["status", "--json"]).json();
    for row in status["nodes"].as_array().expect("there are rows") {
        assert_eq!(row["version"], "0.4.17", "{row:#}");
        assert!(row["peer_id"].as_str().is_some_and(|peer| peer.starts_with("12D3KooW")), "{row:#}");
        assert!(row["metrics"]["memory_megabytes"].is_number(), "{row:#}");
    }
    let peers = |colony: &wnm_testing::Colony| -> Vec<Option<String>> {
        colony.stored().nodes.into_iter().map(|node| node.peer_id().map(str::to_owned)).collect()
    };
    let before = peers(&colony);
    colony.done(&["restart", "1"]);
    colony.kill(colony.pid(2));
    colony.done(&["run"]);
    colony.cycle_until_running(2);
    assert_eq!(peers(&colony), before, "they are who they were");
    assert!(colony.done(&["upgrade", "1"]).stdout.starts_with("Nothing to do."), "it has the newest program already");
    colony.done(&["teardown", "--confirm"]);
    assert_eq!(colony.processes(), []);
}

fn a_real_node_is_who_it_was_after_a_restore() {
    let program = tool("antnode").expect("this test needs it");
    let colony = machine(&["--node_cap=1", "--start_args=--first"]);
    colony.install(&program);
    colony.cycle_until_running(1);
    colony.done(&["survey"]);
    let peer = |colony: &wnm_testing::Colony| colony.stored().nodes[0].peer_id().map(str::to_owned);
    let before = peer(&colony);
    assert!(before.as_ref().is_some_and(|peer| peer.starts_with("12D3KooW")), "{before:?}");
    let backup = colony.path().join("backup.tar");
    let backup = backup.to_str().expect("it is UTF-8");
    colony.done(&["backup", backup]);
    colony.done(&["teardown", "--confirm"]);
    colony.done(&["restore", backup]);
    colony.cycle_until_running(1);
    colony.done(&["survey"]);
    assert_eq!(peer(&colony), before);
    colony.done(&["teardown", "--confirm"]);
}

wnm_testing::trials! {
    &[Tool("antnode")] => a_real_node_lives_under_wnm, a_real_node_is_who_it_was_after_a_restore;
}
