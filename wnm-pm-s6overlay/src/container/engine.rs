//! The engine is the Docker daemon that runs the containers: reached by socket, TCP, TLS or ssh, in a version of its
//! interface that both sides speak.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use bollard::Docker;
use bollard::models::SystemInfo;
use tokio::sync::OnceCell;
use wnm_pm::hint::Hint;
use wnm_pm::user;

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

/// What an engine does to all containers, as far as ours have to be made otherwise for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Security {
    /// It gives containers user ids of their own (`userns-remap`), under which nodes could not read their own files.
    pub remaps_users: bool,
    /// It labels containers for SELinux, and keeps them from files of the machine that are labelled otherwise.
    pub labels_files: bool,
}

impl Security {
    /// What an engine says about itself.
    #[must_use]
    pub fn of(info: &SystemInfo) -> Self {
        let has = |name: &str| {
            let options = info.security_options.iter().flatten();
            options.flat_map(|option| option.split(',')).any(|part| part.strip_prefix("name=").unwrap_or(part) == name)
        };
        Self { remaps_users: has("userns"), labels_files: has("selinux") }
    }

    /// How a container of ours keeps its users: none where the engine leaves them as they are.
    #[must_use]
    pub fn userns_mode(self) -> Option<String> {
        self.remaps_users.then(|| "host".to_owned())
    }

    /// The option without which a container does not see the machine's files.
    #[must_use]
    pub fn label_option(self) -> Option<String> {
        self.labels_files.then(|| "label=disable".to_owned())
    }
}

/// The engine, connected when it is first needed: a manager can be made, and can say what is wrong, without one.
#[derive(Debug)]
pub struct Engine {
    address: Option<String>,
    docker: OnceCell<Docker>,
    security: OnceCell<Security>,
}

impl Engine {
    /// The engine at this address; none: `DOCKER_HOST`, else the first of the usual sockets that answers.
    #[must_use]
    pub fn new(address: Option<String>) -> Self {
        Self { address, docker: OnceCell::new(), security: OnceCell::new() }
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
        let answer = self.docker().await?.version().await.doing(|| "ask for the version".to_owned())?;
        let version = answer.version.unwrap_or_default();
        Ok(version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0))
    }

    /// What it says about itself.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn info(&self) -> Result<SystemInfo, EngineError> {
        self.docker().await?.info().await.doing(|| "ask what it is".to_owned())
    }

    /// What it does to all containers; asked once.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn security(&self) -> Result<Security, EngineError> {
        self.security.get_or_try_init(async || Ok(Security::of(&self.info().await?))).await.copied()
    }

    /// The first that answers; where none does, the failure of the first.
    async fn connect(&self) -> Result<Docker, EngineError> {
        let (first, others) = self.addresses();
        if self.is_by_variable() {
            refuse_anothers(&first)?;
        }
        let failure = match hello(&first, self.is_by_variable()).await {
            Ok(docker) => return Ok(docker),
            Err(failure) => failure,
        };
        for address in others {
            if let Ok(docker) = hello(&address, false).await {
                return Ok(docker);
            }
        }
        Err(failure)
    }

    /// Where to look: what was asked for, else `DOCKER_HOST`, else the usual sockets, the machine's own first.
    fn addresses(&self) -> (String, Vec<String>) {
        let named = self.address.clone().filter(|address| !address.is_empty()).or_else(by_variable);
        let others = || other_sockets([user::runtime_dir(), user::own_home().unwrap_or_default()]);
        named.map_or_else(|| ("unix:///var/run/docker.sock".to_owned(), others()), |address| (address, vec![]))
    }

    fn is_by_variable(&self) -> bool {
        self.address.as_ref().is_none_or(String::is_empty) && by_variable().is_some()
    }
}

fn by_variable() -> Option<String> {
    std::env::var("DOCKER_HOST").ok().filter(|address| !address.is_empty())
}

/// A variable that `su` or `sudo` handed on may name the engine of another user: it would run nodes in that user's name.
fn refuse_anothers(address: &str) -> Result<(), EngineError> {
    let Some(socket) = address.strip_prefix("unix://") else { return Ok(()) };
    let own = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(socket).map(|data| data.uid()).ok().or_else(|| user_of_runtime_dir(socket));
    match owner {
        Some(owner) if owner != 0 && owner != own => Err(EngineError::Unreachable {
            reason: format!(
                "DOCKER_HOST is {address}, which is the engine of the user {owner}, and wnm is run by the user {own}"
            ),
            hint: Hint::text("unset DOCKER_HOST, or run wnm as the user whose engine it is"),
        }),
        _ => Ok(()),
    }
}

/// 1000 of `/run/user/1000/docker.sock`.
fn user_of_runtime_dir(socket: &str) -> Option<u32> {
    socket.strip_prefix("/run/user/")?.split('/').next()?.parse().ok()
}

/// The sockets of engines of this user's own, as far as they exist.
fn other_sockets([runtime_dir, home]: [PathBuf; 2]) -> Vec<String> {
    let sockets = [runtime_dir.join("docker.sock"), home.join(".docker/run/docker.sock")];
    sockets.iter().filter(|socket| socket.exists()).map(|socket| format!("unix://{}", socket.display())).collect()
}

async fn hello(address: &str, is_by_variable: bool) -> Result<Docker, EngineError> {
    let from = if is_by_variable { " (DOCKER_HOST)" } else { "" };
    let unreachable = |reason: String| EngineError::Unreachable {
        hint: hint(address, is_by_variable, &reason),
        reason: format!("{address}{from}: {reason}{}", aside(std::env::var("DOCKER_CONTEXT").ok())),
    };
    let docker = Docker::connect_with_host(address).map_err(|error| unreachable(causes(&error)))?;
    match tokio::time::timeout(Duration::from_secs(HELLO_SECONDS), docker.negotiate_version()).await {
        Ok(Ok(docker)) => Ok(docker.with_timeout(Duration::from_secs(REQUEST_SECONDS))),
        Ok(Err(error)) => Err(unreachable(causes(&error))),
        Err(_) => Err(unreachable(format!("no answer within {HELLO_SECONDS} s"))),
    }
}

/// What whoever set `DOCKER_CONTEXT` may have expected.
fn aside(context: Option<String>) -> String {
    let context = context.filter(|context| !context.is_empty() && context != "default");
    context.map_or_else(String::new, |context| format!(" (DOCKER_CONTEXT, {context}, is not followed)"))
}

fn hint(address: &str, is_by_variable: bool, reason: &str) -> Hint {
    if is_by_variable {
        let check = "check DOCKER_HOST: does `docker version` answer? Without it the machine's own engine is used";
        return Hint::text(check);
    }
    if reason.contains("ermission denied") {
        return join_group("let this user use the engine (log in again afterwards)");
    }
    if address.starts_with("unix://") {
        return Hint::shell("sudo systemctl start docker").to("start it (DOCKER_HOST names another engine)");
    }
    Hint::text(format!("check the engine's address, {address}: does `docker version` answer?"))
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
        assert_eq!(error.hints(), [start.to("start it (DOCKER_HOST names another engine)")]);
    }

    #[tokio::test]
    async fn a_refused_tcp_address_is_named_with_what_to_do() {
        let error = nobody_at("tcp://127.0.0.1:9").await;
        insta::assert_snapshot!(error, @"s6overlay+user cannot be used here: the Docker engine cannot be reached: tcp://127.0.0.1:9: Error in the hyper legacy client: client error (Connect): tcp connect error: Connection refused (os error 111)");
        let check = "check the engine's address, tcp://127.0.0.1:9: does `docker version` answer?";
        assert_eq!(error.hints(), [Hint::text(check)]);
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_refused() {
        let error = nobody_at("gopher://127.0.0.1").await;
        insta::assert_snapshot!(error, @"s6overlay+user cannot be used here: the Docker engine cannot be reached: gopher://127.0.0.1: URI scheme is not supported: gopher://127.0.0.1");
    }

    #[test]
    fn who_may_not_use_the_engine_learns_how_to_be_let_in() {
        let said = format!("{:?}", hint("unix:///var/run/docker.sock", false, "Permission denied (os error 13)"));
        assert!(said.contains("usermod -aG docker"), "{said}");
    }

    #[test]
    fn a_context_that_is_not_followed_is_named() {
        assert_eq!(aside(Some("bobs".to_owned())), " (DOCKER_CONTEXT, bobs, is not followed)");
        assert_eq!([None, Some("default".to_owned())].map(aside), ["", ""]);
    }

    #[test]
    fn the_engine_of_another_user_is_refused_with_the_variable_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        std::fs::write(&socket, "").unwrap();
        let address = format!("unix://{}", socket.display());
        assert_eq!(refuse_anothers(&address), Ok(()), "it is our own");
        assert_eq!(refuse_anothers("unix:///var/run/docker.sock"), Ok(()));
        assert_eq!(refuse_anothers("tcp://127.0.0.1:2375"), Ok(()));
        let refused = refuse_anothers("unix:///run/user/54321/docker.sock").expect_err("it is somebody else's");
        assert!(refused.to_string().contains("DOCKER_HOST is unix:///run/user/54321/docker.sock"), "{refused}");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&socket, Some(54_321), None).unwrap();
            let refused = refuse_anothers(&address).expect_err("it is somebody else's");
            assert!(refused.to_string().contains("the user 54321"), "{refused}");
        }
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
    fn every_security_option_that_containers_have_to_be_made_otherwise_for_is_read() {
        let security = |options: &[&str]| {
            let options = options.iter().map(|&option| option.to_owned()).collect();
            Security::of(&SystemInfo { security_options: Some(options), ..SystemInfo::default() })
        };
        assert_eq!(security(&["name=seccomp,profile=default", "name=apparmor", "name=cgroupns"]), Security::default());
        let both = security(&["name=seccomp,profile=userns", "name=userns", "name=selinux"]);
        assert_eq!(
            (both.userns_mode().as_deref(), both.label_option().as_deref()),
            (Some("host"), Some("label=disable"))
        );
    }

    #[test]
    fn the_rootless_socket_is_tried_where_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("docker.sock"), "").unwrap();
        let found = other_sockets([dir.path().into(), dir.path().into()]);
        assert_eq!(found, [format!("unix://{}/docker.sock", dir.path().display())], "Docker Desktop has none here");
    }
}
