//! Schedules: what is written for systemd and for cron, with paths that neither likes, and what becomes of a crontab.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::path::PathBuf;

use insta::assert_snapshot;
use proptest::prelude::*;
use wnm_core::host::schedule::timer::Scope;
use wnm_core::host::schedule::{Job, cron, timer};
use wnm_pm::command::{Command, SystemRunner};
use wnm_pm::privilege::Privilege;
use wnm_testing::{RecordedRunner, told};

fn job(program: &str, database: &str) -> Job {
    Job { program: program.into(), database: database.into(), config: None, environment: vec![] }
}

fn plain() -> Job {
    job("/usr/local/bin/wnm", "/home/alice/.local/share/autonomi/colony.db")
}

fn hostile() -> Job {
    let config = Some(PathBuf::from("/etc/it's $HOME/config.toml"));
    Job { config, ..job("/opt/my tools/100%/wnm", "/srv/a b; rm -rf \"x\"/colony #1.db") }
}

fn user(home: &std::path::Path) -> Scope {
    Scope::User { home: home.to_owned(), uid: 1000 }
}

#[test]
fn the_units_of_systemd() {
    assert_snapshot!(timer::service_unit(&plain(), &user("/home/alice".as_ref())).expect("it can be written"), @"
    # Written by `wnm schedule install`.
    [Unit]
    Description=One cycle of wnm

    [Service]
    Type=oneshot
    ExecStart=:/usr/local/bin/wnm run --quiet --database /home/alice/.local/share/autonomi/colony.db
    # Nodes that wnm starts by itself (setsid) outlive the cycle.
    KillMode=process
    TasksMax=infinity
    ");
    assert_snapshot!(timer::timer_unit(), @"
    # Written by `wnm schedule install`.
    [Unit]
    Description=One cycle of wnm every minute

    [Timer]
    OnCalendar=minutely
    AccuracySec=1s
    Persistent=false

    [Install]
    WantedBy=timers.target
    ");
    let started = |job: &Job, scope: &Scope| {
        let unit = timer::service_unit(job, scope).expect("it can be written");
        let lines: Vec<&str> =
            unit.lines().filter(|line| line.starts_with("ExecStart") || line.starts_with("User")).collect();
        lines.join("\n")
    };
    assert_snapshot!(started(&hostile(), &Scope::Machine { owner: 1001 }), @r#"
    User=1001
    ExecStart=:"/opt/my tools/100%%/wnm" run --quiet --database "/srv/a b; rm -rf \"x\"/colony #1.db" --config "/etc/it's $HOME/config.toml"
    "#);
    let refused = timer::service_unit(&job("/opt/\"/wnm", "/a"), &Scope::Machine { owner: 0 });
    assert_snapshot!(told(&refused.expect_err("systemd runs no such program")), @r#"
    wnm cannot be scheduled: the path "/opt/\"/wnm" cannot be used: systemd runs no program with " in its path
    hint: move it to a path of plain characters
    "#);
}

#[test]
fn the_steps_of_the_machines_timer() {
    let lines = |steps: &[Command]| steps.iter().map(Command::display).collect::<Vec<_>>().join("\n");
    let scope = Scope::Machine { owner: 1001 };
    let steps = timer::install(&plain(), &scope, Privilege::Sudo).expect("it can be written");
    assert_snapshot!(lines(&steps), @"
    sudo -n -- install -D --mode=0644 /dev/stdin /etc/systemd/system/wnm.service
    sudo -n -- install -D --mode=0644 /dev/stdin /etc/systemd/system/wnm.timer
    sudo -n -- systemctl daemon-reload
    sudo -n -- systemctl enable --now wnm.timer
    ");
    assert_snapshot!(lines(&timer::remove(&scope, Privilege::Own)), @"
    systemctl disable --now wnm.timer
    rm --force -- /etc/systemd/system/wnm.timer /etc/systemd/system/wnm.service
    systemctl daemon-reload
    ");
}

#[tokio::test]
async fn a_timer_that_is_there_is_left_alone_and_anothers_is_refused() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let scope = user(home.path());
    let systemctl = RecordedRunner::new().on_success("systemctl --user", "");
    let steps = timer::to_install(&hostile(), &scope, &systemctl).await.expect("nothing is there");
    assert_eq!(steps.len(), 4);
    // The files are written for real, by the program that writes them everywhere.
    timer::carry_out(&steps[..2], &scope, &SystemRunner).await.expect("the files are written");
    timer::carry_out(&steps[2..], &scope, &systemctl).await.expect("systemctl is recorded");
    assert_snapshot!(systemctl.lines().join("\n"), @"
    systemctl --user daemon-reload
    systemctl --user enable --now wnm.timer
    ");
    assert_eq!(timer::to_install(&hostile(), &scope, &systemctl).await.expect("it is there"), []);
    let there = timer::installed(&scope, &systemctl).await.expect("it is there");
    assert_eq!((there.database, there.active), (Some(hostile().database), true));

    let error = timer::to_install(&plain(), &scope, &systemctl).await.expect_err("it is another's");
    assert!(error.to_string().contains("runs wnm on /srv/a b; rm -rf \"x\"/colony #1.db"), "{error}");
    assert_eq!(timer::to_remove(&plain(), &scope, &systemctl).await.expect("nothing is its own"), []);

    let moved = Job { program: "/usr/bin/wnm".into(), ..hostile() };
    assert_eq!(timer::to_install(&moved, &scope, &systemctl).await.expect("the program may move").len(), 4);
    let steps = timer::to_remove(&hostile(), &scope, &systemctl).await.expect("it is its own");
    timer::carry_out(&steps[1..2], &scope, &SystemRunner).await.expect("the files go");
    assert_eq!(timer::installed(&scope, &systemctl).await, None);

    let stopped =
        RecordedRunner::new().on_failure("systemctl --user", 1, "Failed to connect to bus: No medium found\n");
    let error = timer::carry_out(&steps, &scope, &stopped).await.expect_err("no systemd answers");
    assert_snapshot!(told(&error), @"
    cannot use the systemd of this user: `systemctl --user disable --now wnm.timer` failed (exit code 1): Failed to connect to bus: No medium found
    hint: `sudo loginctl enable-linger 1000` to keep a systemd of this user running without a login
    ");
}

#[tokio::test]
async fn a_unit_that_somebody_wrote_by_hand_is_neither_overwritten_nor_deleted() {
    for name in ["wnm.service", "wnm.timer"] {
        let home = tempfile::tempdir().expect("a temporary directory");
        let scope = user(home.path());
        let systemctl = RecordedRunner::new().on_success("systemctl --user", "");
        let steps = timer::install(&plain(), &scope, Privilege::Own).expect("it can be written");
        timer::carry_out(&steps[..2], &scope, &SystemRunner).await.expect("the files are written");
        let unit = home.path().join(".config/systemd/user").join(name);
        let text = std::fs::read_to_string(&unit).expect("it was just written");
        std::fs::write(&unit, text.replace("# Written by `wnm schedule install`.", "# mine")).expect("it is mine now");
        let refused = timer::to_install(&plain(), &scope, &systemctl).await.expect_err("it is not wnm's");
        let told = told(&refused).replace(&home.path().display().to_string(), "[HOME]");
        assert_eq!(
            told,
            format!(
                "[HOME]/.config/systemd/user/{name} was not written by wnm, and is left alone\n\
                hint: give it another name, or delete it: wnm's own timer needs that one"
            )
        );
        assert!(timer::to_remove(&plain(), &scope, &systemctl).await.is_err(), "it is not wnm's to delete");
        // A link to nothing, as `systemctl mask` makes it.
        std::fs::remove_file(&unit).expect("it is there");
        std::os::unix::fs::symlink("/dev/null", &unit).expect("it is made");
        assert!(timer::to_install(&plain(), &scope, &systemctl).await.is_err(), "a masked unit stays masked");
    }
}

#[test]
fn the_line_of_a_crontab() {
    assert_snapshot!(cron::line(&plain()).expect("it can be written"), @"* * * * * /usr/local/bin/wnm run --quiet --database /home/alice/.local/share/autonomi/colony.db # wnm /home/alice/.local/share/autonomi/colony.db");
    assert_snapshot!(cron::line(&job("/opt/my tools/100%/wnm", "/srv/a b; rm -rf /colony #1.db")).expect("it can be written"), @r"* * * * * '/opt/my tools/100\%/wnm' run --quiet --database '/srv/a b; rm -rf /colony #1.db' # wnm /srv/a b; rm -rf /colony #1.db");
    assert_snapshot!(told(&cron::line(&job("/wnm", "/a\nb")).expect_err("it would be two lines")), @r#"
    wnm cannot be scheduled by cron: "/a\nb" has control characters
    hint: move it to a path of plain characters
    "#);
    assert_snapshot!(told(&cron::line(&job("/wnm", r"/a\%b")).expect_err("cron would cut it")), @r#"
    wnm cannot be scheduled by cron: "/a\\%b" has a percent sign beside characters that need a backslash
    hint: move it to a path of plain characters
    "#);
}

#[test]
fn the_job_is_given_the_variables_of_the_container_engine() {
    let environment = [("DOCKER_HOST", "tcp://[::1]:2376"), ("DOCKER_CERT_PATH", "/home/al ice/$x 5%")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let job = Job { environment, ..job("/usr/bin/wnm", "/srv/colony.db") };
    let unit = timer::service_unit(&job, &user("/home/alice".as_ref())).expect("it can be written");
    let lines: Vec<&str> = unit.lines().filter(|line| line.starts_with('E')).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    Environment="DOCKER_HOST=tcp://[::1]:2376"
    Environment="DOCKER_CERT_PATH=/home/al ice/$x 5%%"
    ExecStart=:/usr/bin/wnm run --quiet --database /srv/colony.db
    "#);
    assert_snapshot!(cron::line(&job).expect("it can be written"), @r"* * * * * DOCKER_HOST='tcp://[::1]:2376' DOCKER_CERT_PATH='/home/al ice/$x 5\%' /usr/bin/wnm run --quiet --database /srv/colony.db # wnm /srv/colony.db");
    let command = as_cron_reads(&cron::line(&job).expect("it can be written"));
    let command = command.replace("/usr/bin/wnm", "sh -c 'echo \"$DOCKER_HOST $DOCKER_CERT_PATH\"'");
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("sh can be run");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "tcp://[::1]:2376 /home/al ice/$x 5%\n", "{command}");
    let hostile = Job { environment: vec![("DOCKER_HOST".to_owned(), "a\nb".to_owned())], ..job };
    assert_snapshot!(told(&cron::line(&hostile).expect_err("it would be two lines")), @"
    wnm cannot be scheduled by cron: the value of DOCKER_HOST has control characters
    hint: set DOCKER_HOST to plain characters
    ");
}

/// What cron hands to the shell, by the rules of its own source: a backslash goes before a percent sign only, and a bare
/// percent sign ends the command.
fn as_cron_reads(line: &str) -> String {
    let command = line.splitn(6, ' ').nth(5).expect("five fields and a command");
    let (mut read, mut escaped) = (String::new(), false);
    for character in command.chars() {
        if escaped && character == '%' {
            read.pop();
        } else if !escaped && character == '%' {
            break;
        }
        escaped = !escaped && character == '\\';
        read.push(character);
    }
    read
}

proptest! {
    #[test]
    fn a_shell_that_cron_runs_gets_the_very_words(program in "/[ -~ü]{1,20}", database in "/[ -~ü]{1,20}") {
        let job = job(&program, &database);
        if let Ok(line) = cron::line(&job) {
            let words = shlex::split(&as_cron_reads(&line)).expect("it is a shell's line");
            prop_assert_eq!(words, [program.as_str(), "run", "--quiet", "--database", &database]);
        }
    }

    #[test]
    fn other_lines_of_a_crontab_stay_byte_for_byte(
        before in "([ -~\t]{0,30}\r?\n){0,4}", after in "([ -~\t]{0,30}\n){0,4}[ -~]{0,20}", database in "/[ -$&-\\[\\]-~]{1,20}",
    ) {
        let job = job("/usr/bin/wnm", &database);
        let line = cron::line(&job).expect("it can be written");
        let crontab = format!("{before}{line}\n{after}");
        prop_assert_eq!(cron::without(&crontab, &job), format!("{before}{after}"));
        prop_assert_eq!(cron::with(&crontab, &job).expect("it is there"), crontab.clone());
        let moved = Job { program: "/usr/local/bin/wnm".into(), ..job.clone() };
        let once = cron::with(&crontab, &moved).expect("it can be written");
        let others = before + &after;
        prop_assert!(once.starts_with(&others));
        prop_assert_eq!(cron::with(&once, &moved).expect("it is there"), once.clone());
        let line = cron::line(&moved).expect("it can be written");
        prop_assert_eq!(cron::find(&once, &job), Some(line.as_str()));
    }
}

#[test]
fn one_record_does_not_touch_the_line_of_another() {
    let (one, other) = (job("/wnm", "/a"), job("/wnm", "/b # wnm /a"));
    let both = cron::with(&cron::with("", &one).expect("one"), &other).expect("the other");
    assert_eq!(cron::without(&both, &one), cron::with("", &other).expect("the other"));
    assert_eq!(cron::without(&both, &other), cron::with("", &one).expect("the one"));
}

#[tokio::test]
async fn a_crontab_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let none = RecordedRunner::new().on_failure("crontab -l", 1, "no crontab for alice\n");
    assert_eq!(cron::read(&plain(), &none).await.expect("there is none yet"), "");
    let refused =
        RecordedRunner::new().on_failure("crontab -l", 1, "You (alice) are not allowed to use this program\n");
    assert_snapshot!(told(&cron::read(&plain(), &refused).await.expect_err("cron refuses")), @"
    cannot use the crontab of this user: `crontab -l` failed (exit code 1): You (alice) are not allowed to use this program
    hint: install cron, or have something else run `/usr/local/bin/wnm run --quiet --database /home/alice/.local/share/autonomi/colony.db` every minute
    ");
    let foreign = RecordedRunner::new().on_success("crontab -l", "# Z\u{fffd}rich\n");
    assert!(cron::read(&plain(), &foreign).await.expect_err("it is no UTF-8").to_string().contains("left alone"));
    let runner = RecordedRunner::new().on_success("crontab -", "");
    let steps = [cron::replace("# mine\n".to_owned())];
    cron::carry_out(&plain(), &steps, &runner).await.expect("it is written");
    assert_eq!(runner.calls()[0].input, b"# mine\n");
}
