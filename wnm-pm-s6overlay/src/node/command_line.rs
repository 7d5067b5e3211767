//! The command line of a node, read back from its definition.

use wnm_pm::flavour::CommandLine;

/// The program and its arguments in the text of a definition's `run`; no words when it is not one of ours.
#[must_use]
pub fn command_line(run: &str) -> CommandLine {
    let words = run.split_once("\nexport ").map(|(_, rest)| shell_words(rest)).unwrap_or_default();
    // Before that stand the assignments of its environment, each of which has a `=`.
    CommandLine::new(words.into_iter().skip_while(|word| word != "exec").skip(1).collect())
}

/// The words of a shell's line as far as we write them: between single quotes everything is itself, and elsewhere a
/// backslash makes the next character so, or joins lines. (shlex reads an empty word where lines are joined.)
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
    use proptest::prelude::*;
    use wnm_pm::launch::Launch;

    use super::*;
    use crate::node::definition::run_script;

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(
            program in "/[a-zA-Z0-9 $\"\\\\'\n;]{1,20}",
            arguments in prop::collection::vec("[^\0]{0,20}", 0..8),
            value in "[^\0]{0,20}",
        ) {
            let line: Vec<String> = std::iter::once(program.clone()).chain(arguments.clone()).collect();
            let launch = Launch {
                program: program.into(),
                arguments,
                environment: vec![("NAME".to_owned(), value)],
                directory: "/var/antctl/services/n".into(),
            };
            let read = command_line(&run_script(&launch).unwrap());
            prop_assert_eq!(read.words(), line);
        }
    }

    #[test]
    fn what_is_not_a_definition_has_no_words() {
        assert_eq!(command_line("#!/bin/sh\nexec true\n").words(), Vec::<String>::new());
        assert_eq!(command_line("").words(), Vec::<String>::new());
    }
}
