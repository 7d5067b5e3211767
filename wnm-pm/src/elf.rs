//! A program's own table of contents tells whether its file is whole: a copy that a full disk cut short still begins like a
//! program.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Whether a program's file ends before what its ELF header says is in it. What is not a 64-bit ELF file tells nothing.
#[must_use]
pub fn is_cut(program: &Path) -> bool {
    let cut = || -> io::Result<bool> {
        let mut file = File::open(program)?;
        let length = file.metadata()?.len();
        let mut header = [0; HEADER];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(header.starts_with(MAGIC)),
            read => read.map(|()| end(&header).is_some_and(|end| length < end)),
        }
    };
    cut().unwrap_or(false)
}

const MAGIC: &[u8] = b"\x7fELF";

/// The length of a 64-bit header.
const HEADER: usize = 64;

/// Where the tables of segments and of sections end; linkers write the latter last.
fn end(header: &[u8; HEADER]) -> Option<u64> {
    let is_known = header.starts_with(MAGIC) && header[4] == 2 && header[5] == 1;
    let long = |at: usize| header.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let short = |at: usize| header.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes).map(u64::from);
    let table = |start, size, count| long(start)?.checked_add(short(size)? * short(count)?);
    is_known.then(|| table(0x20, 0x36, 0x38).max(table(0x28, 0x3a, 0x3c)))?
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_that_was_cut_short_is_told_from_a_whole_one() {
        let own = std::env::current_exe().expect("a test knows its own program");
        assert!(!is_cut(&own));
        let whole = fs::read(&own).expect("it can be read");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let copy = directory.path().join("copy");
        for length in [10, 100, 100_000, whole.len() - 1] {
            fs::write(&copy, &whole[..length]).expect("it is written");
            assert!(is_cut(&copy), "{length} bytes of {}", whole.len());
        }
        fs::write(&copy, "#!/bin/sh\n").expect("it is written");
        assert!(!is_cut(&copy), "a script has no such table");
    }
}
