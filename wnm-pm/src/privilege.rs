//! Privilege is how a step is done that only root may do: directly, where wnm runs as root, or through `sudo -n`, which
//! asks nobody for a password.

use std::ffi::OsString;

use crate::command::{Command, CommandError};

/// In whose name a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// As whoever runs wnm.
    Own,
    /// As root, through `sudo -n`.
    Sudo,
}

impl Privilege {
    /// What it takes to act as root here: nothing for root, sudo for anybody else.
    #[must_use]
    pub fn of_root() -> Self {
        if rustix::process::geteuid().is_root() { Self::Own } else { Self::Sudo }
    }

    /// A program to run in that name.
    #[must_use]
    pub fn command(self, program: impl Into<OsString>) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Sudo => Command::new("sudo").args(["-n", "--"]).arg(program),
        }
    }
}

/// Why sudo did not run a program; none when the failure is the program's own, or sudo was not asked.
#[must_use]
pub fn refusal(error: &CommandError) -> Option<String> {
    match error {
        CommandError::NotRun { command, reason } if command.starts_with("sudo ") => {
            Some(format!("this user is not root, and sudo cannot be run: {reason}"))
        }
        CommandError::Failed { command, said, .. } if command.starts_with("sudo ") => {
            // On a machine that does not know its own name sudo says so each time, and works. Lines are joined by "; ".
            let first = said.split("; ").find(|line| !line.contains("unable to resolve host")).unwrap_or_default();
            let is_sudos = first.starts_with("sudo: ") || first.starts_with("Sorry, user ");
            is_sudos.then(|| format!("this user is not root, and sudo refuses: {first}"))
        }
        _ => None,
    }
}

/// What to do when sudo refuses.
pub const SUDO_HINT: &str =
    "run wnm as root, or allow this user to use sudo without a password (see `man sudoers`, NOPASSWD)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Output;

    /// A program that failed after it printed this.
    fn failed(command: &Command, printed: &str) -> CommandError {
        Output { code: Some(1), stderr: printed.to_owned(), ..Output::default() }.failure(command)
    }

    #[test]
    fn only_sudos_own_words_are_a_refusal() {
        let through_sudo = |said: &str| refusal(&failed(&Privilege::Sudo.command("install"), said));
        let refused = through_sudo("sudo: a password is required");
        assert_eq!(refused.as_deref(), Some("this user is not root, and sudo refuses: sudo: a password is required"));
        let not_allowed = "Sorry, user resident is not allowed to execute '/usr/bin/install' as root on host.";
        assert!(through_sudo(not_allowed).is_some());
        assert_eq!(through_sudo("install: cannot create directory '/x': Read-only file system"), None);
        let nameless = "sudo: unable to resolve host cloud: Temporary failure in name resolution\n";
        assert_eq!(through_sudo(&format!("{nameless}rm: cannot remove '/x': Device or resource busy")), None);
        assert_eq!(through_sudo(&format!("{nameless}sudo: a password is required")), refused);
        assert_eq!(refusal(&failed(&Command::new("install"), "sudo: a password is required")), None);
        let missing = CommandError::NotRun { command: "sudo -n -- rm".to_owned(), reason: "not found".to_owned() };
        assert!(refusal(&missing).is_some());
    }

    #[test]
    fn sudo_never_asks_and_takes_no_word_for_its_own() {
        assert_eq!(Privilege::Sudo.command("rm").arg("-rf").display(), "sudo -n -- rm -rf");
        assert_eq!(Privilege::Own.command("rm").display(), "rm");
    }
}
