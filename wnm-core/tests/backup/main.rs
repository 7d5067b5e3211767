//! Backups that somebody altered, and nodes of both flavours put aside and back.

mod archives;
mod restores;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wnm_core::backup::{Backup, BackupError, Made, Source, Target, read};
use wnm_core::event::Event;
use wnm_core::node::{Flavour, Node, NodeId, NodeSpec, Ports, UnixSeconds};
use wnm_core::settings::Config;
use wnm_core::snapshot::Counters;
use wnm_core::store::Store;
use wnm_pm::process_manager::{Capabilities, NumberingKind};

const NOW: UnixSeconds = 1_790_000_000;

/// A machine of files only: a database, and nodes that are a directory with a key.
struct Scene {
    directory: TempDir,
    config: Config,
    store: Store,
}

impl Scene {
    /// Nodes 1, 2, … of these flavours, each of which has run.
    fn new(flavours: &[Flavour]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let base = directory.path().canonicalize().expect("it is there");
        let config = wnm_testing::config(&base.join("storage"));
        wnm_core::storage::prepare(config.node_storage.first()).expect("it is ours");
        let mut store = Store::create(&base.join("colony.db")).expect("a new database");
        let settings = vec![("node_cap".to_owned(), "9".to_owned())];
        store.apply(NOW, &[Event::Initialised { settings, boot_time: NOW }]).expect("it is recorded");
        let mut scene = Self { directory, config, store };
        for (number, flavour) in (1..).zip(flavours) {
            let spec = scene.spec(number, *flavour);
            fs::create_dir_all(&spec.root_dir).expect("it is made");
            fs::write(spec.root_dir.join(flavour.key_file()), key(number, *flavour)).expect("it is written");
            scene.adopt(spec);
        }
        scene
    }

    fn adopt(&mut self, spec: NodeSpec) {
        let service = spec.name.clone();
        let node = Box::new(Node::adopted(spec, service, NOW));
        self.store.apply(NOW, &[Event::Adopted { node }]).expect("it is recorded");
    }

    fn spec(&self, number: u32, flavour: Flavour) -> NodeSpec {
        let id = NodeId(number);
        let root_dir = self.config.node_storage.first().join(id.name());
        let port = 55_000 + u16::try_from(number).expect("a small number");
        NodeSpec {
            id,
            name: id.name(),
            flavour,
            program: "/usr/local/bin/antnode".into(),
            version: None,
            binary: root_dir.join(flavour.program_name()),
            log_dir: self.config.log_dir.join(id.name()),
            root_dir,
            bootstrap_cache_dir: self.config.bootstrap_cache_dir.clone(),
            ports: flavour
                .ports()
                .iter()
                .zip([port, port - 42_000])
                .map(|(kind, port)| (*kind, port))
                .collect::<Ports>(),
            wallet: format!("0x{}", format!("{number}").repeat(40)),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![],
            start_args: vec![],
            group: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn try_back_up(&self, name: &str) -> Result<Made, BackupError> {
        let source = Source { store: &self.store, config: &self.config, now: NOW };
        source.back_up(&self.path(name), false)
    }

    fn back_up(&self, name: &str) -> PathBuf {
        self.try_back_up(name).expect("it is backed up").path
    }
}

/// A place where nothing is yet.
struct Elsewhere {
    directory: TempDir,
    config: Config,
}

impl Elsewhere {
    /// With the storage of that scene, which is gone.
    fn after(scene: Scene) -> Self {
        let Scene { directory, config, store } = scene;
        drop(store);
        fs::remove_dir_all(config.node_storage.first()).expect("it is ours");
        for entry in fs::read_dir(directory.path()).expect("it is read").flatten() {
            if entry.file_name().to_string_lossy().starts_with("colony.db") {
                fs::remove_file(entry.path()).expect("it is ours");
            }
        }
        Self { directory, config }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("colony.db")
    }

    fn target<'t>(&'t self, database: &'t Path) -> Target<'t> {
        Target {
            config: &self.config,
            capabilities: Capabilities::plain(NumberingKind::FillGaps),
            database,
            owner: None,
            from_other_machine: false,
        }
    }

    fn restore(&self, backup: &Backup) -> Result<Vec<Node>, BackupError> {
        let database = self.database();
        self.target(&database).restore(backup, NOW + 60, &counters()).map(|restored| restored.nodes)
    }
}

fn counters() -> Counters {
    Counters {
        at: NOW + 60,
        boot_time: NOW + 30,
        boot_id: None,
        uptime_milliseconds: 1,
        cpu_busy: 0,
        cpu_total: 0,
        disk_read: 0,
        disk_written: 0,
        net_received: 0,
        net_sent: 0,
    }
}

/// A whole key.
fn key(number: u32, flavour: Flavour) -> Vec<u8> {
    let byte = u8::try_from(number).expect("a small number");
    match flavour {
        Flavour::V1 => vec![byte; 32],
        Flavour::V2 => format!("{{\"secret\":[{}{byte}]}}", format!("{byte},").repeat(6_000)).into_bytes(),
    }
}

fn refusal(path: &Path) -> String {
    match read(path) {
        Ok(_) => "whole".to_owned(),
        Err(error) => error.to_string().replace(&path.display().to_string(), "BACKUP"),
    }
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([archives::trials(), restores::trials()])
}
