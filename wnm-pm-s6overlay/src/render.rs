//! A definition is what the volume keeps about one node, so that its container can run it: the program that starts
//! it, and the mark that it shall stay down.
//!
//! ```text
//! node_storage/.s6/a1/antnode0001/run    written by wnm, executed in the container, always as `ant`
//!                                 down   while this mark is there the node stays down, also after a restart
//!                                 log/   what the node writes to its output, rotated (written in the container)
//! ```
//!
//! Nothing on the volume is ever executed as root: nodes could write there. The service directories that s6 itself
//! needs lie in the container's `/run` and are made there, of nothing but the node's name, by [`crate::script`].

use std::path::{Path, PathBuf};

use wnm_pm::process_manager::ManagerError;

/// Where `node_storage` is seen inside a container.
pub const STORAGE: &str = "/var/antctl/services";

/// Services that one s6 inside a container can supervise and that are left for nodes: s6 takes 1000, s6-overlay has
/// its own, and a node needs one, since its logger is a child of its own.
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
    /// The newest output of the node; older parts lie beside it, see [`crate::output`].
    pub said: PathBuf,
}

impl Definition {
    /// The definition of node `name` of group `group` (`a1`) under `node_storage`.
    #[must_use]
    pub fn new(node_storage: &Path, group: &str, name: &str) -> Self {
        let dir = node_storage.join(".s6").join(group).join(name);
        Self { run: dir.join("run"), down: dir.join("down"), said: dir.join("log").join("current"), dir }
    }
}

/// How a node is started inside its container. All paths are the container's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch<'a> {
    /// Where the node runs: its own directory.
    pub directory: &'a Path,
    /// The program and its arguments.
    pub arguments: &'a [String],
    /// The whole environment of the node besides `PATH`, `HOME` and `USER`, one assignment each.
    pub environment: &'a [(String, String)],
}

/// A path of this machine as it is seen inside a container; none for a path outside `node_storage`, which containers
/// do not see.
#[must_use]
pub fn inside(node_storage: &Path, path: &Path) -> Option<PathBuf> {
    path.strip_prefix(node_storage).ok().map(|rest| Path::new(STORAGE).join(rest))
}

/// Whether so many nodes fit into one container.
///
/// # Errors
/// [`ManagerError::Unusable`] with the limit and where it comes from.
pub fn check_capacity(max_node_per_container: u32) -> Result<(), ManagerError> {
    if (1..=CAPACITY).contains(&max_node_per_container) {
        return Ok(());
    }
    Err(ManagerError::Unusable {
        what: format!("max_node_per_container = {max_node_per_container}"),
        reason: format!(
            "one container holds 1 to {CAPACITY} nodes: s6 supervises 1000 services and a few of them are its own\nhint: use more containers with fewer nodes each"
        ),
    })
}

/// The text of a definition's `run`: it becomes the node, with exactly these arguments and this environment.
///
/// # Errors
/// [`ManagerError::Unusable`] for what no process can be given: a program or a directory without an absolute path, a
/// zero byte, or an environment variable without a proper name.
pub fn run_script(launch: &Launch<'_>) -> Result<String, ManagerError> {
    check(launch)?;
    let defaults = DEFAULT_ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}"));
    let own = launch.environment.iter().map(|(name, value)| format!("{name}={value}"));
    let words: Vec<String> =
        defaults.chain(own).chain(launch.arguments.iter().cloned()).map(|word| quoted(&word)).collect();
    Ok(format!(
        "#!/bin/sh\n# Written by wnm before every start: change the settings, not this file.\nexec 2>&1\ncd {} || exit 127\nexec /usr/bin/env -i \\\n    {}\n",
        quoted(&launch.directory.to_string_lossy()),
        words.join(" \\\n    ")
    ))
}

/// What every node finds in its environment; what its owner sets comes later and wins.
const DEFAULT_ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/home/ant"), ("USER", "ant")];

fn check(launch: &Launch<'_>) -> Result<(), ManagerError> {
    let Some(program) = launch.arguments.first() else {
        return unusable("an empty command line".to_owned(), "it names no program");
    };
    // `env` would take it for one more assignment.
    if !program.starts_with('/') || program.contains('=') {
        return unusable(format!("the program {program:?}"), "its path has to be absolute and without `=`");
    }
    if launch.directory.to_str().is_none() || !launch.directory.is_absolute() {
        return unusable(format!("the directory {:?}", launch.directory), "its path has to be absolute and UTF-8");
    }
    if let Some((name, _)) = launch.environment.iter().find(|(name, _)| name.is_empty() || name.contains('=')) {
        return unusable(format!("the environment variable {name:?}"), "a name is not empty and holds no `=`");
    }
    let directory = launch.directory.to_string_lossy();
    let texts = launch.environment.iter().flat_map(|(name, value)| [name.as_str(), value]);
    let texts = texts.chain(launch.arguments.iter().map(String::as_str)).chain([&*directory]);
    for text in texts {
        if text.contains('\0') {
            return unusable(format!("the text {text:?}"), "it holds a zero byte, which no process can be given");
        }
    }
    Ok(())
}

fn unusable<T>(what: String, reason: &str) -> Result<T, ManagerError> {
    Err(ManagerError::Unusable { what, reason: reason.to_owned() })
}

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

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn assignments(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_ordinary_node_is_rendered() {
        let arguments = words(&[
            "/var/antctl/services/antnode0001/antnode",
            "--root-dir",
            "/var/antctl/services/antnode0001",
            "--port",
            "55001",
            "evm-arbitrum-one",
        ]);
        let launch = Launch {
            directory: Path::new("/var/antctl/services/antnode0001"),
            arguments: &arguments,
            environment: &assignments(&[("RUST_LOG", "info"), ("PATH", "/mine")]),
        };
        insta::assert_snapshot!(run_script(&launch).unwrap(), @r"
        #!/bin/sh
        # Written by wnm before every start: change the settings, not this file.
        exec 2>&1
        cd '/var/antctl/services/antnode0001' || exit 127
        exec /usr/bin/env -i \
            'PATH=/usr/local/bin:/usr/bin:/bin' \
            'HOME=/home/ant' \
            'USER=ant' \
            'RUST_LOG=info' \
            'PATH=/mine' \
            '/var/antctl/services/antnode0001/antnode' \
            '--root-dir' \
            '/var/antctl/services/antnode0001' \
            '--port' \
            '55001' \
            'evm-arbitrum-one'
        ");
    }

    #[test]
    fn hostile_values_stay_what_they_are() {
        let arguments =
            words(&["/bin/node", "it's", "$(reboot) `id` \\", "two\nlines", "--a=b", "", "\" ; & |", "{", "ü😀"]);
        let launch = Launch {
            directory: Path::new("/a b/c'd"),
            arguments: &arguments,
            environment: &assignments(&[("A-B", "x'y"), ("Z", "")]),
        };
        insta::assert_snapshot!(run_script(&launch).unwrap(), @r#"
        #!/bin/sh
        # Written by wnm before every start: change the settings, not this file.
        exec 2>&1
        cd '/a b/c'\''d' || exit 127
        exec /usr/bin/env -i \
            'PATH=/usr/local/bin:/usr/bin:/bin' \
            'HOME=/home/ant' \
            'USER=ant' \
            'A-B=x'\''y' \
            'Z=' \
            '/bin/node' \
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
        let refused = |directory: &str, arguments: &[&str], environment: &[(&str, &str)]| {
            let (arguments, environment) = (words(arguments), assignments(environment));
            let launch = Launch { directory: Path::new(directory), arguments: &arguments, environment: &environment };
            run_script(&launch).unwrap_err().to_string()
        };
        let said = [
            refused("/", &[], &[]),
            refused("/", &["antnode"], &[]),
            refused("/", &["/a=b/antnode"], &[]),
            refused("antnode0001", &["/antnode"], &[]),
            refused("/\0", &["/antnode"], &[]),
            refused("/", &["/antnode", "zero\0"], &[]),
            refused("/", &["/antnode"], &[("", "x")]),
            refused("/", &["/antnode"], &[("A=B", "x")]),
            refused("/", &["/antnode"], &[("A", "zero\0")]),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        an empty command line cannot be used: it names no program
        the program "antnode" cannot be used: its path has to be absolute and without `=`
        the program "/a=b/antnode" cannot be used: its path has to be absolute and without `=`
        the directory "antnode0001" cannot be used: its path has to be absolute and UTF-8
        the text "/\0" cannot be used: it holds a zero byte, which no process can be given
        the text "zero\0" cannot be used: it holds a zero byte, which no process can be given
        the environment variable "" cannot be used: a name is not empty and holds no `=`
        the environment variable "A=B" cannot be used: a name is not empty and holds no `=`
        the text "zero\0" cannot be used: it holds a zero byte, which no process can be given
        "#);
    }

    #[test]
    fn a_container_takes_what_s6_can_supervise() {
        assert!(check_capacity(1).is_ok() && check_capacity(200).is_ok() && check_capacity(CAPACITY).is_ok());
        insta::assert_snapshot!(check_capacity(991).unwrap_err(), @"
        max_node_per_container = 991 cannot be used: one container holds 1 to 990 nodes: s6 supervises 1000 services and a few of them are its own
        hint: use more containers with fewer nodes each
        ");
        assert!(check_capacity(0).is_err());
    }

    #[test]
    fn paths_are_those_of_the_container() {
        let inside = |path: &str| inside(Path::new("/data/nodes"), Path::new(path));
        assert_eq!(inside("/data/nodes/antnode0001/antnode"), Some("/var/antctl/services/antnode0001/antnode".into()));
        assert_eq!(inside("/data/nodes2/antnode0001"), None);
        let definition = Definition::new(Path::new("/data/nodes"), "a1", "antnode0001");
        assert_eq!(definition.run, Path::new("/data/nodes/.s6/a1/antnode0001/run"));
        assert_eq!(definition.said, Path::new("/data/nodes/.s6/a1/antnode0001/log/current"));
    }

    /// What a rendered script's program prints, when `sh` runs it here.
    fn run_here(directory: &Path, arguments: &[String], environment: &[(String, String)]) -> String {
        let script = directory.join("run");
        let text = run_script(&Launch { directory, arguments, environment }).unwrap();
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let output = Command::new("/bin/sh").arg(&script).env("LEFT_OVER", "1").output().unwrap();
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
            values in prop::collection::vec((r"[A-Za-z_.-][A-Za-z0-9_ '-]{0,8}", any_text()), 0..6),
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
