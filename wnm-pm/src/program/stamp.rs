//! A stamp beside a node's program says what was copied there, so that a program that was cut off or altered since is told
//! from a whole one without reading all of it at each start.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// The program in its place, and the one before it, which may be put back.
const REMEMBERED: usize = 2;

/// What is noted when this copy of a program, which has this digest, takes its place: it, and what is there now, which may be
/// put back.
pub(super) fn text(noted: &Path, place: &Path, copy: &Path, new: &str) -> io::Result<String> {
    let found = fs::metadata(copy)?;
    let known = fs::read_to_string(noted).unwrap_or_default();
    let mut before: Vec<&str> = known.lines().filter(|line| !line.ends_with(new)).collect();
    if before.len() > 1 {
        let present = digest_in(noted, place).or_else(|| digest(place).ok());
        before.sort_by_key(|line| !present.as_ref().is_some_and(|present| line.ends_with(present)));
    }
    let line = format!("{} {} {new}", found.len(), modified(&found));
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
    let size = format!("{} ", found.len());
    let mut alike = known.lines().filter(|line| line.starts_with(&size)).peekable();
    // One that cannot be read may still be run.
    alike.peek().is_some() && digest(place).map_or(true, |digest| alike.any(|line| line.ends_with(&digest)))
}

/// The digest that is noted of the program in its place; none where that was written since.
pub(super) fn digest_in(noted: &Path, place: &Path) -> Option<String> {
    let found = fs::metadata(place).ok()?;
    let own = format!("{} {} ", found.len(), modified(&found));
    let known = fs::read_to_string(noted).ok()?;
    known.lines().find_map(|line| line.strip_prefix(&own)).map(str::to_owned)
}

/// The digest of a program that is copied, read once for all the nodes that it is copied for.
pub(super) fn digest_of_source(path: &Path) -> io::Result<String> {
    /// Which file it was, and its digest.
    static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);
    let found = fs::metadata(path)?;
    let file = format!("{} {} {} {}", found.dev(), found.ino(), found.len(), modified(&found));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, digest)) = &*last
        && *known == file
    {
        return Ok(digest.clone());
    }
    let digest = digest(path)?;
    *last = Some((file, digest.clone()));
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
        let [place, noted] = ["antnode", "stamp"].map(|name| directory.path().join(name));
        let written = |content: &[u8]| fs::write(&place, content).expect("it is written");
        let own = || digest(&place).expect("it is read");
        let add = |digest: &str| {
            let text = text(&noted, &place, &place, digest).expect("it is there");
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
