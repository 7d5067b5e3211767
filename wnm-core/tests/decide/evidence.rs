//! What was seen of a node, for which it is taken for something else: in words, and by every way that leads there.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use wnm_core::decide::reconcile;
use wnm_core::event::Event;
use wnm_core::node::{Evidence, HealthFrom, Node, Status, Verb};
use wnm_core::snapshot::{Answer, DirectoryState, Seen};
use wnm_pm::process_manager::ProcessState;
use wnm_testing::alter;

use Status::{Disabled, Removing, Restarting, Running, Starting, Stopped, Upgrading};

use crate::fleet::{alive, config, fleet, gone};

/// What becomes of a node with this status and this pending step of which this is seen, and why.
fn becomes(status: Status, pending: Option<Verb>, seen: impl FnOnce(&Node) -> Seen) -> (Status, Evidence) {
    let mut snapshot = fleet(&[status]);
    alter(&mut snapshot.nodes[0].node, |node| node.pending = pending);
    snapshot.nodes[0].seen = Some(seen(&snapshot.nodes[0].node));
    let reconciled = reconcile(&config(), snapshot);
    let [Event::Reconciled { node, why, .. }] = reconciled.events.as_slice() else {
        panic!("it stays what it is: {:?}", reconciled.events)
    };
    let last_error = node.life().last_error();
    assert!(node.status() == Running || last_error == Some(why.to_string().as_str()), "{last_error:?}");
    (node.status(), why.clone())
}

fn answering(answer: Answer) -> impl FnOnce(&Node) -> Seen {
    |node| Seen { answer, ..alive(node) }
}

fn with_process(process: ProcessState) -> impl FnOnce(&Node) -> Seen {
    |_| Seen { process: Ok(process), ..gone() }
}

fn with_directory(directory: DirectoryState) -> impl FnOnce(&Node) -> Seen {
    move |_| Seen { directory, ..gone() }
}

fn other_node(node: &Node) -> Seen {
    let Seen { answer: Answer::Node { version, metrics, .. }, .. } = alive(node) else { panic!("it answers") };
    Seen { answer: Answer::Node { peer_id: Some("12D3KooWother".to_owned()), version, metrics }, ..alive(node) }
}

/// Every way in which a node is taken for something else.
fn all() -> Vec<(Status, Evidence)> {
    let text = || "why".to_owned();
    let dies = |reason| with_process(ProcessState::Stopped { reason });
    let version = |patch| Some(semver::Version::new(0, 23, patch));
    let interrupted = |status, verb| becomes(status, Some(verb), |_| gone());
    vec![
        becomes(Stopped, None, alive),
        becomes(Running, None, answering(Answer::Refused)),
        becomes(Running, None, answering(Answer::Halted)),
        becomes(Running, None, answering(Answer::TimedOut)),
        becomes(Running, None, answering(Answer::Broken { reason: text() })),
        becomes(Running, None, answering(Answer::Foreign { said: text() })),
        becomes(Running, None, other_node),
        becomes(Running, None, with_process(ProcessState::Waiting { reason: "exited 3 times".to_owned() })),
        becomes(Running, None, dies(None)),
        becomes(Starting, None, dies(Some("exit code 7".to_owned()))),
        becomes(
            Running,
            None,
            with_process(ProcessState::Incomplete { missing: "/node/antnode0001/antnode".to_owned() }),
        ),
        becomes(Running, None, with_directory(DirectoryState::Missing)),
        becomes(Running, None, with_directory(DirectoryState::NotADirectory)),
        becomes(Running, Some(Verb::Stop), alive),
        becomes(Running, Some(Verb::Upgrade), alive),
        interrupted(Stopped, Verb::Start),
        becomes(Stopped, Some(Verb::Add), with_process(ProcessState::Absent)),
        interrupted(Removing, Verb::Remove),
        interrupted(Disabled, Verb::Disable),
        interrupted(Disabled, Verb::Enable),
        // Seen of nodes of v2, whose own tests are beside these.
        (Running, Evidence::Shows { health_from: HealthFrom::Process }),
        (Running, Evidence::Shows { health_from: HealthFrom::Port }),
        (Running, Evidence::Shows { health_from: HealthFrom::Growth }),
        (Running, Evidence::Shows { health_from: HealthFrom::Peers }),
        (Stopped, Evidence::NotBound { port: 55_001 }),
        (Stopped, Evidence::NoPeers),
        (Restarting, Evidence::StartedAgain),
        (Upgrading, Evidence::UpgradedItself { from: version(1), to: version(2) }),
        (Upgrading, Evidence::UpgradedItself { from: None, to: version(2) }),
        (Upgrading, Evidence::UpgradedItself { from: version(1), to: None }),
        // Seen of wnm itself, while it carries out a start.
        (Stopped, Evidence::Unable { reason: "wnm itself cannot start a process".to_owned() }),
    ]
}

#[test]
fn what_was_seen_in_words() {
    let lines: Vec<String> = all().iter().map(|(status, why)| format!("{status}: {why}")).collect();
    assert_snapshot!(lines.join("\n"), @"
    RUNNING: it is running and answers
    STOPPED: its process is running, but its metrics port 13001 is closed
    STOPPED: its process is halted by a signal (SIGSTOP); SIGCONT would wake it
    STOPPED: its process is running, but its metrics port 13001 does not answer in time
    STOPPED: its process is running, but its metrics port 13001 sends an unreadable answer (why)
    STOPPED: its process is running, but its metrics port 13001 is answered by another program (why)
    STOPPED: its process is running, but its metrics port 13001 answers for another node, 12D3KooWother
    STOPPED: waiting for its process manager to start it: exited 3 times
    STOPPED: its process is gone
    STOPPED: its process is gone: exit code 7
    STOPPED: it is not complete: /node/antnode0001/antnode is missing
    DEAD: its directory /node/antnode0001 is gone
    STOPPED: /node/antnode0001 is not a directory (it is a symbolic link or a file)
    RUNNING: stop was interrupted: the node is still running
    UPGRADING: upgrade was interrupted: the node is running
    STOPPED: start was interrupted: the node is not running
    DEAD: add was interrupted: the node is not complete
    REMOVING: remove was interrupted: the removal goes on
    DISABLED: disable was interrupted: the node is not running
    STOPPED: enable was interrupted: the node is managed again
    RUNNING: it is running
    RUNNING: it is running and has its node port bound
    RUNNING: it is running and stores more than before
    RUNNING: it is running and knows peers
    STOPPED: its process is running, but has not bound its node port 55001
    STOPPED: its process is running as another version, but it knows no peers, as it did before
    RESTARTING: its process ended, and its process manager started it again
    UPGRADING: it upgraded itself from 0.23.1 to 0.23.2
    UPGRADING: it upgraded itself to 0.23.2
    UPGRADING: it upgraded itself from 0.23.1 and ended, to be started again
    STOPPED: wnm itself cannot start a process
    ");
}

#[test]
fn what_was_seen_is_read_back_and_no_kind_is_left_out() {
    let error = serde_json::from_str::<Evidence>(r#"{"evidence": "of nothing"}"#).expect_err("there is no such kind");
    let kinds: BTreeSet<String> = error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    for (_, why) in all() {
        let json = serde_json::to_value(&why).expect("it is JSON");
        seen.extend(json["evidence"].as_str().map(str::to_owned));
        assert_eq!(serde_json::from_value::<Evidence>(json).expect("it is read"), why);
    }
    assert_eq!(seen, kinds);
}
