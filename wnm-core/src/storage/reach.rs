//! A file system whose disk or server is gone lets nobody go who asks it anything. So a thread of its own asks first, and is
//! left behind where no answer comes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::StorageError;

/// How long all places together may take to answer: a disk that sleeps takes some seconds, and whoever waits for wnm has an
/// answer within 10.
const PATIENCE: Duration = Duration::from_secs(6);

/// A place on a disk that is about to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The setting that names it, or what else it is.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

impl Place {
    /// A place that a setting names.
    #[must_use]
    pub fn new(what: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { what, path: path.into() }
    }
}

/// Makes sure that the file systems of these places answer, whatever the answer is: a place that is not there is none that
/// hangs.
///
/// # Errors
/// [`StorageError::Hangs`] with the first place that does not, [`StorageError::NoThread`] where nobody could ask.
pub fn reach(places: Vec<Place>) -> Result<(), StorageError> {
    let answered = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    let (asked, count) = (places.clone(), Arc::clone(&answered));
    let ask = move || {
        for place in asked {
            // Unlike what is known of a file, how full a disk is has to be asked anew each time.
            let _ = rustix::fs::statvfs(&place.path);
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Nobody is there any more who waits for it.
        let _ = tell.send(());
    };
    let started = thread::Builder::new().name("reach".to_owned()).spawn(ask);
    started.map_err(|error| StorageError::NoThread { source: Arc::new(error) })?;
    if told.recv_timeout(PATIENCE).is_ok() {
        return Ok(());
    }
    // All have answered a moment too late.
    let Some(Place { what, path }) = places.into_iter().nth(answered.load(Ordering::Relaxed)) else { return Ok(()) };
    Err(StorageError::Hangs { what, path, seconds: PATIENCE.as_secs() })
}
