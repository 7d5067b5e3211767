//! The door through which programs are run, with real programs.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, SystemRunner};

fn shell(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

fn run(command: &Command) -> Result<Output, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(SystemRunner.run(command))
}

fn output(command: &Command) -> Output {
    run(command).expect("it runs")
}

fn succeed(command: &Command) -> Result<Output, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(SystemRunner.succeed(command))
}

/// Whether a process lives; one that has ended and was not collected yet does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn wait_until_gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while lives(pid) {
        assert!(Instant::now() < deadline, "{pid} still lives");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_program_says_and_how_it_ends_comes_back() {
    let said = output(&shell("echo out; echo err >&2; exit 3"));
    assert_eq!(said, Output { code: Some(3), stdout: "out\n".to_owned(), stderr: "err\n".to_owned() });
    assert!(!said.success());
    assert!(output(&Command::new("true")).success());
    assert_eq!(output(&shell("kill -9 $$")).code, None);
    assert_eq!(output(&shell("printf 'a\\377b'")).stdout, "a\u{fffd}b");
}

#[test]
fn f30b_a_program_that_floods_fills_no_memory() {
    let flood = shell("yes | head --bytes=100000000; echo end >&2");
    let said = output(&flood);
    assert_eq!((said.code, said.stdout.len(), said.stderr.as_str()), (Some(0), 16 << 20, "end\n"));
    let endless = shell("yes").timeout(Duration::from_secs(1));
    assert!(matches!(run(&endless), Err(CommandError::TimedOut { .. })));
}

#[test]
fn a_program_gets_its_input_environment_and_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = shell("cat; echo \"$COLOUR\"; pwd -P").input("some text\n").env("COLOUR", "a b'c");
    command.directory = Some(directory.path().to_owned());
    let real = directory.path().canonicalize().expect("it is there");
    assert_eq!(output(&command).stdout, format!("some text\na b'c\n{}\n", real.display()));
    assert_eq!(output(&Command::new("cat")).stdout, "", "it does not wait for somebody to type");
}

#[test]
fn what_cannot_be_run_says_why() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    fs::write(&data, "not a program").expect("it is written");
    let mut nowhere = Command::new("true");
    nowhere.directory = Some(directory.path().join("nowhere"));
    let commands = [Command::new("no-such-program-of-wnm").arg("--version"), Command::new(&data), nowhere];
    let messages = commands.map(|command| {
        let error = run(&command).expect_err("it cannot be run");
        assert!(matches!(error, CommandError::NotRun { .. }));
        error.to_string().replace(&directory.path().display().to_string(), "/base")
    });
    insta::assert_snapshot!(messages.join("\n\n"), @"
    cannot run `no-such-program-of-wnm --version`: No such file or directory (os error 2)

    cannot run `/base/data`: Permission denied (os error 13)

    cannot run `true`: No such file or directory (os error 2)
    ");
}

#[test]
fn a_failure_tells_what_the_program_said_about_it() {
    let scripts = ["echo good; echo bad >&2; exit 7", "echo only this; exit 1", "kill -15 $$", "exit 4"];
    let messages = scripts.map(|script| succeed(&shell(script)).expect_err("it fails").to_string());
    insta::assert_snapshot!(messages.join("\n"), @"
    `sh -c echo good; echo bad >&2; exit 7` failed (exit code 7): bad
    `sh -c echo only this; exit 1` failed (exit code 1): only this
    `sh -c kill -15 $$` failed (ended by a signal): it said nothing
    `sh -c exit 4` failed (exit code 4): it said nothing
    ");
    assert_eq!(succeed(&shell("echo fine")).expect("it succeeds").stdout, "fine\n");
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = "sleep 300 & echo $! > child; echo $$ > own; wait";
    let mut command = shell(script).timeout(Duration::from_millis(700));
    command.directory = Some(directory.path().to_owned());
    let error = run(&command).expect_err("it takes too long");
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    for name in ["own", "child"] {
        let pid = fs::read_to_string(directory.path().join(name)).expect("it began");
        wait_until_gone(pid.trim());
    }
}

#[test]
fn a_program_that_leaves_something_behind_does_not_hang_wnm() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let pid = || fs::read_to_string(directory.path().join("pid")).expect("it began");
    // The program is done, and what it left holds its output open.
    let mut command = shell("sleep 300 & echo $! > pid").timeout(Duration::from_millis(700));
    command.directory = Some(directory.path().to_owned());
    run(&command).expect_err("its output never ends");
    wait_until_gone(pid().trim());

    // As before, in a session of its own: it left on purpose, and lives.
    let mut command = shell("setsid sleep 300 & echo $! > pid").timeout(Duration::from_millis(700));
    command.directory = Some(directory.path().to_owned());
    let begin = Instant::now();
    run(&command).expect_err("its output never ends");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert!(output(&Command::new("kill").arg("-9").arg(pid().trim())).success());
}

#[test]
fn a_ctrl_c_at_the_terminal_is_not_for_the_program() {
    let stat = output(&Command::new("cat").arg("/proc/self/stat")).stdout;
    let words: Vec<&str> = stat.split(' ').collect();
    assert_eq!(words[0], words[4], "it leads a process group of its own");
}

#[test]
fn much_to_say_and_much_to_read_do_not_block() {
    const SIZE: usize = 4 << 20;
    let both = "head -c 4194304 /dev/zero | tr '\\0' e >&2 & head -c 4194304 /dev/zero | tr '\\0' o; wait";
    let said = output(&shell(both));
    assert_eq!((said.stdout.len(), said.stderr.len()), (SIZE, SIZE));
    let echo = output(&Command::new("cat").input(vec![b'x'; SIZE]));
    assert_eq!(echo.stdout.len(), SIZE);
    // One that does not read what it is given.
    assert!(output(&Command::new("true").input(vec![b'x'; SIZE])).success());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No shell stands between wnm and the program.
    #[test]
    fn arguments_arrive_as_they_were_given(arguments in proptest::collection::vec("[^\0]{0,12}", 0..6)) {
        let command = shell("[ $# = 0 ] || printf '%s\\0' \"$@\"").arg("sh").args(&arguments);
        let said = output(&command).stdout;
        let arrived: Vec<&str> = said.split_terminator('\0').collect();
        prop_assert_eq!(arrived, arguments);
    }
}

#[test]
fn what_no_kernel_can_run_is_not_read_by_a_shell() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [program, trace] = ["program", "trace"].map(|name| directory.path().join(name));
    for beginning in ["", "\u{7f}ELF\n"] {
        fs::write(&program, format!("{beginning}touch '{}'\n", trace.display())).expect("it is written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode is set");
        let outcome = run(&Command::new(&program));
        assert!(!trace.exists(), "a shell read it");
        let error = outcome.expect_err("it cannot be run").to_string();
        assert!(error.ends_with("Exec format error (os error 8)"), "{error}");
    }
}
