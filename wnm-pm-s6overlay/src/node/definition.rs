//! A definition is what the volume keeps about one node, so that its container can run it: the program that starts
//! it, and the mark that it stays down.
//!
//! ```text
//! node_storage/.s6/a1/antnode0001/run    written by wnm, executed in the container, always as `ant`
//!                                 down   while this mark is there the node stays down, also after a restart
//!                                 log/   what the node writes to its output, rotated (written in the container)
//! ```
//!
//! Nothing on the volume is ever executed as root: nodes could write there. The service directories that s6 itself
//! needs are in the container's `/run` and are made there, of nothing but the node's name, by [`crate::script`].

use std::path::{Path, PathBuf};

use wnm_pm::hint::Hint;
use wnm_pm::launch::Launch;
use wnm_pm::process_manager::ManagerError;

use crate::storage::definitions;

/// Services that one s6 inside a container can supervise and that are left for nodes: s6 takes 1000, s6-overlay has
/// some of its own, a node needs one, and so does the keeper of all nodes' output.
pub const CAPACITY: u32 = 990;

/// The definition of one node, as paths on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The directory that holds it: `node_storage/.s6/a1/antnode0001`.
    pub dir: PathBuf,
    /// The program that starts the node (mode 0700).
    pub run: PathBuf,
    /// The mark that the node stays down (empty, mode 0600).
    pub down: PathBuf,
    /// The newest output of the node; older parts are beside it, see [`crate::output`].
    pub said: PathBuf,
}

impl Definition {
    /// The definition of node `name` of group `group` (`a1`) under `node_storage`.
    #[must_use]
    pub fn new(node_storage: &Path, group: &str, name: &str) -> Self {
        let dir = definitions(node_storage).join(group).join(name);
        Self { run: dir.join("run"), down: dir.join("down"), said: dir.join("log").join("current"), dir }
    }
}

/// Refuses more nodes for one container than fit, and none.
///
/// # Errors
/// With the limit and where it comes from.
pub fn check_capacity(max_node_per_container: u32) -> Result<(), ManagerError> {
    if (1..=CAPACITY).contains(&max_node_per_container) {
        return Ok(());
    }
    let what = format!(
        "max_node_per_container = {max_node_per_container} cannot be used: one container holds 1 to {CAPACITY} nodes, since s6 supervises 1000 services and needs a few of them itself"
    );
    let hint = Hint::change("max_node_per_container").to("have more containers with fewer nodes each");
    Err(ManagerError::advised(what, hint))
}

/// The text of a definition's `run`: it becomes the node, with exactly these arguments and this environment. All paths are
/// the container's.
///
/// # Errors
/// [`ManagerError::Unusable`] for what no process can be given.
pub fn run_script(launch: &Launch) -> Result<String, ManagerError> {
    launch.check()?;
    if let Some((name, _)) = launch.environment.iter().find(|(name, _)| !is_variable_name(name)) {
        let reason = "its name has to be one that a shell knows: letters, digits and `_`".to_owned();
        return Err(ManagerError::Unusable { what: format!("the environment variable {name:?}"), reason });
    }
    let defaults = DEFAULT_ENVIRONMENT.iter().map(|(name, value)| (*name, *value));
    let own = launch.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables = defaults.chain(own).map(|(name, value)| format!("{name}={}", quoted(value)));
    let program = launch.program.to_string_lossy();
    let words = std::iter::once(&*program).chain(launch.arguments.iter().map(String::as_str)).map(quoted);
    let lines = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>().join(" \\\n    ");
    Ok(format!(
        "#!/bin/sh\n# Written by wnm before every start: change the settings, not this file.\nexec 2>&1\ncd {} || exit 127\nunset PWD OLDPWD SHLVL\nexport {}\nexec {}\n",
        quoted(&launch.directory.to_string_lossy()),
        lines(&mut variables.into_iter()),
        lines(&mut words.into_iter())
    ))
}

fn is_variable_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter) && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// What every node finds in its environment; what its owner sets comes later and wins.
const DEFAULT_ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/home/ant"), ("USER", "ant")];

/// A word for `sh`: between single quotes nothing means anything but the single quote itself.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use proptest::prelude::*;
    use wnm_pm::hint::Hinted;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// A program in this directory: its command line, and its environment.
    fn launch(directory: &str, line: &[&str], environment: &[(&str, &str)]) -> Launch {
        Launch {
            program: line[0].into(),
            arguments: words(&line[1..]),
            environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            directory: directory.into(),
        }
    }

    #[test]
    fn an_ordinary_node_is_rendered() {
        let root_dir = "/var/antctl/services/antnode0001";
        let line = [&format!("{root_dir}/antnode"), "--root-dir", root_dir, "--port", "55001", "evm-arbitrum-one"];
        let launch = launch(root_dir, &line, &[("RUST_LOG", "info"), ("PATH", "/mine")]);
        insta::assert_snapshot!(run_script(&launch).unwrap(), @r"
        #!/bin/sh
        # Written by wnm before every start: change the settings, not this file.
        exec 2>&1
        cd '/var/antctl/services/antnode0001' || exit 127
        unset PWD OLDPWD SHLVL
        export PATH='/usr/local/bin:/usr/bin:/bin' \
            HOME='/home/ant' \
            USER='ant' \
            RUST_LOG='info' \
            PATH='/mine'
        exec '/var/antctl/services/antnode0001/antnode' \
            '--root-dir' \
            '/var/antctl/services/antnode0001' \
            '--port' \
            '55001' \
            'evm-arbitrum-one'
        ");
    }

    #[test]
    fn hostile_values_stay_what_they_are() {
        let line = ["/bin/node", "it's", "$(reboot) `id` \\", "two\nlines", "--a=b", "", "\" ; & |", "{", "ü😀"];
        let launch = launch("/a b/c'd", &line, &[("A_B", "x'y"), ("Z", "")]);
        insta::assert_snapshot!(run_script(&launch).unwrap(), @r#"
        #!/bin/sh
        # Written by wnm before every start: change the settings, not this file.
        exec 2>&1
        cd '/a b/c'\''d' || exit 127
        unset PWD OLDPWD SHLVL
        export PATH='/usr/local/bin:/usr/bin:/bin' \
            HOME='/home/ant' \
            USER='ant' \
            A_B='x'\''y' \
            Z=''
        exec '/bin/node' \
            'it'\''s' \
            '$(reboot) `id` \' \
            'two
        lines' \
            '--a=b' \
            '' \
            '" ; & |' \
            '{' \
            'ü😀'
        "#);
    }

    #[test]
    fn what_no_process_can_be_given_is_refused() {
        let refused = |directory: &str, line: &[&str]| {
            run_script(&launch(directory, line, &[])).expect_err("it cannot be run").to_string()
        };
        let misnamed = run_script(&launch("/", &["/antnode"], &[("A-B", "")])).expect_err("no shell knows that name");
        let said = [
            misnamed.to_string(),
            refused("/", &["antnode"]),
            refused("antnode0001", &["/antnode"]),
            refused("/\0", &["/antnode"]),
            refused("/", &["/antnode", "zero\0"]),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        the environment variable "A-B" cannot be used: its name has to be one that a shell knows: letters, digits and `_`
        the program "antnode" cannot be used: it is not an absolute path
        the directory "antnode0001" cannot be used: it is not an absolute path
        the directory "/\0" cannot be used: it holds a zero byte, which no process can be given
        the argument "zero\0" cannot be used: it holds a zero byte, which no process can be given
        "#);
    }

    #[test]
    fn a_container_takes_what_s6_can_supervise() {
        assert!(check_capacity(1).is_ok() && check_capacity(200).is_ok() && check_capacity(CAPACITY).is_ok());
        let refused = check_capacity(991).unwrap_err();
        insta::assert_snapshot!(refused, @"max_node_per_container = 991 cannot be used: one container holds 1 to 990 nodes, since s6 supervises 1000 services and needs a few of them itself");
        assert!(!refused.hints().is_empty());
        assert!(check_capacity(0).is_err());
    }

    #[test]
    fn a_definition_is_in_a_directory_of_its_group() {
        let definition = Definition::new(Path::new("/data/nodes"), "a1", "antnode0001");
        assert_eq!(definition.run, Path::new("/data/nodes/.s6/a1/antnode0001/run"));
        assert_eq!(definition.said, Path::new("/data/nodes/.s6/a1/antnode0001/log/current"));
    }

    /// What a rendered script's program prints, when `sh` runs it here.
    #[expect(clippy::disallowed_methods, reason = "the script is run as a container runs it")]
    fn run_here(directory: &Path, arguments: &[String], environment: &[(String, String)]) -> String {
        let script = directory.join("run");
        let (program, arguments) = arguments.split_first().unwrap();
        let launch = Launch {
            program: program.into(),
            arguments: arguments.to_vec(),
            environment: environment.to_vec(),
            directory: directory.to_owned(),
        };
        let text = run_script(&launch).unwrap();
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let output = Command::new("/bin/sh").arg(&script).env_clear().output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Any text without a zero byte, those that mean something to a shell more often than others.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![r#"['"\\$`\n\t ;&|<>(){}*?#~!=%-]{0,12}"#, "[^\0]{0,12}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_argument_arrives_exactly(texts in prop::collection::vec(any_text(), 0..6)) {
            let dir = tempfile::Builder::new().prefix("it's a $dir ").tempdir().unwrap();
            let arguments = [words(&["/usr/bin/printf", "%s\\0", "--"]), texts.clone()].concat();
            let expected: String = [words(&["--"]), texts].concat().iter().map(|text| format!("{text}\0")).collect();
            prop_assert_eq!(run_here(dir.path(), &arguments, &[]), expected);
        }

        #[test]
        fn every_variable_arrives_exactly_and_no_other(
            values in prop::collection::vec((r"[A-Za-z_][A-Za-z0-9_]{0,8}", any_text()), 0..6),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let printed = run_here(dir.path(), &words(&["/usr/bin/env", "-0"]), &values);
            let seen: BTreeMap<_, _> = printed.split_terminator('\0').filter_map(|line| line.split_once('=')).collect();
            let mut expected = BTreeMap::from(DEFAULT_ENVIRONMENT);
            expected.extend(values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            prop_assert_eq!(seen, expected);
        }
    }
}
