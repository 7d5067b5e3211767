//! A rule backend sets rules on the machine: wnm itself when it is root, otherwise a helper, a short-lived container on the
//! machine's network that may administer it.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::ListContainersOptionsBuilder;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, SystemRunner, one_line};
use wnm_pm::hint::Hint;
use wnm_pm::process_manager::ManagerError;

use crate::container::engine::Engine;
use crate::container::error::{Doing, EngineError};
use crate::container::{images, labels};
use crate::host::caller::{self, is_gone};
use crate::settings::{MANAGER, MachineId, RulesBy, S6Settings};

/// A helper that is left behind ends by itself.
const HELPER_LIFE_SECONDS: &str = "300";
/// Where the helper sees the machine's network switches: its own `/proc/sys` cannot be written.
const SWITCHES_INSIDE: &str = "/wnm-switches";
/// Where the machine has them.
const SWITCHES: &str = "/proc/sys/net";

/// Who sets rules, and how.
pub struct RuleBackend<'a> {
    runner: Box<dyn CommandRunner + 'a>,
    /// Where network switches are written.
    switches: &'static str,
    /// The helper's name, with the engine that it runs on.
    helper: Option<(&'a Engine, String)>,
}

impl<'a> RuleBackend<'a> {
    /// Whoever can set rules on this machine. A helper is made of the first of these images that is there.
    ///
    /// # Errors
    /// [`ManagerError::Unavailable`] when nobody can, with what to do.
    pub async fn find(engine: &'a Engine, settings: &S6Settings, images: &[&str]) -> Result<Self, ManagerError> {
        if can_do_it_alone(engine, settings) {
            return Ok(Self { runner: Box::new(SystemRunner), switches: SWITCHES, helper: None });
        }
        let Some(image) = first_there(engine, images).await? else {
            return Err(no_image(images));
        };
        let started = start_helper(engine, settings, image).await;
        let name = started.map_err(|error| match error {
            error @ EngineError::Unreachable { .. } => error.into(),
            error => refused(&error.to_string()),
        })?;
        Ok(Self {
            runner: Box::new(InHelper { engine, name: name.clone() }),
            switches: SWITCHES_INSIDE,
            helper: Some((engine, name)),
        })
    }

    /// The same, with the first image fetched when a helper is needed and none of them is there.
    ///
    /// # Errors
    /// As of [`RuleBackend::find`], and when the image cannot be fetched.
    pub async fn find_or_fetch(
        engine: &'a Engine,
        settings: &S6Settings,
        images: &[&str],
    ) -> Result<Self, ManagerError> {
        if let [first, ..] = images
            && !can_do_it_alone(engine, settings)
            && first_there(engine, images).await?.is_none()
        {
            engine.ensure_image(first).await?;
        }
        Self::find(engine, settings, images).await
    }

    /// Runs a program that has to succeed.
    ///
    /// # Errors
    /// When it cannot be run or fails.
    pub async fn succeed(&self, name: &str, arguments: &[&str], input: &str) -> Result<Output, ManagerError> {
        let output = self.run(name, arguments, input).await?;
        if output.success() {
            return Ok(output);
        }
        if is_absent(&output) {
            return Err(self.lack(name));
        }
        Err(refused(&format!("`{name} {}` failed: {}", arguments.join(" "), one_line(&output.stderr))))
    }

    /// Runs a program, whatever its exit code; one that is not there has exit code 127.
    ///
    /// # Errors
    /// When it does not end in time, or the engine cannot be asked.
    pub async fn run(&self, name: &str, arguments: &[&str], input: &str) -> Result<Output, ManagerError> {
        let program = if self.is_own() { find_program(name).unwrap_or_else(|| name.into()) } else { name.into() };
        let command = Command::new(program).args(arguments).input(input);
        match self.runner.run(&command).await {
            Err(CommandError::NotRun { reason, .. }) if self.is_own() => {
                Ok(Output { code: Some(127), stdout: String::new(), stderr: reason })
            }
            answer => Ok(answer?),
        }
    }

    /// That a program is needed and missing.
    #[must_use]
    pub fn lack(&self, program: &str) -> ManagerError {
        let place = if self.is_own() { "on this machine" } else { "in the image" };
        refused(&format!("{program} is not installed {place}"))
    }

    /// Reads a network switch such as `ipv4/conf/eth0/route_localnet`; none when there is no such switch.
    ///
    /// # Errors
    /// As of [`RuleBackend::run`].
    pub async fn switch(&self, name: &str) -> Result<Option<String>, ManagerError> {
        let output = self.run("cat", &[&format!("{}/{name}", self.switches)], "").await?;
        Ok(output.success().then(|| output.stdout.trim().to_owned()))
    }

    /// Sets a network switch.
    ///
    /// # Errors
    /// When it cannot be set.
    pub async fn set_switch(&self, name: &str, value: &str) -> Result<(), ManagerError> {
        self.succeed("tee", &[&format!("{}/{name}", self.switches)], value).await.map(drop)
    }

    /// Whether it is wnm itself, and not a helper.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.helper.is_none()
    }

    /// Removes the helper, where there is one.
    pub async fn release(self) {
        if let Some((engine, helper)) = self.helper
            && let Err(error) = engine.remove(&helper, true).await
        {
            tracing::warn!(helper, %error, "the helper container stays until it ends by itself");
        }
    }
}

/// Whether a program could not be run because it is missing; engines use either code.
#[must_use]
pub fn is_absent(output: &Output) -> bool {
    matches!(output.code, Some(126 | 127))
}

fn refused(reason: &str) -> ManagerError {
    let hint = "run wnm as root, or let the engine give a container NET_ADMIN on the host network; or set container_network to docker (slow with hundreds of ports) or host";
    let reason = format!("the rules for published ports cannot be set: {reason}");
    ManagerError::unavailable(MANAGER, reason, Hint::text(hint))
}

fn no_image(images: &[&str]) -> ManagerError {
    let image = images.first().copied().unwrap_or_default();
    let reason = format!(
        "the rules for published ports cannot be read or set: that takes root or a helper container, and the helper's image {image} is not on this engine"
    );
    ManagerError::unavailable(MANAGER, reason, images::build(image))
}

/// The first of these images that the engine has.
async fn first_there<'i>(engine: &Engine, images: &[&'i str]) -> Result<Option<&'i str>, EngineError> {
    for image in images {
        if engine.image(image).await?.is_some() {
            return Ok(Some(image));
        }
    }
    Ok(None)
}

fn can_do_it_alone(engine: &Engine, settings: &S6Settings) -> bool {
    settings.rules_by == RulesBy::WhoeverCan
        && engine.is_local()
        && rustix::process::geteuid().is_root()
        && find_program("nft").is_some()
}

/// A program by its name: on the `PATH`, or where root's programs are, which is not on everybody's `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Whether rules are read and set by a helper, and not by wnm itself.
#[must_use]
pub fn needs_helper(engine: &Engine, settings: &S6Settings) -> bool {
    !can_do_it_alone(engine, settings)
}

/// Ends the helpers of this machine whose wnm is gone: one that was killed leaves its helper, which may administer the
/// machine's network.
///
/// # Errors
/// When the engine cannot be asked.
pub async fn end_left_helpers(engine: &Engine, machine: &MachineId) -> Result<(), EngineError> {
    let labels = vec![format!("{}={machine}", labels::MACHINE), format!("{}=helper", labels::ROLE)];
    let options = ListContainersOptionsBuilder::new().all(true).filters(&HashMap::from([("label", labels)])).build();
    let listed = engine.docker().await?.list_containers(Some(options)).await;
    for helper in listed.doing(|| "list the helper containers".to_owned())? {
        let caller = helper.labels.as_ref().and_then(|labels| labels.get(labels::CALLER));
        if let (Some(id), true) = (&helper.id, caller.is_none_or(|caller| is_gone(caller))) {
            engine.remove(id, true).await?;
        }
    }
    Ok(())
}

async fn start_helper(engine: &Engine, settings: &S6Settings, image: &str) -> Result<String, EngineError> {
    let machine = settings.machine();
    // Two calls of wnm may each have one for a moment.
    let name = machine.container_name(&format!("helper-{}", std::process::id()));
    engine.remove(&name, true).await?;
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["sleep".to_owned()]),
        cmd: Some(vec![HELPER_LIFE_SECONDS.to_owned()]),
        labels: Some(HashMap::from([
            (labels::MACHINE.to_owned(), machine.to_string()),
            (labels::ROLE.to_owned(), "helper".to_owned()),
            (labels::CALLER.to_owned(), caller::this()),
        ])),
        host_config: Some(HostConfig {
            network_mode: Some("host".to_owned()),
            cap_add: Some(vec!["NET_ADMIN".to_owned()]),
            auto_remove: Some(true),
            init: Some(true),
            mounts: Some(vec![Mount {
                typ: Some(MountType::BIND),
                source: Some(SWITCHES.to_owned()),
                target: Some(SWITCHES_INSIDE.to_owned()),
                ..Mount::default()
            }]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    engine.create(&name, body).await?;
    engine.start_once(&name).await?;
    Ok(name)
}

/// Runs programs in the helper.
struct InHelper<'a> {
    engine: &'a Engine,
    name: String,
}

#[async_trait]
impl CommandRunner for InHelper<'_> {
    async fn run(&self, command: &Command) -> Result<Output, CommandError> {
        let argv: Vec<String> = std::iter::once(&command.program)
            .chain(&command.arguments)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let ran = self.engine.exec(&self.name, &argv, &command.input, command.timeout).await;
        ran.map_err(|error| CommandError::NotRun { command: command.display(), reason: error.to_string() })
    }
}
