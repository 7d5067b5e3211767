//! Creating: antctl's `add`, one call for nodes that follow one another, and the mending of nodes that lack something.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use wnm_pm::command::Output;
use wnm_pm::node::NodeSpec;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Created, ManagerError, Mode, Outcome};

use crate::call::{again, named, to_all};
use crate::observation::{Observation, exists};
use crate::parse::{Entry, Registry};
use crate::{Antctl, check, parse, render};

/// How often a node is added whose entry another antctl overwrote.
const ATTEMPTS: usize = 3;

impl Antctl {
    pub(crate) async fn create_locked(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        if let Err(error) = self.open_storages() {
            return to_all(nodes.len(), &error);
        }
        let observation = match self.look(&[]).await {
            Ok(observation) => observation,
            Err(error) => return to_all(nodes.len(), &error),
        };
        let mut outcomes: Vec<Option<Outcome<Created>>> = Vec::new();
        for spec in nodes {
            outcomes.push(self.there_already(&observation, spec).await.transpose());
        }
        let left: Vec<usize> = (0..nodes.len()).filter(|index| outcomes[*index].is_none()).collect();
        for run in left.chunk_by(|last, next| render::one_call(&nodes[*last], &nodes[*next])) {
            let specs: Vec<&NodeSpec> = run.iter().map(|index| &nodes[*index]).collect();
            for (index, outcome) in run.iter().zip(self.add(&specs).await) {
                outcomes[*index] = Some(outcome);
            }
        }
        outcomes.into_iter().flatten().collect()
    }

    /// A node that antctl has already, with whatever it lacked put back.
    async fn there_already(&self, observation: &Observation, spec: &NodeSpec) -> Outcome<Option<Created>> {
        check::check(spec, &self.settings)?;
        let Some(entry) = self.entry_of(&observation.registry, spec) else {
            return if self.downloads() { Ok(None) } else { check_program(&spec.program).map(|()| None) };
        };
        let lacks = !exists(&entry.data_dir_path) || self.missing(entry).is_some();
        if lacks && observation.life(entry).is_none() {
            self.repair(entry, spec).await?;
        }
        Ok(Some(created(entry)))
    }

    /// antctl's entry for what is specified: the ports tell, since antctl gives no port to two nodes.
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
    async fn add(&self, run: &[&NodeSpec]) -> Vec<Outcome<Created>> {
        let refused = match self.add_once(run).await {
            Ok(added) => return added.iter().map(|entry| Ok(created(entry))).collect(),
            Err(error) if run.len() == 1 => return vec![Err(error)],
            Err(error) => error,
        };
        tracing::debug!(%refused, nodes = run.len(), "adding them one by one");
        let mut outcomes = Vec::new();
        for spec in run {
            let registry = self.caller.registry().await;
            let there = registry.as_ref().ok().and_then(|registry| self.entry_of(registry, spec));
            outcomes.push(match (there, &registry) {
                (Some(entry), _) => Ok(created(entry)),
                (None, Err(error)) => Err(again(error)),
                (None, Ok(_)) => self.add_once(&[*spec]).await.map(|added| created(&added[0])),
            });
        }
        outcomes
    }

    async fn add_once(&self, run: &[&NodeSpec]) -> Outcome<Vec<Entry>> {
        let before = self.caller.registry().await?;
        let storage = self.node_parent(run[0]);
        // antctl counts all that it ever added. It would make its next node in a directory that is there, key and all.
        let next = |index: usize| format!("antnode{}", before.nodes.len() + 1 + index);
        let directories: Vec<PathBuf> = (0..run.len()).map(|index| storage.join(next(index))).collect();
        // A loss of power leaves what no node ever ran in.
        let unused: Vec<PathBuf> = directories.iter().filter(|path| never_ran(path, run[0])).cloned().collect();
        self.clear_unfinished(&before, &unused);
        if let Some(path) = directories.iter().find(|path| exists(path)) {
            let reason = "antctl would make its next node in there, with the key of another; move it away".to_owned();
            return Err(ManagerError::NotOurs { path: path.clone(), reason });
        }
        let seconds = if self.downloads() { 900 } else { 60 + 10 * run.len() as u64 };
        let mut said = String::new();
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
            let added: Vec<Entry> = run.iter().filter_map(|spec| self.entry_of(&registry, spec)).cloned().collect();
            let services: Vec<String> = added.iter().map(|entry| entry.service_name.clone()).collect();
            self.systemd.settle(&services).await;
            if added.len() == run.len() {
                return Ok(added);
            }
            if !output.success() {
                self.clear_unfinished(&registry, &directories);
                return Err(refusal(run[0], &output));
            }
            said = format!("antctl reported success, and {} of {} nodes are in its registry", added.len(), run.len());
            if !added.is_empty() {
                break;
            }
        }
        Err(ManagerError::Failed(format!(
            "{said}: another antctl overwrote it\nhint: let nobody but wnm run antctl on this machine"
        )))
    }

    /// Deletes what a failed `add` left: directories that no node has, and that were not there before or hold no key.
    fn clear_unfinished(&self, registry: &Registry, directories: &[PathBuf]) {
        for directory in directories {
            if !registry.nodes.iter().any(|entry| entry.data_dir_path == *directory)
                && self.deletable(directory).is_ok()
                && let Err(error) = fs::remove_dir_all(directory)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(directory = %directory.display(), %error, "what a failed add left cannot be deleted");
            }
        }
    }

    /// Puts back what a node lacks: directories, its program, its unit file. antctl's `upgrade` writes the last two.
    pub(crate) async fn repair(&self, entry: &Entry, spec: &NodeSpec) -> Outcome<()> {
        check_program(&spec.program)?;
        for directory in [&entry.data_dir_path, &entry.log_dir_path] {
            make_like_its_parent(directory)?;
        }
        self.put_unit_back(entry)?;
        let service = std::slice::from_ref(&entry.service_name);
        let mut arguments = named(&["upgrade", "--do-not-start", "--path"], []);
        arguments.push(spec.program.clone().into());
        arguments.extend(named(&[], service));
        let output = self.caller.quiet(arguments, 60).await?;
        let unit = self.places().unit(&entry.service_name);
        if let Ok(text) = fs::read_to_string(&unit) {
            write(&unit, &render::with_environment(&text, &spec.environment))?;
        }
        self.systemd.settle(service).await;
        match self.missing(entry) {
            None => Ok(()),
            Some(missing) => Err(ManagerError::Failed(format!(
                "antctl did not put back {missing} of {}: {}",
                entry.service_name,
                parse::complaint(&output)
            ))),
        }
    }

    /// antctl neither rewrites nor removes a node whose unit file is missing; any unit file of that name will do.
    pub(crate) fn put_unit_back(&self, entry: &Entry) -> Outcome<bool> {
        let unit = self.places().unit(&entry.service_name);
        if !self.systemd.booted || unit.is_file() {
            return Ok(false);
        }
        let text = format!("[Unit]\nDescription={}\n[Service]\nExecStart=/bin/false\n", entry.service_name);
        write(&unit, &text).map(|()| true)
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
    let made_by_add = |name: &OsStr| name == program || name == "antnode" || name == "logs";
    files.into_iter().all(|file| file.is_ok_and(|file| made_by_add(&file.file_name())))
}

/// What antctl's refusal of an `add` means.
fn refusal(spec: &NodeSpec, output: &Output) -> ManagerError {
    let complaint = parse::complaint(output);
    if let Some(port) = parse::refused_port(&complaint) {
        let protocol = if port == spec.ports.node { "UDP" } else { "TCP" };
        let holder = "another node of antctl's registry; a removed node keeps its ports until a reset (`wnm teardown`)";
        return ManagerError::PortInUse { protocol, port, holder: holder.to_owned() };
    }
    match output.code {
        Some(2) => {
            ManagerError::Unusable { what: format!("what antctl is told about {}", spec.name), reason: complaint }
        }
        _ => ManagerError::Failed(format!("antctl did not add {}: {complaint}", spec.name)),
    }
}

/// Makes a directory that belongs to whom its parent belongs to.
fn make_like_its_parent(directory: &Path) -> Outcome<()> {
    let trouble = |source| ManagerError::Io { doing: "make", path: directory.to_owned(), source };
    if exists(directory) {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(trouble)?;
    let parent = fs::metadata(render::parent(directory)).map_err(trouble)?;
    chown(directory, Some(parent.uid()), Some(parent.gid())).map_err(trouble)
}

/// Writes a unit file; whoever reads it reads all of it.
pub(crate) fn write(path: &Path, text: &str) -> Outcome<()> {
    let trouble = |source| ManagerError::Io { doing: "write", path: path.to_owned(), source };
    fs::create_dir_all(render::parent(path)).map_err(trouble)?;
    let unfinished = path.with_extension("service.new");
    fs::write(&unfinished, text).map_err(trouble)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o644)).map_err(trouble)?;
    fs::rename(&unfinished, path).map_err(trouble)
}
