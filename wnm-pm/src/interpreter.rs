//! The interpreter of a program is what the kernel starts in its place: the loader that an ELF file names, or the program
//! behind `#!`. Where that is missing, the kernel says "No such file or directory", which reads as if the program were.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// As much of a file as names its interpreter.
const HEAD_BYTES: u64 = 64 * 1024;
const PT_INTERP: u64 = 3;

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
    File::open(program).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        return String::from_utf8_lossy(line).split_whitespace().next().map(PathBuf::from);
    }
    elf_interpreter(&head)
}

/// The text of the program header that names it.
fn elf_interpreter(head: &[u8]) -> Option<PathBuf> {
    let wide = match head.strip_prefix(b"\x7fELF")?.first()? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let little = *head.get(5)? == 1;
    let number = |place: usize, bytes: usize| {
        let field = head.get(place..place.checked_add(bytes)?)?.iter();
        let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if little { field.rev().fold(0, add) } else { field.fold(0, add) })
    };
    let place = |number: u64| usize::try_from(number).ok();
    let word = if wide { 8 } else { 4 };
    let (table, sizes) = if wide { (32, 54) } else { (28, 42) };
    let (first, size, count) = (place(number(table, word)?)?, place(number(sizes, 2)?)?, number(sizes + 2, 2)?);
    let header = (0..place(count)?).map(|index| first + index * size);
    let named = header.into_iter().find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (offset, length) = if wide { (named + 8, named + 32) } else { (named + 4, named + 16) };
    let (begin, length) = (place(number(offset, word)?)?, place(number(length, word)?)?);
    let text = head.get(begin..begin.checked_add(length)?)?;
    let text = text.split(|byte| *byte == 0).next()?;
    Some(PathBuf::from(String::from_utf8_lossy(text).into_owned()))
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
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
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
