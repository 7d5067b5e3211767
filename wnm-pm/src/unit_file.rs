//! A unit file is what systemd reads: words, paths and assignments have to be written by its rules to come out as they
//! went in, and some cannot be written at all.
//!
//! Everything written here is read back by [`split`], and was handed through systemd 252 to real programs.

use std::fmt::Write;
use std::path::Path;

use crate::process_manager::ManagerError;

/// systemd reads no longer lines than this.
const LINE_BYTES: usize = 1024 * 1024;

/// The value of `ExecStart=`: a program and its arguments, none of which is expanded.
///
/// # Errors
/// [`ManagerError::Unusable`] for what systemd cannot run or hand over.
pub fn exec_start(program: &Path, arguments: &[String]) -> Result<String, ManagerError> {
    let name = text("the program", program)?;
    if let Some(character) = name.chars().find(|character| matches!(character, '"' | '\'' | '\\')) {
        let reason = format!("systemd runs no program with {character} in its path");
        return Err(unusable(format!("the path {name:?}"), &reason));
    }
    // With a colon in front systemd leaves every `$` alone.
    let mut line = format!(":{}", word(name));
    for argument in arguments {
        check("the argument", argument)?;
        line.push(' ');
        line.push_str(&word(argument));
    }
    shorter_than_a_line(line)
}

/// The value of one `Environment=`: one assignment.
///
/// # Errors
/// [`ManagerError::Unusable`] for a name that systemd drops, and for a value that it cannot hand over.
pub fn environment(name: &str, value: &str) -> Result<String, ManagerError> {
    let letter = |character: char| character.is_ascii_alphabetic() || character == '_';
    let proper = name.starts_with(letter) && name.chars().all(|each| letter(each) || each.is_ascii_digit());
    if !proper {
        let reason = "systemd takes letters, digits and underscores only, and no digit in front";
        return Err(unusable(format!("the environment variable {name:?}"), reason));
    }
    check("the value", value)?;
    shorter_than_a_line(word(&format!("{name}={value}")))
}

/// A path in a list of paths, such as `ReadWritePaths=`.
///
/// # Errors
/// [`ManagerError::Unusable`] for what systemd cannot name in such a list.
pub fn path(path: &Path) -> Result<String, ManagerError> {
    Ok(word(text("the path", path)?))
}

/// The value of `WorkingDirectory=`: the rest of the line as it is, apart from specifiers.
///
/// # Errors
/// [`ManagerError::Unusable`] for a directory that systemd cannot name there.
pub fn working_directory(directory: &Path) -> Result<String, ManagerError> {
    // The slash keeps a blank or a backslash at the end what it is.
    Ok(text("the directory", directory)?.replace('%', "%%") + "/")
}

/// Paths that systemd can carry wherever it takes one: text without control characters.
fn text<'p>(what: &str, path: &'p Path) -> Result<&'p str, ManagerError> {
    let Some(text) = path.to_str() else {
        return Err(unusable(format!("{what} {path:?}"), "it is not UTF-8 text"));
    };
    if text.contains(char::is_control) {
        return Err(unusable(format!("{what} {text:?}"), "systemd takes no control characters in a path"));
    }
    check(what, text)?;
    Ok(text)
}

/// Refuses what no line of a unit file can carry.
fn check(what: &str, text: &str) -> Result<(), ManagerError> {
    let noncharacter = |character: &char| {
        let code = u32::from(*character);
        (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
    };
    if text.contains('\0') {
        return Err(unusable(format!("{what} {text:?}"), "it holds a zero byte, which no process can be given"));
    }
    match text.chars().find(noncharacter) {
        None => Ok(()),
        Some(character) => {
            let reason = format!("systemd does not take U+{:X} for text", u32::from(character));
            Err(unusable(format!("{what} {text:?}"), &reason))
        }
    }
}

fn shorter_than_a_line(value: String) -> Result<String, ManagerError> {
    if value.len() + "Environment=".len() < LINE_BYTES {
        return Ok(value);
    }
    let what = format!("a line of {} bytes", value.len());
    Err(unusable(what, "systemd reads no lines of more than 1 MiB"))
}

fn unusable(what: String, reason: &str) -> ManagerError {
    ManagerError::Unusable { what, reason: reason.to_owned() }
}

/// A word as it stands in a unit file: in quotes unless it is plain.
fn word(text: &str) -> String {
    let plain = |each: char| each.is_ascii_alphanumeric() || "/._-=,:+@".contains(each);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            // A single one begins a specifier, such as `%h`.
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The words of a value as systemd takes them apart: quotes and escapes are gone, `%%` is `%`. What a specifier such as
/// `%h` stands for is not known here, so it stays as it is.
#[must_use]
pub fn split(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (end, Some(begin)) if end == begin => quote = None,
            ('\\', _) => word.get_or_insert_default().push(unescape(&mut characters)),
            ('%', _) => {
                characters.next_if_eq(&'%');
                word.get_or_insert_default().push('%');
            }
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// The character that stands behind a backslash.
fn unescape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> char {
    match characters.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('a') => '\u{7}',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('v') => '\u{b}',
        Some('s') => ' ',
        Some('x') => {
            let mut code = 0;
            for _ in 0..2 {
                let digit = characters.next_if(char::is_ascii_hexdigit).and_then(|digit| digit.to_digit(16));
                code = code * 16 + digit.unwrap_or_default();
            }
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        Some(other) => other,
        None => '\\',
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        exec_start(Path::new("/srv/my nodes/100% $HOME/antnode"), &arguments).expect("it can be written")
    }

    #[test]
    fn words_are_quoted_where_systemd_would_read_something_else() {
        insta::assert_snapshot!(line(&["--port", "55007"]), @r#":"/srv/my nodes/100%% $HOME/antnode" --port 55007"#);
        insta::assert_snapshot!(line(&["", " ", "it's", r#"a "b""#, r"back\slash \n", "a;b", ";"]), @r#":"/srv/my nodes/100%% $HOME/antnode" "" " " "it's" "a \"b\"" "back\\slash \\n" "a;b" ";""#);
        insta::assert_snapshot!(line(&["%h", "$HOME", "${HOME}", "$$", "a\nb\tc\r\u{1}", "ü😀", "#", "-"]), @r##":"/srv/my nodes/100%% $HOME/antnode" "%%h" "$HOME" "${HOME}" "$$" "a\nb\tc\x0d\x01" "ü😀" "#" -"##);
    }

    #[test]
    fn an_assignment_is_one_word() {
        insta::assert_snapshot!(environment("A", "1").expect("it is plain"), @"A=1");
        insta::assert_snapshot!(environment("A", r#"x y="$B" %h"#).expect("it is quoted"), @r#""A=x y=\"$B\" %%h""#);
    }

    #[test]
    fn a_directory_is_written_without_quotes() {
        let directory = working_directory(Path::new("/srv/it's \"100%\" $HOME \\")).expect("it can be written");
        insta::assert_snapshot!(directory, @r#"/srv/it's "100%%" $HOME \/"#);
    }

    #[test]
    fn what_systemd_cannot_carry_is_refused_with_the_reason() {
        let refused = |outcome: Result<String, ManagerError>| outcome.expect_err("it is refused").to_string();
        let program = |path: &str| refused(exec_start(Path::new(path), &[]));
        insta::assert_snapshot!(program(r#"/srv/"a"/antnode"#), @r#"the path "/srv/\"a\"/antnode" cannot be used: systemd runs no program with " in its path"#);
        insta::assert_snapshot!(program(r"/srv/a\b/antnode"), @r#"the path "/srv/a\\b/antnode" cannot be used: systemd runs no program with \ in its path"#);
        insta::assert_snapshot!(program("/srv/a\nb/antnode"), @r#"the program "/srv/a\nb/antnode" cannot be used: systemd takes no control characters in a path"#);
        insta::assert_snapshot!(refused(environment("1A", "x")), @r#"the environment variable "1A" cannot be used: systemd takes letters, digits and underscores only, and no digit in front"#);
        insta::assert_snapshot!(refused(environment("A.B", "x")), @r#"the environment variable "A.B" cannot be used: systemd takes letters, digits and underscores only, and no digit in front"#);
        insta::assert_snapshot!(refused(environment("A", "x\0")), @r#"the value "x\0" cannot be used: it holds a zero byte, which no process can be given"#);
        insta::assert_snapshot!(refused(environment("A", "\u{fffe}")), @r#"the value "\u{fffe}" cannot be used: systemd does not take U+FFFE for text"#);
        insta::assert_snapshot!(refused(environment("A", &"x".repeat(LINE_BYTES))), @"a line of 1048578 bytes cannot be used: systemd reads no lines of more than 1 MiB");
    }

    #[test]
    fn words_that_others_wrote_are_read() {
        assert_eq!(split(r#"/a/antnode  --peer='x y' "a"b \x41\s"#), ["/a/antnode", "--peer=x y", "ab", "A "]);
        assert_eq!(split("  "), Vec::<String>::new());
        assert_eq!(split("%h/x"), ["%h/x"]);
    }

    proptest! {
        #[test]
        fn every_word_comes_back_from_its_line(words in proptest::collection::vec("[^\\x00\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]*", 0..6)) {
            let words: Vec<String> = words.into_iter().filter(|word| check("it", word).is_ok()).collect();
            let line = exec_start(Path::new("/a"), &words).expect("it can be written");
            prop_assert!(!line.chars().any(|each| each.is_ascii_control()), "{line:?}");
            prop_assert_eq!(&split(&line)[1..], words);
        }

        #[test]
        fn whatever_stands_in_a_unit_file_is_taken_apart(value in ".*") {
            let words = split(&value);
            prop_assert!(words.len() <= value.len());
        }
    }
}
