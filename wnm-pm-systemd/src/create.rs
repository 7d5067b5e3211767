//! Creating makes a node's directories, its own copy of the program, and its unit. Nothing is started.

use std::collections::HashMap;

use wnm_pm::node::NodeSpec;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Created, Outcome};

use crate::batch::Batch;
use crate::{Systemd, files, render, units};

impl Systemd {
    pub(crate) async fn create_all(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        let mut batch = Batch::of_specs(nodes);
        self.refuse(&mut batch);
        // What cannot be written down, or run, is refused before anything is made.
        batch.check(|item| render::unit(item.spec, self.scope(), 0).map(drop));
        batch.check(|item| check_program(&item.spec.binary).or_else(|_| check_program(&item.spec.program)));
        if !batch.units().is_empty() {
            self.make(&mut batch).await;
        }
        batch.outcomes(|item| Ok(Created::as_specified(item.spec, item.unit.clone())))
    }

    async fn make(&self, batch: &mut Batch<'_>) {
        let Some(owner) = batch.all(files::owner(&self.systemctl).await) else { return };
        files::make_directories(&self.systemctl, batch, owner).await;
        batch.all(files::open_storage(&self.systemctl, &self.node_storage, owner).await);
        self.copy_programs(batch, owner).await;
        units::settle(self, batch, &HashMap::new()).await;
    }

    /// A node that has its program keeps it: another one comes with an upgrade.
    pub(crate) async fn copy_programs(&self, batch: &mut Batch<'_>, owner: files::Owner) {
        let mut without = batch.part(|item| check_program(&item.spec.binary).is_err());
        files::stage_programs(&self.systemctl, &mut without, owner, |spec| spec.program.clone()).await;
        files::place_programs(&self.systemctl, &mut without, "new").await;
        files::forget_programs(&self.systemctl, without.bad()).await;
        batch.take_failures(without);
    }
}
