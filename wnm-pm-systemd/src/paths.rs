//! Places are where a systemd keeps its units and how it is reached: the machine's own, or that of the user who calls.

use std::path::{Path, PathBuf};

use wnm_pm::hint::{Hint, Task};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::shell;
use wnm_pm::user::{self, User};

/// The slice that all nodes are in.
pub(crate) const SLICE: &str = "wnm.slice";

/// The user that nodes of the machine's own systemd run as.
pub(crate) const NODE_USER: &str = "ant";

/// The copy of a node's program that is not in its place yet.
pub(crate) const NEW: &str = "new";

/// The copy of a node's program that was replaced.
pub(crate) const PREVIOUS: &str = "previous";

/// What was copied to the place of a node's program.
pub(crate) const STAMP: &str = "stamp";

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
    /// Where a user's systemd listens. The environment of a cron job does not say it.
    pub(crate) runtime_dir: Option<PathBuf>,
}

impl Places {
    /// The places of this machine and this user.
    pub(crate) fn find(scope: Scope) -> Self {
        match scope {
            Scope::System => Self { scope, units: "/etc/systemd/system".into(), runtime_dir: None },
            Scope::User => Self {
                scope,
                units: user::home().unwrap_or_default().join(".config/systemd/user"),
                runtime_dir: Some(user::runtime_dir()),
            },
        }
    }

    /// Where a unit's file lies.
    pub(crate) fn unit(&self, name: &str) -> PathBuf {
        self.units.join(name)
    }

    /// Where `systemctl edit` puts drop-ins of a unit.
    pub(crate) fn drop_ins(&self, name: &str) -> PathBuf {
        self.units.join(format!("{name}.d"))
    }

    /// The link that has a unit started at boot.
    pub(crate) fn wanted(&self, name: &str) -> PathBuf {
        self.units.join(format!("{}.wants", self.target())).join(name)
    }

    /// What starts nodes when the machine, or the user's systemd, comes up.
    pub(crate) fn target(&self) -> &'static str {
        match self.scope {
            Scope::System => "multi-user.target",
            Scope::User => "default.target",
        }
    }

    /// Why this systemd cannot be talked to, and what to do; none when it can.
    pub(crate) fn obstacle(&self) -> Option<(String, Hint)> {
        if !Path::new("/run/systemd/system").is_dir() {
            return Some(("this machine was not booted with systemd".to_owned(), without_systemd()));
        }
        let runtime_dir = self.runtime_dir.as_ref()?;
        if !self.units.is_absolute() {
            let hint = Hint::text("set HOME to an absolute path");
            return Some(("this user has no home directory".to_owned(), hint));
        }
        if runtime_dir.join("systemd/private").exists() {
            return None;
        }
        let missing = runtime_dir.join("systemd");
        let reason = format!("no systemd of this user is running ({} does not exist)", missing.display());
        let hint = Hint::shell(enable_linger(&User::own_name()));
        Some((reason, hint.to("keep one running from boot on, without a login")))
    }
}

/// What to do where no systemd can be used: a database keeps its process manager for good.
pub(crate) fn without_systemd() -> Hint {
    Hint::run(Task::InitElsewhere { process_manager: "setsid+user".to_owned() }).to("run nodes without systemd")
}

/// The command that has a user's systemd run from boot on.
pub(crate) fn enable_linger(user: &str) -> String {
    format!("sudo loginctl enable-linger {}", shell::word(Path::new(user)))
}

/// `antnode0007.service`; the database of an older wnm may hold either spelling.
pub(crate) fn unit_name(node: &NodeRef) -> String {
    let name = node.service.strip_suffix(".service").unwrap_or(&node.service);
    format!("{name}.service")
}

/// Where copies of a node's program may be while it is replaced.
pub(crate) fn copies(spec: &NodeSpec) -> [PathBuf; 2] {
    [NEW, PREVIOUS].map(|copy| beside(spec, copy))
}

/// `node_storage/.antnode0007.new`
pub(crate) fn beside(spec: &NodeSpec, copy: &str) -> PathBuf {
    let name = spec.root_dir.file_name().unwrap_or_default().to_string_lossy();
    spec.root_dir.with_file_name(format!(".{name}.{copy}"))
}
