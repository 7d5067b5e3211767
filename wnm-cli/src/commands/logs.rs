//! `wnm logs` shows what nodes write, wherever their process manager has it.

use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use wnm::{LogFault, LogLine, LogPlace, Machine, NodeId, NodeLogs};
use wnm_core::decide::Selection;

use crate::arguments::Logs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Stream};
use crate::session::{Access, Given};

/// How often files are looked at while they are followed. Asking the journal starts a program, which is not done as often.
const EVERY: Duration = Duration::from_millis(250);
const EVERY_OF_JOURNALS: Duration = Duration::from_secs(1);

/// Where logs lie, as a program reads it.
#[derive(Serialize)]
struct Answer<'a> {
    nodes: Vec<Places<'a>>,
}

#[derive(Serialize)]
struct Places<'a> {
    node: &'a str,
    places: &'a [LogPlace],
}

/// A line, as a program reads it.
#[derive(Serialize)]
struct Line<'a> {
    node: &'a str,
    file: Option<String>,
    unit: Option<&'a str>,
    line: &'a str,
}

pub(crate) async fn logs(output: Output, given: &Given, options: Logs) -> Result<Exit, Failure> {
    let watch = given.watch();
    let machine = given.open(Access::Read, &watch)?;
    let nodes = chosen(&machine, options.nodes.try_into()?, &watch).await?;
    let logs = machine.logs(&nodes)?;
    drop(watch);
    if options.at {
        let places = logs.iter().map(|logs| Places { node: &logs.name, places: &logs.places }).collect();
        output.answer(&Answer { nodes: places }, || places_text(&logs))?;
        return Ok(Exit::Done);
    }
    if options.follow {
        allow_open_files(&logs);
    }
    read(output, &machine, &logs, usize::try_from(options.lines).unwrap_or(usize::MAX), options.follow).await
}

/// The numbers of the nodes that are meant. What nodes are now is looked at only where somebody asks for it.
async fn chosen(machine: &Machine, selection: Selection, progress: &dyn wnm::Progress) -> Result<Vec<NodeId>, Failure> {
    let observation = machine.observe(progress).await?;
    let selected = selection.of(machine.config(), &observation.snapshot)?;
    let most = selection.count.map_or(usize::MAX, |count| count as usize);
    Ok(selected.iter().take(most).map(|selected| selected.each.node.id()).collect())
}

async fn read(
    output: Output,
    machine: &Machine,
    logs: &[NodeLogs],
    lines: usize,
    follow: bool,
) -> Result<Exit, Failure> {
    // Whoever started this may have had the signal ignored.
    let mut interrupts = follow
        .then(|| signal(SignalKind::interrupt()))
        .transpose()
        .map_err(|error| Failure::Other(format!("cannot listen for an interruption: {error}")))?;
    let mut reader = machine.log_reader(logs);
    let mut page = Page { stream: output.stream(), logs, place: None };
    let mut faults = reader.last(lines, follow, &mut |line| page.write(line)).await;
    page.stream.flush();
    warn(output, &faults);
    let missed = logs.iter().enumerate().filter(|(node, _)| faults.is_empty() && !reader.has_found(*node));
    missed.for_each(|(_, logs)| output.remark(&missing(logs)));
    let has_journal = logs.iter().flat_map(|logs| &logs.places).any(|place| matches!(place, LogPlace::Journal { .. }));
    while let Some(interrupts) = interrupts.as_mut().filter(|_| page.stream.is_read()) {
        tokio::select! {
            () = sleep(if has_journal { EVERY_OF_JOURNALS } else { EVERY }) => {}
            _ = interrupts.recv() => {
                page.stream.end()?;
                return Ok(Exit::Interrupted);
            }
        }
        let (goes_on, new) = reader.more(&mut |line| page.write(line)).await;
        page.stream.flush();
        warn(output, &new);
        faults.extend(new);
        if !goes_on {
            break;
        }
    }
    page.stream.end()?;
    Ok(if faults.is_empty() { Exit::Done } else { Exit::NodeFailed })
}

fn warn(output: Output, faults: &[LogFault]) {
    output.warn(&faults.iter().map(|fault| fault.text.clone()).collect::<Vec<_>>());
    if faults.iter().any(|fault| fault.is_denied) {
        output.remark("hint: run it as root, who may read what nodes of another user write");
    }
}

/// Lines as they are shown: of one node below the place that they come from, of several with the node's name before each.
struct Page<'a> {
    stream: Stream,
    logs: &'a [NodeLogs],
    /// The place of the last line.
    place: Option<String>,
}

impl Page<'_> {
    fn write(&mut self, line: LogLine<'_>) -> bool {
        let node = &self.logs[line.node];
        let file = line.file.map(|file| file.display().to_string());
        if self.stream.is_json() {
            let line = Line { node: &node.name, file, unit: line.unit, line: line.text };
            return self.stream.json(&line);
        }
        if self.logs.len() > 1 {
            return self.stream.line(&format!("{} | {}", node.name, line.text));
        }
        let place = file.or_else(|| line.unit.map(str::to_owned));
        if place != self.place {
            let gap = if self.place.is_some() { "\n" } else { "" };
            self.stream.line(&format!("{gap}==> {} <==", place.as_deref().unwrap_or_default()));
            self.place = place;
        }
        self.stream.line(line.text)
    }
}

fn places_text(logs: &[NodeLogs]) -> String {
    let places = logs.iter().flat_map(|logs| logs.places.iter().map(|place| (&logs.name, place)));
    places.map(|(name, place)| format!("{name}  {place}\n")).collect()
}

/// Where a log was looked for that is not there, and why there may be none.
fn missing(logs: &NodeLogs) -> String {
    let places: Vec<String> = logs.places.iter().map(ToString::to_string).collect();
    let why = match logs.has_run {
        false => "it has never been up, and a node makes its log when it starts",
        true => "it was removed, or start_args or environment have the node write elsewhere",
    };
    format!("note: {} has no log at {}: {why}", logs.name, places.join(", nor at "))
}

/// Every file that is followed is kept open, so that nothing of it is lost when it is put aside.
fn allow_open_files(logs: &[NodeLogs]) {
    const OTHERS: u64 = 64;
    let wanted = logs.iter().map(|logs| logs.places.len() as u64).sum::<u64>() + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
        // What cannot be opened is told by whoever opens it.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
