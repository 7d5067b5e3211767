//! A launch is what is run for a node: program, arguments, environment and directory, all finished.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::process_manager::error::ManagerError;

/// What is run for a node. Nothing in it is expanded, searched for or quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program: the node's own copy.
    pub program: PathBuf,
    /// Its arguments, a word each.
    pub arguments: Vec<String>,
    /// Its environment beside what the process manager gives every node.
    pub environment: Vec<(String, String)>,
    /// The directory that it runs in: the node's own.
    pub directory: PathBuf,
}

impl Launch {
    /// Refuses what no process could be given, whatever starts it: a zero byte, a variable without a proper name, a path
    /// that means something else from another directory or is not text.
    ///
    /// # Errors
    /// [`ManagerError::Unusable`] names the value and what is wrong with it.
    pub fn check(&self) -> Result<(), ManagerError> {
        check_path("the program", &self.program)?;
        check_path("the directory", &self.directory)?;
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                let what = format!("the environment variable {name:?}");
                return Err(unusable(what, "a name must not be empty and holds neither `=` nor a zero byte"));
            }
            if value.contains('\0') {
                return Err(unusable(format!("the value {value:?} of the environment variable {name}"), ZERO));
            }
        }
        match self.arguments.iter().find(|word| word.contains('\0')) {
            Some(word) => Err(unusable(format!("the argument {word:?}"), ZERO)),
            None => Ok(()),
        }
    }
}

/// Refuses a path that is not absolute, not text, or holds a zero byte.
///
/// # Errors
/// [`ManagerError::Unusable`] with the path and what is wrong with it.
pub fn check_path(name: &str, path: &Path) -> Result<(), ManagerError> {
    match path.to_str() {
        None => return Err(unusable(format!("{name} {path:?}"), "it is not UTF-8 text")),
        Some(text) if text.contains('\0') => return Err(unusable(format!("{name} {path:?}"), ZERO)),
        Some(_) => {}
    }
    if !path.is_absolute() {
        return Err(unusable(format!("{name} {path:?}"), "it is not an absolute path"));
    }
    Ok(())
}

const ZERO: &str = "it holds a zero byte, which no process can be given";

fn unusable(what: String, reason: &str) -> ManagerError {
    ManagerError::Unusable { what, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            program: "/srv/antnode0007/antnode".into(),
            arguments: vec!["--port".to_owned(), "55007".to_owned()],
            environment: vec![("A".to_owned(), "1 B=2".to_owned())],
            directory: "/srv/antnode0007".into(),
        }
    }

    #[test]
    fn what_no_process_can_be_given_is_refused_by_name() {
        let with = |change: fn(&mut Launch)| {
            let mut launch = launch();
            change(&mut launch);
            launch.check().expect_err("it cannot be used").to_string()
        };
        launch().check().expect("nothing is wrong with it");
        insta::assert_snapshot!(with(|launch| launch.environment[0].0 = "A=B".to_owned()), @r#"the environment variable "A=B" cannot be used: a name must not be empty and holds neither `=` nor a zero byte"#);
        insta::assert_snapshot!(with(|launch| launch.environment[0].1 = "a\0b".to_owned()), @r#"the value "a\0b" of the environment variable A cannot be used: it holds a zero byte, which no process can be given"#);
        insta::assert_snapshot!(with(|launch| launch.arguments.push("\0".to_owned())), @r#"the argument "\0" cannot be used: it holds a zero byte, which no process can be given"#);
        insta::assert_snapshot!(with(|launch| launch.program = "/srv/\0".into()), @r#"the program "/srv/\0" cannot be used: it holds a zero byte, which no process can be given"#);
        insta::assert_snapshot!(with(|launch| launch.directory = "antnode0007".into()), @r#"the directory "antnode0007" cannot be used: it is not an absolute path"#);
    }
}
