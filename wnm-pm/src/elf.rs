//! What an ELF program says about itself: whether its file is whole (a copy that a full disk cut short still begins like a
//! program), and which loader it is run by.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, ReadCache};

/// What every ELF file begins with.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// Whether a program's file ends before its own tables do. What is not an ELF file tells nothing.
#[must_use]
pub(crate) fn is_cut(program: &Path) -> bool {
    tables(program).is_some_and(|tables| tables.is_err())
}

/// The loader that a program is run by; none where it needs none, or tells none.
pub(crate) fn loader(program: &Path) -> Option<PathBuf> {
    tables(program)?.ok()?
}

/// The loader that the tables of an ELF file name; an error where the file ends before they do.
fn tables(program: &Path) -> Option<Result<Option<PathBuf>, object::Error>> {
    let mut magic = [0; MAGIC.len()];
    File::open(program).and_then(|mut file| file.read_exact(&mut magic)).ok()?;
    if magic != *MAGIC {
        return None;
    }
    let data = ReadCache::new(File::open(program).ok()?);
    Some(FileKind::parse(&data).and_then(|kind| match kind {
        FileKind::Elf32 => read::<FileHeader32<Endianness>>(&data),
        _ => read::<FileHeader64<Endianness>>(&data),
    }))
}

/// Linkers write the table of sections last.
fn read<H: FileHeader<Endian = Endianness>>(data: &ReadCache<File>) -> Result<Option<PathBuf>, object::Error> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    header.section_headers(endian, data)?;
    for segment in header.program_headers(endian, data)? {
        if let Some(loader) = segment.interpreter(endian, data)? {
            return Ok(Some(std::ffi::OsString::from_vec(loader.to_vec()).into()));
        }
    }
    Ok(None)
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
