//! Replacing programs: antctl's `upgrade --path`, with the program before it kept where the node cannot change it. Whatever can
//! be found wrong is found before a node is stopped.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Access, access};
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::program::{Staged, stage};

use crate::observation::Observation;
use crate::repair::Prepared;
use crate::{Antctl, render};

impl Antctl {
    /// Stops nodes and puts a program in the place of their own, which is kept.
    pub(crate) async fn replace_programs(
        &self,
        nodes: &[NodeRef],
        observation: Observation,
        program: &Path,
    ) -> Outcomes<()> {
        let (batch, _) = Batch::of(nodes).all(check_program(program));
        let batch = self.prepare_all(batch, &observation);
        let (new, places) = (program.to_owned(), self.places().clone());
        let keep = move |node: NodeRef, prepared: Prepared| {
            let place = &prepared.entry.antnode_path;
            fits(&new, place)?;
            keep(place, &places.kept_program(&node)).map(|()| prepared)
        };
        let batch = batch.in_background(keep).await;
        let kept = batch.good_nodes();
        let stopped = self.stop_nodes(&kept, observation).await;
        for node in kept.iter().filter(|node| stopped.get(node.id()).is_some_and(Result::is_err)) {
            // Its program is not touched, so there is nothing to go back to.
            let _ = self.forget(node);
        }
        self.place(batch.join(stopped), program).await.outcomes()
    }

    /// Stops nodes and puts the programs that are kept back in their places.
    pub(crate) async fn restore_programs(&self, nodes: &[NodeRef], observation: Observation) -> Outcomes<()> {
        let batch = self.prepare_all(Batch::of(nodes), &observation);
        let places = self.places().clone();
        let check = move |node: NodeRef, prepared: Prepared| {
            let kept = places.kept_program(&node);
            if !kept.is_file() {
                let name = &node.spec.name;
                let what = format!("{name} cannot be given its previous program back: none is kept");
                return Err(ManagerError::Failed(what));
            }
            fits(&kept, &prepared.entry.antnode_path).map(|()| prepared)
        };
        let batch = batch.in_background(check).await;
        let stopped = self.stop_nodes(&batch.good_nodes(), observation).await;
        batch.join(stopped).one_by_one(|node, prepared| self.restore(node, prepared)).await.outcomes()
    }

    async fn restore(&self, node: &NodeRef, prepared: Prepared) -> Outcome<()> {
        self.place_one(node, prepared, &self.places().kept_program(node)).await?;
        self.forget(node)
    }

    /// Deletes the program that is kept of a node.
    pub(crate) fn forget(&self, node: &NodeRef) -> Outcome<()> {
        let kept = self.places().kept_program(node);
        match fs::remove_file(&kept) {
            // A directory that cannot be one holds none.
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(ManagerError::io("delete the previous node program", &kept, error))
            }
            _ => Ok(()),
        }
    }

    fn prepare_all<'n>(&self, batch: Batch<'n>, observation: &Observation) -> Batch<'n, Prepared> {
        batch.then(|node, ()| {
            let entry = observation.entry(node).ok_or_else(|| self.unknown(node))?;
            self.prepare(entry)
        })
    }
}

/// Proves that there is room for a program where it belongs, and that it can be written there.
fn fits(program: &Path, place: &Path) -> Outcome<()> {
    // antctl writes over the file itself, which may be read-only by a mount, or may not be changed by anybody.
    access(place, Access::WRITE_OK).map_err(|error| ManagerError::io("write the node program", place, error.into()))?;
    stage(program, place, None).map(drop)
}

/// Keeps a copy of a program: antctl writes over the file itself, so a second name of it would not do.
fn keep(program: &Path, kept: &Path) -> Outcome<()> {
    let directory = render::parent(kept);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| ManagerError::io("make", directory, source))?;
    stage(program, kept, None).and_then(Staged::put_in_place)
}
