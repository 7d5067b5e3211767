//! The engine is the Docker daemon that runs the containers: reached by socket, TCP, TLS or ssh, in a version of its
//! interface that both sides speak.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::models::SystemInfo;
use tokio::sync::OnceCell;
use wnm_pm::hint::Hint;

use super::error::{Doing, EngineError, causes};
use crate::settings::ContainerNetwork;

/// An engine that does not say who it is within this time is taken for dead.
const HELLO_SECONDS: u64 = 10;
/// The longest single request: Docker's own publishing of hundreds of ports takes minutes.
const REQUEST_SECONDS: u64 = 600;

/// Where an engine keeps its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this machine, as root would.
    Machine,
    /// In its owner's own user and network namespaces.
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

    /// Why containers cannot be had there on such a network, and what to do; none when they can.
    #[must_use]
    pub fn objection(self, network: ContainerNetwork) -> Option<(&'static str, Hint)> {
        match (self, network) {
            (Self::Rootless, _) => Some((
                "a rootless engine gives nodes user ids of its own, so that their files would not be their owner's",
                join_group("use the machine's own engine (unset DOCKER_HOST and log in again)"),
            )),
            (Self::VirtualMachine, ContainerNetwork::Docker) | (Self::Machine, _) => None,
            (Self::VirtualMachine, _) => Some((
                "Docker Desktop keeps its containers in a virtual machine, where neither rules nor the host network are this machine's",
                Hint::set("container_network", ContainerNetwork::Docker).to("let Docker publish the ports"),
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

    /// Whether it runs on this machine, judging by its address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let (first, others) = self.addresses();
        std::iter::once(&first).chain(&others).all(|address| address.starts_with("unix://"))
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

    /// The first that answers; where none does, the failure of the first.
    async fn connect(&self) -> Result<Docker, EngineError> {
        let (first, others) = self.addresses();
        let failure = match hello(&first).await {
            Ok(docker) => return Ok(docker),
            Err(failure) => failure,
        };
        for address in others {
            if let Ok(docker) = hello(&address).await {
                return Ok(docker);
            }
        }
        Err(failure)
    }

    /// Where to look: what was asked for, else `DOCKER_HOST`, else the usual sockets, the machine's own first.
    fn addresses(&self) -> (String, Vec<String>) {
        let named = self.address.clone().or_else(|| std::env::var("DOCKER_HOST").ok());
        match named.filter(|address| !address.is_empty()) {
            Some(address) => (address, vec![]),
            None => (
                "unix:///var/run/docker.sock".to_owned(),
                other_sockets(std::env::var_os("XDG_RUNTIME_DIR"), std::env::var_os("HOME")),
            ),
        }
    }
}

/// The sockets of engines that are not the machine's own, as far as they exist.
fn other_sockets(runtime_dir: Option<OsString>, home: Option<OsString>) -> Vec<String> {
    let rootless = runtime_dir.map(|dir| Path::new(&dir).join("docker.sock"));
    let desktop = home.map(|dir| Path::new(&dir).join(".docker/run/docker.sock"));
    let sockets = [rootless, desktop].into_iter().flatten().filter(|socket| socket.exists());
    sockets.map(|socket| format!("unix://{}", socket.display())).collect()
}

async fn hello(address: &str) -> Result<Docker, EngineError> {
    let unreachable = |reason: String| EngineError::Unreachable {
        hint: hint(address, &reason),
        reason: format!("{address}: {reason}"),
    };
    let docker = Docker::connect_with_host(address).map_err(|error| unreachable(causes(&error)))?;
    match tokio::time::timeout(Duration::from_secs(HELLO_SECONDS), docker.negotiate_version()).await {
        Ok(Ok(docker)) => Ok(docker.with_timeout(Duration::from_secs(REQUEST_SECONDS))),
        Ok(Err(error)) => Err(unreachable(causes(&error))),
        Err(_) => Err(unreachable(format!("no answer within {HELLO_SECONDS} s"))),
    }
}

fn hint(address: &str, reason: &str) -> Hint {
    if reason.contains("ermission denied") {
        return join_group("let this user use the engine (log in again afterwards)");
    }
    if address.starts_with("unix://") {
        return Hint::shell("sudo systemctl start docker").to("start it, unless DOCKER_HOST should name another");
    }
    Hint::text(format!("check DOCKER_HOST, which is {address}: does `docker version` answer?"))
}

fn join_group(purpose: &'static str) -> Hint {
    Hint::shell("sudo usermod -aG docker $USER").to(purpose)
}

#[cfg(test)]
mod tests {
    use wnm_pm::hint::Hinted;
    use wnm_pm::process_manager::ManagerError;

    use super::*;

    /// What a manager says when nobody answers at this address.
    async fn nobody_at(address: &str) -> ManagerError {
        let engine = Engine::new(Some(address.to_owned()));
        engine.docker().await.expect_err("nobody is there").into()
    }

    #[tokio::test]
    async fn a_dead_socket_is_named_with_what_to_do() {
        let error = nobody_at("unix:///nonexistent/docker.sock").await;
        insta::assert_snapshot!(error, @"s6overlay+user cannot be used here: the Docker engine cannot be reached: unix:///nonexistent/docker.sock: Socket not found: /nonexistent/docker.sock");
        let start = Hint::shell("sudo systemctl start docker");
        assert_eq!(error.hints(), [start.to("start it, unless DOCKER_HOST should name another")]);
    }

    #[tokio::test]
    async fn a_refused_tcp_address_is_named_with_what_to_do() {
        let error = nobody_at("tcp://127.0.0.1:9").await;
        insta::assert_snapshot!(error, @"s6overlay+user cannot be used here: the Docker engine cannot be reached: tcp://127.0.0.1:9: Error in the hyper legacy client: client error (Connect): tcp connect error: Connection refused (os error 111)");
        let check = "check DOCKER_HOST, which is tcp://127.0.0.1:9: does `docker version` answer?";
        assert_eq!(error.hints(), [Hint::text(check)]);
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_refused() {
        let error = nobody_at("gopher://127.0.0.1").await;
        insta::assert_snapshot!(error, @"s6overlay+user cannot be used here: the Docker engine cannot be reached: gopher://127.0.0.1: URI scheme is not supported: gopher://127.0.0.1");
    }

    #[test]
    fn who_may_not_use_the_engine_learns_how_to_be_let_in() {
        let said = format!("{:?}", hint("unix:///var/run/docker.sock", "Permission denied (os error 13)"));
        assert!(said.contains("usermod -aG docker"), "{said}");
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
    fn the_rootless_socket_is_tried_where_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("docker.sock"), "").unwrap();
        let found = other_sockets(Some(dir.path().into()), Some(dir.path().into()));
        assert_eq!(found, [format!("unix://{}/docker.sock", dir.path().display())], "Docker Desktop has none here");
    }
}
