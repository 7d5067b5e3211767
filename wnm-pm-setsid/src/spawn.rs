//! Spawning makes a node's process: in a session of its own, with nothing of wnm's in its hands.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use tokio::process::Child;
use tokio::time::Instant;
use wnm_pm::interpreter::why_not_started;
use wnm_pm::launch::Launch;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::user;

use crate::image::Image;

/// What a node takes over from the environment of whoever calls wnm. The rest differs between a shell and cron, and a
/// node shall not.
const INHERITED: [&str; 9] = ["HOME", "USER", "LOGNAME", "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_DATA_HOME"];

/// Starts a node's process. It is a child of this one; when wnm ends it goes on, as a child of the machine's first
/// process.
#[expect(clippy::disallowed_methods, reason = "the door for programs that wnm waits for; a node goes on")]
pub(crate) fn spawn(launch: &Launch, output: &File) -> Result<Child, ManagerError> {
    let refused = |error: io::Error| {
        let program =
            || ManagerError::Program { path: launch.program.clone(), reason: why_not_started(&launch.program, &error) };
        ManagerError::shortage("start a process", &error).unwrap_or_else(program)
    };
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).into(), inherited(name)?)));
    let image = Image::new(launch, inherited.collect()).map_err(|zero| refused(zero.into()))?;
    let mut command = Command::new(&launch.program);
    command.current_dir(&launch.directory);
    command.stdin(Stdio::null());
    command.stdout(output.try_clone().map_err(refused)?);
    command.stderr(output.try_clone().map_err(refused)?);
    become_node(&mut command, image, open_files());
    let mut command = tokio::process::Command::from(command);

    // While any thread of this program starts another, the copy of a program that was just written may for a moment
    // still be open for writing there.
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            spawned => return spawned.map_err(refused),
        }
    }
}

/// The value of a variable, unless it names a place of another user's.
fn inherited(name: &str) -> Option<OsString> {
    match name {
        "HOME" => user::home().map(OsString::from),
        "XDG_DATA_HOME" => std::env::var_os(name).filter(|place| !user::is_anothers(place.as_ref())),
        _ => std::env::var_os(name),
    }
}

/// Gives the process a session and process group of its own, so that no terminal and no signal to wnm's group reaches it,
/// closes what this process was itself given open and is not marked to be closed (the lock of a `flock` that wraps wnm in
/// cron would otherwise be held as long as the node lives), and has it become the node. The command's own program,
/// arguments and environment are never reached.
#[expect(unsafe_code, reason = "nothing safe calls setsid between fork and exec; the closure only makes system calls")]
fn become_node(command: &mut Command, image: Image, inherited: Vec<RawFd>) {
    let prepare = move || {
        rustix::process::setsid()?;
        for &file in &inherited {
            // SAFETY: the number is only handed to fcntl, which refuses one that was closed meanwhile.
            let _ = fcntl_setfd(unsafe { BorrowedFd::borrow_raw(file) }, FdFlags::CLOEXEC);
        }
        Err(image.execute())
    };
    // SAFETY: the closure allocates nothing and takes no lock, so it may run in a process that was just forked.
    unsafe { command.pre_exec(prepare) };
}

/// The numbers of all files that this process has open beyond the three standard ones.
fn open_files() -> Vec<RawFd> {
    let entries = fs::read_dir(Path::new("/proc/self/fd")).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).collect()
}
