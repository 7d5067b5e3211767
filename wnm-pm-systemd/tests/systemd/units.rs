//! systemd's own opinion of the units that wnm writes, and what it hands to a node.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::path::PathBuf;
use std::process::Command;

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager};
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, on_machine, only};

use crate::world::World;

/// One value with every control character, and some that are more than they look.
fn every_control_character() -> String {
    let control: String = (1..=0x9f).filter_map(char::from_u32).filter(|each| each.is_control()).collect();
    format!(" {control}\u{feff}\u{2028}\u{202e}\u{e000}\u{10fffd} \\")
}

fn hostile(world: &World, number: u32) -> NodeSpec {
    let mut spec = world.spec(number);
    let name = format!("{} 100% $HOME ${{HOME}} $$ ; & | # * ü😀 ", spec.name);
    spec.root_dir.set_file_name(&name);
    spec.binary = spec.root_dir.join("antnode");
    spec.log_dir.set_file_name(name);
    spec.environment.push(("WNM_HOSTILE".to_owned(), every_control_character()));
    spec.environment.push(("EMPTY".to_owned(), String::new()));
    spec.start_args = vec!["--peer".to_owned(), every_control_character(), "--peer=%h %% \"'`".to_owned()];
    spec
}

async fn hands_over(mode: Mode) {
    let world = World::new(mode);
    let manager = world.manager();
    let node = world.create(&manager, &[hostile(&world, 1)]).await.remove(0);
    only(manager.start(std::slice::from_ref(&node)).await).expect("it starts");
    let seen = world.seen(&node).await;
    for (name, value) in &node.spec.environment {
        assert_eq!(seen["environment"][name], value.as_str(), "{name} arrives exactly");
    }
    let arrived: Vec<&str> =
        seen["arguments"].as_array().expect("a list").iter().filter_map(|word| word.as_str()).collect();
    assert_eq!(arrived[0], node.spec.binary.to_string_lossy());
    assert_eq!(arrived[1..], node.launch.arguments);
    assert_eq!(seen["directory"], *node.launch.directory.to_string_lossy());
}

fn the_machines_systemd_hands_every_value_over() {
    on_machine("root", "units::the_machines_systemd_hands_every_value_over", async || hands_over(Mode::Sudo).await);
}

fn a_users_systemd_hands_every_value_over() {
    on_machine("resident", "units::a_users_systemd_hands_every_value_over", async || hands_over(Mode::User).await);
}

fn what_cannot_be_carried_is_refused_and_nothing_is_made() {
    on_machine("resident", "units::what_cannot_be_carried_is_refused_and_nothing_is_made", async || {
        let world = World::new(Mode::User);
        let spoiled: [fn(&mut NodeSpec); 5] = [
            |spec| spec.environment.push(("A.B".to_owned(), "systemd would drop it".to_owned())),
            |spec| spec.environment.push(("A".to_owned(), "\u{fffe}".to_owned())),
            |spec| spec.start_args.push("x".repeat(2_000_000)),
            |spec| spec.start_args.push("\u{fdd0}".to_owned()),
            |spec| {
                spec.root_dir.set_file_name("antnode0001 \"quoted\"");
                spec.binary = spec.root_dir.join("antnode");
            },
        ];
        for spoil in spoiled {
            let mut spec = world.spec(1);
            spoil(&mut spec);
            let error = only(world.manager().create(&[NodeRef::new(spec.clone())]).await).expect_err("it is refused");
            assert!(matches!(error, ManagerError::Unusable { .. }), "{error}");
            assert!(!spec.root_dir.exists());
        }
    });
}

/// Every unit that is written, read by systemd's own critic.
async fn verify(mode: Mode) {
    let world = World::new(mode);
    let manager = world.manager();
    let nodes = world.create(&manager, &[world.spec(1), hostile(&world, 2)]).await;
    let mut files: Vec<PathBuf> = nodes.iter().map(|node| world.unit(node)).collect();
    files.push(files[0].with_file_name("wnm.slice"));
    for file in files {
        let mut command = Command::new("systemd-analyze");
        command.arg("verify").arg(if mode == Mode::User { "--user" } else { "--system" }).arg(&file);
        let output = command.env("XDG_RUNTIME_DIR", "/run/user/1000").output().expect("systemd-analyze can be run");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{}: {}", file.display(), String::from_utf8_lossy(&said));
    }
}

fn systemd_finds_nothing_wrong_with_the_machines_units() {
    on_machine("root", "units::systemd_finds_nothing_wrong_with_the_machines_units", async || {
        verify(Mode::Sudo).await;
        let output = Command::new("systemd-analyze").args(["security", "--no-pager", "antnode0001.service"]).output();
        let said = String::from_utf8(output.expect("it can be run").stdout).expect("it is text");
        let exposure =
            said.lines().rev().find_map(|line| line.split_once("antnode0001.service: ")).expect("the last line").1;
        let exposure = exposure.split(' ').next().and_then(|figure| figure.parse::<f64>().ok()).expect("a figure");
        assert!(exposure < 2.0, "the exposure that systemd sees is {exposure} of 10");
    });
}

fn systemd_finds_nothing_wrong_with_a_users_units() {
    on_machine("resident", "units::systemd_finds_nothing_wrong_with_a_users_units", async || verify(Mode::User).await);
}

fn nodes_are_together_in_one_slice_and_stand_alone_in_their_directories() {
    on_machine("root", "units::nodes_are_together_in_one_slice_and_stand_alone_in_their_directories", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let nodes = world.running(&manager, &[1, 2]).await;
        let cgroup = |node: &NodeRef| world.systemctl(&["show", "--value", "-P", "ControlGroup", &node.service]);
        assert_eq!(cgroup(&nodes[0]), "/wnm.slice/antnode0001.service");
        let owner = |node: &NodeRef| {
            let found = world.root("stat", &["--format=%U %a".as_ref(), &node.spec.root_dir]);
            String::from_utf8_lossy(&found.stdout).trim().to_owned()
        };
        assert_eq!(owner(&nodes[0]), "ant 711");
        let key = world.root("stat", &["--format=%U %a".as_ref(), &nodes[0].spec.root_dir.join("secret-key")]);
        assert_eq!(String::from_utf8_lossy(&key.stdout).trim(), "ant 600");
        manager.teardown().await.expect("the slice goes");
        assert!(!world.unit(&nodes[0]).with_file_name("wnm.slice").exists());
        assert!(manager.remove(&nodes).await.all_good(), "its nodes do not need it to be removed");
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        the_machines_systemd_hands_every_value_over,
        a_users_systemd_hands_every_value_over,
        what_cannot_be_carried_is_refused_and_nothing_is_made,
        systemd_finds_nothing_wrong_with_the_machines_units,
        systemd_finds_nothing_wrong_with_a_users_units,
        nodes_are_together_in_one_slice_and_stand_alone_in_their_directories;
}
