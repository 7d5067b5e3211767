//! A stamp beside a node's program says what was copied there, so that a program that was cut off or altered since is told
//! from a whole one without reading all of it at each start.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::Held;

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
    /// Which file it is, as [`file`] names it.
    file: Option<&'s str>,
}

impl<'s> Noted<'s> {
    fn read(line: &'s str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            bytes: words.next()?.parse().ok()?,
            modified: words.next()?,
            digest: words.next()?,
            held: words.next().and_then(Held::of),
            file: words.next(),
        })
    }

    /// Whether this is about a file that was not written to since.
    fn is_of(&self, found: &Metadata) -> bool {
        self.bytes == found.len() && self.modified == modified(found)
    }
}

/// What is noted when this copy of a program, which has this digest and is held like this, takes its place: it, and what is
/// there now, which may be put back.
pub(super) fn text(noted: &Path, place: &Path, copy: &Path, new: &str, held: Option<Held>) -> io::Result<String> {
    let found = fs::metadata(copy)?;
    let known = fs::read_to_string(noted).unwrap_or_default();
    let is_about = |line: &str, digest: &str| Noted::read(line).is_some_and(|noted| noted.digest == digest);
    let mut before: Vec<&str> = known.lines().filter(|line| !is_about(line, new)).collect();
    if before.len() > 1 {
        let present = digest_in(noted, place).or_else(|| digest(place).ok());
        before.sort_by_key(|line| !present.as_ref().is_some_and(|present| is_about(line, present)));
    }
    let held = held.map_or("-", Held::as_str);
    let file = file(&found).unwrap_or_default();
    let line = format!("{} {} {new} {held} {file}", found.len(), modified(&found));
    let lines: Vec<&str> = std::iter::once(line.as_str()).chain(before).take(REMEMBERED).collect();
    Ok(lines.join("\n") + "\n")
}

/// Whether the program in its place is one that was copied there. Its content is read only where it was written since.
/// One without a stamp was copied by an older wnm: nothing is known against it.
pub(super) fn matches(noted: &Path, place: &Path) -> bool {
    let (Ok(known), Ok(found)) = (fs::read_to_string(noted), fs::metadata(place)) else { return true };
    if digest_in(noted, place).is_some() {
        return true;
    }
    let mut alike = known.lines().filter_map(Noted::read).filter(|noted| noted.bytes == found.len()).peekable();
    // One that cannot be read may still be run.
    alike.peek().is_some() && digest(place).map_or(true, |digest| alike.any(|noted| noted.digest == digest))
}

/// Whether the program in its place is a file that was put there by wnm, altered or not.
pub(super) fn is_of_this_file(noted: &Path, place: &Path) -> bool {
    let (Ok(known), Ok(found)) = (fs::read_to_string(noted), fs::metadata(place)) else { return false };
    let Some(file) = file(&found) else { return false };
    known.lines().filter_map(Noted::read).any(|noted| noted.file == Some(&file))
}

/// The digest that is noted of the program in its place; none where that was written since.
pub(super) fn digest_in(noted: &Path, place: &Path) -> Option<String> {
    about(noted, place, |noted| Some(noted.digest.to_owned()))
}

/// How the program in its place is held, as was noted; none where that was written since.
pub(super) fn held_in(noted: &Path, place: &Path) -> Option<Held> {
    about(noted, place, |noted| noted.held)
}

fn about<T>(noted: &Path, place: &Path, what: impl Fn(&Noted) -> Option<T>) -> Option<T> {
    let (known, found) = (fs::read_to_string(noted).ok()?, fs::metadata(place).ok()?);
    known.lines().filter_map(Noted::read).filter(|noted| noted.is_of(&found)).find_map(|noted| what(&noted))
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

/// A file by its number and the time at which it was made: the number alone is given to another file once this one is gone.
/// None where its file system does not keep that time.
fn file(found: &Metadata) -> Option<String> {
    let made = found.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{}@{}", found.ino(), made.as_nanos()))
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
        let [place, noted] = ["antnode", "stamp"].map(|name| directory.path().join(name));
        let written = |content: &[u8]| fs::write(&place, content).expect("it is written");
        let own = || digest(&place).expect("it is read");
        let add = |digest: &str| {
            let text = text(&noted, &place, &place, digest, Some(Held::Copy)).expect("it is there");
            fs::write(&noted, text).expect("it is noted");
        };
        written(b"#! whole");
        assert!(matches(&noted, &place), "an older wnm copied it");
        add(&own());
        assert!(matches(&noted, &place));
        written(b"#! whole");
        assert!(matches(&noted, &place), "it was written anew, and is the same");
        File::options().write(true).open(&place).and_then(|file| file.write_at(b"x", 4)).expect("it is altered");
        assert!(!matches(&noted, &place));
        written(b"#! who");
        assert!(!matches(&noted, &place));
        written(b"#! whole");
        for failed in ["a second", "a third", "a third", "a fourth"] {
            add(failed);
            assert!(matches(&noted, &place), "what was in place before {failed} may be put back");
        }
        assert_eq!(fs::read_to_string(&noted).expect("it is read").lines().count(), REMEMBERED);
    }
}
