//! The command line of wnm, as a library: a program of one's own can run it with other arguments.

mod arguments;
mod commands;
mod durations;
mod exit;
mod hints;
mod output;
mod owner;
mod progress;
mod session;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;

use clap::error::ErrorKind;
use wnm_core::decide::Request;
use wnm_core::machine::{CycleError, Trigger};
use wnm_core::node::Verb;
use wnm_core::observe::means;
use wnm_core::progress::{Progress, Silent};

use arguments::{Arguments, Command, Flags, RolloutCommand};
use commands::{
    backup, config, cycle, doctor, groups, init, logs, man, migrate, move_storage, pause, remove, removed, rolling,
    rollout, schedule, status, survey, uninstall, why,
};
pub use exit::Exit;
use exit::Failure;
use output::Output;
use session::Given;

/// Runs wnm with these arguments, the first of which is the program's name, and tells how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    run_watched(arguments, &(Arc::new(Silent) as Arc<dyn Progress>))
}

/// As [`run`], with somebody who listens to what is carried out.
pub fn run_watched(arguments: impl IntoIterator<Item = OsString>, listener: &Arc<dyn Progress>) -> Exit {
    let typed: Vec<OsString> = arguments.into_iter().collect();
    let as_json = typed.iter().any(|argument| argument == "--json");
    let parsed = arguments::command().try_get_matches_from(arguments::with_values(typed.clone()));
    let (arguments, flags) = match parsed.and_then(|matches| Arguments::read(&matches)) {
        Ok(read) => read,
        Err(error) => return usage(&error, as_json),
    };
    log(arguments.common.verbose);
    let output = Output::new(&arguments.common);
    // A runtime that lacks them would not say which.
    if let Err(error) = means::check() {
        let failure = Failure::Machine(CycleError::from(error).into());
        output.failure(&failure);
        return failure.exit();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.failure(&Failure::Other(format!("wnm itself cannot begin, by its own limits: {error}")));
            return Exit::Failed;
        }
    };
    match runtime.block_on(dispatch(output, arguments, flags, &typed, listener)) {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}

async fn dispatch(
    output: Output,
    arguments: Arguments,
    flags: Flags,
    typed: &[OsString],
    listener: &Arc<dyn Progress>,
) -> Result<Exit, Failure> {
    let Arguments { common, command } = arguments;
    match command {
        Some(Command::Completions { shell }) => return output.raw(&completions(shell)).map(|()| Exit::Done),
        Some(Command::Man { out: Some(directory), .. }) => return man::write(output, &directory, common.dry_run),
        Some(Command::Man { command, .. }) => return man::show(output, &command),
        Some(Command::Dockerfile) => return output.raw(&wnm::dockerfile()?).map(|()| Exit::Done),
        _ => {}
    }
    let given = Given::gather(&common, flags, listener)?;
    if common.as_owner {
        owner::act_as_owner(&given.options.database_path(), typed)?;
    }
    let request = match command.unwrap_or(Command::Run) {
        Command::Completions { .. } | Command::Dockerfile | Command::Man { .. } => return Ok(Exit::Done),
        Command::Rollout { command } => {
            let command = command.unwrap_or(RolloutCommand::Status);
            return rollout::rollout(output, &common, &given, command).await;
        }
        Command::Groups => return groups::groups(output, &given).await,
        Command::Schedule { command } => return schedule::schedule(output, &common, &given, &command).await,
        Command::Uninstall => return uninstall::uninstall(output, &common, &given).await,
        Command::Doctor => return doctor::doctor(output, &given).await,
        Command::Init(options) => return init::init(output, &common, &given, &options).await,
        Command::Run => return cycle::act(output, &common, &given, &Trigger::Cycle).await,
        Command::Plan { out } => return cycle::plan(output, &given, &Trigger::Cycle, out.as_deref()).await,
        Command::Apply { file } => return cycle::apply(output, &common, &given, &file).await,
        Command::Survey(options) => return survey::survey(output, &common, &given, &options).await,
        Command::Restart(options) => return rolling::many(output, &common, &given, Verb::Restart, options).await,
        Command::Upgrade(options) => return rolling::many(output, &common, &given, Verb::Upgrade, options).await,
        Command::Remove(options) => return remove::remove(output, &common, &given, options).await,
        Command::Teardown { confirm } => return cycle::teardown(output, &common, &given, confirm).await,
        Command::Status(options) => return status::status(output, &common, &given, &options).await,
        Command::Logs(options) => return logs::logs(output, &given, options).await,
        Command::Config { command } => return config::config(output, &common, &given, command).await,
        Command::Backup(options) => return backup::backup(output, &common, &given, &options),
        Command::Removed => return removed::removed(output, &given),
        Command::Restore(options) => return backup::restore(output, &common, &given, &options).await,
        Command::MigrateFlavour { undo } => return migrate::migrate(output, &common, &given, undo).await,
        Command::MoveStorage(options) => return move_storage::move_storage(output, &common, &given, &options).await,
        Command::Pause(options) => return pause::pause(output, &common, &given, &options).await,
        Command::Resume => return pause::resume(output, &common, &given).await,
        Command::Why { name, last } => return why::why(output, &given, name.as_deref(), last),
        Command::Add { count } => Request::Add(count),
        Command::Start(nodes) => Request::Start(nodes.try_into()?),
        Command::Stop(nodes) => Request::Stop(nodes.try_into()?),
        Command::Disable(nodes) => Request::Disable(nodes.try_into()?),
        Command::Enable(nodes) => Request::Enable(nodes.try_into()?),
    };
    cycle::act(output, &common, &given, &Trigger::Request(request)).await
}

/// clap prints its own words; a closed pipe is not an error.
fn usage(error: &clap::Error, as_json: bool) -> Exit {
    let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if as_json && !wanted {
        let text = error.to_string();
        let text = text.trim().trim_start_matches("error: ");
        Output::json().failure(&Failure::usage(text));
    } else {
        let _ = error.print();
    }
    if wanted { Exit::Done } else { Exit::Usage }
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "wnm", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// What is logged without being asked for: to pull an image takes minutes, and it says how far it is.
const LONG_WORK: &str = "wnm_pm_s6overlay::container::images=info";

#[expect(clippy::disallowed_methods, reason = "whether it is a terminal decides about colours")]
fn log(verbose: u8) {
    let level = match verbose {
        0 => &format!("warn,{}", LONG_WORK),
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = std::env::var("WNM_LOG").unwrap_or_else(|_| level.to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(|| progress::LogWriter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .finish();
    // A program that embeds this one may have its own.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
