//! Schedules, with the machine's own crontab out of reach: a `crontab` stands first on the PATH that keeps its table in a file.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use wnm_testing::Need::WithoutSystemd;
use wnm_testing::{Colony, Run};

use crate::{WNM, machine, steady};

/// Behaves as Debian's: what it does not know is an error, and a table that is not there is one, too.
const CRONTAB: &str = r#"#!/bin/sh
table="$(dirname "$0")/table"
case "$1" in
    -l) if [ -e "$table" ]; then cat "$table"; else echo "no crontab for alice" >&2; exit 1; fi ;;
    -) cat >"$table.new" && mv "$table.new" "$table" ;;
    *) echo "usage" >&2; exit 1 ;;
esac
"#;

/// Runs wnm with these programs to be found before the machine's own.
fn run_with(colony: &Colony, programs: &Path, words: &[&str]) -> Run {
    run_on_path(colony, &format!("{}:/usr/bin:/bin", programs.display()), words)
}

fn run_on_path(colony: &Colony, path: &str, words: &[&str]) -> Run {
    let mut command = colony.command(words);
    command.env("PATH", path);
    let output = without_systemd(command).output().expect("wnm can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("wnm writes UTF-8");
    Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same command where it sees no systemd: with one, wnm is not cron's business.
fn without_systemd(command: Command) -> Command {
    if !Path::new("/run/systemd/system").is_dir() {
        return command;
    }
    let mut alone = Command::new("/usr/bin/unshare");
    let hide = "/bin/mount -t tmpfs tmpfs /run/systemd && exec \"$@\"";
    alone.args(["--mount", "/bin/sh", "-c", hide, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    alone
}

/// A directory with a `crontab` that keeps its table there.
fn cron(colony: &Colony) -> PathBuf {
    let programs = colony.path().join("programs");
    fs::create_dir(&programs).expect("it is made");
    fs::write(programs.join("crontab"), CRONTAB).expect("it is written");
    fs::set_permissions(programs.join("crontab"), fs::Permissions::from_mode(0o755)).expect("its mode is set");
    programs
}

fn cron_runs_wnm_where_no_systemd_does() {
    let colony = machine(&["--node_cap=1"]);
    let programs = cron(&colony);
    let table = programs.join("table");
    let others = "# mine\r\nMAILTO=\"\"\n\n5 4 * * * backup 50\\% # wnm elsewhere";
    fs::write(&table, others).expect("it is written");
    let told = |run: &Run| steady(&colony, &run.stdout).replace(WNM, "[WNM]");

    let dry = run_with(&colony, &programs, &["schedule", "install", "--dry-run"]);
    assert_eq!(fs::read_to_string(&table).expect("it is there"), others);
    assert_snapshot!(told(&dry), @r#"
    $ crontab -
        # mine
        MAILTO=""

        5 4 * * * backup 50\% # wnm elsewhere
        * * * * * [WNM] run --quiet --database [DIR]/colony.db # wnm [DIR]/colony.db
    Nothing was changed.
    "#);
    let run = run_with(&colony, &programs, &["schedule", "install"]);
    assert_eq!(run.code, 0, "{run:?}");
    let line = fs::read_to_string(&table).expect("it is there");
    let line = line.strip_prefix(others).expect("other lines stay").trim().to_owned();
    assert_snapshot!(steady(&colony, &line).replace(WNM, "[WNM]"), @"* * * * * [WNM] run --quiet --database [DIR]/colony.db # wnm [DIR]/colony.db");
    let again = run_with(&colony, &programs, &["schedule", "install"]);
    assert_snapshot!(told(&again), @"wnm runs every minute, by cron: * * * * * [WNM] run --quiet --database [DIR]/colony.db # wnm [DIR]/colony.db");
    let shown = run_with(&colony, &programs, &["schedule", "show", "--json"]).json();
    assert_eq!(shown["schedule"], serde_json::json!({"by": "cron", "at": line, "active": true}));

    // What cron would do: five fields, and the rest is a shell's, with next to no environment.
    let command = line.splitn(6, ' ').nth(5).expect("a command");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", colony.path());
    let status = shell.status();
    assert!(status.expect("sh can be run").success());
    assert_eq!(colony.statuses().len(), 1, "a cycle was run");

    assert_eq!(run_with(&colony, &programs, &["schedule", "remove"]).code, 0);
    assert_eq!(fs::read_to_string(&table).expect("it is there"), format!("{others}\n"));
    assert_snapshot!(told(&run_with(&colony, &programs, &["schedule", "show"])), @"Nothing of wnm's own runs it every minute.");
}

fn uninstalling_removes_the_schedule() {
    let colony = machine(&[]);
    let programs = cron(&colony);
    assert_eq!(run_with(&colony, &programs, &["schedule", "install"]).code, 0);
    let line = fs::read_to_string(programs.join("table")).expect("it is there");
    let dry = run_with(&colony, &programs, &["uninstall", "--dry-run", "--json"]).json();
    assert_eq!(dry["schedule"]["at"], line.trim());
    assert_eq!(fs::read_to_string(programs.join("table")).expect("it is there"), line);
    let run = run_with(&colony, &programs, &["uninstall"]);
    assert!(run.code == 0 && run.stdout.starts_with("Removed the schedule (cron: "), "{run:?}");
    assert_eq!(fs::read_to_string(programs.join("table")).expect("it is there"), "");
}

fn without_cron_nothing_is_scheduled_and_install_says_which_line_to_run() {
    let colony = machine(&[]);
    let run = run_on_path(&colony, "/nonexistent", &["schedule", "install"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_snapshot!(steady(&colony, &run.stderr).replace(WNM, "[WNM]"), @"
    error: cannot use the crontab of this user: cannot run `crontab -l`: No such file or directory (os error 2)
    hint: install cron, or have something else run `[WNM] run --quiet --database [DIR]/colony.db` every minute
    ");
    for word in ["show", "remove"] {
        let run = run_on_path(&colony, "/nonexistent", &["schedule", word]);
        assert_eq!((run.code, run.stdout.as_str()), (0, "Nothing of wnm's own runs it every minute.\n"), "{run:?}");
    }
}

wnm_testing::trials! {
    &[WithoutSystemd] =>
        cron_runs_wnm_where_no_systemd_does,
        uninstalling_removes_the_schedule,
        without_cron_nothing_is_scheduled_and_install_says_which_line_to_run;
}
