//! Programs are run inside containers to their end, without a terminal or a shell.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use wnm_pm::command::Output;

use super::engine::Engine;
use super::error::{Doing, EngineError};

/// When a program's standard input ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
    AfterInput,
    WithCaller,
}

impl Engine {
    /// Runs a program in a container to its end, as the container's root, without a terminal or a shell.
    ///
    /// # Errors
    /// When the engine refuses, or the program does not end in time; an exit code is not an error.
    pub async fn exec(
        &self,
        container: &str,
        argv: &[String],
        input: &[u8],
        timeout: Duration,
    ) -> Result<Output, EngineError> {
        self.exec_within(container, argv, input, Close::AfterInput, timeout).await
    }

    /// The same for a program that is to end with whoever runs it: its standard input stays open until then.
    ///
    /// # Errors
    /// As of [`Engine::exec`].
    pub async fn exec_attended(
        &self,
        container: &str,
        argv: &[String],
        input: &[u8],
        timeout: Duration,
    ) -> Result<Output, EngineError> {
        self.exec_within(container, argv, input, Close::WithCaller, timeout).await
    }

    async fn exec_within(
        &self,
        container: &str,
        argv: &[String],
        input: &[u8],
        close: Close,
        timeout: Duration,
    ) -> Result<Output, EngineError> {
        let running = self.exec_to_end(container, argv, input, close);
        let doing = || format!("run `{}` in {container}", argv.first().map_or("", String::as_str));
        tokio::time::timeout(timeout, running).await.unwrap_or_else(|_| {
            Err(EngineError::refused(doing(), 0, &format!("it did not end within {} s", timeout.as_secs())))
        })
    }

    async fn exec_to_end(
        &self,
        container: &str,
        argv: &[String],
        input: &[u8],
        close: Close,
    ) -> Result<Output, EngineError> {
        let docker = self.docker().await?;
        let doing = || format!("run a program in {container}");
        let options = CreateExecOptions {
            cmd: Some(argv.to_vec()),
            attach_stdin: Some(!input.is_empty()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = docker.create_exec(container, options).await.doing(doing)?;
        let mut output = Output::default();
        if let StartExecResults::Attached { output: mut said, input: mut stdin } =
            docker.start_exec(&exec.id, None).await.doing(doing)?
        {
            if !input.is_empty() {
                let written = async {
                    stdin.write_all(input).await?;
                    if close == Close::AfterInput { stdin.shutdown().await } else { stdin.flush().await }
                };
                written.await.map_err(Error::from).doing(doing)?;
            }
            while let Some(piece) = said.next().await {
                match piece.doing(doing)? {
                    LogOutput::StdErr { message } => output.stderr.push_str(&String::from_utf8_lossy(&message)),
                    other => output.stdout.push_str(&String::from_utf8_lossy(&other.into_bytes())),
                }
            }
        }
        let ended = docker.inspect_exec(&exec.id).await.doing(doing)?;
        output.code = ended.exit_code.and_then(|code| i32::try_from(code).ok());
        Ok(output)
    }
}
