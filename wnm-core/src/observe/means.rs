//! Means are what wnm itself needs to look at nodes: files that it may have open, and threads. Who has too few of them sees
//! processes that are gone and ports that are closed where there is nothing wrong; so it is found out before, and nothing is
//! looked at.

use std::fs::File;
use std::io;
use std::sync::mpsc;
use std::thread;

use super::HostError;

/// As many nodes are asked at the same time, and the database and what the kernel tells need some more.
const FILES: usize = 96;
/// Threads that programs are waited for in, and for a moment as many processes.
const THREADS: usize = 8;

/// Makes sure that this process may have what it needs.
///
/// # Errors
/// [`HostError::OwnFiles`] and [`HostError::OwnThreads`].
pub fn check() -> Result<(), HostError> {
    let files: io::Result<Vec<File>> = (0..FILES).map(|_| File::open("/dev/null")).collect();
    files.map_err(|source| HostError::OwnFiles { needed: FILES, source })?;
    threads().map_err(|source| HostError::OwnThreads { needed: THREADS, source })
}

/// All at the same time: each waits until the last one is there.
fn threads() -> io::Result<()> {
    let mut waiting = Vec::new();
    for _ in 0..THREADS {
        let (release, wait) = mpsc::channel::<()>();
        waiting.push((release, thread::Builder::new().spawn(move || wait.recv())?));
    }
    for (release, thread) in waiting {
        drop(release);
        let _ = thread.join();
    }
    Ok(())
}
