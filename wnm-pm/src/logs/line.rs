//! Lines out of pieces of any length. One that is longer than anybody reads is cut, so that memory is bounded.

use crate::last_words::without_escapes;

/// What is kept of a line, in bytes.
pub(super) const LINE_MAX: usize = 64 << 10;

/// A line that has begun and not ended yet.
#[derive(Debug, Default)]
pub(super) struct Begun {
    bytes: Vec<u8>,
    left_out: u64,
}

impl Begun {
    /// Takes in what comes next; `heard` gets each line that ends in it, as long as it wants more.
    pub(super) fn feed(&mut self, bytes: &[u8], heard: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.take(&rest[..end]);
            rest = &rest[end + 1..];
            if !self.end(heard) {
                return false;
            }
        }
        self.take(rest);
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(LINE_MAX - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.left_out += (bytes.len() - kept) as u64;
    }

    /// The line ends here.
    pub(super) fn end(&mut self, heard: &mut dyn FnMut(&str) -> bool) -> bool {
        let Self { bytes, left_out } = std::mem::take(self);
        let mut text = plain(&String::from_utf8_lossy(&bytes));
        if left_out > 0 {
            text.push_str(&format!("… ({left_out} more bytes)"));
        }
        heard(&text)
    }

    /// The same, unless nothing has begun.
    pub(super) fn end_if_begun(&mut self, heard: &mut dyn FnMut(&str) -> bool) -> bool {
        self.bytes.is_empty() || self.end(heard)
    }
}

/// A line that moves no cursor: what a node writes is not to be trusted with a terminal.
pub(super) fn plain(line: &str) -> String {
    let is_plain = !line.contains(|character: char| character.is_control());
    let line = line.strip_suffix('\r').unwrap_or(line);
    if is_plain { line.to_owned() } else { without_escapes(&line.replace('\t', "    ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut begun, mut lines) = (Begun::default(), Vec::new());
        let mut heard = |line: &str| {
            lines.push(line.to_owned());
            true
        };
        for piece in pieces {
            begun.feed(piece, &mut heard);
        }
        begun.end_if_begun(&mut heard);
        lines
    }

    #[test]
    fn lines_move_no_cursor_and_keep_their_text() {
        assert_eq!(lines(&[b"a\tb\r\n\x1b[2Jc\x07\n", b"\xff\n", b"end"]), ["a    b", "c ", "\u{fffd}", "end"]);
    }

    #[test]
    fn a_line_of_100_megabytes_is_cut_and_nothing_of_it_is_kept() {
        let (mut begun, mut lines) = (Begun::default(), Vec::new());
        let mut heard = |line: &str| {
            lines.push(line.to_owned());
            true
        };
        for _ in 0..1_600 {
            begun.feed(&[b'x'; 64 << 10], &mut heard);
        }
        assert!(begun.bytes.capacity() <= 2 * LINE_MAX);
        begun.feed(b"\nshort\n", &mut heard);
        assert_eq!(lines[0].len(), LINE_MAX + "… (104792064 more bytes)".len());
        assert!(lines[0].ends_with("… (104792064 more bytes)"), "{}", &lines[0][LINE_MAX..]);
        assert_eq!(lines[1], "short");
    }

    proptest::proptest! {
        #[test]
        fn pieces_of_any_length_give_the_same_lines(text in "[a-c\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let expected: Vec<&str> = text.lines().collect();
            proptest::prop_assert_eq!(lines(&pieces), expected);
        }
    }
}
