//! The engine is the Docker daemon that runs the containers: reached by socket, TCP, TLS or ssh, in a version of its
//! interface that both sides speak.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::SystemInfo;
use tokio::sync::OnceCell;
use wnm_pm::process_manager::ManagerError;

use crate::{ContainerNetwork, MANAGER};

/// An engine that does not say who it is within this time is taken for dead.
const HELLO_SECONDS: u64 = 10;
/// The longest single request: Docker's own publishing of hundreds of ports takes minutes.
const REQUEST_SECONDS: u64 = 600;

/// Why the engine did not do something. It can be told to many nodes, so it can be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers there, or not to this user.
    #[error("the Docker engine cannot be reached: {reason}")]
    Unreachable {
        /// Where, and why not.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// It answered, and refused.
    #[error("cannot {doing}: the engine says {said}")]
    Refused {
        /// What was tried.
        doing: String,
        /// The status of its answer; 0 when the answer itself was broken.
        status: u16,
        /// What it said.
        said: String,
    },
}

impl EngineError {
    /// Whether the thing asked for does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether it stands that way already, or is in the way of itself.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

impl From<EngineError> for ManagerError {
    fn from(error: EngineError) -> Self {
        let reason = error.to_string();
        match error {
            EngineError::Unreachable { hint, .. } => Self::Unavailable { manager: MANAGER.to_owned(), reason, hint },
            EngineError::Refused { .. } => Self::Failed(reason),
        }
    }
}

/// Where an engine keeps its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this machine, as root would.
    Machine,
    /// In user and network namespaces of its owner's.
    Rootless,
    /// In a virtual machine of its own.
    VirtualMachine,
}

impl Place {
    /// What an engine says about itself.
    #[must_use]
    pub fn of(info: &SystemInfo) -> Self {
        let is_rootless = info.security_options.iter().flatten().any(|option| option.contains("name=rootless"));
        let is_desktop = info.operating_system.as_ref().is_some_and(|system| system.contains("Docker Desktop"));
        match (is_rootless, is_desktop) {
            (true, _) => Self::Rootless,
            (_, true) => Self::VirtualMachine,
            _ => Self::Machine,
        }
    }

    /// Why containers cannot be had there as they are wanted, and what to do; none when they can.
    #[must_use]
    pub fn objection(self, network: ContainerNetwork) -> Option<(&'static str, &'static str)> {
        match (self, network) {
            (Self::Rootless, _) => Some((
                "a rootless engine gives nodes user ids of its own, so that their files would not be their owner's",
                "use the machine's own engine: unset DOCKER_HOST, and let this user use it: `sudo usermod -aG docker $USER`",
            )),
            (Self::VirtualMachine, ContainerNetwork::Docker) | (Self::Machine, _) => None,
            (Self::VirtualMachine, _) => Some((
                "Docker Desktop keeps its containers in a virtual machine, where neither rules nor the host network are this machine's",
                "set container_network to docker",
            )),
        }
    }
}

/// The engine, connected when it is first needed: a manager can be made, and can say what is wrong, without one.
#[derive(Debug)]
pub struct Engine {
    address: Option<String>,
    docker: OnceCell<Docker>,
}

impl Engine {
    /// The engine at this address; none: `DOCKER_HOST`, else the first of the usual sockets that answers.
    #[must_use]
    pub fn new(address: Option<String>) -> Self {
        Self { address, docker: OnceCell::new() }
    }

    /// The connection.
    ///
    /// # Errors
    /// When nobody answers, with what to do about it; it is tried again at the next call.
    pub async fn docker(&self) -> Result<&Docker, EngineError> {
        self.docker.get_or_try_init(|| self.connect()).await
    }

    /// Whether it runs on this machine, as far as its address tells.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.addresses().iter().all(|address| address.starts_with("unix://"))
    }

    /// The first number of its version, 20 for 20.10.24; 0 when it is called something else.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn major_version(&self) -> Result<u32, EngineError> {
        let told = self.docker().await?.version().await.doing(|| "ask for the version".to_owned())?;
        let version = told.version.unwrap_or_default();
        Ok(version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0))
    }

    /// Where its containers are.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn place(&self) -> Result<Place, EngineError> {
        Ok(Place::of(&self.docker().await?.info().await.doing(|| "ask what it is".to_owned())?))
    }

    async fn connect(&self) -> Result<Docker, EngineError> {
        let mut first_failure = None;
        for address in self.addresses() {
            match hello(&address).await {
                Ok(docker) => return Ok(docker.with_timeout(Duration::from_secs(REQUEST_SECONDS))),
                Err(error) => first_failure = first_failure.or(Some(error)),
            }
        }
        Err(first_failure.expect("there is always one address to try"))
    }

    /// Where to look: what was asked for, else `DOCKER_HOST`, else the usual sockets, the machine's own first.
    fn addresses(&self) -> Vec<String> {
        let named = self.address.clone().or_else(|| std::env::var("DOCKER_HOST").ok());
        match named.filter(|address| !address.is_empty()) {
            Some(address) => vec![address],
            None => usual_sockets(std::env::var_os("XDG_RUNTIME_DIR"), std::env::var_os("HOME")),
        }
    }
}

fn usual_sockets(runtime_dir: Option<std::ffi::OsString>, home: Option<std::ffi::OsString>) -> Vec<String> {
    let rootless = runtime_dir.map(|dir| Path::new(&dir).join("docker.sock"));
    let desktop = home.map(|dir| Path::new(&dir).join(".docker/run/docker.sock"));
    let others = [rootless, desktop];
    std::iter::once(Path::new("/var/run/docker.sock").to_owned())
        .chain(others.into_iter().flatten().filter(|socket| socket.exists()))
        .map(|socket| format!("unix://{}", socket.display()))
        .collect()
}

async fn hello(address: &str) -> Result<Docker, EngineError> {
    let unreachable = |reason: String| EngineError::Unreachable {
        hint: hint(address, &reason),
        reason: format!("{address}: {reason}"),
    };
    let docker = Docker::connect_with_host(address).map_err(|error| unreachable(chain(&error)))?;
    match tokio::time::timeout(Duration::from_secs(HELLO_SECONDS), docker.negotiate_version()).await {
        Ok(Ok(docker)) => Ok(docker),
        Ok(Err(error)) => Err(unreachable(chain(&error))),
        Err(_) => Err(unreachable(format!("no answer within {HELLO_SECONDS} s"))),
    }
}

fn hint(address: &str, reason: &str) -> String {
    if reason.contains("ermission denied") {
        return "let this user use the engine: `sudo usermod -aG docker $USER`, then log in again; or use a rootless engine".to_owned();
    }
    if address.starts_with("unix://") {
        return "is it running (`sudo systemctl start docker`)? DOCKER_HOST names another one".to_owned();
    }
    format!("is DOCKER_HOST right ({address}), and does `docker version` answer?")
}

/// What went wrong, with the causes that bollard keeps beneath.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

/// Says what was tried when an engine's answer is an error.
pub trait Doing<T> {
    /// With what was tried, such as `start the container wnm-0a1b2c3d-a1`.
    ///
    /// # Errors
    /// The same as before, in our words.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, EngineError>;
}

impl<T> Doing<T> for Result<T, Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, EngineError> {
        self.map_err(|error| match error {
            Error::DockerResponseServerError { status_code, message } => {
                EngineError::Refused { doing: doing(), status: status_code, said: message }
            }
            error @ (Error::HyperLegacyError { .. }
            | Error::IOError { .. }
            | Error::SocketNotFoundError(_)
            | Error::RequestTimeoutError) => EngineError::Unreachable {
                reason: format!("{} (while trying to {})", chain(&error), doing()),
                hint: "is it still running? the next cycle tries again".to_owned(),
            },
            error => EngineError::Refused { doing: doing(), status: 0, said: chain(&error) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_named_with_what_to_do() {
        let engine = Engine::new(Some("unix:///nonexistent/docker.sock".to_owned()));
        let error = ManagerError::from(engine.docker().await.expect_err("nobody is there"));
        insta::assert_snapshot!(error, @r"
        s6overlay+user cannot be used here: the Docker engine cannot be reached: unix:///nonexistent/docker.sock: Socket not found: /nonexistent/docker.sock
        hint: is it running (`sudo systemctl start docker`)? DOCKER_HOST names another one
        ");
    }

    #[tokio::test]
    async fn a_refused_tcp_address_is_named_with_what_to_do() {
        let engine = Engine::new(Some("tcp://127.0.0.1:9".to_owned()));
        let error = ManagerError::from(engine.docker().await.expect_err("nobody is there"));
        insta::assert_snapshot!(error, @r"
        s6overlay+user cannot be used here: the Docker engine cannot be reached: tcp://127.0.0.1:9: Error in the hyper legacy client: client error (Connect): tcp connect error: Connection refused (os error 111)
        hint: is DOCKER_HOST right (tcp://127.0.0.1:9), and does `docker version` answer?
        ");
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_refused() {
        let engine = Engine::new(Some("gopher://127.0.0.1".to_owned()));
        let error = engine.docker().await.expect_err("nobody speaks gopher");
        insta::assert_snapshot!(error, @"the Docker engine cannot be reached: gopher://127.0.0.1: URI scheme is not supported: gopher://127.0.0.1");
    }

    #[test]
    fn engines_that_keep_containers_elsewhere_are_refused_where_that_matters() {
        let desktop = SystemInfo { operating_system: Some("Docker Desktop".to_owned()), ..SystemInfo::default() };
        let rootless = SystemInfo { security_options: Some(vec!["name=rootless".to_owned()]), ..SystemInfo::default() };
        let refuses = |info: &SystemInfo, network| Place::of(info).objection(network).is_some();
        assert!(refuses(&desktop, ContainerNetwork::Published) && refuses(&desktop, ContainerNetwork::Host));
        assert!(!refuses(&desktop, ContainerNetwork::Docker));
        assert!(refuses(&rootless, ContainerNetwork::Docker));
        assert!(!refuses(&SystemInfo::default(), ContainerNetwork::Published));
    }

    #[test]
    fn the_rootless_socket_is_tried_after_the_machines_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("docker.sock"), "").unwrap();
        let found = usual_sockets(Some(dir.path().into()), Some(dir.path().into()));
        assert_eq!(found[0], "unix:///var/run/docker.sock");
        assert_eq!(found[1], format!("unix://{}/docker.sock", dir.path().display()));
        assert_eq!(found.len(), 2, "a socket that is not there is not tried: {found:?}");
    }
}
