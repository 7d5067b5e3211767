//! Places are where a systemd keeps its units and how it is reached: the machine's own, or that of the user who calls.

use std::path::{Path, PathBuf};

/// The slice that all nodes are in.
pub(crate) const SLICE: &str = "wnm.slice";

/// The user that nodes of the machine's own systemd run as.
pub(crate) const NODE_USER: &str = "ant";

/// What to do where there is no systemd that can be used: the process manager of a record stays what it is.
pub(crate) const WITHOUT_SYSTEMD: &str = "boot with a systemd that can be used, or begin another record: `wnm init \
    --process_manager setsid+user --database FILE`";

/// The machine's own systemd, or a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The machine's: `systemctl`.
    System,
    /// That of whoever calls: `systemctl --user`.
    User,
}

/// The places of one systemd.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) scope: Scope,
    /// Where wnm's unit files lie.
    pub(crate) units: PathBuf,
    /// Where a user's systemd listens. A job of cron is not told that by its environment.
    pub(crate) runtime_dir: Option<PathBuf>,
}

impl Places {
    /// The places of this machine and this user.
    pub(crate) fn find(scope: Scope) -> Self {
        match scope {
            Scope::System => Self { scope, units: "/etc/systemd/system".into(), runtime_dir: None },
            Scope::User => {
                let named = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
                let usual = || PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
                Self {
                    scope,
                    units: std::env::home_dir().unwrap_or_default().join(".config/systemd/user"),
                    runtime_dir: Some(named.filter(|path| path.is_absolute()).unwrap_or_else(usual)),
                }
            }
        }
    }

    /// Where a unit's file lies.
    pub(crate) fn unit(&self, name: &str) -> PathBuf {
        self.units.join(name)
    }

    /// The link that has a unit started at boot.
    pub(crate) fn wanted(&self, name: &str) -> PathBuf {
        self.units.join(format!("{}.wants", self.target())).join(name)
    }

    /// What is reached when the machine, or the user's systemd, is up.
    pub(crate) fn target(&self) -> &'static str {
        match self.scope {
            Scope::System => "multi-user.target",
            Scope::User => "default.target",
        }
    }

    /// Why this systemd cannot be talked to, and what to do; none when it can.
    pub(crate) fn obstacle(&self) -> Option<(String, String)> {
        if !Path::new("/run/systemd/system").is_dir() {
            let reason = "this machine was not booted with systemd".to_owned();
            return Some((reason, WITHOUT_SYSTEMD.to_owned()));
        }
        let runtime_dir = self.runtime_dir.as_ref()?;
        if !self.units.is_absolute() {
            return Some(("this user has no home directory".to_owned(), "set HOME to an absolute path".to_owned()));
        }
        if runtime_dir.join("systemd/private").exists() {
            return None;
        }
        let reason = format!("no systemd of this user runs ({} is not there)", runtime_dir.join("systemd").display());
        let user = user_name();
        Some((reason, format!("`sudo loginctl enable-linger {user}` keeps one running from boot on, without a login")))
    }
}

/// The name of whoever calls, or else the number.
pub(crate) fn user_name() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    name.unwrap_or(uid)
}
