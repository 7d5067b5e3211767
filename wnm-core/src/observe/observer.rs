//! The observer is the door to what can be seen of the machine itself: a test, or a simulation, opens another one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use wnm_pm::command::CommandRunner;
use wnm_pm::port::Protocol;
use wnm_pm::port_use;
use wnm_pm::process;
use wnm_pm::storages::Storages;

use super::signs::{self, Memory, Signs, Target};
use super::{HostError, Limits, Observed, Program, VersionCache, VersionError};
use super::{ask_counted, host, program_version};
use crate::identity::{self, Key};
use crate::node::{Flavour, NodeId, ProcessId, UnixSeconds};
use crate::snapshot::Counters;
use crate::snapshot::{Answer, DirectoryState, DiskLoad};
use crate::storage::{self, Place, StorageError};

/// Sees the machine. Changes nothing.
#[async_trait]
pub trait Observer: Send + Sync {
    /// Measures the load: `previous` is what an earlier measurement kept, `now` the time.
    async fn host(
        &self,
        previous: Option<&Counters>,
        node_storage: &Path,
        now: UnixSeconds,
    ) -> Result<Observed, HostError>;

    /// Asks the node program at `path` what it is, unless `cache` knows; with the answer comes the cache to keep, when it
    /// has changed.
    async fn program(&self, path: &Path, cache: &VersionCache)
    -> Result<(Program, Option<VersionCache>), VersionError>;

    /// Asks nodes at these addresses how they are. `finished` hears how many are done.
    async fn ask(
        &self,
        targets: &[(NodeId, SocketAddr)],
        limits: &Limits,
        finished: &(dyn Fn(usize) + Sync),
    ) -> Vec<(NodeId, Answer)>;

    /// Looks at nodes that answer no questions. With what is seen of each comes what to keep until the next look, where that
    /// has changed.
    fn signs(
        &self,
        _targets: &[Target],
        _kept: &BTreeMap<NodeId, Memory>,
        _now: UnixSeconds,
    ) -> (BTreeMap<NodeId, Signs>, Vec<(NodeId, Memory)>) {
        (BTreeMap::new(), Vec::new())
    }

    /// Whether a signal has halted a process.
    fn is_halted(&self, _process: ProcessId) -> bool {
        false
    }

    /// The ports that programs of this machine hold.
    fn ports_in_use(&self, protocol: Protocol) -> BTreeSet<u16>;

    /// Makes sure that these places answer, before anything is read there that could hang.
    fn reach(&self, _places: Vec<Place>) -> Result<(), StorageError> {
        Ok(())
    }

    /// Each of several disks that nodes lie on. Of one that cannot be measured nothing is known: it counts as away.
    fn disks(&self, _storages: &Storages) -> Vec<DiskLoad> {
        Vec::new()
    }

    /// Whether the storage of nodes is there, and not just the place where its disk would be mounted.
    fn storage_is_marked(&self, node_storage: &Path) -> bool;

    /// Everything that lies in the storage of nodes; nothing when it cannot be read.
    fn entries(&self, node_storage: &Path) -> Vec<PathBuf>;

    /// The state of one node's directory.
    fn directory(&self, node_storage: &Path, root_dir: &Path) -> DirectoryState;

    /// The key of a node; none where it has none.
    ///
    /// # Errors
    /// When there may be one, and it cannot be read.
    async fn key(&self, _root_dir: &Path, _flavour: Flavour) -> io::Result<Option<Key>> {
        Ok(None)
    }
}

/// Sees the machine that this program runs on.
pub struct ThisMachine {
    runner: Arc<dyn CommandRunner>,
}

impl ThisMachine {
    /// Runs node programs, to ask for their version, by this runner.
    #[must_use]
    pub fn new(runner: Arc<dyn CommandRunner>) -> Self {
        Self { runner }
    }
}

#[async_trait]
impl Observer for ThisMachine {
    async fn host(
        &self,
        previous: Option<&Counters>,
        node_storage: &Path,
        now: UnixSeconds,
    ) -> Result<Observed, HostError> {
        host(previous, node_storage, now).await
    }

    async fn program(
        &self,
        path: &Path,
        cache: &VersionCache,
    ) -> Result<(Program, Option<VersionCache>), VersionError> {
        program_version(&*self.runner, path, cache).await
    }

    async fn ask(
        &self,
        targets: &[(NodeId, SocketAddr)],
        limits: &Limits,
        finished: &(dyn Fn(usize) + Sync),
    ) -> Vec<(NodeId, Answer)> {
        ask_counted(targets, limits, finished).await
    }

    fn signs(
        &self,
        targets: &[Target],
        kept: &BTreeMap<NodeId, Memory>,
        now: UnixSeconds,
    ) -> (BTreeMap<NodeId, Signs>, Vec<(NodeId, Memory)>) {
        signs::look(targets, kept, now)
    }

    fn is_halted(&self, process: ProcessId) -> bool {
        process::is_halted(process)
    }

    fn ports_in_use(&self, protocol: Protocol) -> BTreeSet<u16> {
        port_use::ports_in_use(protocol)
    }

    fn reach(&self, places: Vec<Place>) -> Result<(), StorageError> {
        storage::reach(places)
    }

    fn disks(&self, storages: &Storages) -> Vec<DiskLoad> {
        storages.iter().map(host::disk_load).collect()
    }

    fn storage_is_marked(&self, node_storage: &Path) -> bool {
        storage::is_marked(node_storage)
    }

    fn entries(&self, node_storage: &Path) -> Vec<PathBuf> {
        storage::entries(node_storage).collect()
    }

    fn directory(&self, node_storage: &Path, root_dir: &Path) -> DirectoryState {
        storage::directory(node_storage, root_dir)
    }

    async fn key(&self, root_dir: &Path, flavour: Flavour) -> io::Result<Option<Key>> {
        match identity::read(root_dir, flavour) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                identity::read_as_root(&*self.runner, root_dir, flavour).await
            }
            Err(error) if identity::is_not_a_key(&error) => Ok(None),
            read => Ok(read?.map(Key)),
        }
    }
}
