//! What this user may not look into is not gone: nobody can tell, so nothing is done and nothing deleted.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::process::Command;

use wnm_pm::process_manager::{ManagerError, Outcome, ProcessManager};
use wnm_testing::Need::Root;
use wnm_testing::{as_nobody, block_on, only};

use crate::machine::{Machine, is_process, pid};

/// Everything below a machine's directory is nobody's from now on, as if root had worked on nobody's nodes.
fn give_to_nobody(machine: &Machine) {
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(machine.path()).status();
    assert!(given.expect("chown can be run").success());
}

async fn what_cannot_be_read_does_not_count_as_absent() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1)]).await;
    give_to_nobody(&machine);
    let (manager, of_root) = (machine.manager.clone(), nodes.clone());
    let outcomes: Vec<(&str, Outcome<()>)> = as_nobody(move || {
        block_on(async {
            vec![
                ("inspect", only(manager.inspect(&of_root).await).map(drop)),
                ("start", only(manager.start(&of_root).await).map(drop)),
                ("stop", only(manager.stop(&of_root).await)),
                ("remove", only(manager.remove(&of_root).await)),
            ]
        })
    });
    for (what, outcome) in outcomes {
        let error = outcome.expect_err(what);
        assert!(matches!(error, ManagerError::Advised { .. }), "{what}: {error:?}");
        let expected =
            format!("cannot tell whether antnode0001 is running: process {} names its directory", pid(&nodes[0]));
        assert!(error.text().starts_with(&expected), "{what}: {error:?}");
    }
    assert!(is_process(pid(&nodes[0])), "it lives on");
    assert!(nodes[0].spec.root_dir.join("antnode").is_file(), "and nothing of it is deleted");
    machine.stop(&nodes).await;
}

/// What can be read is not taken for unknown because something else cannot.
async fn other_peoples_processes_keep_nobody_from_anything() {
    let machine = Machine::hasty();
    let nodes = machine.create(&[machine.spec(1)]).await;
    give_to_nobody(&machine);
    let (manager, own) = (machine.manager.clone(), nodes.clone());
    let stopped = as_nobody(move || block_on(async { only(manager.stop(&own).await) }));
    stopped.expect("nothing that names it is running");
}

wnm_testing::trials! {
    &[Root] => what_cannot_be_read_does_not_count_as_absent, other_peoples_processes_keep_nobody_from_anything;
}
