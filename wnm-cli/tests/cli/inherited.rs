//! Variables that `su` or `sudo` left there, and that lead to the places and the session of another user.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{on_machine, test_node, tool};

use crate::systemd::INIT;

/// What root's session names, as `su resident` without `-` would leave it.
const OF_ROOT: [(&str, &str); 6] = [
    ("HOME", "/root"),
    ("XDG_DATA_HOME", "/root/.local/share"),
    ("XDG_CONFIG_HOME", "/root/.config"),
    ("XDG_RUNTIME_DIR", "/run/user/0"),
    ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/0/bus"),
    ("DOCKER_HOST", "unix:///run/user/0/docker.sock"),
];

fn wnm(words: &str) -> Output {
    let test = std::env::current_exe().expect("a test knows its own program");
    let wnm = test.ancestors().nth(2).expect("it lies in a build directory").join("wnm");
    Command::new(wnm).args(words.split_whitespace()).envs(OF_ROOT).output().expect("wnm can be run")
}

fn done(words: &str) -> String {
    let output = wnm(words);
    assert!(output.status.success(), "wnm {words}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn program() -> PathBuf {
    let program = PathBuf::from("/var/tmp/antnode");
    fs::copy(test_node("0.4.17"), &program).expect("the node program is copied");
    program
}

fn a_node_runs(init: &str) {
    done(&format!("init --antnode_path {} {init} {INIT}", program().display()));
    done("add");
    let status = done("status");
    assert!(status.contains("antnode0001"), "{status}");
    let stopped = done("stop 1");
    assert!(stopped.contains("stopped"), "{stopped}");
    let said = String::from_utf8_lossy(&wnm("start 1").stderr).into_owned();
    assert!(said.contains("HOME is /root, which is another user's: /home/resident is used"), "{said}");
    done("remove 1 --confirm");
    done("teardown --confirm");
}

fn a_users_units_are_kept_whatever_variables_root_left() {
    on_machine("resident", "inherited::a_users_units_are_kept_whatever_variables_root_left", async || {
        a_node_runs("--process_manager systemd+user");
        assert!(Path::new("/home/resident/.local/share/autonomi/colony.db").is_file());
    });
}

fn a_users_nodes_of_antctl_are_kept_whatever_variables_root_left() {
    on_machine("resident", "inherited::a_users_nodes_of_antctl_are_kept_whatever_variables_root_left", async || {
        let antctl = tool("antctl").expect("this test needs it");
        a_node_runs(&format!("--process_manager antctl+user --antctl_path {}", antctl.display()));
        assert!(Path::new("/home/resident/.local/share/autonomi/node/wnm-antctl.lock").exists());
    });
}

wnm_testing::trials! {
    &[SystemdImage] => a_users_units_are_kept_whatever_variables_root_left;
    &[SystemdImage, Tool("antctl")] => a_users_nodes_of_antctl_are_kept_whatever_variables_root_left;
}
