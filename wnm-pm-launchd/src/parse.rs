//! What `launchctl print` says about a job, read: only the fields of the job itself, since those of its parts have the same
//! names and are one level deeper.

/// A job that launchd knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Job {
    /// `running`, `not running`, `waiting`, `spawn scheduled`, `xpcproxy`.
    pub state: String,
    /// Its process.
    pub pid: Option<u32>,
    /// How often it was started.
    pub runs: u32,
    /// How it ended last.
    pub end: Option<String>,
}

/// A job in the words of `launchctl print DOMAIN/LABEL`.
pub(crate) fn job(text: &str) -> Job {
    let mut job = Job::default();
    let own = text.lines().filter_map(|line| line.strip_prefix('\t')).filter(|line| !line.starts_with(['\t', ' ']));
    for (name, value) in own.filter_map(|line| line.split_once(" = ")) {
        match name {
            "state" => job.state = value.to_owned(),
            "pid" => job.pid = value.parse().ok(),
            "runs" => job.runs = value.parse().unwrap_or_default(),
            // `(never exited)`, `7`, `78: EX_CONFIG`
            "last exit code" => {
                let code = value.split(':').next().unwrap_or_default();
                let ended = code.parse::<i32>().is_ok().then(|| format!("exit code {code}"));
                job.end = job.end.or(ended);
            }
            // `Killed: 9`; it takes the place of the exit code, or comes beside an older one.
            "last terminating signal" => {
                let number = value.rsplit(": ").next().unwrap_or(value);
                job.end = Some(format!("signal {number}"));
            }
            _ => {}
        }
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "gui/501/com.autonomi.antnode-7 = {\n\tactive count = 1\n\tpath = /Users/x/a.plist\n\
        \ttype = LaunchAgent\n\tstate = running\n\n\tprogram = /x/antnode\n\targuments = {\n\t\t/x/antnode\n\
        \t\tstate = broken\n\t\tpid = 1\n\t}\n\n\tdomain = gui/501 [100002]\n\tminimum runtime = 10\n\
        \texit timeout = 20\n\truns = 2\n\tpid = 16090\n\tlast exit code = (never exited)\n\n\
        \tresource coalition = {\n\t\tID = 1114\n\t\tstate = active\n\t}\n}\n";

    #[test]
    fn only_the_fields_of_the_job_itself_count() {
        let running = Job { state: "running".to_owned(), pid: Some(16090), runs: 2, end: None };
        assert_eq!(job(RUNNING), running);
    }

    #[test]
    fn an_end_is_an_exit_code_or_a_signal() {
        let end = |field: &str| job(&format!("x = {{\n\tstate = spawn scheduled\n\truns = 1\n\t{field}\n}}\n")).end;
        assert_eq!(end("last exit code = 7").as_deref(), Some("exit code 7"));
        assert_eq!(end("last exit code = 78: EX_CONFIG").as_deref(), Some("exit code 78"));
        assert_eq!(end("last terminating signal = Killed: 9").as_deref(), Some("signal 9"));
        assert_eq!(end("last exit code = (never exited)"), None);
        let both = "last exit code = 0\n\tlast terminating signal = Segmentation fault: 11";
        assert_eq!(end(both).as_deref(), Some("signal 11"));
    }
}
