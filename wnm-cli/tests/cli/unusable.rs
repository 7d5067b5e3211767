//! A process manager that cannot be used is one message with its cause and exit code 8, also while there are no nodes.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::path::Path;

use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{on_machine, test_node, tool};

use crate::bare;
use crate::systemd::{INIT, run, try_wnm, wnm};

fn a_manager_that_this_machine_does_not_have_is_named_while_there_are_no_nodes() {
    let colony = bare();
    let mut managers = vec![("launchd+user", "launchctl")];
    if !Path::new("/run/systemd/system").is_dir() {
        managers.extend([("systemd+user", "not booted with systemd"), ("systemd+sudo", "not booted with systemd")]);
    }
    for (manager, named) in managers {
        let words = |words: &[&str]| {
            let mut command = std::process::Command::new(crate::WNM);
            let places = ["--database", "--node_storage", "--log_dir"]
                .map(|flag| format!("{flag}={}", colony.path().join(format!("{manager}{flag}")).display()));
            let output = command.args(words).args(places).env("HOME", colony.path()).output().expect("wnm can be run");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let program = format!("--antnode_path={}", colony.node_program().display());
        let made = words(&["init", "--process_manager", manager, &program, "--rewards_address=faucet"]);
        assert_eq!(made.0, Some(0), "{made:?}");
        for command in [&["run"][..], &["run", "--quiet"], &["add", "--count=3"], &["survey"]] {
            let (code, said) = words(command);
            assert_eq!(code, Some(8), "{manager} {command:?}: {said}");
            assert!(said.matches("cannot be used here").count() == 1 && said.contains(named), "{manager}: {said}");
        }
        let (code, said) = words(&["status"]);
        assert_eq!(code, Some(0), "the database can be read: {said}");
        assert!(said.contains("warning: ") && said.contains(named), "{manager}: {said}");
    }
}

fn an_antctl_that_cannot_be_used_is_named_by_its_cause() {
    on_machine("root", "unusable::an_antctl_that_cannot_be_used_is_named_by_its_cause", async || {
        let antctl = tool("antctl").expect("this test needs it");
        run("cp", &format!("{} /var/tmp/antnode", test_node("0.4.17").display()));
        let program = "--antnode_path /var/tmp/antnode";
        wnm(&format!("init --process_manager antctl+sudo --antctl_path {} {program} {INIT}", antctl.display()));
        let refused = |words: &str, cause: &str| {
            for command in ["run", "run --quiet", "survey", "stop antnode0001"] {
                let output = try_wnm(&format!("{command} {words}"));
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(8), "{command} {words}: {said}");
                assert!(said.contains(cause), "{command} {words}: {said}");
            }
            let status = try_wnm(&format!("status {words}"));
            assert!(String::from_utf8_lossy(&status.stderr).contains(cause), "{status:?}");
            let doctor = try_wnm(&format!("doctor {words}"));
            assert!(String::from_utf8_lossy(&doctor.stdout).contains(cause), "{doctor:?}");
        };
        wnm("add --count 2");
        refused("--antctl_path /nowhere/antctl", "cannot run `/nowhere/antctl");

        let registry = Path::new("/var/antctl/node_registry.json");
        let whole = fs::read_to_string(registry).expect("antctl wrote it");
        let newer = whole.replace("\"schema_version\":2", "\"schema_version\":9").replace("\"status\":", "\"state\":");
        assert_ne!(newer, whole);
        fs::write(registry, newer).expect("it is written");
        refused("", "its schema is 9, and that of antctl 0.14 is 2");
        fs::write(registry, &whole[..whole.len() / 2]).expect("it is cut off");
        refused("", "antctl does not report its nodes");
        fs::write(registry, &whole).expect("it is put back");
        let path = registry.display();
        run("mount", &format!("--bind {path} {path}"));
        run("mount", &format!("-o remount,ro,bind {path}"));
        refused("", &format!("antctl cannot write {path}: Read-only file system"));
        let doctor = String::from_utf8_lossy(&try_wnm("doctor").stdout).into_owned();
        assert!(doctor.contains("fix: let antctl write it"), "{doctor}");
        run("umount", &path.to_string());

        // JSON is read as JSON, wherever it has blanks; what was lost comes back, and the third node gets a name of its own.
        let empty = format!(
            "{{\"environment_variables\":null,\"nat_status\":null,\"nodes\": [ ],\"save_path\":\"{path}\",\"daemon\":null}}"
        );
        fs::write(registry, empty).expect("it is written");
        wnm("run");
        let now = fs::read_to_string(registry).expect("it is there");
        let names = [1, 2, 3].map(|number| now.contains(&format!("\"service_name\":\"antnode{number}\"")));
        assert_eq!(names, [true; 3], "{now}");
        wnm("teardown --confirm");
    });
}

wnm_testing::trials! {
    &[] => a_manager_that_this_machine_does_not_have_is_named_while_there_are_no_nodes;
    &[SystemdImage, Tool("antctl")] => an_antctl_that_cannot_be_used_is_named_by_its_cause;
}
