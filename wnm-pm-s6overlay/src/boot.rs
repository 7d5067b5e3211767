//! A container has booted when its main program runs, and sees the storage when it reads the seal that the machine reads.

use std::time::{Duration, Instant};

use wnm_pm::container_host::{Group, GroupState};
use wnm_pm::process_manager::ManagerError;

use crate::engine::EngineError;
use crate::render::STORAGE;
use crate::{MANAGER, S6Overlay, storage};

/// How long a container may take until its main program runs, which it does when all else is up: hundreds of nodes are
/// loaded before.
const BOOT: Duration = Duration::from_secs(120);
/// How long the engine may take until programs can be run in a container that was started. One that ends again and again
/// never gets there.
const START: Duration = Duration::from_secs(20);
/// Prints the seal, once the main program runs.
const LOOK: &str = "pgrep -x -f 'sleep infinity' >/dev/null || exit 3; cat -- \"$1\"";
/// How [`LOOK`] ends while the container boots.
const UNDERWAY: i32 = 3;

/// How far a container has come.
enum Boot {
    Underway,
    Done { seal: Option<String> },
}

impl S6Overlay {
    /// Waits until a container has booted, and sees to it that it has the machine's storage before it: one that was
    /// started while the disk was not mounted has what lay beneath, and has to be started again.
    pub(crate) async fn see_to_storage(&self, name: &str, seal: &str) -> Result<(), ManagerError> {
        if self.boot_of(name).await?.as_deref() == Some(seal) {
            return Ok(());
        }
        tracing::info!(container = name, "does not see the storage and is started again");
        let containers = self.engine.containers(&self.machine).await?;
        if let Some(container) = containers.iter().find(|container| container.name == name) {
            self.engine.end(container).await?;
            self.engine.begin(name).await?;
        }
        if self.boot_of(name).await?.as_deref() == Some(seal) {
            return Ok(());
        }
        Err(ManagerError::Unavailable {
            manager: MANAGER.to_owned(),
            reason: format!("the container {name} does not see node_storage {}", self.settings.node_storage.display()),
            hint: "the engine has to run on the machine whose nodes it runs: does DOCKER_HOST name another one?"
                .to_owned(),
        })
    }

    /// The seal of the storage as a container sees it when it has booted.
    async fn boot_of(&self, name: &str) -> Result<Option<String>, ManagerError> {
        let begun = Instant::now();
        loop {
            let (said, patience) = match self.seal_in(name).await {
                Ok(Boot::Done { seal }) => return Ok(seal),
                Ok(Boot::Underway) => ("its main program has not started".to_owned(), BOOT),
                Err(error @ EngineError::Unreachable { .. }) => return Err(error.into()),
                Err(error) => (error.to_string(), START),
            };
            if begun.elapsed() >= patience {
                let (seconds, words) = (patience.as_secs(), self.engine.last_words(name).await);
                let text =
                    format!("the container {name} is not ready after {seconds} s: {said}\nit last said: {words}");
                return Err(ManagerError::Failed(text));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn seal_in(&self, name: &str) -> Result<Boot, EngineError> {
        let argv = ["sh", "-c", LOOK, "wnm", &format!("{STORAGE}/{}", storage::SEAL)].map(str::to_owned);
        let output = self.engine.exec(name, &argv, &[], START).await?;
        Ok(match output.code {
            Some(UNDERWAY) => Boot::Underway,
            code => Boot::Done { seal: (code == Some(0)).then_some(output.stdout) },
        })
    }

    /// Whether a group that runs has booted and sees this seal; of one that does not run nothing can be said. Where the
    /// machine itself sees none, its disk may be away, from itself or from both: then nobody sees the storage.
    pub(crate) async fn sees_storage(&self, group: &Group, seal: Option<&str>) -> bool {
        if group.state != GroupState::Running {
            return true;
        }
        let Some(seal) = seal else { return false };
        matches!(self.seal_in(&group.container_name).await, Ok(Boot::Done { seal: Some(seen) }) if seen == seal)
    }
}
