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
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use super::*;

    struct Log {
        directory: tempfile::TempDir,
        log: FileLog,
        heard: Vec<String>,
    }

    impl Log {
        fn file() -> Self {
            Self::at(|directory| LogPlace::File(directory.join("antnode.log")))
        }

        fn at(place: impl FnOnce(&Path) -> LogPlace) -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let log = FileLog::new(&place(directory.path())).expect("it is in files");
            Self { directory, log, heard: Vec::new() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let mut options = OpenOptions::new();
            let mut file = options.create(true).append(true).open(self.path(name)).expect("it is opened");
            file.write_all(text.as_bytes()).expect("it is written");
        }

        fn last(&mut self, lines: usize) -> Vec<String> {
            let heard = &mut self.heard;
            self.log
                .last(lines, &mut |_, line| {
                    heard.push(line.to_owned());
                    true
                })
                .expect("it is read");
            std::mem::take(&mut self.heard)
        }

        fn more(&mut self) -> Vec<String> {
            let heard = &mut self.heard;
            let read = self.log.more(&mut |_, line| {
                heard.push(line.to_owned());
                true
            });
            assert!(read.expect("it is read"));
            std::mem::take(&mut self.heard)
        }
    }

    #[test]
    fn what_is_written_after_the_last_lines_is_heard_once() {
        let mut log = Log::file();
        assert_eq!(log.last(10), [""; 0], "there is none yet");
        log.write("antnode.log", "one\ntwo\nthr");
        assert_eq!(log.more(), ["one", "two"]);
        log.write("antnode.log", "ee\n");
        assert_eq!(log.more(), ["three"]);
        assert_eq!(log.more(), [""; 0]);
    }

    #[test]
    fn a_log_that_is_put_aside_is_read_to_its_end_before_the_new_one() {
        let mut log = Log::file();
        log.write("antnode.log", "one\n");
        assert_eq!(log.last(10), ["one"]);
        log.write("antnode.log", "two\nunended");
        fs::rename(log.path("antnode.log"), log.path("antnode.log.1")).expect("it is renamed");
        assert_eq!(log.more(), ["two"]);
        log.write("antnode.log.1", " end\n");
        log.write("antnode.log", "three\n");
        assert_eq!(log.more(), ["unended end", "three"]);
    }

    #[test]
    fn a_log_that_is_cut_goes_on_from_its_beginning() {
        let mut log = Log::file();
        log.write("antnode.log", "one\ntwo\nthree");
        assert_eq!(log.last(1), [""; 0], "it has not ended");
        OpenOptions::new()
            .write(true)
            .open(log.path("antnode.log"))
            .and_then(|file| file.set_len(0))
            .expect("it is cut");
        log.write("antnode.log", "four\n");
        assert_eq!(log.more(), ["three", "four"]);
    }

    #[test]
    fn the_log_of_the_day_follows_that_of_the_day_before() {
        let mut log =
            Log::at(|directory| LogPlace::Newest { directory: directory.to_owned(), begin: "ant-node.", end: ".log" });
        log.write("ant-node.2026-11-27.log", "one\n");
        log.write("notes", "no log\n");
        assert_eq!(log.last(10), ["one"]);
        log.write("ant-node.2026-11-27.log", "two\n");
        log.write("ant-node.2026-11-28.log", "three\n");
        assert_eq!(log.more(), ["two", "three"]);
    }

    #[test]
    fn a_link_is_not_followed_and_a_pipe_keeps_nobody_waiting() {
        let mut log = Log::file();
        let path = log.path("antnode.log");
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link is made");
        let fault = log.log.last(10, &mut |_, line| panic!("{line} is somebody else's")).expect_err("it is refused");
        assert_eq!(fault.to_string(), format!("{} is not a file: it is left unread", path.display()));
        let mut log = Log::file();
        let pipe = rustix::fs::mknodat(
            rustix::fs::CWD,
            log.path("antnode.log"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        );
        pipe.expect("a pipe is made");
        assert!(log.log.last(10, &mut |_, _| true).is_err());
    }

    #[test]
    fn whoever_wants_no_more_gets_no_more() {
        let mut log = Log::file();
        log.write("antnode.log", "one\ntwo\n");
        let mut heard = 0;
        log.log
            .last(10, &mut |_, _| {
                heard += 1;
                false
            })
            .expect("it is read");
        assert_eq!(heard, 1);
    }

    proptest::proptest! {
        #[test]
        fn the_last_lines_are_the_last_lines(text in "[a-c\n]{0,60}", lines in 0_usize..12, long in 0_usize..3) {
            let text = text.replace('c', &"c".repeat(1 + long * 50_000));
            let mut log = Log::file();
            log.write("antnode.log", &text);
            let mut said = log.last(lines);
            let heard = &mut said;
            log.log.end(&mut |_, line| { heard.push(line.to_owned()); true });
            let all: Vec<&str> = text.lines().collect();
            let expected = &all[all.len().saturating_sub(lines)..];
            // Of a long line only the beginning is kept.
            let begins = said.iter().zip(expected).all(|(said, expected)| {
                let kept = expected.len().min(super::super::line::LINE_MAX);
                said[..kept] == expected[..kept]
            });
            proptest::prop_assert!(begins && said.len() == expected.len(), "{} {}", said.len(), expected.len());
        }
    }
}
