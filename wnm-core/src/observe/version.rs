//! The version of a node program is what the very file says that would be copied, never what another of that name says.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::node::Flavour;
use wnm_pm::command::{Command, CommandError, CommandRunner};
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::program;
use wnm_pm::shell::word;

/// A node program, and what it says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Which program.
    pub flavour: Flavour,
    /// Which version of it.
    pub version: Version,
    /// SHA-256 of its file; none where that could not be read.
    #[serde(default)]
    pub digest: Option<String>,
}

/// Why nothing is known of a node program.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// It is missing, or out of reach.
    #[error("there is no node program at {path}", path = path.display())]
    Missing {
        /// Where it should lie.
        path: PathBuf,
        /// What is in the way.
        source: io::Error,
    },
    /// It is a directory, or no one may run it.
    #[error("{path} is not a file that can be run", path = path.display())]
    NotExecutable {
        /// What was found.
        path: PathBuf,
        /// Whether it is a file at all.
        is_file: bool,
    },
    /// It could not be run, or did not end well.
    #[error("the node program at {path} does not report its version", path = path.display())]
    Failed {
        /// The program.
        path: PathBuf,
        /// How it failed.
        source: CommandError,
    },
    /// It said something else than a node program does.
    #[error("{path} is not a node program: asked for its version it says {said:?}", path = path.display())]
    NotANode {
        /// The program.
        path: PathBuf,
        /// What it said, shortened.
        said: String,
    },
}

impl Hinted for VersionError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Missing { .. } => {
                vec![Hint::text("install one there"), Hint::change("antnode_path").to("name another program")]
            }
            Self::NotExecutable { path, is_file } => {
                let chmod = Hint::shell(format!("chmod +x {}", word(path))).to("make it executable");
                let other = Hint::change("antnode_path").to("name another program");
                if *is_file { vec![chmod, other] } else { vec![other] }
            }
            Self::Failed { source, .. } => source.hints(),
            Self::NotANode { .. } => vec![Hint::change("antnode_path").to("name a node program")],
        }
    }
}

/// What a program said, and which file that was: as long as the file is the same, it need not be asked again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VersionCache(Option<(FileIdentity, Program)>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileIdentity {
    path: PathBuf,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Asks the program at `path` for its version, unless `cache` knows the file. With the answer comes the cache to keep,
/// when it is another one.
///
/// # Errors
/// See [`VersionError`].
pub async fn program_version(
    runner: &dyn CommandRunner,
    path: &Path,
    cache: &VersionCache,
) -> Result<(Program, Option<VersionCache>), VersionError> {
    let missing = |source| VersionError::Missing { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(missing)?;
    if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
        return Err(VersionError::NotExecutable { path: path.to_owned(), is_file: metadata.is_file() });
    }
    let identity = FileIdentity {
        path: path.to_owned(),
        inode: metadata.ino(),
        size: metadata.len(),
        // Unlike the time of modification, this one cannot be set by anybody.
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    if let VersionCache(Some((known, program))) = cache
        && *known == identity
        && program.digest.is_some()
    {
        return Ok((program.clone(), None));
    }
    let command = Command::new(path).arg("--version").timeout(Duration::from_secs(30));
    let output = runner.succeed(&command).await;
    let output = output.map_err(|source| VersionError::Failed { path: path.to_owned(), source })?;
    let mut program = parse_node_version(&output.stdout).ok_or_else(|| VersionError::NotANode {
        path: path.to_owned(),
        said: output.stdout.lines().next().unwrap_or_default().chars().take(80).collect(),
    })?;
    program.digest = program::digest(path).ok();
    Ok((program.clone(), Some(VersionCache(Some((identity, program))))))
}

/// Reads what a node program says about itself; none when it is not a node program's.
#[must_use]
pub fn parse_node_version(stdout: &str) -> Option<Program> {
    let (flavour, version) = Flavour::of_version_text(stdout)?;
    Some(Program { flavour, version, digest: None })
}
