//! Creating: antctl's `add`, one call for nodes that follow one another, and the repair of nodes that lack something.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::command::Output;
use wnm_pm::hint::Hint;
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::node_files::{delete, exists};
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Created, ManagerError, Mode, Outcome};
use wnm_pm::program::stamp_of;

use crate::observation::Observation;
use crate::parse::{Entry, Registry};
use crate::repair::note;
use crate::{Antctl, check, parse, render};

/// How often a node is added whose entry another antctl overwrote.
const ATTEMPTS: usize = 3;

impl Antctl {
    pub(crate) async fn create_nodes(&self, nodes: &[NodeRef], observation: Observation) -> Outcomes<Created> {
        let (batch, _) = Batch::of(nodes).all(self.make_user().await);
        let (batch, _) = batch.all(self.open_storages());
        let batch = batch.check(|node, ()| check::check(node, &self.settings));
        let batch = batch.one_by_one(|node, ()| self.there_already(&observation, node)).await;
        let new = batch.good().filter(|(_, created)| created.is_none());
        let new: Vec<&NodeSpec> = new.map(|(node, _)| &node.spec).collect();
        let mut added = Vec::with_capacity(new.len());
        for run in new.chunk_by(|last, next| render::one_call(last, next)) {
            added.extend(self.add(run).await);
        }
        let mut added: Outcomes<Created> = added.into_iter().collect();
        let created = batch.then(|node, created| match created {
            Some(created) => Ok(created),
            None => added.take(node.id()).unwrap_or_else(|| Err(ManagerError::unanswered(&node.spec.name))),
        });
        created.outcomes()
    }

    /// A node that antctl has already, with whatever it lacked put back.
    async fn there_already(&self, observation: &Observation, node: &NodeRef) -> Outcome<Option<Created>> {
        let Some(entry) = self.entry_of(&observation.registry, &node.spec) else {
            return if self.downloads() { Ok(None) } else { check_program(&node.spec.program).map(|()| None) };
        };
        let lacks = !exists(&entry.data_dir_path) || self.broken(entry, node).is_some();
        if lacks && observation.running(entry).is_none() {
            self.repair(entry, node).await?;
        }
        Ok(Some(created(entry)))
    }

    /// antctl's entry for what is specified: the ports identify it, since antctl gives no port to two nodes.
    pub(crate) fn entry_of<'a>(&self, registry: &'a Registry, spec: &NodeSpec) -> Option<&'a Entry> {
        let storage = self.node_parent(spec);
        registry.present().find(|entry| {
            entry.ports() == spec.ports
                && entry.rewards_address.eq_ignore_ascii_case(&spec.wallet)
                && render::parent(&entry.data_dir_path) == storage
        })
    }

    /// Whether antctl brings the node program itself.
    fn downloads(&self) -> bool {
        self.settings.mode == Mode::Zen && self.settings.antctl_version.is_some()
    }

    /// In which directory antctl makes the node's own.
    fn node_parent(&self, spec: &NodeSpec) -> PathBuf {
        match self.settings.mode {
            Mode::Zen => self.places().nodes.clone(),
            _ => render::parent(&spec.root_dir).to_owned(),
        }
    }

    /// Adds a run of nodes in one call. When antctl refuses the run because of one of them, each is added by itself.
    async fn add(&self, run: &[&NodeSpec]) -> Vec<(NodeId, Outcome<Created>)> {
        match self.add_once(run).await {
            Ok(added) => return added.into_iter().map(|(id, created)| (id, Ok(created))).collect(),
            Err(error) if run.len() == 1 => return run.iter().map(|spec| (spec.id, Err(error.clone()))).collect(),
            Err(error) => tracing::debug!(error = error.text(), nodes = run.len(), "adding them one by one"),
        }
        let mut outcomes = Vec::with_capacity(run.len());
        for spec in run {
            outcomes.push((spec.id, self.add_one(spec).await));
        }
        outcomes
    }

    /// Adds a node by itself, unless antctl added it when it was asked for all.
    async fn add_one(&self, spec: &NodeSpec) -> Outcome<Created> {
        let registry = self.caller.registry().await?;
        if let Some(entry) = self.entry_of(&registry, spec) {
            return Ok(created(entry));
        }
        let mut added = self.add_once(&[spec]).await?;
        added.pop().map(|(_, created)| created).ok_or_else(|| ManagerError::unanswered(&spec.name))
    }

    async fn add_once(&self, run: &[&NodeSpec]) -> Outcome<Vec<(NodeId, Created)>> {
        let Some(first) = run.first() else { return Ok(vec![]) };
        let before = self.caller.registry().await?;
        let directories = self.free_directories(&before, first, run.len())?;
        let seconds = if self.downloads() { 900 } else { 60 + 10 * run.len() as u64 };
        let mut count = 0;
        for _ in 0..ATTEMPTS {
            let output = match self.caller.run(render::add(run, &self.settings), seconds).await {
                Ok(output) => output,
                // It was killed in the middle, or could not be run.
                Err(error) => {
                    if let Ok(registry) = self.caller.registry().await {
                        self.clear_unfinished(&registry, &directories);
                    }
                    return Err(error.into());
                }
            };
            let registry = self.caller.registry().await?;
            let added = run.iter().filter_map(|spec| Some((spec.id, created(self.entry_of(&registry, spec)?))));
            let added: Vec<(NodeId, Created)> = added.collect();
            let services: Vec<String> = added.iter().map(|(_, created)| created.service.clone()).collect();
            self.systemd.reload(&services).await;
            if added.len() == run.len() {
                if !self.downloads() {
                    run.iter().zip(&added).for_each(|(spec, (_, created))| note(&created.binary, &spec.program));
                }
                return Ok(added);
            }
            if !output.success() {
                self.clear_unfinished(&registry, &directories);
                return Err(refusal(first, &output));
            }
            count = added.len();
            if count > 0 {
                break;
            }
        }
        Err(overwritten(count, run.len()))
    }

    /// The directories that antctl will make next: it counts all nodes that it ever added, and would make one in a
    /// directory that is there, key and all. What a loss of power left, which no node ever ran in, is deleted.
    fn free_directories(&self, before: &Registry, first: &NodeSpec, count: usize) -> Outcome<Vec<PathBuf>> {
        let storage = self.node_parent(first);
        let number = |index: usize| before.nodes.len() + 1 + index;
        let directories: Vec<PathBuf> =
            (0..count).map(|index| storage.join(format!("antnode{}", number(index)))).collect();
        for index in 0..count {
            self.refuse_foreign_unit(&format!("antnode{}", number(index)), &storage)?;
        }
        let unused: Vec<PathBuf> = directories.iter().filter(|path| never_ran(path, first)).cloned().collect();
        self.clear_unfinished(before, &unused);
        match directories.iter().find(|path| exists(path)) {
            None => Ok(directories),
            Some(path) => {
                let (path, registry) = (path.display(), self.places().registry());
                let what = format!(
                    "{path} is left alone: antctl would make its next node in it, with the key of another node"
                );
                let registry = registry.display();
                let hint = format!(
                    "restore {registry} from a backup that holds that node; only where no node is wanted back from {path}, \
                     move it away"
                );
                Err(ManagerError::advised(what, Hint::text(hint)))
            }
        }
    }

    /// Deletes what a failed `add` left: directories that no node has, and that were not there before or hold no key.
    fn clear_unfinished(&self, registry: &Registry, directories: &[PathBuf]) {
        for directory in directories {
            if !registry.nodes.iter().any(|entry| entry.data_dir_path == *directory)
                && self.deletable(directory).is_ok()
                && let Err(error) = delete(directory)
            {
                tracing::warn!(error = error.text(), "what a failed add left stays");
            }
        }
    }
}

fn created(entry: &Entry) -> Created {
    Created {
        service: entry.service_name.clone(),
        root_dir: entry.data_dir_path.clone(),
        binary: entry.antnode_path.clone(),
        log_dir: entry.log_dir_path.clone(),
    }
}

/// Whether a directory is what an `add` that was cut short leaves: nothing but the program, or a part of it, and logs.
fn never_ran(directory: &Path, spec: &NodeSpec) -> bool {
    let Ok(files) = fs::read_dir(directory) else { return false };
    let program = spec.program.file_name().unwrap_or_default();
    let noted = stamp_of(&spec.program);
    let noted = noted.file_name().unwrap_or_default();
    let made_by_add = |name: &OsStr| [program, noted, OsStr::new("antnode"), OsStr::new("logs")].contains(&name);
    files.into_iter().all(|file| file.is_ok_and(|file| made_by_add(&file.file_name())))
}

/// What antctl's refusal of an `add` means.
fn refusal(spec: &NodeSpec, output: &Output) -> ManagerError {
    let complaint = parse::complaint(output);
    let refused = parse::refused_port(&complaint);
    // In a run of nodes it may be that of any of them: then each is added by itself.
    if let Some((kind, port)) = refused.and_then(|port| spec.ports.iter().find(|(_, own)| *own == port)) {
        let holder = "a node in antctl's registry, where a removed node keeps its ports".to_owned();
        return ManagerError::PortInUse { protocol: kind.protocol(), port, holder };
    }
    match output.code {
        Some(2) => {
            ManagerError::Unusable { what: format!("what antctl is given for {}", spec.name), reason: complaint }
        }
        _ => ManagerError::Failed(format!("antctl did not add {}: {complaint}", spec.name)),
    }
}

/// antctl reported success, and its registry says otherwise.
fn overwritten(added: usize, wanted: usize) -> ManagerError {
    let what =
        format!("antctl added {added} of {wanted} nodes and reported success: another antctl overwrote its registry");
    ManagerError::advised(what, Hint::text("let nothing but wnm run antctl on this machine"))
}
