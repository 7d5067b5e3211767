//! The identity of a node is its key: read from a directory that is not trusted, and judged whether it is whole.

use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use wnm_pm::flavour::Flavour;

/// No key is longer.
pub(super) const KEY_BYTES_MAX: u64 = 1 << 20;

/// A v1 key is so long.
const V1_BYTES: usize = 32;

/// No whole v2 key is shorter: it holds two keys of thousands of bytes, written in digits.
const V2_BYTES_MIN: usize = 4 << 10;

/// The key in a node's directory; none where there is none. Neither the directory nor the key may be a symbolic link.
///
/// # Errors
/// When it cannot be read, is not a file, or is far too long for a key.
pub(super) fn read(root_dir: &Path, flavour: Flavour) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(CWD, root_dir, flags | OFlags::DIRECTORY, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    // A pipe would be waited for.
    let file = match openat(&directory, flavour.key_file(), flags | OFlags::NONBLOCK, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => std::fs::File::from(opened?),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut key = Vec::new();
    file.take(KEY_BYTES_MAX + 1).read_to_end(&mut key)?;
    if key.len() as u64 > KEY_BYTES_MAX {
        return Err(io::Error::other("it is too long for a key"));
    }
    Ok(Some(key))
}

/// What keeps a key from being whole; none where nothing is seen to.
pub(super) fn fault(flavour: Flavour, key: &[u8]) -> Option<String> {
    let bytes = key.len();
    if !key.is_empty() && key.iter().all(|byte| *byte == 0) {
        return Some("it holds nothing but zeros".to_owned());
    }
    match flavour {
        Flavour::V1 if bytes != V1_BYTES => Some(format!("it has {bytes} bytes instead of {V1_BYTES}")),
        Flavour::V2 if bytes < V2_BYTES_MIN => Some(format!("it ends after {bytes} bytes")),
        // It is JSON as of today, of which nothing can be missing without a trace.
        Flavour::V2 if key.starts_with(b"{\n") || key.starts_with(b"{\"") => {
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(key);
            parsed.err().map(|error| format!("it is not whole: {error}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_truncated_key_is_told_from_a_whole_one() {
        let text = format!("{{\"secret\":[{}1]}}", "7,".repeat(3_000));
        let faults = [
            fault(Flavour::V1, &[7; 32]),
            fault(Flavour::V1, &[7; 31]),
            fault(Flavour::V1, &[]),
            fault(Flavour::V1, &[0; 32]),
            fault(Flavour::V2, text.as_bytes()),
            fault(Flavour::V2, &text.as_bytes()[..5_000]),
            fault(Flavour::V2, &[7; 50_796]),
            fault(Flavour::V2, &[7; 100]),
        ];
        let words = faults.map(|fault| fault.unwrap_or_else(|| "whole".to_owned()));
        insta::assert_snapshot!(words.join("\n"), @"
        whole
        it has 31 bytes instead of 32
        it has 0 bytes instead of 32
        it holds nothing but zeros
        whole
        it is not whole: EOF while parsing a list at line 1 column 5000
        whole
        it ends after 100 bytes
        ");
    }

    #[test]
    fn no_link_leads_to_anothers_key() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [node, precious] = ["node", "precious"].map(|name| directory.path().join(name));
        fs::create_dir(&node).and_then(|()| fs::write(&precious, [7; 32])).expect("they are made");
        assert!(read(&node, Flavour::V1).expect("there is none").is_none());
        symlink(&precious, node.join("secret-key")).expect("a link is made");
        assert!(read(&node, Flavour::V1).is_err());
        fs::remove_file(node.join("secret-key"))
            .and_then(|()| fs::copy(&precious, node.join("secret-key")))
            .expect("it is copied");
        assert_eq!(read(&node, Flavour::V1).expect("it is read"), Some(vec![7; 32]));
        symlink(&node, directory.path().join("link")).expect("a link is made");
        assert!(read(&directory.path().join("link"), Flavour::V1).is_err());
        fs::write(node.join("node_identity.key"), vec![7; 2 << 20]).expect("it is written");
        assert!(read(&node, Flavour::V2).is_err(), "nobody knows how long it is");
    }
}
