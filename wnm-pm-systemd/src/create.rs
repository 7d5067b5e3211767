//! Creating makes a node's directories, its own copy of the program, and its unit. Nothing is started.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::Created;

use crate::paths::unit_name;
use crate::state::check_own;
use crate::{Systemd, files, programs, render};

impl Systemd {
    pub(crate) async fn create_all(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        // What cannot be written down, or run, is refused before anything is made.
        let batch = self.begin(nodes).check(|node, ()| {
            node.launch.check()?;
            render::unit(node, &self.node_storage, self.scope(), 0)?;
            check_program(&node.spec.binary).or_else(|_| check_program(&node.spec.program))
        });
        let batch = self.known(batch).await.check(check_own);
        let batch = files::make_directories(&self.systemctl, batch).await;
        let batch = files::open_storages(&self.systemctl, batch, &self.node_storage).await;
        let batch = self.copy_missing_programs(batch).await;
        let made = self.reload_units(batch).await;
        made.then(|node, _| Ok(Created::as_specified(&node.spec, unit_name(node)))).outcomes()
    }

    /// A node that has a whole program keeps it: only an upgrade replaces it.
    pub(crate) async fn copy_missing_programs<'a, T: Clone>(&self, batch: Batch<'a, T>) -> Batch<'a, T> {
        let without = batch.part(|node, _| programs::check_own(node).is_err());
        batch.join_part(programs::copy(&self.systemctl, without, |node| node.spec.program.clone()).await)
    }
}
