//! The move from v1 to v2 and back, and machines that would be mixed.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use wnm_core::node::{Desired, Flavour, Node, Status};
use wnm_testing::{Colony, test_node, test_node_of_v2};

use crate::{bare, machine, running, steady};

/// Where the identity of a node is that was set aside.
fn aside(colony: &Colony, number: u32) -> PathBuf {
    colony.node_dir(number).join(".v1/secret-key")
}

/// What nodes keep: number, wallet, node port, directory.
fn kept(colony: &Colony) -> Vec<(u32, String, Option<u16>, PathBuf)> {
    let of = |node: &Node| {
        let spec = node.spec();
        (spec.id.0, spec.wallet.clone(), spec.ports.node(), spec.root_dir.clone())
    };
    colony.stored().nodes.iter().map(of).collect()
}

fn peers(colony: &Colony) -> Vec<Option<String>> {
    colony.stored().nodes.iter().map(|node| node.peer_id().map(str::to_owned)).collect()
}

fn flavours(colony: &Colony) -> Vec<Flavour> {
    colony.stored().nodes.iter().map(|node| node.spec().flavour).collect()
}

fn keys(colony: &Colony) -> Vec<Vec<u8>> {
    (1..=3).map(|number| fs::read(colony.node_dir(number).join("secret-key")).expect("it is in its place")).collect()
}

/// Three nodes of v1, the second one stopped by its owner, and the program of v2.
fn before() -> Colony {
    let colony = running(3);
    colony.done(&["stop", "2"]);
    colony.done(&["survey"]);
    colony.install(&test_node_of_v2("", "0.23.1"));
    colony
}

fn nodes_become_v2_and_v1_again_until_they_were_started() {
    let colony = before();
    let (kept_before, peers_before, keys_before) = (kept(&colony), peers(&colony), keys(&colony));
    let ports = colony.stored().nodes[0].spec().ports.clone();
    let run = colony.done(&["migrate-flavour", "--dry-run"]);
    insta::assert_snapshot!(run.stdout, @"
    Would move 3 nodes (antnode0001–0003) to v2 (0.23.1).
    Would stop 2 nodes that ran (antnode0001, antnode0003).
    What each node was would be set aside in its own directory (.v1); it could be undone (`wnm migrate-flavour --undo`) until the first node was started as v2.
    Next: `wnm run` starts the nodes.
    ");
    assert_eq!((colony.processes().len(), flavours(&colony)), (2, vec![Flavour::V1; 3]));

    let json = colony.done(&["migrate-flavour", "--json"]).json();
    assert_eq!((&json["to"], &json["version"]), (&"v2".into(), &"0.23.1".into()));
    assert_eq!((&json["nodes"], &json["stopped"]), (&serde_json::json!([1, 2, 3]), &serde_json::json!([1, 3])));
    assert_eq!((colony.processes().len(), flavours(&colony)), (0, vec![Flavour::V2; 3]));
    assert_eq!(kept(&colony), kept_before);
    assert_eq!(peers(&colony), [None, None, None], "they are others in the network");
    for (number, key) in (1..).zip(&keys_before) {
        assert_eq!(&fs::read(aside(&colony, number)).expect("it is set aside"), key);
        assert!(!colony.node_dir(number).join("secret-key").exists());
        let directory = aside(&colony, number).with_file_name("");
        assert_eq!(fs::metadata(directory).expect("it is there").permissions().mode() & 0o777, 0o700);
    }
    let again = colony.done(&["migrate-flavour"]);
    assert_eq!(again.stdout, "Nothing to do: no node is of another flavour than v2.\n");

    colony.done(&["migrate-flavour", "--undo"]);
    assert_eq!((flavours(&colony), keys(&colony)), (vec![Flavour::V1; 3], keys_before.clone()));
    assert_eq!(kept(&colony), kept_before);
    assert_eq!(colony.stored().nodes[0].spec().ports, ports, "the metrics port, too");
    colony.cycle_until_running(2);
    colony.done(&["survey"]);
    for number in [0, 2] {
        assert_eq!(peers(&colony)[number], peers_before[number], "they are who they were");
    }

    colony.done(&["migrate-flavour"]);
    colony.cycle_until_running(2);
    let started: Vec<u32> = colony.processes().iter().map(|(pid, _)| *pid).collect();
    assert_eq!(started.len(), 2);
    let desired: Vec<Desired> = colony.stored().nodes.iter().map(|node| node.life().desired()).collect();
    assert_eq!(desired, [Desired::Run, Desired::Stop, Desired::Run]);
    assert_eq!(kept(&colony), kept_before);
    let run = colony.wnm(&["migrate-flavour", "--undo"]);
    assert_eq!(run.code, 4, "{run:?}");
    insta::assert_snapshot!(run.stderr, @"
    error: the nodes cannot become v1: antnode0001 was started as v2, and is another node of the network by now; antnode0003 was started as v2, and is another node of the network by now
    hint: its v1 identity stays in its directory, in `.v1`
    ");
    assert_eq!(colony.processes().iter().map(|(pid, _)| *pid).collect::<Vec<_>>(), started, "they run on");
    colony.agrees();
}

fn a_move_that_is_killed_at_any_moment_goes_on_and_loses_no_identity() {
    let colony = before();
    let (kept_before, keys_before) = (kept(&colony), keys(&colony));
    let mut whole = None;
    for part in 0..12 {
        for words in [&["migrate-flavour"][..], &["migrate-flavour", "--undo"]] {
            let began = Instant::now();
            let Some(whole) = whole else {
                colony.done(&["migrate-flavour", "--dry-run"]);
                whole = Some(began.elapsed() * 2);
                continue;
            };
            let mut command = colony.command(words);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started");
            std::thread::sleep(whole * part / 12);
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
            let run = colony.wnm(words);
            let is_undone = run.code == 4 && run.stderr.contains("no node has a v1 identity that was set aside");
            assert!(run.code == 0 || is_undone, "{words:?} in part {part}: {run:?}");
            let is_undo = words.len() == 2;
            let flavour = if is_undo { Flavour::V1 } else { Flavour::V2 };
            assert_eq!((flavours(&colony), kept(&colony)), (vec![flavour; 3], kept_before.clone()), "{run:?}");
            for (number, key) in (1..).zip(&keys_before) {
                let places = [colony.node_dir(number).join("secret-key"), aside(&colony, number)];
                let found = places.each_ref().map(|path| fs::read(path).ok());
                let expected = if is_undo { [Some(key.clone()), None] } else { [None, Some(key.clone())] };
                assert_eq!(found, expected, "{words:?} in part {part}");
            }
            assert!(colony.stored().nodes.iter().all(|node| node.life().pending().is_none()));
        }
    }
    colony.cycle_until_running(2);
}

fn what_is_in_the_way_of_a_move_is_said_and_nothing_is_done() {
    let colony = running(2);
    let refused = |words: &[&str]| {
        let run = colony.wnm(words);
        assert_eq!(run.code, 4, "{run:?}");
        steady(&colony, &run.stderr)
    };
    insta::assert_snapshot!(refused(&["migrate-flavour"]), @"
    error: the nodes cannot become v2: the node program at [DIR]/antnode is antnode, a program of v1
    hint: set antnode_path to name the program that the nodes are to become
    ");
    colony.done(&["config", "set", "node_flavour=v1"]);
    insta::assert_snapshot!(refused(&["migrate-flavour"]), @"
    error: the nodes cannot become v2: node_flavour is v1
    hint: set node_flavour to ask for the one that the nodes are to become
    ");
    colony.done(&["config", "unset", "node_flavour"]);
    insta::assert_snapshot!(refused(&["migrate-flavour", "--undo"]), @"error: the nodes cannot become v1: no node has a v1 identity that was set aside");
    colony.done(&["disable", "2"]);
    colony.done(&["config", "set", "network=evm-custom"]);
    colony.install(&test_node_of_v2("", "0.23.1"));
    insta::assert_snapshot!(refused(&["migrate-flavour"]), @"
    error: the nodes cannot become v2: v2 does not know the network evm-custom; antnode0002 is unmanaged
    hint: set network to use one that both know; or `wnm enable antnode0002` to manage it again
    ");
    assert_eq!((flavours(&colony), colony.processes().len()), (vec![Flavour::V1; 2], 1));
}

fn a_storage_of_the_other_flavour_is_refused_at_init() {
    for (program, key, flavour) in
        [(test_node_of_v2("", "0.23.1"), "secret-key", "v1"), (test_node("0.4.17"), "node_identity.key", "v2")]
    {
        let colony = bare();
        colony.install(&program);
        fs::create_dir_all(colony.node_dir(3))
            .and_then(|()| fs::write(colony.node_dir(3).join(key), [7; 32]))
            .expect("it is made");
        let run = colony.wnm(&["init", "--rewards_address", "faucet", "--import"]);
        assert_eq!(run.code, 4, "{run:?}");
        let said = steady(&colony, &run.stderr);
        assert!(
            said.contains(&format!(
                "holds 1 node of {flavour} ([DIR]/nodes/antnode0003), and [DIR]/antnode is a program of v"
            )),
            "{said}"
        );
        assert!(!colony.database().exists());
    }
}

fn a_node_of_the_other_flavour_is_not_taken_over() {
    let colony = running(1);
    fs::create_dir_all(colony.node_dir(5)).expect("it is made");
    fs::copy(test_node_of_v2("", "0.23.1"), colony.node_dir(5).join("ant-node")).expect("it is copied");
    let run = colony.done(&["survey", "--adopt"]);
    let said = steady(&colony, &run.stdout);
    assert!(said.contains("it is a node of v2, and [DIR]/antnode is a program of v1"), "{said}");
    assert_eq!(colony.stored().nodes.len(), 1);
}

fn a_machine_without_nodes_has_nothing_to_move() {
    let colony = machine(&[]);
    colony.install(&test_node_of_v2("", "0.23.1"));
    let run = colony.done(&["migrate-flavour"]);
    assert_eq!(run.stdout, "Nothing to do: no node is of another flavour than v2.\n");
    assert!(colony.statuses().iter().all(|(_, status)| *status == Status::Running));
}

wnm_testing::trials! {
    &[] => nodes_become_v2_and_v1_again_until_they_were_started,
        a_move_that_is_killed_at_any_moment_goes_on_and_loses_no_identity,
        what_is_in_the_way_of_a_move_is_said_and_nothing_is_done, a_storage_of_the_other_flavour_is_refused_at_init,
        a_node_of_the_other_flavour_is_not_taken_over, a_machine_without_nodes_has_nothing_to_move;
}
