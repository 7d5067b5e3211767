//! A stamp beside a node's program says what was copied there, so that a program that was cut off or altered since is told
//! from a whole one without reading all of it at each start.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{stamp_of, write_whole};
use crate::process_manager::ManagerError;
use crate::user::Owner;

/// The program in its place, and the one before it, which may be put back.
const REMEMBERED: usize = 2;

/// Notes that the program in its place has this digest.
pub(super) fn add(place: &Path, digest: &str, owner: Option<Owner>) -> Result<(), ManagerError> {
    let noted = stamp_of(place);
    let found = fs::metadata(place).map_err(|source| ManagerError::io("read", place, source))?;
    let line = format!("{} {} {digest}", found.len(), modified(&found));
    let known = fs::read_to_string(&noted).unwrap_or_default();
    let others = known.lines().filter(|other| *other != line);
    let lines: Vec<&str> = std::iter::once(line.as_str()).chain(others).take(REMEMBERED).collect();
    write_whole(&noted, (lines.join("\n") + "\n").as_bytes(), 0o600, owner)
}

/// Notes that the program in its place is the one that was there before, so that it is still known when others have come and
/// gone.
pub(super) fn restored(place: &Path) -> Result<(), ManagerError> {
    let noted = stamp_of(place);
    let Ok(known) = fs::read_to_string(&noted) else { return Ok(()) };
    let is_noted = |digest: &String| known.lines().any(|line| line.ends_with(digest));
    let Some(digest) = digest_in(place).or_else(|| digest(place).ok().filter(is_noted)) else { return Ok(()) };
    let owner = fs::metadata(&noted).ok().map(|found| Owner { uid: found.uid(), gid: found.gid() });
    add(place, &digest, owner.filter(|owner| owner.uid != rustix::process::geteuid().as_raw()))
}

/// Whether the program in its place is one that was copied there. Its content is read only where it was written since.
/// One without a stamp was copied by an older wnm: nothing is known against it.
pub(super) fn matches(place: &Path) -> bool {
    let (Ok(known), Ok(found)) = (fs::read_to_string(stamp_of(place)), fs::metadata(place)) else { return true };
    if digest_in(place).is_some() {
        return true;
    }
    let size = format!("{} ", found.len());
    let mut alike = known.lines().filter(|line| line.starts_with(&size)).peekable();
    // One that cannot be read may still be run.
    alike.peek().is_some() && digest(place).map_or(true, |digest| alike.any(|line| line.ends_with(&digest)))
}

/// The digest that is noted of the program in its place; none where that was written since.
pub(super) fn digest_in(place: &Path) -> Option<String> {
    let found = fs::metadata(place).ok()?;
    let own = format!("{} {} ", found.len(), modified(&found));
    let known = fs::read_to_string(stamp_of(place)).ok()?;
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
        let place = directory.path().join("antnode");
        let written = |content: &[u8]| fs::write(&place, content).expect("it is written");
        written(b"#! whole");
        assert!(matches(&place), "an older wnm copied it");
        add(&place, &digest(&place).expect("it is read"), None).expect("it is noted");
        assert!(matches(&place));
        written(b"#! whole");
        assert!(matches(&place), "it was written anew, and is the same");
        File::options().write(true).open(&place).and_then(|file| file.write_at(b"x", 4)).expect("it is altered");
        assert!(!matches(&place));
        written(b"#! who");
        assert!(!matches(&place));
        add(&place, "another", None).expect("it is noted");
        written(b"#! whole");
        assert!(matches(&place), "the one before it may be put back");
        restored(&place).expect("it is noted");
        fs::hard_link(&place, directory.path().join("antnode.previous")).expect("it is kept");
        for newer in ["a third", "a fourth"] {
            fs::remove_file(&place).expect("it is there");
            written(newer.as_bytes());
            add(&place, &digest(&place).expect("it is read"), None).expect("it is noted");
            fs::remove_file(&place).expect("it is there");
            fs::hard_link(directory.path().join("antnode.previous"), &place).expect("it is put back");
            restored(&place).expect("it is noted");
            assert!(matches(&place), "it is known after {newer}");
        }
        add(&place, "a third", None).and_then(|()| add(&place, "a fourth", None)).expect("they are noted");
        assert_eq!(fs::read_to_string(stamp_of(&place)).expect("it is read").lines().count(), REMEMBERED);
    }
}
