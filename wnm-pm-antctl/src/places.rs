//! Places are the paths that antctl chooses by itself: by who calls it, not by what it is told.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use wnm_pm::command::Command;
use wnm_pm::hint::Hint;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, ManagerKind};
use wnm_pm::user;

/// Where antctl keeps what it keeps, for the user that runs wnm.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Whether antctl works in the machine's name: it does for root, and for nobody else.
    pub system: bool,
    /// Where its registry lies.
    pub base: PathBuf,
    /// Where it keeps nodes when it is not told where.
    pub nodes: PathBuf,
    /// Where it writes unit files.
    pub units: PathBuf,
    /// Whether there is a directory for this user's programs, in which its systemd listens; the machine's needs none.
    pub has_session: bool,
    /// What the programs that wnm runs have to find in these variables to come to the same places.
    pub environment: Vec<(&'static str, PathBuf)>,
}

impl Places {
    /// The places of the user that runs wnm.
    ///
    /// # Errors
    /// [`ManagerError::Unavailable`] when that user has no home.
    pub(crate) fn own(manager: ManagerKind) -> Result<Self, ManagerError> {
        let user = rustix::process::geteuid();
        if user.is_root() {
            let base = PathBuf::from("/var/antctl");
            let nodes = base.join("services");
            let units = "/etc/systemd/system".into();
            return Ok(Self { system: true, base, nodes, units, has_session: false, environment: vec![] });
        }
        let home = user::home().filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| {
            let reason = "this user has no home directory, and antctl keeps everything there";
            ManagerError::unavailable(manager, reason, Hint::text("set HOME"))
        })?;
        let (data, config) = match cfg!(target_os = "macos") {
            true => (home.join("Library/Application Support"), home.join("Library/Application Support")),
            false => (named_or("XDG_DATA_HOME", &home, ".local/share"), named_or("XDG_CONFIG_HOME", &home, ".config")),
        };
        let base = data.join("autonomi/node");
        // What is inherited may be missing, or another user's.
        let runtime_dir = user::runtime_dir();
        Ok(Self {
            system: false,
            nodes: base.clone(),
            base,
            units: config.join("systemd/user"),
            environment: vec![("HOME", home), ("XDG_DATA_HOME", data), ("XDG_CONFIG_HOME", config)],
            has_session: runtime_dir.is_dir(),
        })
    }

    /// A command with the variables that lead to these places.
    pub(crate) fn lead(&self, command: Command) -> Command {
        let command = self.environment.iter().fold(command, |command, (name, place)| command.env(*name, place));
        if self.has_session { user::in_own_session(command) } else { command }
    }

    /// antctl's registry of its nodes.
    pub(crate) fn registry(&self) -> PathBuf {
        self.base.join("node_registry.json")
    }

    /// Our copy of it, from which what antctl loses is put back.
    pub(crate) fn registry_copy(&self) -> PathBuf {
        self.base.join("wnm-registry.json")
    }

    /// Our lock on it: antctl has none.
    pub(crate) fn lock(&self) -> PathBuf {
        self.base.join("wnm-antctl.lock")
    }

    /// Where the programs that were replaced are kept: out of reach of nodes that run as another user.
    pub(crate) fn kept_programs(&self) -> PathBuf {
        self.base.join("wnm-previous")
    }

    /// Where a node's previous program is kept. By both its names: antctl gives its own ones again after a reset, and two
    /// databases may both have wnm's.
    pub(crate) fn kept_program(&self, node: &NodeRef) -> PathBuf {
        self.kept_programs().join(format!("{}-{}", node.service, node.spec.name))
    }

    /// The unit file of a node.
    pub(crate) fn unit(&self, service: &str) -> PathBuf {
        self.units.join(format!("{service}.service"))
    }
}

/// A directory that the environment names absolutely and that is not another user's, else the usual one.
fn named_or(variable: &str, home: &Path, usual: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named.filter(|path| path.is_absolute() && !user::is_anothers(path)).unwrap_or_else(|| home.join(OsStr::new(usual)))
}
