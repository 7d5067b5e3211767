//! A container has booted when its main program runs, and sees the storage when it reads the same storage id as the machine.

use std::time::Duration;

use tokio::time::Instant;
use wnm_pm::container_host::{Group, GroupState};
use wnm_pm::hint::Hint;
use wnm_pm::path_policy::STORAGE_MARKER;
use wnm_pm::process_manager::ManagerError;

use super::Groups;
use crate::container::error::EngineError;
use crate::container::layout::{self, STORAGE};
use crate::node::keeper;
use crate::settings::MANAGER;
use crate::storage;

/// How long a container may take until its main program runs, which comes last: hundreds of nodes are loaded before.
const BOOT: Duration = Duration::from_secs(120);
/// How long the engine may take until programs can be run in a container that was started. One that exits again and again
/// never gets that far.
const START: Duration = Duration::from_secs(20);
/// Prints the storage's id, once the main program runs and the marks of all further disks are seen.
const PROBE: &str = "pgrep -x -f 'sleep infinity' >/dev/null || exit 3
id=$1; shift; for mark; do [ -f \"$mark\" ] || exit 4; done; cat -- \"$id\"";
/// The exit code of [`PROBE`] while the container boots.
const UNDERWAY: i32 = 3;

/// How far a container has come.
enum Boot {
    Underway,
    Done { id: Option<String> },
}

impl Groups<'_> {
    /// Waits until a container has booted, and makes sure that it sees the machine's storage: one that was started while
    /// the disk was not mounted sees what is beneath, and has to be started again.
    pub(super) async fn await_storage(&self, name: &str, id: &str) -> Result<(), ManagerError> {
        if self.await_boot(name).await?.as_deref() == Some(id) {
            return Ok(());
        }
        tracing::info!(container = name, "does not see the storage and is started again");
        let containers = self.0.engine.containers(&self.0.machine).await?;
        if let Some(container) = containers.iter().find(|container| container.name == name) {
            self.0.engine.end(container).await?;
            self.0.engine.start(name).await?;
        }
        if self.await_boot(name).await?.as_deref() == Some(id) {
            return Ok(());
        }
        let storage = self.0.settings.node_storage.display();
        let reason = format!("the container {name} does not see node_storage {storage}");
        let hint = "use an engine that runs on this machine: does DOCKER_HOST name another machine's?";
        Err(ManagerError::unavailable(MANAGER, reason, Hint::text(hint)))
    }

    /// The storage's id as a container sees it once it has booted.
    async fn await_boot(&self, name: &str) -> Result<Option<String>, ManagerError> {
        let began = Instant::now();
        loop {
            let (said, patience) = match self.probe(name).await {
                Ok(Boot::Done { id }) => return Ok(id),
                Ok(Boot::Underway) => ("its main program has not started".to_owned(), BOOT),
                Err(error @ EngineError::Unreachable { .. }) => return Err(error.into()),
                Err(error) => (error.to_string(), START),
            };
            if began.elapsed() >= patience {
                let (seconds, words) = (patience.as_secs(), self.0.engine.last_words(name).await);
                let text =
                    format!("the container {name} is not ready after {seconds} s: {said}; its last output: {words}");
                return Err(ManagerError::Failed(text));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn probe(&self, name: &str) -> Result<Boot, EngineError> {
        let id = format!("{STORAGE}/{}", storage::ID_FILE);
        let fixed = ["sh", "-c", PROBE, "wnm", &id].map(str::to_owned).into_iter();
        let argv: Vec<String> = fixed.chain(self.marks_of_disks()).collect();
        let output = self.0.engine.exec(name, &argv, &[], START).await?;
        Ok(match output.code {
            Some(UNDERWAY) => Boot::Underway,
            code => Boot::Done { id: (code == Some(0)).then_some(output.stdout) },
        })
    }

    /// The marks of further disks, as containers have to see them. A disk that is away for the machine itself is nobody's
    /// to see.
    fn marks_of_disks(&self) -> impl Iterator<Item = String> {
        let settings = &self.0.settings;
        let marks = settings.more_storages.iter().map(|disk| disk.join(STORAGE_MARKER)).filter(|mark| mark.is_file());
        marks.filter_map(|mark| Some(layout::inside(settings, &mark)?.to_string_lossy().into_owned()))
    }

    /// Whether a group that runs has booted and sees this storage id; of one that does not run nothing can be said. Where
    /// the machine itself sees none, the disk may be missing for the machine or for both: then nobody sees the storage.
    pub(super) async fn sees_storage(&self, group: &Group, id: Option<&str>) -> bool {
        if group.state != GroupState::Running {
            return true;
        }
        let Some(id) = id else { return false };
        // A keeper knows nothing of further disks.
        if self.0.settings.more_storages.is_empty()
            && keeper::storage_id(&self.0.settings.node_storage, &group.spec.name).await.as_deref() == Some(id)
        {
            return true;
        }
        matches!(self.probe(&group.container_name).await, Ok(Boot::Done { id: Some(seen) }) if seen == id)
    }
}
