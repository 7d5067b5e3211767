//! The interpreter of a program is what the kernel starts in its place: the loader that an ELF file names, or the program
//! behind `#!`. Where that is missing, the kernel says "No such file or directory", which reads as if the program were.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::elf;

/// As much of a script's first line as the kernel reads.
const LINE_BYTES: u64 = 256;

/// Why a program could not be started, in words: an interpreter that is missing is named.
#[must_use]
pub fn why_not_started(program: &Path, error: &io::Error) -> String {
    let lacks = || interpreter(program).filter(|interpreter| !interpreter.exists());
    match error.kind() {
        ErrorKind::NotFound => match lacks() {
            Some(interpreter) => {
                format!("{}, which it is to be run by, is missing on this machine", interpreter.display())
            }
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// The interpreter that a program names; none where it needs none, or cannot be read.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(LINE_BYTES).read_to_end(&mut head).ok()?;
    let Some(line) = head.strip_prefix(b"#!") else { return elf::loader(program) };
    let line = line.split(|byte| *byte == b'\n').next()?;
    String::from_utf8_lossy(line).split_whitespace().next().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_loader_of_this_very_program_is_there() {
        let own = std::env::current_exe().expect("a test knows its program");
        if let Some(loader) = interpreter(&own) {
            assert!(loader.is_absolute() && loader.exists(), "{}", loader.display());
        }
    }

    #[test]
    fn a_missing_interpreter_is_named_and_nothing_else_is_blamed_on_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = directory.path().join("antnode");
        let why = |content: &[u8]| {
            fs::write(&program, content).expect("it is written");
            why_not_started(&program, &ErrorKind::NotFound.into())
        };
        let lacks = |path: &str| format!("{path}, which it is to be run by, is missing on this machine");
        assert_eq!(why(b"#!/nowhere/python3 -u\n"), lacks("/nowhere/python3"));
        assert_eq!(why(b"#!/bin/sh\n"), "entity not found");

        let mut elf = vec![0; 64 + 56];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, 1);
        let loader = b"/lib/ld-nowhere.so.1\0";
        (elf[64], elf[64 + 8], elf[64 + 32]) = (3, 120, 21);
        elf.extend(loader);
        assert_eq!(why(&elf), lacks("/lib/ld-nowhere.so.1"));
        for cut in 0..elf.len() {
            assert!(!why(&elf[..cut]).is_empty(), "half a program is no reason to panic");
        }
        assert_eq!(why_not_started(&program, &ErrorKind::PermissionDenied.into()), "permission denied");
    }
}
