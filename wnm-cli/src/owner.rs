//! Root acts as the owner of a database: what it starts is the owner's, as if the owner had started it.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use wnm_pm::user::User;

use crate::exit::Failure;

/// Runs the same command again as the user whom the database belongs to. Comes back only where that user is at work already,
/// where there is no database, or with why it cannot be done.
#[expect(clippy::disallowed_methods, reason = "this process becomes that program, so nobody waits for it")]
pub(crate) fn act_as_owner(database: &Path, typed: &[OsString]) -> Result<(), Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::Other(format!("cannot act as the owner of {}: {what}: {error}", database.display()))
    };
    let own = rustix::process::geteuid();
    let owner = match std::fs::metadata(database) {
        Ok(file) if file.uid() != own.as_raw() => file.uid(),
        // What is not there, or out of reach, is reported by whoever opens it.
        _ => return Ok(()),
    };
    if !own.is_root() {
        return Err(failed("only root can", &format!("it belongs to user {owner}")));
    }
    let user = User::with_id(owner).map_err(|error| failed("its user is not known", &error))?;
    let user = user.ok_or_else(|| failed("there is no such user", &owner))?;
    let program = std::env::current_exe().map_err(|error| failed("this program is not found", &error))?;
    user.become_user().map_err(|error| failed(&user.name, &error))?;
    let mut command = std::process::Command::new(program);
    command.args(typed.iter().skip(1)).env("HOME", &user.home).env("USER", &user.name).env("LOGNAME", &user.name);
    // What is root's own would lead to root's session.
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env("XDG_RUNTIME_DIR", format!("/run/user/{owner}"));
    Err(failed("it cannot be run as that user", &command.exec()))
}
