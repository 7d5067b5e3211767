//! The whole program on a machine that a test may turn upside down: a container with a systemd, a ufw, a firewalld and a
//! cron of its own.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use wnm_testing::Need::SystemdImage;
use wnm_testing::{docker_label, test_node};

use crate::WNM;

const IMAGE: &str = "wnm-test-systemd:1";
/// What cargo built, as the container sees it.
const BUILD: &str = "/opt/wnm";
/// Limits too far away for a busy machine to reach, and no delays.
const INIT: &str = "init --process_manager setsid+user --antnode_path /opt/wnm/antnode --rewards_address faucet --no_upnp \
    --node_cap 3 --delay_remove 0 --delay_start 0 --cpu_less_than 101 --cpu_remove 102 --mem_less_than 101 --mem_remove 102 \
    --hd_less_than 101 --hd_remove 102 --desired_load_average 9999 --max_load_average_allowed 10000";

/// A machine that goes with its test.
struct Machine(String);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

impl Machine {
    fn boot() -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let name = format!("wnm-cli-test-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new("docker");
        command.args([
            "run",
            "--detach",
            "--name",
            &name,
            "--label",
            &docker_label(),
            "--network",
            "none",
            "--cgroupns=private",
        ]);
        for capability in ["SYS_ADMIN", "NET_ADMIN", "NET_RAW"] {
            command.args(["--cap-add", capability]);
        }
        for volatile in ["/run", "/run/lock", "/tmp"] {
            command.args(["--tmpfs", volatile]);
        }
        for (program, name) in [(PathBuf::from(WNM), "wnm"), (test_node("0.4.17"), "antnode")] {
            command.args(["--volume", &format!("{}:{BUILD}/{name}:ro", program.display())]);
        }
        let output = command.args([IMAGE, "/sbin/init"]).output().expect("docker can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let machine = Self(name);
        machine.until("root", "systemctl is-system-running; systemctl --user -M resident@ is-system-running", |said| {
            said.lines().count() == 2 && said.lines().all(|line| ["running", "degraded"].contains(&line))
        });
        machine
    }

    /// What a shell of this user says, and its exit code.
    fn run(&self, user: &str, script: &str) -> (i32, String) {
        let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
        let mut command = Command::new("docker");
        command.args(["exec", "--user", user, "--env", &format!("HOME={home}"), "--workdir", &home, &self.0]);
        let output = command.args(["sh", "-c", script]).output().expect("docker can be run");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code().unwrap_or(-1), text)
    }

    /// As [`Machine::run`], of what has to succeed.
    fn done(&self, user: &str, script: &str) -> String {
        let (code, said) = self.run(user, script);
        assert_eq!(code, 0, "{script}: {said}");
        said
    }

    fn wnm(&self, user: &str, words: &str) -> String {
        self.done(user, &format!("{BUILD}/wnm {words}"))
    }

    /// Waits until a shell of this user says what is wanted.
    fn until(&self, user: &str, script: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(150);
        loop {
            let (_, said) = self.run(user, script);
            if wanted(&said) {
                return;
            }
            assert!(Instant::now() < deadline, "{script}: {said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn ufw_lets_a_node_in_from_its_start_until_it_is_gone() {
    let machine = Machine::boot();
    machine.done("root", "ufw --force enable && ufw allow 22/tcp && ufw allow 55002/udp comment mine");
    machine.wnm("root", INIT);
    machine.wnm("root", "add --count 3");
    let rules = |machine: &Machine| machine.done("root", "ufw show added | tail -n +2; ufw status | grep -c ALLOW");
    assert_snapshot!(rules(&machine), @"
    ufw allow 22/tcp
    ufw allow 55002/udp comment 'mine'
    ufw allow 55001/udp comment 'wnm antnode0001'
    ufw allow 55003/udp comment 'wnm antnode0003'
    8
    ");
    machine.wnm("root", "stop 1 3");
    assert_snapshot!(rules(&machine), @"
    ufw allow 22/tcp
    ufw allow 55002/udp comment 'mine'
    ufw allow 55001/udp comment 'wnm antnode0001'
    ufw allow 55003/udp comment 'wnm antnode0003'
    8
    ");
    let findings = machine.run("root", "/opt/wnm/wnm doctor").1;
    assert!(!findings.contains("firewall"), "{findings}");
    machine.done("root", "ufw delete allow 55003/udp");
    let findings = machine.run("root", "/opt/wnm/wnm doctor").1;
    assert!(findings.contains("error firewall-closed: ufw keeps out the ports of nodes (1): UDP 55003"), "{findings}");
    assert!(findings.contains("  fix: sudo ufw allow 55003/udp comment 'wnm antnode0003'"), "{findings}");
    machine.wnm("root", "start 3");
    machine.wnm("root", "remove 1 2 --confirm");
    machine.wnm("root", "run --node_cap 1");
    assert_snapshot!(rules(&machine), @"
    ufw allow 22/tcp
    ufw allow 55002/udp comment 'mine'
    ufw allow 55003/udp comment 'wnm antnode0003'
    6
    ");
    let why = machine.wnm("root", "why antnode0003");
    assert!(why.contains("UDP port 55003 was opened in ufw"), "{why}");
    machine.wnm("root", "teardown --confirm");
    assert_snapshot!(rules(&machine), @"
    ufw allow 22/tcp
    ufw allow 55002/udp comment 'mine'
    4
    ");
}

fn a_firewall_that_may_not_be_told_loses_no_node() {
    let machine = Machine::boot();
    machine.done("root", "ufw --force enable");
    machine.wnm("resident", INIT);
    let added = machine.wnm("resident", "add --count 2");
    assert!(added.contains("added 2 nodes (0.4.17): antnode0001–0002\n"), "{added}");
    assert!(added.contains("UDP ports 55001–55002 not opened in ufw: ufw failed: "), "{added}");
    machine.wnm("resident", "config set firewall=null");
    let added = machine.wnm("resident", "add");
    assert!(!added.contains("ufw"), "{added}");
    machine.wnm("keeper", &format!("{INIT} --port_start 54 --metrics_port_start 14"));
    let added = machine.wnm("keeper", "add");
    assert!(!added.contains("ufw failed"), "sudo does what is asked: {added}");
}

fn firewalld_lets_a_node_in_from_its_start_until_it_is_gone() {
    let machine = Machine::boot();
    machine.done("root", "systemctl start firewalld");
    machine.wnm("root", INIT);
    machine.wnm("root", "add --count 2");
    let ports = "firewall-cmd --list-ports; firewall-cmd --permanent --list-ports";
    assert_eq!(machine.done("root", ports), "55001/udp 55002/udp\n55001/udp 55002/udp\n");
    machine.wnm("root", "remove 1 --confirm");
    machine.wnm("root", "run --node_cap 1");
    assert_eq!(machine.done("root", ports), "55002/udp\n55002/udp\n");
}

/// The time until a timer of a minute has fired is in this test.
fn a_timer_of_systemd_runs_wnm_and_its_nodes_outlive_the_cycle() {
    let machine = Machine::boot();
    for user in ["root", "resident", "keeper"] {
        let start = match user {
            "root" => 51,
            "resident" => 52,
            _ => 53,
        };
        machine.wnm(user, &format!("{INIT} --port_start {start} --metrics_port_start {}", start - 40));
    }
    let dry = machine.wnm("resident", "schedule install --dry-run");
    assert_snapshot!(dry, @"
    $ install -D --mode=0644 /dev/stdin /home/resident/.config/systemd/user/wnm.service
        # Written by `wnm schedule install`.
        [Unit]
        Description=One cycle of wnm

        [Service]
        Type=oneshot
        ExecStart=:/opt/wnm/wnm run --quiet --database /home/resident/.local/share/autonomi/colony.db
        # Nodes that wnm starts by itself (setsid) outlive the cycle.
        KillMode=process
        TasksMax=infinity
    $ install -D --mode=0644 /dev/stdin /home/resident/.config/systemd/user/wnm.timer
        # Written by `wnm schedule install`.
        [Unit]
        Description=One cycle of wnm every minute

        [Timer]
        OnCalendar=minutely
        AccuracySec=1s
        Persistent=false

        [Install]
        WantedBy=timers.target
    $ systemctl --user daemon-reload
    $ systemctl --user enable --now wnm.timer
    Nothing was changed.
    ");
    assert_eq!(machine.wnm("resident", "schedule show"), "Nothing of wnm's own runs it every minute.\n");
    for user in ["root", "resident"] {
        let installed = machine.wnm(user, "schedule install");
        assert!(installed.contains("wnm runs every minute, by systemd: /"), "{installed}");
        assert!(
            !installed.contains("logs out"),
            "the machine's timer needs no login, and resident lingers: {installed}"
        );
        let again = machine.wnm(user, "schedule install");
        assert!(again.starts_with("wnm runs every minute"), "nothing is left to do: {again}");
        let verified =
            machine.done(user, "XDG_RUNTIME_DIR=/run/user/$(id -u) systemd-analyze verify $(test $(id -u) = 0 || echo --user) wnm.timer wnm.service");
        assert_eq!(verified, "");
    }
    let (code, said) = machine.run("keeper", "/opt/wnm/wnm schedule install");
    assert_eq!(code, 1, "keeper's systemd does not run: {said}");
    assert!(said.contains("sudo loginctl enable-linger 1001"), "{said}");
    for user in ["root", "resident"] {
        machine.until(user, "/opt/wnm/wnm status", |said| said.contains("antnode0001"));
        let services = if user == "root" { "systemctl" } else { "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user" };
        machine.until(user, &format!("{services} is-active wnm.service"), |said| said == "inactive\n");
        machine.wnm(user, "run");
        let status = machine.wnm(user, "status");
        assert!(
            status.contains("1 STARTING") || status.contains("1 RUNNING") || status.contains("2 RUNNING"),
            "{status}"
        );
        let findings = machine.run(user, "/opt/wnm/wnm doctor").1;
        assert!(!findings.contains("not-scheduled"), "{findings}");
        let removed = machine.wnm(user, "schedule remove");
        assert!(removed.ends_with("Nothing of wnm's own runs it every minute.\n"), "{removed}");
        let findings = machine.run(user, "/opt/wnm/wnm doctor").1;
        assert!(findings.contains("not-scheduled"), "{findings}");
    }
}

fn debians_cron_takes_the_line() {
    let machine = Machine::boot();
    let moved = "mkdir '/home/resident/my 100% nodes' && cp /opt/wnm/wnm '/home/resident/my 100% nodes/wnm'";
    let database = "--database '/home/resident/it is 100%.db'";
    machine.done("resident", moved);
    machine.wnm("resident", &format!("{INIT} {database}"));
    machine.done("resident", "printf '# mine\\n1 2 3 4 5 true\\n' | crontab -");
    // Without this directory wnm takes the machine for one that no systemd runs.
    machine.done("root", "mount --bind /mnt /run/systemd && systemctl --version");
    let installed =
        machine.done("resident", &format!("'/home/resident/my 100% nodes/wnm' schedule install {database}"));
    assert!(installed.contains("by cron"), "{installed}");
    assert_snapshot!(machine.done("resident", "crontab -l"), @r"
    # mine
    1 2 3 4 5 true
    * * * * * '/home/resident/my 100\% nodes/wnm' run --quiet --database '/home/resident/it is 100\%.db' # wnm /home/resident/it is 100\%.db
    ");
    machine.until("resident", &format!("/opt/wnm/wnm status {database}"), |said| said.contains("antnode0001"));
    machine.done("resident", &format!("/opt/wnm/wnm schedule remove {database}"));
    assert_eq!(machine.done("resident", "crontab -l"), "# mine\n1 2 3 4 5 true\n");
}

wnm_testing::trials! {
    &[SystemdImage] =>
        ufw_lets_a_node_in_from_its_start_until_it_is_gone,
        a_firewall_that_may_not_be_told_loses_no_node,
        firewalld_lets_a_node_in_from_its_start_until_it_is_gone,
        a_timer_of_systemd_runs_wnm_and_its_nodes_outlive_the_cycle,
        debians_cron_takes_the_line;
}
