//! Reading a backup: an archive or a directory that anybody may have altered. Nothing in it is believed that its manifest
//! does not confirm, nothing is read without a bound, and nothing is written but to a directory of this process's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::manifest::{DATABASE, FileEntry, MANIFEST, MANIFEST_SUM, Manifest, NODES, digest, key_at};
use super::{BackupError, Flaw};
use crate::identity;
use crate::node::NodeId;
use crate::store::StoredState;

/// No manifest is longer, and no more files are in a backup.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;
const FILES_MAX: usize = 200_000;
/// No database is longer: it holds a bounded history.
const DATABASE_BYTES_MAX: u64 = 16 << 30;

/// A backup that was read, every byte of it checked.
#[derive(Debug)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// What its database says.
    pub stored: StoredState,
    pub(super) keys: BTreeMap<NodeId, Vec<u8>>,
    /// A copy of its database, which goes with this.
    pub(super) scratch: TempDir,
}

/// Reads a backup and checks all of it.
///
/// # Errors
/// [`BackupError::Damaged`] with everything that is wrong with it, [`BackupError::NotABackup`] for something else.
pub fn read(path: &Path) -> Result<Backup, BackupError> {
    let mut found = Found::new().map_err(|source| BackupError::io("make a copy of", path, source))?;
    let form = path.symlink_metadata().map_err(|source| BackupError::io("read", path, source))?;
    let not_a_backup = |reason: &str| BackupError::NotABackup { path: path.to_owned(), reason: reason.to_owned() };
    if form.is_symlink() {
        return Err(not_a_backup("it is a symbolic link"));
    }
    let read = if form.is_dir() { found.take_directory(path) } else { found.take_archive(path) };
    read.map_err(|source| BackupError::io("read", path, source))?;
    if found.names.is_empty() {
        return Err(not_a_backup("it has no manifest.json"));
    }
    found.judge(path)
}

/// What was found in a backup, before anything of it is believed.
pub(super) struct Found {
    pub(super) names: BTreeSet<String>,
    pub(super) manifest: Option<Vec<u8>>,
    pub(super) sum: Option<Vec<u8>>,
    pub(super) keys: BTreeMap<String, Vec<u8>>,
    /// Size and digest of the database.
    pub(super) database: Option<FileEntry>,
    pub(super) flaws: Vec<Flaw>,
    pub(super) scratch: TempDir,
}

impl Found {
    fn new() -> io::Result<Self> {
        // For its owner alone, whatever the umask is.
        let scratch = tempfile::Builder::new().prefix("wnm-backup-").tempdir()?;
        let (names, keys, flaws) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Ok(Self { names, manifest: None, sum: None, keys, database: None, flaws, scratch })
    }

    fn take_archive(&mut self, path: &Path) -> io::Result<()> {
        let Some(file) = open(path)? else {
            return Err(io::Error::other("it is neither a file nor a directory"));
        };
        let mut archive = tar::Archive::new(BufReader::new(file));
        // Raw: names of any length, links and holes are what they are, none of which belongs in a backup.
        for entry in archive.entries()?.raw(true) {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.flaws.push(Flaw::Archive(error.to_string()));
                    return Ok(());
                }
            };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !matches!(entry.header().as_bytes()[156], b'0' | 0) {
                self.names.insert(name.clone());
                self.flaws.push(Flaw::NotAFile(shown(&name)));
                continue;
            }
            if let Err(error) = self.take(&name, &mut entry) {
                self.flaws.push(Flaw::Archive(format!("{}: {error}", shown(&name))));
                return Ok(());
            }
            if self.names.len() > FILES_MAX {
                self.flaws.push(Flaw::Archive("it has too many files".to_owned()));
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_directory(&mut self, path: &Path) -> io::Result<()> {
        self.take_entries(path, path)
    }

    fn take_entries(&mut self, root: &Path, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let place = entry.path();
            let name = place.strip_prefix(root).unwrap_or(&place).to_string_lossy().into_owned();
            if self.names.len() > FILES_MAX {
                self.flaws.push(Flaw::Archive("it has too many files".to_owned()));
                return Ok(());
            }
            let is_of_keys = name == NODES || name.strip_prefix("nodes/").and_then(NodeId::of_name).is_some();
            if is_of_keys && entry.file_type()?.is_dir() {
                self.take_entries(root, &place)?;
                continue;
            }
            match open(&place)? {
                Some(file) => self.take(&name, &mut BufReader::new(file))?,
                None => {
                    self.names.insert(name.clone());
                    self.flaws.push(Flaw::NotAFile(shown(&name)));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, name: &str, content: &mut dyn Read) -> io::Result<()> {
        if !self.names.insert(name.to_owned()) {
            self.flaws.push(Flaw::Twice(shown(name)));
            return Ok(());
        }
        match name {
            MANIFEST => self.manifest = self.bounded(name, content, MANIFEST_BYTES_MAX)?,
            MANIFEST_SUM => self.sum = self.bounded(name, content, 1 << 10)?,
            DATABASE => self.database = self.take_database(content)?,
            key if key_at(key).is_some() => {
                if let Some(bytes) = self.bounded(name, content, identity::KEY_BYTES_MAX)? {
                    self.keys.insert(name.to_owned(), bytes);
                }
            }
            _ => self.flaws.push(Flaw::Unknown(shown(name))),
        }
        Ok(())
    }

    fn bounded(&mut self, name: &str, content: &mut dyn Read, most: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        content.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            self.flaws.push(Flaw::TooLong(shown(name)));
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    fn take_database(&mut self, content: &mut dyn Read) -> io::Result<Option<FileEntry>> {
        let mut copy = File::create_new(self.copy())?;
        let (mut hasher, mut bytes, mut part) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let read = content.read(&mut part)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            if bytes > DATABASE_BYTES_MAX {
                self.flaws.push(Flaw::TooLong(DATABASE.to_owned()));
                return Ok(None);
            }
            hasher.update(&part[..read]);
            copy.write_all(&part[..read])?;
        }
        Ok(Some(FileEntry { path: DATABASE.to_owned(), bytes, sha256: format!("{:x}", hasher.finalize()) }))
    }

    pub(super) fn copy(&self) -> PathBuf {
        self.scratch.path().join(DATABASE)
    }
}

/// What the manifest says of a file.
pub(super) fn entry(path: &str, bytes: &[u8]) -> FileEntry {
    FileEntry { path: path.to_owned(), bytes: bytes.len() as u64, sha256: digest(bytes) }
}

/// A plain file; none for anything else. No link is followed, and no pipe is waited for.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        // A link, or a socket.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
        opened => File::from(opened?),
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

/// A name from a backup, as it may be shown.
pub(super) fn shown(name: &str) -> String {
    name.chars().flat_map(char::escape_default).take(200).collect()
}
