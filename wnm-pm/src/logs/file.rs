//! A log in a file: its last lines, and what is written after them, also after it was put aside or cut.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::LogPlace;
use super::line::Begun;
use crate::bounded::{Directory, Edition, Fault};

/// What is read at a time.
const PIECE: usize = 64 << 10;

/// Names in a directory of logs, of which nodes keep a few.
const NAMES: usize = 1000;

/// A place with files, and how far the present one was read.
#[derive(Debug)]
pub(super) struct FileLog {
    place: Place,
    open: Option<Open>,
    begun: Begun,
}

#[derive(Debug)]
struct Place {
    directory: PathBuf,
    begin: String,
    /// None where the name is all of it.
    end: Option<&'static str>,
}

#[derive(Debug)]
struct Open {
    name: String,
    path: PathBuf,
    file: File,
    edition: Edition,
    read: u64,
}

/// Hears of a line, and the file that it stands in; answers whether it wants more.
pub(super) type Heard<'a> = dyn FnMut(&Path, &str) -> bool + 'a;

impl FileLog {
    /// None where it is not in files, or has no name.
    pub(super) fn new(place: &LogPlace) -> Option<Self> {
        let place = match place {
            LogPlace::File(path) => {
                let begin = path.file_name()?.to_str()?.to_owned();
                Place { directory: path.parent()?.to_owned(), begin, end: None }
            }
            LogPlace::Newest { directory, begin, end } => {
                Place { directory: directory.clone(), begin: (*begin).to_owned(), end: Some(end) }
            }
            LogPlace::Journal { .. } => return None,
        };
        Some(Self { place, open: None, begun: Begun::default() })
    }

    /// Reads the last lines; answers whether there is a file.
    pub(super) fn last(&mut self, lines: usize, heard: &mut Heard<'_>) -> Result<bool, Fault> {
        let Some(mut open) = self.place.open()? else { return Ok(false) };
        open.read = open.seek_last(lines)?;
        self.open = Some(open);
        self.read_on(heard)?;
        Ok(true)
    }

    /// What was not ended when the last lines were read, for whoever does not wait for its end.
    pub(super) fn end(&mut self, heard: &mut Heard<'_>) -> bool {
        let Some(open) = &self.open else { return true };
        self.begun.end_if_begun(&mut |line| heard(&open.path, line))
    }

    /// Reads what was written since: to the end of a file that was put aside, and then the new one.
    pub(super) fn more(&mut self, heard: &mut Heard<'_>) -> Result<bool, Fault> {
        if !self.read_on(heard)? {
            return Ok(false);
        }
        let next = self.place.current()?;
        let is_other = |(name, edition): &(String, Edition)| {
            self.open.as_ref().is_none_or(|open| open.name != *name || !open.edition.is_same_file(edition))
        };
        if !next.is_some_and(|next| is_other(&next)) {
            return Ok(true);
        }
        // It may have been written to until it was put aside.
        if !self.read_on(heard)? || !self.end(heard) {
            return Ok(false);
        }
        self.open = self.place.open()?;
        self.read_on(heard)
    }

    /// Reads the present file to its end; one that was cut from its beginning.
    fn read_on(&mut self, heard: &mut Heard<'_>) -> Result<bool, Fault> {
        let Some(open) = &mut self.open else { return Ok(true) };
        let path = open.path.clone();
        let failed = |source| Fault::Io { path: path.clone(), source };
        if open.file.metadata().map_err(failed)?.len() < open.read {
            open.read = 0;
            if !self.begun.end_if_begun(&mut |line| heard(&path, line)) {
                return Ok(false);
            }
        }
        open.file.seek(SeekFrom::Start(open.read)).map_err(failed)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = open.file.read(&mut piece).map_err(failed)?;
            if length == 0 {
                return Ok(true);
            }
            open.read += length as u64;
            if !self.begun.feed(&piece[..length], &mut |line| heard(&path, line)) {
                return Ok(false);
            }
        }
    }
}

impl Place {
    /// The file that is being written now, and its state.
    fn current(&self) -> Result<Option<(String, Edition)>, Fault> {
        let Some(directory) = Directory::open(&self.directory)? else { return Ok(None) };
        let Some(name) = self.name(&directory)? else { return Ok(None) };
        Ok(directory.edition(&name)?.map(|edition| (name, edition)))
    }

    fn open(&self) -> Result<Option<Open>, Fault> {
        let Some(directory) = Directory::open(&self.directory)? else { return Ok(None) };
        let Some(name) = self.name(&directory)? else { return Ok(None) };
        match directory.file(&name) {
            Ok((file, edition)) => {
                let path = self.directory.join(&name);
                Ok(Some(Open { name, path, file, edition, read: 0 }))
            }
            Err(fault) if fault.is_gone() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn name(&self, directory: &Directory) -> Result<Option<String>, Fault> {
        let Some(end) = self.end else { return Ok(Some(self.begin.clone())) };
        let names = directory.names(NAMES)?;
        Ok(names.into_iter().filter(|name| name.starts_with(&self.begin) && name.ends_with(end)).max())
    }
}

impl Open {
    /// Where the last lines begin, looked for from the end.
    fn seek_last(&mut self, lines: usize) -> Result<u64, Fault> {
        self.start_of_last(lines).map_err(|source| Fault::Io { path: self.path.clone(), source })
    }

    fn start_of_last(&mut self, lines: usize) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        if lines == 0 {
            return Ok(length);
        }
        let (mut piece, mut end, mut ends) = (vec![0; PIECE], length, 0);
        while end > 0 {
            let begin = end.saturating_sub(PIECE as u64);
            let piece = &mut piece[..usize::try_from(end - begin).unwrap_or(PIECE)];
            self.file.seek(SeekFrom::Start(begin))?;
            self.file.read_exact(piece)?;
            for (place, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
                let next = begin + place as u64 + 1;
                // The end of the last line begins none.
                ends += usize::from(next < length);
                if ends == lines {
                    return Ok(next);
                }
            }
            end = begin;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
