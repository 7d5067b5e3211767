//! The command line of a node, read back from its definition.

/// The program and its arguments in the text of a definition's `run`; nothing when it is not one of ours.
#[must_use]
pub fn words(run: &str) -> Vec<String> {
    let Some((_, rest)) = run.split_once("\nexec /usr/bin/env -i ") else {
        return Vec::new();
    };
    // Before the program, which is an absolute path, stand the assignments of its environment.
    shell_words(rest).into_iter().skip_while(|word| !word.starts_with('/')).collect()
}

/// The value of an option that is a word of its own.
#[must_use]
pub fn option<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let place = words.iter().position(|word| word == name)?;
    words.get(place + 1).map(String::as_str)
}

/// The words of a shell's line as far as we write them: between single quotes everything is itself, and elsewhere a
/// backslash makes the next character so, or joins lines.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            other if is_quoted => word.get_or_insert_default().push(other),
            '\\' => {
                let next = characters.next().filter(|next| *next != '\n');
                word =
                    word.or(next.map(|_| String::new())).map(|word| word + &next.map(String::from).unwrap_or_default());
            }
            ' ' | '\n' => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::render::{Launch, run_script};

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(
            program in "/[a-zA-Z0-9 $\"\\\\'\n;]{1,20}",
            arguments in prop::collection::vec("[^\0]{0,20}", 0..8),
            value in "[^\0]{0,20}",
        ) {
            let line: Vec<String> = std::iter::once(program).chain(arguments).collect();
            let environment = [("NAME".to_owned(), value)];
            let launch = Launch { directory: Path::new("/var/antctl/services/n"), arguments: &line, environment: &environment };
            prop_assert_eq!(words(&run_script(&launch).unwrap()), line);
        }
    }

    #[test]
    fn what_is_no_definition_has_no_words() {
        assert_eq!(words("#!/bin/sh\nexec true\n"), Vec::<String>::new());
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(option(&["--port".to_owned()], "--port"), None);
    }
}
