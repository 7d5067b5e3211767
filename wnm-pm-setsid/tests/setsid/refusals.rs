//! What this manager refuses to touch, and what it says then.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::machine::{Machine, SmallDisk};
use rustix::process::Signal;
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerError, ProcessManager, ProcessState, Severity};
use wnm_pm_setsid::Setsid;
use wnm_testing::Need::{Mount, Root};
use wnm_testing::only;

async fn nothing_outside_the_node_storage_is_made_or_deleted() {
    let machine = Machine::hasty();
    let storage = machine.world.node_storage();
    let precious = machine.path().join("precious/kept");
    fs::create_dir_all(precious.with_file_name("")).and_then(|()| fs::write(&precious, "kept")).expect("it is written");
    fs::create_dir_all(&storage).expect("it is made");
    symlink(machine.path().join("precious"), storage.join("link")).expect("a link is made");

    let wrong: [(&str, &Path); 7] = [
        ("the root of all", Path::new("/")),
        ("the node storage itself", &storage),
        ("a parent of it", machine.path()),
        ("something beside it", &machine.path().join("precious")),
        ("a way out of it", &storage.join("../precious")),
        ("a link", &storage.join("link")),
        ("what lies behind a link", &storage.join("link/kept")),
    ];
    for (what, root_dir) in wrong {
        let mut spec = machine.spec(1);
        spec.root_dir = root_dir.to_owned();
        spec.binary = root_dir.join("antnode");
        let created = machine.try_create(&spec).await.map(drop);
        let removed = only(machine.manager.remove(&[NodeRef::new(spec)]).await);
        for outcome in [created, removed] {
            let error = outcome.expect_err(what);
            assert!(matches!(error, ManagerError::NotOurs { .. }), "{what}: {error:?}");
        }
    }
    assert_eq!(fs::read_to_string(&precious).expect("it is kept"), "kept");
}

async fn a_log_directory_that_others_live_in_stays() {
    let machine = Machine::hasty();
    let shared = machine.path().join("log");
    let with_log = |log_dir: &Path| NodeSpec { log_dir: log_dir.to_owned(), ..machine.spec(1) };

    let nodes = machine.create(&[with_log(&shared)]).await;
    fs::write(shared.join("another.log"), "kept").expect("it is written");
    only(machine.manager.remove(&nodes).await).expect("the node goes");
    assert!(shared.join("another.log").exists(), "it is not named after the node");

    let error = machine.try_create(&with_log(machine.path())).await.expect_err("nodes live in it");
    assert!(matches!(error, ManagerError::NotOurs { .. }), "{error:?}");
    symlink(&shared, shared.join("antnode0001")).expect("a link is made");
    let error = machine.try_create(&with_log(&shared.join("antnode0001"))).await.expect_err("it is a link");
    assert!(matches!(error, ManagerError::NotOurs { .. }), "{error:?}");
}

async fn a_program_that_cannot_be_run_is_named() {
    let machine = Machine::hasty();
    let plain = machine.path().join("plain");
    fs::write(&plain, "text").expect("it is written");
    let empty = machine.path().join("empty");
    fs::write(&empty, "").and_then(|()| fs::set_permissions(&empty, fs::Permissions::from_mode(0o755))).expect("ours");
    let wrong = [
        (machine.path().join("nowhere"), "No such file"),
        (machine.path().to_owned(), "not a file"),
        (plain, "not executable"),
        (empty, "empty"),
    ];
    for (program, why) in wrong {
        let spec = NodeSpec { program: program.clone(), ..machine.spec(1) };
        let error = machine.try_create(&spec).await.expect_err(why);
        let text = error.text();
        assert!(text.contains(&program.display().to_string()) && text.contains(why), "{text}");
        assert_eq!(error.hints(), [Hint::change("antnode_path").to("name an executable node program")]);
        assert!(!machine.spec(1).root_dir.exists() && !machine.spec(1).log_dir.exists(), "nothing is left");
    }
}

/// The C library hands what the kernel does not run to `/bin/sh`, which takes it for commands.
async fn what_the_kernel_does_not_run_is_not_read_by_a_shell() {
    let machine = Machine::hasty();
    let trace = machine.path().join("ran-by-a-shell");
    let write = |path: &Path, beginning: &str| {
        fs::write(path, format!("{beginning}touch '{}'\n", trace.display())).expect("it is written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    };
    let text = machine.path().join("antnode");
    write(&text, "");
    let error = machine.try_create(&NodeSpec { program: text, ..machine.spec(1) }).await.map(drop);
    // By its first bytes it is a program, but what follows is not.
    let cut_off = machine.path().join("cut-off");
    write(&cut_off, "\u{7f}ELF\n");
    let damaged =
        machine.try_create(&NodeSpec { program: cut_off, ..machine.spec(2) }).await.expect_err("it is cut off");
    assert!(damaged.text().contains("it is damaged: its "), "{damaged:?}");
    // One for another kind of processor is whole.
    let foreign = machine.path().join("foreign");
    let mut bytes = fs::read(&machine.spec(3).program).expect("it is read");
    bytes[18..20].copy_from_slice(&[0xff, 0xff]);
    write(&foreign, "");
    fs::write(&foreign, bytes).expect("it is written");
    let nodes = machine.create(&[NodeSpec { program: foreign, ..machine.spec(3) }]).await;
    let started = only(machine.manager.start(&nodes).await).map(drop);
    for outcome in [error, started] {
        let error = outcome.expect_err("it cannot be run");
        assert!(
            matches!(error, ManagerError::Program { .. }) && error.text().contains("Exec format error"),
            "{error:?}"
        );
    }
    assert!(!trace.exists(), "a shell read it");
}

/// An owner may put a script in front of the node. It begins as any program does: with no signal blocked, and ended
/// by a broken pipe, which wnm itself is not.
async fn a_script_that_names_its_interpreter_is_run() {
    let machine = Machine::hasty();
    let script = machine.path().join("antnode");
    fs::write(&script, "#!/bin/sh\necho \"$A $2\"\ngrep -E 'Sig(Blk|Ign)' /proc/self/status\nexit 4\n")
        .expect("it is written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let environment = vec![("A".to_owned(), "a b".to_owned())];
    let nodes = machine.create(&[NodeSpec { program: script, environment, ..machine.spec(1) }]).await;
    let error = only(machine.manager.start(&nodes).await).expect_err("it ends");
    assert!(matches!(&error, ManagerError::ExitedAtOnce { how, .. } if how == "exit code 4"), "{error:?}");
    let output = fs::read_to_string(nodes[0].spec.log_dir.join("output.log")).expect("it printed something");
    let cache = nodes[0].spec.bootstrap_cache_dir.display();
    let (begins, ignored) = output.split_once("SigIgn:\t").expect("the kernel says what is ignored");
    assert_eq!(begins, format!("a b {cache}\nSigBlk:\t0000000000000000\n"));
    let ignored = u64::from_str_radix(ignored.trim_end(), 16).expect("it is a number");
    assert_eq!(ignored >> (Signal::PIPE.as_raw() - 1) & 1, 0, "{ignored:x}");
}

async fn a_node_whose_program_is_lost_is_incomplete_until_it_is_started_again() {
    let machine = Machine::hasty();
    let nodes = machine.create(&[machine.spec(1)]).await;
    fs::remove_file(&nodes[0].spec.binary).expect("it was there");
    assert!(matches!(machine.state(&nodes[0]).await, ProcessState::Incomplete { .. }));
    let nowhere = NodeSpec { program: "/nonexistent/antnode".into(), ..nodes[0].spec.clone() };
    let error = only(machine.manager.start(&[NodeRef::new(nowhere)]).await).expect_err("there is no program to copy");
    assert!(error.text().contains("it cannot be copied again from /nonexistent/antnode"), "{error:?}");
    only(machine.manager.start(&nodes).await).expect("it is copied again");
    machine.stop(&nodes).await;
}

async fn a_nodes_directory_is_private() {
    let machine = Machine::hasty();
    let spec = machine.spec(1);
    fs::create_dir_all(&spec.root_dir).expect("it is made, for all to read");
    let nodes = machine.start(&[spec]).await;
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let spec = &nodes[0].spec;
    assert_eq!(mode(&spec.root_dir), 0o700);
    assert_eq!(mode(&spec.log_dir), 0o700);
    assert_eq!(mode(&spec.binary), 0o755);
    assert_eq!(mode(&spec.root_dir.join("wnm.process")), 0o600);
    assert_eq!(mode(&spec.log_dir.join("output.log")), 0o600);
    machine.stop(&nodes).await;
}

async fn long_output_is_put_aside_once() {
    let machine = Machine::hasty();
    let nodes = machine.create(&[machine.spec(1)]).await;
    let output = nodes[0].spec.log_dir.join("output.log");
    for filler in ["a", "b"] {
        fs::write(&output, filler.repeat(2 * 1024 * 1024)).expect("there is room");
        machine.start(&[machine.spec(1)]).await;
        machine.stop(&nodes).await;
    }
    assert!(fs::metadata(&output).expect("it is there").len() < 4096);
    let aside = fs::read(output.with_extension("log.1")).expect("it is there");
    assert!(aside.starts_with(b"b"), "only the last is kept");
}

async fn a_survey_finds_what_could_be_a_node_and_nothing_else() {
    let machine = Machine::hasty();
    let storage = machine.world.node_storage();
    assert!(machine.manager.survey().await.expect("there is nothing yet").is_empty());
    fs::create_dir_all(storage.join("not-a-node")).expect("it is made");
    fs::write(storage.join("antnode0009"), "no directory").expect("it is written");
    symlink(machine.path(), storage.join("antnode0010")).expect("a link is made");
    assert!(machine.manager.survey().await.expect("it can be surveyed").is_empty());

    fs::create_dir_all(storage.join("antnode0011/record_store")).expect("it is made");
    machine.create(&[machine.spec(12)]).await;
    let found = machine.manager.survey().await.expect("it can be surveyed");
    let [leftover, stopped] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((leftover.id, leftover.binary.as_deref()), (Some(NodeId(11)), None));
    assert!(matches!(leftover.state, ProcessState::Incomplete { .. }), "{leftover:?}");
    assert_eq!((stopped.id, stopped.binary.as_ref()), (Some(NodeId(12)), Some(&machine.spec(12).binary)));
    assert!(matches!(stopped.state, ProcessState::Stopped { .. }), "{stopped:?}");
}

/// Tells a run of this test program that it runs as somebody who is not root.
const AS_NOBODY: &str = "WNM_TEST_AS_NOBODY";

async fn as_nobody() {
    let Some(storage) = std::env::var_os(AS_NOBODY) else { return };
    let manager = Setsid::new("setsid+sudo".parse().expect("it is a kind"), Path::new(&storage));
    let error = manager.survey().await.expect_err("it is not root");
    assert!(matches!(error, ManagerError::Unavailable { .. }), "{error:?}");
    let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| (finding.code, finding.severity)).collect();
    assert!(codes.contains(&("manager-unavailable".to_owned(), Severity::Error)), "{codes:?}");
    assert!(codes.contains(&("node-storage-not-writable".to_owned(), Severity::Error)), "{codes:?}");
}

fn setsid_sudo_is_for_root_only() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), open).expect("it is ours");
    let program = directory.path().join("test");
    fs::copy(std::env::current_exe().expect("a test knows its own program"), &program).expect("there is room");
    let mut nobody = Command::new(&program);
    nobody
        .args(["--exact", "refusals::as_nobody"])
        .env(AS_NOBODY, directory.path())
        .current_dir("/")
        .uid(65534)
        .gid(65534);
    let output = nobody.output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

async fn a_storage_where_no_program_runs_is_found() {
    let machine = Machine::hasty();
    let storage = machine.world.node_storage();
    let codes = async || machine.manager.examine().await.into_iter().map(|finding| finding.code).collect::<Vec<_>>();
    let noexec = "node-storage-noexec".to_owned();
    assert!(!codes().await.contains(&noexec), "there is no storage yet, and where it will be programs run");
    fs::create_dir_all(&storage).expect("it is made");
    let _disk = SmallDisk::mount(&storage, "noexec,size=1m");
    assert!(codes().await.contains(&noexec));
}

wnm_testing::trials! {
    &[] =>
        nothing_outside_the_node_storage_is_made_or_deleted,
        a_log_directory_that_others_live_in_stays,
        a_program_that_cannot_be_run_is_named,
        what_the_kernel_does_not_run_is_not_read_by_a_shell,
        a_script_that_names_its_interpreter_is_run,
        a_node_whose_program_is_lost_is_incomplete_until_it_is_started_again,
        a_nodes_directory_is_private,
        long_output_is_put_aside_once,
        a_survey_finds_what_could_be_a_node_and_nothing_else,
        as_nobody;
    &[Root] => setsid_sudo_is_for_root_only;
    &[Mount] => a_storage_where_no_program_runs_is_found;
}
