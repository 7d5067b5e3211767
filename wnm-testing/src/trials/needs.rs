//! What tests need, and whether this machine has it. Each question is asked once and costs milliseconds; nothing is
//! built or downloaded.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;
use wnm_pm::command::{Command, CommandRunner, SystemRunner};

use crate::{block_on, docker_label, machine, tool};

/// An engine that does not answer by then counts as none.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something that a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// To run as root.
    Root,
    /// A program on the `PATH`.
    Program(&'static str),
    /// A tool such as the real `antnode`; [`tool`] finds it.
    Tool(&'static str),
    /// A Docker engine with the image of test machines, which are booted with systemd.
    SystemdImage,
    /// A Docker engine with the image that groups of nodes run in.
    S6Image,
    /// A Docker engine with the image that the one above is made of, and a Debian mirror that its containers reach.
    DebianMirror,
    /// To mount a file system.
    Mount,
    /// To mount a file system that is served from user space.
    Fuse,
    /// To make a file that nobody can delete (`chattr +i`), in the directory for temporary files.
    Immutable,
    /// To start a process in a process namespace of its own.
    PidNamespace,
    /// A machine that was not booted with systemd, or the right to hide that from a process.
    WithoutSystemd,
    /// An IPv6 address, and a route that survives when the machine forwards for containers.
    Ipv6,
}

/// The image that groups of nodes run in; the variable `WNM_TEST_S6_IMAGE` names another.
#[must_use]
pub fn s6_image() -> String {
    std::env::var("WNM_TEST_S6_IMAGE").unwrap_or_else(|_| "wnm-test-s6:1".to_owned())
}

/// What was asked already.
#[derive(Default)]
pub(super) struct Probes(HashMap<Need, Option<String>>);

impl Probes {
    /// What this machine lacks; none when it has what is needed.
    pub(super) fn lack(&mut self, need: Need) -> Option<String> {
        // A test machine was chosen by who knew what it has.
        if machine::is_inside() {
            return None;
        }
        self.0.entry(need).or_insert_with(|| lack(need)).clone()
    }
}

fn lack(need: Need) -> Option<String> {
    let unless = |there: bool, lack: &str| (!there).then(|| lack.to_owned());
    match need {
        Need::Root => unless(geteuid().is_root(), "not run as root"),
        Need::Program(name) => unless(is_on_path(name), &format!("no {name} on the PATH (.ci/install installs it)")),
        Need::Tool(name) => {
            let variable = name.to_uppercase().replace('-', "_");
            unless(tool(name).is_some(), &format!("no {name} (.ci/install builds it, or set WNM_{variable})"))
        }
        Need::SystemdImage => image(machine::IMAGE),
        Need::S6Image => image(&s6_image()),
        Need::DebianMirror => {
            image(S6_BASE).or_else(|| unless(mirror_answers(), "no Debian mirror in reach of a container"))
        }
        Need::Mount => unless(can_mount(), "file systems cannot be mounted"),
        Need::Fuse => {
            let device = fs::File::options().read(true).write(true).open("/dev/fuse").is_ok();
            unless(device && can_mount(), "file systems in user space (FUSE) cannot be mounted")
        }
        Need::Immutable => unless(can_make_immutable(), "`chattr +i` does not work here"),
        Need::PidNamespace => {
            let alone = run("unshare", &["--pid", "--fork", "true"]);
            unless(alone.is_ok(), "process namespaces cannot be made")
        }
        Need::WithoutSystemd => {
            let hidden = !Path::new("/run/systemd/system").is_dir() || run("unshare", &["--mount", "true"]).is_ok();
            unless(hidden, "systemd runs here, and only root can hide it")
        }
        Need::Ipv6 => unless(has_ipv6(), "no IPv6 that containers could be given"),
    }
}

/// The image that the image of groups is made of.
const S6_BASE: &str = "wnm-test-s6-base:1";

fn image(name: &str) -> Option<String> {
    let said = run("docker", &["image", "inspect", "--format", "{{.Id}}", name]).err()?.to_lowercase();
    if said.contains("no such image") {
        return Some(format!("no image {name} (.ci/install builds it)"));
    }
    Some("no Docker engine that this user may use".to_owned())
}

/// Whether a container reaches the mirror that its own package manager would ask.
fn mirror_answers() -> bool {
    let list = r#"awk '/^deb/ { print $2 "/dists/" $3 "/InRelease"; exit }' /etc/apt/sources.list"#;
    let ask = format!("curl --silent --fail --head --max-time 10 \"$({list})\"");
    let label = docker_label();
    let words = ["run", "--rm", "--label", &label, "--entrypoint", "sh", S6_BASE, "-c", &ask];
    run_within(Duration::from_secs(30), "docker", &words).is_ok()
}

/// A way out that the kernel learnt from a router is lost once the machine forwards.
fn has_ipv6() -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let forwards = read("/proc/sys/net/ipv6/conf/all/forwarding").trim() == "1";
    let of_machine = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(3) == Some(&"00")
            && !["docker", "br-", "wnm-", "wp"].iter().any(|bridge| fields[5].starts_with(bridge))
    };
    let learnt = || run("sh", &["-c", "ip -6 route show default proto ra | grep -q ."]).is_ok();
    read("/proc/net/if_inet6").lines().any(of_machine) && (forwards || !learnt())
}

fn can_mount() -> bool {
    let Ok(directory) = tempfile::tempdir() else { return false };
    let mounted = run("mount", &["-t".as_ref(), "tmpfs".as_ref(), "tmpfs".as_ref(), directory.path()]).is_ok();
    mounted && run("umount", &[directory.path()]).is_ok()
}

fn can_make_immutable() -> bool {
    let Ok(file) = tempfile::NamedTempFile::new() else { return false };
    let chattr = |how: &str| run("chattr", &[how.as_ref(), file.path()]).is_ok();
    let made = chattr("+i");
    // In any case: some file systems take the flag and fail to report it.
    chattr("-i") && made
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Runs a program to its end; what it complained of when that is not a good one.
fn run<A: AsRef<Path> + ?Sized>(program: &str, arguments: &[&A]) -> Result<(), String> {
    run_within(PATIENCE, program, arguments)
}

fn run_within<A: AsRef<Path> + ?Sized>(time: Duration, program: &str, arguments: &[&A]) -> Result<(), String> {
    let arguments = arguments.iter().map(|argument| OsString::from(argument.as_ref()));
    let command = Command::new(program).args(arguments).timeout(time);
    let output = block_on(SystemRunner.run(&command)).map_err(|error| error.to_string())?;
    if output.success() { Ok(()) } else { Err(output.stderr) }
}
