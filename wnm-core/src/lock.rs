//! The lock makes sure that one wnm at a time works on a machine's database. The kernel lets go of it when its process
//! ends, however it ends.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wnm_pm::hint::{Hint, Hinted, Task};

use crate::clock::{Clock, SystemClock};
use crate::node::UnixSeconds;

/// The right to work on a database, held until it is dropped or the process ends.
///
/// It belongs to this process only: programs that it starts do not inherit it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Who holds a lock, as it wrote down itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// When it took the lock.
    pub since: UnixSeconds,
    /// What it is: `wnm run`.
    pub program: String,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} holds the lock {}", describe(holder.as_ref()), path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// Who; none where it has not written that down (yet).
        holder: Option<Holder>,
    },
    /// The directory of the database does not exist.
    #[error("the directory of {} does not exist: this machine is not initialised", path.display())]
    NoDirectory {
        /// The lock's file.
        path: PathBuf,
    },
    /// The lock's file cannot be opened, made or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Hinted for LockError {
    fn hints(&self) -> Vec<Hint> {
        vec![match self {
            Self::Held { holder, .. } => Hint::text(advise(holder.as_ref())),
            Self::NoDirectory { .. } => Hint::run(Task::Init).to("initialise it"),
            Self::Io { .. } => {
                Hint::text("run wnm as the user who initialised it, and make sure that the storage is writable")
            }
        }]
    }
}

impl Lock {
    /// Takes the lock of the database in `database`, which need not exist yet; its directory must. `program` is what
    /// others are told about who holds it. Never waits.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn acquire(database: &Path, program: &str) -> Result<Self, LockError> {
        let path = lock_path(database);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => LockError::NoDirectory { path: path.clone() },
            _ => LockError::Io { path: path.clone(), source },
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file);
                return Err(LockError::Held { path, holder });
            }
            Err(TryLockError::Error(source)) => return Err(LockError::Io { path, source }),
        }
        // Only for the message that others see, so a full disk does not keep anyone from working.
        let _ = write_holder(&mut file, program);
        Ok(Self { file, path })
    }

    /// The lock's file. It stays when the lock is released: taking it away would let two have it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        // Closing is not enough where another thread is about to start a program, which has a copy of the file till then.
        let _ = self.file.unlock();
    }
}

/// Each database has a lock of its own, beside it, by whatever name or link it is reached.
fn lock_path(database: &Path) -> PathBuf {
    let real = database.canonicalize().unwrap_or_else(|_| {
        let name = database.file_name().unwrap_or_default();
        let directory = match database.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        directory.canonicalize().map_or_else(|_| database.to_owned(), |directory| directory.join(name))
    });
    let mut path = OsString::from(real);
    path.push(".lock");
    PathBuf::from(path)
}

fn write_holder(file: &mut File, program: &str) -> io::Result<()> {
    let since = SystemClock.now();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{} {since} {}\n", std::process::id(), program.replace('\n', " ")).as_bytes())
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    // Without its end it is still being written.
    let mut words = text.strip_suffix('\n')?.splitn(3, ' ');
    Some(Holder {
        pid: words.next()?.parse().ok()?,
        since: words.next()?.parse().ok()?,
        program: words.next()?.to_owned(),
    })
}

fn describe(holder: Option<&Holder>) -> String {
    let Some(Holder { pid, since, program }) = holder else {
        return "another process".to_owned();
    };
    let since = jiff::Timestamp::from_second(*since).map_or_else(|_| since.to_string(), |time| time.to_string());
    format!("`{program}` (process {pid}, since {since})")
}

fn advise(holder: Option<&Holder>) -> String {
    let end = holder.map_or_else(String::new, |holder| format!(", or end it with `kill {}`", holder.pid));
    format!("wait until it is done{end}; the lock ends with its process")
}
