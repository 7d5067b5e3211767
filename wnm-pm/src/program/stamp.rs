//! A stamp beside a node's program says what was copied there, so that a program that was cut off or altered since is told
//! from a whole one without reading all of it at each start.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Held, stamp_of, write_whole};
use crate::process_manager::ManagerError;
use crate::user::Owner;

/// The program in its place, and the one before it, which may be put back.
const REMEMBERED: usize = 2;

/// Digests that are remembered: of the program that is copied, the first copy of it, and those of an upgrade.
const DIGESTS: usize = 4;

/// What is noted of a program that was put in its place. Older stamps end with the digest.
struct Noted<'s> {
    bytes: u64,
    modified: &'s str,
    digest: &'s str,
    held: Option<Held>,
    inode: Option<u64>,
}

impl<'s> Noted<'s> {
    fn read(line: &'s str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            bytes: words.next()?.parse().ok()?,
            modified: words.next()?,
            digest: words.next()?,
            held: words.next().and_then(Held::of),
            inode: words.next().and_then(|word| word.parse().ok()),
        })
    }

    /// Whether this is about a file that was not written to since.
    fn is_of(&self, found: &Metadata) -> bool {
        self.bytes == found.len() && self.modified == modified(found)
    }
}

/// Notes that the program in its place has this digest, and how it is held.
pub(super) fn add(place: &Path, digest: &str, held: Held, owner: Option<Owner>) -> Result<(), ManagerError> {
    let noted = stamp_of(place);
    let found = fs::metadata(place).map_err(|source| ManagerError::io("read", place, source))?;
    let line = format!("{} {} {digest} {} {}", found.len(), modified(&found), held.as_str(), found.ino());
    let known = known(place).unwrap_or_default();
    let lines: Vec<&str> = std::iter::once(line.as_str()).chain(known.lines()).take(REMEMBERED).collect();
    write_whole(&noted, (lines.join("\n") + "\n").as_bytes(), 0o600, owner)
}

/// Whether the program in its place is one that was copied there. Its content is read only where it was written since.
/// One without a stamp was copied by an older wnm: nothing is known against it.
pub(super) fn matches(place: &Path) -> bool {
    let (Some(known), Ok(found)) = (known(place), fs::metadata(place)) else { return true };
    if digest_in(place).is_some() {
        return true;
    }
    let mut alike = known.lines().filter_map(Noted::read).filter(|noted| noted.bytes == found.len()).peekable();
    // One that cannot be read may still be run.
    alike.peek().is_some() && digest(place).map_or(true, |digest| alike.any(|noted| noted.digest == digest))
}

/// Whether anything is noted of the program in its place.
pub(super) fn is_there(place: &Path) -> bool {
    known(place).is_some()
}

/// Whether the program in its place is a file that was put there by wnm, altered or not.
pub(super) fn is_of_this_file(place: &Path) -> bool {
    let (Some(known), Ok(found)) = (known(place), fs::metadata(place)) else { return false };
    known.lines().filter_map(Noted::read).any(|noted| noted.inode == Some(found.ino()))
}

/// The digest that is noted of the program in its place; none where that was written since.
pub(super) fn digest_in(place: &Path) -> Option<String> {
    noted(place, |noted| Some(noted.digest.to_owned()))
}

/// How the program in its place is held, as was noted; none where that was written since.
pub(super) fn held_in(place: &Path) -> Option<Held> {
    noted(place, |noted| noted.held)
}

fn noted<T>(place: &Path, what: impl Fn(&Noted) -> Option<T>) -> Option<T> {
    let (known, found) = (known(place)?, fs::metadata(place).ok()?);
    known.lines().filter_map(Noted::read).filter(|noted| noted.is_of(&found)).find_map(|noted| what(&noted))
}

fn known(place: &Path) -> Option<String> {
    fs::read_to_string(stamp_of(place)).ok()
}

/// The digest of a program, read once for all the nodes that have it.
pub(super) fn digest_of(path: &Path) -> io::Result<String> {
    /// Which files they were, and their digests, the latest last.
    static LAST: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
    let found = fs::metadata(path)?;
    let file = format!("{} {} {} {}", found.dev(), found.ino(), found.len(), modified(&found));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, digest)) = last.iter().find(|(known, _)| *known == file) {
        return Ok(digest.clone());
    }
    let digest = digest(path)?;
    if last.len() >= DIGESTS {
        last.remove(0);
    }
    last.push((file, digest.clone()));
    Ok(digest)
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}

fn modified(found: &Metadata) -> String {
    format!("{}.{:09}", found.mtime(), found.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_program_that_was_altered_since_it_was_copied_is_told_from_a_whole_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let place = directory.path().join("antnode");
        let written = |content: &[u8]| fs::write(&place, content).expect("it is written");
        written(b"#! whole");
        assert!(matches(&place), "an older wnm copied it");
        add(&place, &digest(&place).expect("it is read"), Held::Copy, None).expect("it is noted");
        assert!(matches(&place));
        written(b"#! whole");
        assert!(matches(&place), "it was written anew, and is the same");
        File::options().write(true).open(&place).and_then(|file| file.write_at(b"x", 4)).expect("it is altered");
        assert!(!matches(&place));
        written(b"#! who");
        assert!(!matches(&place));
        add(&place, "another", Held::Copy, None).expect("it is noted");
        written(b"#! whole");
        assert!(matches(&place), "the one before it may be put back");
        add(&place, "a third", Held::Copy, None)
            .and_then(|()| add(&place, "a fourth", Held::Copy, None))
            .expect("they are noted");
        assert_eq!(fs::read_to_string(stamp_of(&place)).expect("it is read").lines().count(), REMEMBERED);
    }
}
