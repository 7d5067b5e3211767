//! A container is what the engine makes of a group's specification: found by its labels, started, ended in order.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum, ContainerUpdateBody, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder, WaitContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt};
use wnm_pm::command::one_line;
use wnm_pm::container_host::GroupState;

use super::engine::Engine;
use super::error::{Doing, EngineError};
use super::labels;
use super::spec::{CONTAINER_GRACE_SECONDS, policy};
use crate::settings::MachineId;

/// Sends SIGHUP to the main program (`sleep infinity`): s6 then takes all nodes down and the container ends. Process 1
/// itself does not listen to this signal.
const HANG_UP: [&str; 5] = ["pkill", "-HUP", "-x", "-f", "sleep infinity"];
/// What a container that did not end within its grace gets once more, from the engine, before it is killed. One whose main
/// program could not be sent the signal has had no grace yet.
const LAST_GRACE_SECONDS: u64 = 10;

/// How long the engine may take to remove hundreds of ports that it published itself.
const REMOVAL: Duration = Duration::from_mins(10);

/// A container of this machine's, as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// Its state.
    pub state: GroupState,
    /// The id of the image it was made of.
    pub image_id: String,
    /// The ids of the networks it is on, by name.
    pub networks: HashMap<String, String>,
    /// What the engine says about its state: `Exited (137) 5 minutes ago`.
    pub said: String,
}

/// The container of a group, by its label: people rename containers.
#[must_use]
pub fn of_group(containers: &[Container], group: u32) -> Option<&Container> {
    containers.iter().find(|container| labels::group(&container.labels) == Some(group))
}

impl Container {
    fn read(summary: ContainerSummary) -> Option<Self> {
        let names = summary.names.unwrap_or_default();
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Some(Self {
            id: summary.id?,
            // Others can know it by names of their own, which have two slashes.
            name: names.iter().find(|name| name.matches('/').count() < 2)?.trim_start_matches('/').to_owned(),
            labels: summary.labels.unwrap_or_default(),
            state: state(summary.state),
            image_id: summary.image_id.unwrap_or_default(),
            networks: networks
                .into_iter()
                .map(|(name, endpoint)| (name, endpoint.network_id.unwrap_or_default()))
                .collect(),
            said: summary.status.unwrap_or_default(),
        })
    }
}

fn state(state: Option<ContainerSummaryStateEnum>) -> GroupState {
    use ContainerSummaryStateEnum as S;
    match state {
        Some(S::RUNNING) => GroupState::Running,
        Some(S::PAUSED) => GroupState::Paused,
        Some(S::RESTARTING) => GroupState::Restarting,
        Some(S::REMOVING) => GroupState::Gone,
        Some(S::CREATED | S::EXITED | S::DEAD | S::STOPPING | S::EMPTY) | None => GroupState::Stopped,
    }
}

impl Engine {
    /// The containers of this machine's groups, running or not; where several are labelled as the same group, the one that
    /// has its name or runs comes first. What is not labelled that way is not seen at all.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn containers(&self, machine: &MachineId) -> Result<Vec<Container>, EngineError> {
        let labels = vec![format!("{}={machine}", labels::MACHINE), format!("{}=group", labels::ROLE)];
        let options =
            ListContainersOptionsBuilder::new().all(true).filters(&HashMap::from([("label", labels)])).build();
        let listed = self.docker().await?.list_containers(Some(options)).await;
        let listed = listed.doing(|| "list the containers".to_owned())?;
        let mut containers: Vec<Container> = listed.into_iter().filter_map(Container::read).collect();
        containers.sort_by_cached_key(|container| {
            let name = container.labels.get(labels::NAME).map(|name| machine.container_name(name));
            (name.as_ref() != Some(&container.name), container.state != GroupState::Running, container.id.clone())
        });
        Ok(containers)
    }

    /// The containers of other machines' groups on this engine: of another database, with a storage of its own.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn containers_of_others(&self, machine: &MachineId) -> Result<Vec<Container>, EngineError> {
        let filters = HashMap::from([("label", vec![format!("{}=group", labels::ROLE)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.docker().await?.list_containers(Some(options)).await;
        let listed = listed.doing(|| "list the containers".to_owned())?.into_iter().filter_map(Container::read);
        Ok(listed.filter(|other| other.labels.get(labels::MACHINE).is_none_or(|id| id != machine.as_str())).collect())
    }

    /// Makes a container; it does not run yet. Its id.
    ///
    /// # Errors
    /// A conflict when its name is taken.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = self.docker().await?.create_container(Some(options), body).await;
        Ok(made.doing(|| format!("make the container {name}"))?.id)
    }

    /// Starts a container that does not run, and has the engine restart it from now on.
    ///
    /// # Errors
    /// What the engine says, such as a port that is in use.
    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        self.set_restart_policy(docker, container, RestartPolicyNameEnum::UNLESS_STOPPED).await?;
        self.start_once(container).await
    }

    /// Starts a container as it is.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn start_once(&self, container: &str) -> Result<(), EngineError> {
        let started = self.docker().await?.start_container(container, None).await;
        started.doing(|| format!("start the container {container}"))
    }

    /// Unpauses a container.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        let unpaused = self.docker().await?.unpause_container(container).await;
        unpaused.doing(|| format!("unpause the container {container}"))
    }

    /// Ends a container in order: its main program gets SIGHUP, s6 takes the nodes down, and it stays down, also when the
    /// engine or the machine restarts. It is killed only after its grace.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn end(&self, container: &Container) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        let name = &container.name;
        // The engine takes this end for a crash and would restart the container.
        self.set_restart_policy(docker, name, RestartPolicyNameEnum::NO).await?;
        if container.state == GroupState::Paused {
            self.unpause(name).await?;
        }
        let mut grace = CONTAINER_GRACE_SECONDS;
        if matches!(container.state, GroupState::Running | GroupState::Damaged | GroupState::Paused) {
            let argv = HANG_UP.map(str::to_owned);
            let sent = self.exec(name, &argv, &[], Duration::from_secs(10)).await;
            match sent {
                Ok(output) if output.success() => {
                    if self.ended_within(docker, name, Duration::from_secs(CONTAINER_GRACE_SECONDS)).await {
                        return Ok(());
                    }
                    tracing::warn!(container = name, seconds = CONTAINER_GRACE_SECONDS, "did not end within its grace");
                    grace = LAST_GRACE_SECONDS;
                }
                Ok(output) => {
                    tracing::warn!(container = name, said = output.stderr, "could not send SIGHUP to its main program");
                }
                Err(error) => tracing::warn!(container = name, %error, "could not send SIGHUP to its main program"),
            }
        }
        let options = StopContainerOptionsBuilder::new().t(i32::try_from(grace).unwrap_or(i32::MAX)).build();
        match docker.stop_container(name, Some(options)).await {
            Err(Error::DockerResponseServerError { status_code: 304 | 404, .. }) => Ok(()),
            answer => answer.doing(|| format!("stop the container {name}")),
        }
    }

    /// Removes a container, one that runs only by `force`, and answers when it is gone.
    ///
    /// # Errors
    /// What the engine says; that it is gone already, or that somebody else is removing it, is not an error.
    pub async fn remove(&self, name: &str, force: bool) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(force).v(true).build();
        let docker = self.docker().await?;
        match docker.remove_container(name, Some(options)).await.doing(|| format!("remove the container {name}")) {
            Err(error) if error.is_missing() => Ok(()),
            Err(EngineError::Refused { said, .. }) if said.contains("already in progress") => {
                let options = WaitContainerOptionsBuilder::new().condition("removed").build();
                // It ends with an error when the container is gone before it is asked for.
                let _ = tokio::time::timeout(REMOVAL, docker.wait_container(name, Some(options)).next()).await;
                Ok(())
            }
            answer => answer,
        }
    }

    /// The last lines that a container wrote, as one line for a person.
    pub async fn last_words(&self, container: &str) -> String {
        let Ok(docker) = self.docker().await else {
            return String::new();
        };
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("5").build();
        let lines: Vec<LogOutput> = docker.logs(container, Some(options)).try_collect().await.unwrap_or_default();
        one_line(&lines.iter().map(ToString::to_string).collect::<String>())
    }

    async fn set_restart_policy(
        &self,
        docker: &Docker,
        name: &str,
        when: RestartPolicyNameEnum,
    ) -> Result<(), EngineError> {
        let body = ContainerUpdateBody { restart_policy: Some(policy(when)), ..ContainerUpdateBody::default() };
        docker.update_container(name, body).await.doing(|| format!("set the restart policy of {name}"))
    }

    async fn ended_within(&self, docker: &Docker, name: &str, grace: Duration) -> bool {
        let mut waiting = docker.wait_container(name, None::<WaitContainerOptions>);
        // An exit code other than 0, which SIGHUP always gives, is an error to bollard: it has ended all the same.
        let ended = tokio::time::timeout(grace, waiting.next()).await;
        matches!(ended, Ok(Some(Ok(_) | Err(Error::DockerContainerWaitError { .. }))))
    }
}
