//! Parsing reads what systemd answers, and the unit files that wnm and others wrote. Pure.

use std::collections::HashMap;
use std::path::PathBuf;

use wnm_pm::unit_file;

/// What is asked about a unit.
pub(crate) const PROPERTIES: &str = "--property=Id,LoadState,LoadError,ActiveState,SubState,Result,ExecMainCode,\
                                     ExecMainStatus,ExecMainPID,MainPID,UnitFileState,FragmentPath,DropInPaths,\
                                     NeedDaemonReload";

/// What systemd knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unit {
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub(crate) load: String,
    /// Why it is not loaded.
    pub(crate) load_error: String,
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`.
    pub(crate) active: String,
    /// More exactly: `running`, `auto-restart`.
    pub(crate) sub: String,
    /// How it ended last: `success`, `exit-code`, `signal`, `start-limit-hit`.
    result: String,
    /// 1: its process exited, 2: a signal killed it, 3: that and it left a core.
    code: u32,
    /// Exit code or signal.
    status: u32,
    /// Its last process, living or not; 0 for none.
    pub(crate) last_pid: u32,
    /// Its process; 0 for none.
    pub(crate) main_pid: u32,
    /// `enabled` when it comes back with the machine.
    pub(crate) file_state: String,
    /// Its files: the unit file, then its drop-ins.
    pub(crate) files: Vec<PathBuf>,
    /// Whether its files have changed since systemd read them.
    pub(crate) is_outdated: bool,
}

impl Unit {
    /// Whether it has a process, and is not between two of them.
    pub(crate) fn runs(&self) -> bool {
        self.main_pid != 0 && matches!(self.active.as_str(), "active" | "activating" | "deactivating" | "reloading")
    }

    /// Whether systemd will start it again by itself.
    pub(crate) fn waits(&self) -> bool {
        self.active == "activating" && self.sub.starts_with("auto-restart")
    }

    /// Whether systemd has anything to stop.
    pub(crate) fn is_up(&self) -> bool {
        !matches!(self.active.as_str(), "" | "inactive" | "failed")
    }

    /// How it ended, when that was not by somebody's wish.
    pub(crate) fn end(&self) -> Option<String> {
        let by_process = || match (self.code, self.status) {
            (1, 200) => "exit code 200: systemd could not enter its directory".to_owned(),
            (1, 203) => "exit code 203: systemd could not run its program".to_owned(),
            (1, 217) => "exit code 217: systemd does not know its user".to_owned(),
            (1, 226) => "exit code 226: systemd could not set up its sandbox".to_owned(),
            (1, code) => format!("exit code {code}"),
            (_, signal) => format!("signal {signal}"),
        };
        match self.result.as_str() {
            "" | "success" => None,
            "exit-code" | "signal" | "core-dump" => Some(by_process()),
            "oom-kill" => Some("the kernel killed it for want of memory".to_owned()),
            "timeout" => Some("it did not end in time and was killed".to_owned()),
            "start-limit-hit" => Some("it ended too often, so systemd gave up".to_owned()),
            "resources" => Some("systemd could not set it up".to_owned()),
            other => Some(other.to_owned()),
        }
    }
}

/// `systemctl show` of several units: a paragraph each.
pub(crate) fn units(text: &str) -> HashMap<String, Unit> {
    text.split("\n\n").filter_map(unit).collect()
}

fn unit(paragraph: &str) -> Option<(String, Unit)> {
    let properties: HashMap<&str, &str> = paragraph.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| properties.get(name).copied().unwrap_or_default();
    let number = |name: &str| value(name).parse().unwrap_or_default();
    let fragment = Some(value("FragmentPath")).filter(|path| !path.is_empty());
    let files = fragment.into_iter().chain(value("DropInPaths").split_whitespace());
    let id = Some(value("Id")).filter(|id| !id.is_empty())?;
    let unit = Unit {
        load: value("LoadState").to_owned(),
        // `org.freedesktop.systemd1.BadUnitSetting "Unit … has a bad unit file setting."`
        load_error: value("LoadError").split_once(' ').map_or("", |(_, said)| said).trim_matches('"').to_owned(),
        active: value("ActiveState").to_owned(),
        sub: value("SubState").to_owned(),
        result: value("Result").to_owned(),
        code: number("ExecMainCode"),
        status: number("ExecMainStatus"),
        last_pid: number("ExecMainPID"),
        main_pid: number("MainPID"),
        file_state: value("UnitFileState").to_owned(),
        files: files.map(PathBuf::from).collect(),
        is_outdated: value("NeedDaemonReload") == "yes",
    };
    Some((id.to_owned(), unit))
}

/// The first words of `list-units` and `list-unit-files`: names of units.
pub(crate) fn names(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// 252 of `systemd 252 (252.38-1~deb12u1)`.
pub(crate) fn version(text: &str) -> Option<u32> {
    let number = text.strip_prefix("systemd ")?.split(|each: char| !each.is_ascii_digit()).next()?;
    number.parse().ok()
}

/// User and group of `ant:x:998:998:…`, as `getent passwd` tells them.
pub(crate) fn owner(text: &str) -> Option<(u32, u32)> {
    let mut fields = text.lines().next()?.split(':');
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// A program and its arguments, as a unit's files tell them: the last `ExecStart=` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine(Vec<String>);

impl CommandLine {
    /// Reads unit files in their order: the unit file, then its drop-ins. None when they start no program.
    pub(crate) fn of_files(texts: &[String]) -> Option<Self> {
        let lines = texts.iter().flat_map(|text| service_lines(text));
        let mut values = lines.filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == "ExecStart").then(|| value.trim().to_owned())
        });
        let last = values.next_back()?;
        let mut words = unit_file::split(&last);
        let program = words.first_mut()?;
        *program = program.trim_start_matches(['-', '@', ':', '+', '!']).to_owned();
        Some(Self(words))
    }

    /// The program. Python's wnm wrote paths without quotes, so blanks may have taken one apart.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        absolute(&joined(self.0.iter()))
    }

    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let follows = self.0.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
        follows.or_else(|| self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')))
    }

    /// The path that is the value of an option: all words up to the next option.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        match self.0.iter().position(|word| word == name) {
            Some(index) => absolute(&joined(self.0[index + 1..].iter())),
            None => absolute(self.option(name)?),
        }
    }

    /// The last word: for v1 the payment network.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

fn joined<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let value: Vec<&str> = words.map(String::as_str).take_while(|word| !word.starts_with("--")).collect();
    value.join(" ")
}

/// A path that leads to one place only, wherever it is read.
fn absolute(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    let straight = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    (path.is_absolute() && straight).then_some(path)
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
    use proptest::prelude::*;

    use super::*;
    use crate::paths::Scope;
    use crate::render;

    #[test]
    fn each_paragraph_is_a_unit() {
        let text = include_str!("../tests/data/show.txt");
        let units = units(text);
        let mut names: Vec<&String> = units.keys().collect();
        names.sort();
        assert_eq!(names, ["antnode0001.service", "antnode0002.service", "antnode0003.service", "antnode0009.service"]);
        let living = &units["antnode0001.service"];
        assert!(living.runs() && living.is_up() && !living.waits() && living.end().is_none(), "{living:?}");
        assert_eq!(
            living.files,
            ["/etc/systemd/system/antnode0001.service", "/etc/systemd/system/antnode0001.service.d/override.conf"]
                .map(PathBuf::from)
        );
        let waiting = &units["antnode0002.service"];
        assert!(waiting.waits() && waiting.is_up() && !waiting.runs(), "{waiting:?}");
        assert_eq!(waiting.end().as_deref(), Some("signal 9"));
        let failed = &units["antnode0003.service"];
        assert!(!failed.is_up(), "{failed:?}");
        assert_eq!(failed.end().as_deref(), Some("it ended too often, so systemd gave up"));
        let missing = &units["antnode0009.service"];
        assert_eq!(
            (missing.load.as_str(), missing.load_error.as_str()),
            ("not-found", "Unit antnode0009.service not found.")
        );
        assert!(!missing.is_up() && missing.files.is_empty(), "{missing:?}");
    }

    #[test]
    fn versions_names_and_users_are_read() {
        assert_eq!(version("systemd 252 (252.38-1~deb12u1)\n+PAM\n"), Some(252));
        assert_eq!(version("systemd 257.4-1-arch\n"), Some(257));
        assert_eq!(version("busybox"), None);
        assert_eq!(
            names("antnode0001.service enabled enabled\nantnode0002.service static  -\n\n"),
            ["antnode0001.service", "antnode0002.service"]
        );
        assert_eq!(owner("ant:x:996:997:Autonomi nodes:/nonexistent:/usr/sbin/nologin\n"), Some((996, 997)));
        assert_eq!(owner(""), None);
    }

    /// As the Python wnm wrote it.
    fn of_python(root_dir: &str) -> CommandLine {
        let text = format!(
            "[Unit]\nDescription=antnode0001\n[Service]\n\nUser=ant\nExecStart={root_dir}/antnode --bootstrap-cache-dir \
             /home/resident/.local/share/autonomi/bootstrap-cache --root-dir {root_dir} --port 55001 \
             --enable-metrics-server --metrics-server-port 13001 --log-output-dest {root_dir}-log --max-log-files 1 \
             --max-archived-log-files 1 --no-upnp --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 \
             evm-arbitrum-one\nRestart=always\n#RestartSec=300\n"
        );
        CommandLine::of_files(&[text]).expect("it starts a program")
    }

    #[test]
    fn f05_a_directory_is_read_to_its_end() {
        for root_dir in ["/home/resident/.local/share/autonomi/node/antnode0001", "/srv/my nodes/a-b_c.d+e/antnode0001"]
        {
            let line = of_python(root_dir);
            assert_eq!(line.path("--root-dir"), Some(root_dir.into()));
            assert_eq!(line.program(), Some(format!("{root_dir}/antnode").into()));
            assert_eq!(line.path("--log-output-dest"), Some(format!("{root_dir}-log").into()));
            assert_eq!(line.option("--metrics-server-port"), Some("13001"));
            assert_eq!(line.last(), "evm-arbitrum-one");
        }
    }

    #[test]
    fn a_directory_that_could_be_anywhere_is_none() {
        for root_dir in ["antnode0001", "/srv/../home", "%h/antnode0001"] {
            assert_eq!(of_python(root_dir).path("--root-dir"), None, "{root_dir}");
        }
    }

    #[test]
    fn the_last_word_counts_also_over_several_files_and_lines() {
        let unit = "[Service]\nExecStart=/a/antnode --root-dir /a\n[Install]\nExecStart=/no\n".to_owned();
        let drop_in =
            "[Service]\n# ExecStart=/no\nExecStart=\nExecStart=-/b/antnode \\\n  ; a comment\n  --root-dir /b\n"
                .to_owned();
        let line = CommandLine::of_files(&[unit, drop_in]).expect("it starts a program");
        assert_eq!((line.program(), line.path("--root-dir")), (Some("/b/antnode".into()), Some("/b".into())));
        assert_eq!(CommandLine::of_files(&["[Service]\nExecStart=\n".to_owned()]), None);
        assert_eq!(CommandLine::of_files(&[]), None);
    }

    proptest! {
        #[test]
        fn every_unit_that_wnm_writes_is_read_back(storage in "/[^\\x00/\"'\\\\\\p{Cc}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]{1,12}", log in "/[^\\x00/\\p{Cc}\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]{1,12}") {
            prop_assume!(!storage.ends_with("/.."));
            prop_assume!(!log.ends_with("/.."));
            let mut spec = render::tests::spec();
            spec.root_dir = PathBuf::from(&storage).join("antnode0007");
            spec.binary = spec.root_dir.join("antnode");
            spec.log_dir = log.clone().into();
            if let Ok(text) = render::unit(&spec, Scope::System, 252) {
                let line = CommandLine::of_files(&[text]).expect("it starts a program");
                prop_assert_eq!(line.program(), Some(spec.binary));
                prop_assert_eq!(line.path("--root-dir"), Some(spec.root_dir));
                prop_assert_eq!(line.path("--log-output-dest"), Some(spec.log_dir));
                prop_assert_eq!(line.option("--port"), Some("55007"));
            }
        }

        #[test]
        fn whatever_a_unit_file_holds_it_is_read(text in "(\\[Service\\]|ExecStart=|\\\\|\"|'|%|/|--root-dir| |\n|\\PC){0,60}") {
            if let Some(line) = CommandLine::of_files(&[text]) {
                prop_assert!(line.path("--root-dir").is_none_or(|path| path.is_absolute()));
            }
        }
    }
}
