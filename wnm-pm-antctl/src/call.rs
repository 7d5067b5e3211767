//! A call is one run of antctl: under our lock, with a time limit, and judged by what it did, not by what it claims.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::ready;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::FdFlags;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, one_line};
use wnm_pm::hint::Hint;
use wnm_pm::node_files;
use wnm_pm::patience::poll;
use wnm_pm::process_manager::ManagerError;

use crate::parse::{self, Registry};
use crate::places::Places;

/// How long another wnm's calls are waited for: starting a hundred nodes takes antctl six minutes.
const PATIENCE: Duration = Duration::from_mins(15);

/// Runs antctl.
#[derive(Clone)]
pub(crate) struct Caller {
    pub runner: Arc<dyn CommandRunner>,
    pub antctl: PathBuf,
    pub debug: bool,
    pub backtrace: Option<String>,
    pub places: Places,
}

impl Caller {
    /// Takes the lock that keeps two calls apart, whoever makes them through wnm. The kernel releases it when the process
    /// has ended, however it ended, and so has the antctl that it ran: a wnm that is killed leaves one behind that still
    /// writes the registry.
    ///
    /// # Errors
    /// When the lock file cannot be made, or another wnm holds it for fifteen minutes.
    pub(crate) async fn lock(&self) -> Result<File, ManagerError> {
        let path = self.places.lock();
        if let Some(lock) = self.lock_within(Duration::ZERO).await? {
            return Ok(lock);
        }
        tracing::warn!("waiting for {}, which has locked {}", self.holder(), path.display());
        if let Some(lock) = self.lock_within(PATIENCE).await? {
            return Ok(lock);
        }
        let minutes = PATIENCE.as_secs() / 60;
        let holder = self.holder();
        let what = format!("{holder} has kept {} locked for {minutes} minutes", path.display());
        let hint = Hint::shell("ps -ef | grep antctl").to("find it, and end an antctl that hangs");
        Err(ManagerError::advised(what, hint))
    }

    /// The lock, unless it is held by another for all of this time.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub(crate) async fn lock_within(&self, patience: Duration) -> Result<Option<File>, ManagerError> {
        let path = self.places.lock();
        let failed = |source| ManagerError::io("lock", &path, source);
        node_files::make_open(&self.places.base, 0o755).map_err(failed)?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        let attempt = || match file.try_lock() {
            Err(TryLockError::WouldBlock) => ready(None),
            locked => ready(Some(locked)),
        };
        match poll(patience, Duration::from_millis(50), attempt).await {
            Some(Ok(())) => {
                // All programs that are run under the lock inherit it. None of them stays: nodes are systemd's children.
                rustix::io::fcntl_setfd(&file, FdFlags::empty()).map_err(|error| failed(error.into()))?;
                // For whoever waits; without it they are told less.
                let _ = file.set_len(0).and_then(|()| write!(&file, "{}", std::process::id()));
                Ok(Some(file))
            }
            Some(Err(error)) => Err(failed(error.into())),
            None => Ok(None),
        }
    }

    /// Who has the lock: the wnm that wrote itself down there, or what it left.
    pub(crate) fn holder(&self) -> String {
        let pid: Option<u32> = fs::read_to_string(self.places.lock()).ok().and_then(|text| text.trim().parse().ok());
        let Some(pid) = pid else { return "another wnm".to_owned() };
        match fs::read(format!("/proc/{pid}/cmdline")) {
            Ok(line) if !line.is_empty() => {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
                format!("another wnm (process {pid}: {})", one_line(&line))
            }
            _ => format!("an antctl that a killed wnm (process {pid}) left"),
        }
    }

    /// Runs antctl with a refresh that talks to no node: the usual one hangs for ever when one node of all does not
    /// answer. It also says nothing, so `quiet` is for what `status --json` and systemd report better.
    pub(crate) async fn quiet(&self, arguments: Vec<OsString>, seconds: u64) -> Result<Output, CommandError> {
        self.run(std::iter::once("-v".into()).chain(arguments).collect(), seconds).await
    }

    /// Runs antctl to its end, whatever its exit code.
    pub(crate) async fn run(&self, arguments: Vec<OsString>, seconds: u64) -> Result<Output, CommandError> {
        let mut command = Command::new(&self.antctl).timeout(Duration::from_secs(seconds));
        if self.debug {
            command = command.arg("--debug");
        }
        command = command.args(arguments);
        if let Some(depth) = &self.backtrace {
            command = command.env("RUST_BACKTRACE", depth);
        }
        // antctl makes its user by a program of root's, which cron does not look for.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        command = self.places.lead(command.env("PATH", path));
        let output = self.runner.run(&command).await;
        if let Ok(output) = &output {
            let complaint = parse::complaint(output);
            tracing::debug!(command = command.display(), code = output.code, complaint, "antctl ended");
        }
        output
    }

    /// antctl's registry, with what it found alive just now.
    ///
    /// # Errors
    /// When antctl cannot read it, cannot be run, or says nothing about a registry that is not empty.
    pub(crate) async fn registry(&self) -> Result<Registry, ManagerError> {
        for _ in 0..4 {
            let output = self.run(vec!["status".into(), "--json".into()], 300).await?;
            if !output.success() {
                return Err(self.refused(&output));
            }
            match parse::registry(&output.stdout) {
                Ok(Some(registry)) => return Ok(registry),
                // It wrote nothing: it found nothing, or read while another antctl was writing.
                Ok(None) if self.is_empty() => return Ok(Registry::default()),
                Ok(None) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(self.unreadable(&explain(&error))),
            }
        }
        let registry = self.places.registry();
        match fs::metadata(&registry) {
            // Any call of root's antctl makes an empty file.
            Ok(data) if data.len() == 0 => Ok(Registry::default()),
            _ => Err(self.unreadable(&format!("antctl says nothing, though {} is not empty", registry.display()))),
        }
    }

    /// antctl ended without its nodes: it may not know the question, or may not do to its registry what it always does.
    fn refused(&self, output: &Output) -> ManagerError {
        let said = parse::complaint(output);
        let registry = self.places.registry();
        if output.code == Some(2) {
            let what = format!("{} does not know `antctl status --json`: {said}", self.antctl.display());
            return ManagerError::advised(what, Hint::text("install antctl 0.14.2, or set antctl_path to it"));
        }
        let is_denied = |said: &str| said.contains("Operation not permitted") || said.contains("Permission denied");
        if is_denied(&said) || said.contains("Read-only file system") {
            let what = format!("antctl cannot write {}: {said}", registry.display());
            return ManagerError::advised(what, Hint::text("let antctl write it (see `lsattr` and `ls -l`)"));
        }
        match fs::read_to_string(&registry).ok().as_deref().and_then(parse::schema) {
            Some(schema) if schema != parse::SCHEMA => {
                let (path, known) = (registry.display(), parse::SCHEMA);
                let what = format!(
                    "antctl cannot read {path}: its schema is {schema}, and that of antctl 0.14 is {known} ({said})"
                );
                ManagerError::advised(
                    what,
                    Hint::text("set antctl_path to the antctl that wrote it, or restore it from a backup"),
                )
            }
            _ => self.unreadable(&said),
        }
    }

    fn unreadable(&self, reason: &str) -> ManagerError {
        ManagerError::advised(
            format!("antctl does not report its nodes: {reason}"),
            Hint::text(self.restore_registry()),
        )
    }

    /// What to do when the registry is damaged. Nothing else brings the nodes back with their keys.
    pub(crate) fn restore_registry(&self) -> String {
        format!("repair {} or restore it from a backup; the nodes run on meanwhile", self.places.registry().display())
    }

    /// Whether antctl's registry holds no node, found out without antctl.
    fn is_empty(&self) -> bool {
        match fs::read_to_string(self.places.registry()) {
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            Ok(text) => parse::holds_no_node(&text),
        }
    }
}

/// What is wrong with the registry's text: damage, or another form than that of the antctl that wnm knows.
fn explain(error: &serde_json::Error) -> String {
    match error.is_data() {
        true => format!("its registry is of another version of antctl than 0.14: {error}"),
        false => format!("its registry is damaged: {error}"),
    }
}

/// `--service-name` before each name.
pub(crate) fn named<'a>(verb: &[&str], services: impl IntoIterator<Item = &'a String>) -> Vec<OsString> {
    let names = services.into_iter().flat_map(|service| ["--service-name", service]);
    verb.iter().copied().chain(names).map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use wnm_pm::command::SystemRunner;

    use super::*;

    const HOLDER: &str = "WNM_TEST_LOCK_HOLDER";

    /// Runs a stand-in for antctl that reports that it began, and lives until it is told to end.
    fn caller(world: &Path) -> Caller {
        let base = world.to_owned();
        let places = Places {
            system: false,
            nodes: base.clone(),
            units: base.clone(),
            base,
            has_session: false,
            environment: vec![],
        };
        Caller { runner: Arc::new(SystemRunner), antctl: world.join("antctl"), debug: false, backtrace: None, places }
    }

    async fn wait(until: impl Fn() -> bool) {
        let happened = poll(Duration::from_secs(30), Duration::from_millis(10), || ready(until().then_some(())));
        happened.await.expect("it happens within 30 s");
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a program that is killed in the middle is not run to its end")]
    async fn the_lock_of_a_killed_wnm_is_held_while_its_antctl_lives() {
        if let Some(world) = std::env::var_os(HOLDER) {
            let caller = caller(world.as_ref());
            let _lock = caller.lock().await.expect("nobody else has it");
            let _ = caller.run(vec!["add".into()], 60).await;
            return;
        }
        let world = tempfile::tempdir().expect("a temporary directory");
        let (began, end) = (world.path().join("began"), world.path().join("end"));
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n: >began\nfor _ in $(seq 600); do [ -e end ] && exit; sleep 0.05; done\n";
        fs::write(world.path().join("antctl"), script).expect("it is written");
        fs::set_permissions(world.path().join("antctl"), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let test = std::env::current_exe().expect("a test knows its own program");
        let mut holder = std::process::Command::new(test);
        holder.args(["--exact", "call::tests::the_lock_of_a_killed_wnm_is_held_while_its_antctl_lives"]);
        let mut holder = holder.env(HOLDER, world.path()).spawn().expect("it can be run");
        wait(|| began.exists()).await;
        let named = caller(world.path()).holder();
        assert!(named.contains(&format!("(process {}: ", holder.id())) && named.contains("--exact"), "{named}");
        holder.kill().expect("it lives");
        holder.wait().expect("it was killed");

        let holder = caller(world.path()).holder();
        assert!(holder.starts_with("an antctl that a killed wnm (process "), "{holder}");
        let file = File::open(caller(world.path()).places.lock()).expect("it was made");
        assert!(matches!(file.try_lock(), Err(TryLockError::WouldBlock)), "its antctl still writes");
        fs::write(end, "").expect("it is written");
        wait(|| file.try_lock().is_ok()).await;
    }
}
