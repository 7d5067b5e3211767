//! Parsing reads what systemd answers. Pure.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::mark::Foreign;

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
    /// Its unit file.
    pub(crate) fragment: Option<PathBuf>,
    /// Its files: the unit file, then its drop-ins.
    pub(crate) files: Vec<PathBuf>,
    /// Whether its files have changed since systemd read them.
    pub(crate) is_outdated: bool,
    /// Whose it is, where it is somebody else's. Nothing else is said of such a unit: nothing in it is the node's.
    pub(crate) foreign: Option<Foreign>,
}

impl Unit {
    /// Of a unit that is somebody else's nothing more is told.
    pub(crate) fn of_somebody_else(foreign: Foreign) -> Self {
        Self { foreign: Some(foreign), ..Self::default() }
    }

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

    /// How it ended, when nobody asked it to.
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
            "timeout" => Some("it did not stop in time and was killed".to_owned()),
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
    let fragment = Some(value("FragmentPath")).filter(|path| !path.is_empty()).map(PathBuf::from);
    let drop_ins = value("DropInPaths").split_whitespace().map(PathBuf::from);
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
        files: fragment.clone().into_iter().chain(drop_ins).collect(),
        fragment,
        is_outdated: value("NeedDaemonReload") == "yes",
        foreign: None,
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn versions_and_names_are_read() {
        assert_eq!(version("systemd 252 (252.38-1~deb12u1)\n+PAM\n"), Some(252));
        assert_eq!(version("systemd 257.4-1-arch\n"), Some(257));
        assert_eq!(version("busybox"), None);
        assert_eq!(
            names("antnode0001.service enabled enabled\nantnode0002.service static  -\n\n"),
            ["antnode0001.service", "antnode0002.service"]
        );
    }
}
