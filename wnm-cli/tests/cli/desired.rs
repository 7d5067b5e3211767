//! What its owner wants of a node is kept, and a node that falls too often is left alone until its owner says otherwise.

use wnm_core::node::Status::{Running, Stopped};

use crate::machine;

fn a_node_that_falls_too_often_is_shown_as_broken_until_its_owner_starts_it() {
    let colony = machine(&["--node_cap=2", "--broken_after=2"]);
    colony.cycle_until_running(2);
    colony.kill(colony.pid(2));
    colony.done(&["run"]);
    colony.cycle_until_running(2);
    colony.kill(colony.pid(2));
    for _ in 0..2 {
        colony.done(&["run"]);
    }
    assert_eq!(colony.statuses(), [(1, Running), (2, Stopped)]);
    let why = colony.done(&["plan"]).stdout;
    let said = "antnode0002: broken, fell too often; not started automatically (broken_after = 2) [broken]";
    assert!(why.contains(said), "{why}");
    let table = colony.done(&["status"]).stdout;
    assert!(table.contains("antnode0002  BROKEN"), "{table}");
    assert!(table.contains("antnode0002: its process is gone"), "it says of what: {table}");
    let details = colony.done(&["status", "--details", "2"]).stdout;
    let said = "BROKEN (fell 2 times in a row; `wnm start antnode0002` tries it again)";
    assert!(details.contains(said), "{details}");
    let row = colony.done(&["status", "--json", "2"]).json()["nodes"][0].clone();
    assert_eq!(
        (row["broken"].as_bool(), row["falls"].as_u64(), row["desired"].as_str()),
        (Some(true), Some(2), Some("run"))
    );

    colony.done(&["start", "2"]);
    colony.cycle_until_running(2);
    let row = colony.done(&["status", "--json", "2"]).json()["nodes"][0].clone();
    assert_eq!((row["broken"].as_bool(), row["falls"].as_u64()), (Some(false), Some(0)));
    colony.agrees();
}

fn a_stop_is_kept_and_is_not_broken() {
    let colony = machine(&["--node_cap=2", "--broken_after=1"]);
    colony.cycle_until_running(2);
    colony.done(&["stop", "2"]);
    colony.done(&["run"]);
    let row = colony.done(&["status", "--json", "2"]).json()["nodes"][0].clone();
    assert_eq!((row["broken"].as_bool(), row["desired"].as_str()), (Some(false), Some("stop")));
    colony.done(&["start", "2"]);
    colony.cycle_until_running(2);
}

wnm_testing::trials! {
    &[] =>
        a_node_that_falls_too_often_is_shown_as_broken_until_its_owner_starts_it,
        a_stop_is_kept_and_is_not_broken;
}
