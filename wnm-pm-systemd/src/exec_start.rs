//! The command line that unit files name, whoever wrote them. Pure.

use wnm_pm::flavour::CommandLine;
use wnm_pm::unit_file;

/// Options of nodes whose value is a path.
const PATHS: [&str; 4] = ["--bootstrap-cache-dir", "--root-dir", "--log-output-dest", "--log-dir"];

/// Reads unit files in their order: the unit file, then its drop-ins. The last `ExecStart=` counts; none when they start no
/// program.
pub(crate) fn command_line(texts: &[String]) -> Option<CommandLine> {
    let lines = texts.iter().flat_map(|text| service_lines(text));
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "ExecStart").then(|| value.trim().to_owned())
    });
    let mut words = unit_file::split(&values.next_back()?);
    let program = words.first_mut()?;
    *program = program.trim_start_matches(['-', '@', ':', '+', '!']).to_owned();
    Some(CommandLine::new(with_whole_paths(&words)))
}

/// The Python wnm wrote paths without quotes, so blanks took them apart: the program, and the value of an option that is a
/// path, go up to the next option.
fn with_whole_paths(words: &[String]) -> Vec<String> {
    let is_option = |word: &str| word.starts_with("--");
    let groups = words.chunk_by(|_, next| !is_option(next));
    let whole = groups.flat_map(|group| match group {
        [option, path @ ..] if PATHS.contains(&option.as_str()) && !path.is_empty() => {
            vec![option.clone(), path.join(" ")]
        }
        [option, ..] if is_option(option) => group.to_vec(),
        program => vec![program.join(" ")],
    });
    whole.collect()
}

/// The lines of the `[Service]` sections, continued ones put together.
fn service_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_service = false;
    let mut unfinished = String::new();
    for line in text.lines() {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        if is_comment {
            continue;
        }
        if let Some(begun) = line.strip_suffix('\\') {
            unfinished += begun;
            unfinished.push(' ');
            continue;
        }
        let line = std::mem::take(&mut unfinished) + line;
        match line.trim().strip_prefix('[') {
            Some(section) => in_service = section == "Service]",
            None if in_service => lines.push(line),
            None => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;
    use wnm_pm::node::{NodeRef, NodeSpec};

    use super::*;
    use crate::paths::Scope;
    use crate::render;

    /// As the Python wnm wrote it.
    fn of_python(root_dir: &str) -> CommandLine {
        let text = format!(
            "[Unit]\nDescription=antnode0001\n[Service]\n\nUser=ant\nExecStart={root_dir}/antnode --bootstrap-cache-dir \
             /home/resident/.local/share/autonomi/bootstrap-cache --root-dir {root_dir} --port 55001 \
             --enable-metrics-server --metrics-server-port 13001 --log-output-dest {root_dir}-log --max-log-files 1 \
             --max-archived-log-files 1 --no-upnp --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 \
             evm-arbitrum-one\nRestart=always\n#RestartSec=300\n"
        );
        command_line(&[text]).expect("it starts a program")
    }

    #[test]
    fn f05_a_directory_is_read_to_its_end() {
        for root_dir in ["/home/resident/.local/share/autonomi/node/antnode0001", "/srv/my nodes/a-b_c.d+e/antnode0001"]
        {
            let line = of_python(root_dir);
            assert_eq!(line.path("--root-dir"), Some(root_dir.into()));
            assert_eq!(line.program(), Some(format!("{root_dir}/antnode").into()));
            assert_eq!(line.log_dir(), Some(format!("{root_dir}-log").into()));
            assert_eq!(line.option("--metrics-server-port"), Some("13001"));
            assert_eq!(line.network().as_deref(), Some("evm-arbitrum-one"));
        }
    }

    #[test]
    fn the_last_word_counts_also_over_several_files_and_lines() {
        let unit = "[Service]\nExecStart=/a/antnode --root-dir /a\n[Install]\nExecStart=/no\n".to_owned();
        let drop_in =
            "[Service]\n# ExecStart=/no\nExecStart=\nExecStart=-/b/antnode \\\n  ; a comment\n  --root-dir /b\n"
                .to_owned();
        let line = command_line(&[unit, drop_in]).expect("it starts a program");
        assert_eq!((line.program(), line.path("--root-dir")), (Some("/b/antnode".into()), Some("/b".into())));
        assert_eq!(command_line(&["[Service]\nExecStart=\n".to_owned()]), None);
        assert_eq!(command_line(&[]), None);
    }

    proptest! {
        #[test]
        fn every_unit_that_wnm_writes_is_read_back(
            storage in "/[^\\x00/\"'\\\\\\p{Cc}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]{1,12}",
            log in "/[^\\x00/\\p{Cc}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]{1,12}",
            spec in prop::sample::select(render::tests::specs()),
        ) {
            let root_dir = PathBuf::from(&storage).join("antnode0007");
            let spec = NodeSpec { binary: root_dir.join("antnode"), root_dir, log_dir: log.into(), ..spec };
            let node = NodeRef::new(spec);
            if let Ok(text) = render::unit(&node, &std::path::Path::new("/srv").into(), Scope::System, 252) {
                let line = command_line(&[text]).expect("it starts a program");
                prop_assert_eq!(line.program(), Some(node.launch.program));
                prop_assert_eq!(&line.words()[1..], node.launch.arguments);
            }
        }

        #[test]
        fn whatever_a_unit_file_holds_it_is_read(text in "(\\[Service\\]|ExecStart=|\\\\|\"|'|%|/|--root-dir| |\n|\\PC){0,60}") {
            if let Some(line) = command_line(&[text]) {
                prop_assert!(!line.words().is_empty());
            }
        }
    }
}
