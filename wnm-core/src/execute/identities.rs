//! Before a node's files are deleted, its key goes into the database, for as long as `keep_removed_days` says.

use super::Executor;
use super::steps::Batch;
use crate::event::Event;
use crate::node::{Node, Transition};
use crate::store::StoreError;
use wnm_pm::hint::Hint;

impl Executor<'_> {
    /// Answers with the nodes that may go. One whose key cannot be read stays: only its owner can say that it need not be kept.
    pub(super) async fn keep_identities(
        &mut self,
        batch: &mut Batch,
        rows: Vec<Node>,
    ) -> Result<Vec<Node>, StoreError> {
        if self.config.keep_removed_days == 0 {
            return Ok(rows);
        }
        let (mut going, mut kept) = (Vec::new(), Vec::new());
        for row in rows {
            match self.observer.key(&row.spec().root_dir, row.spec().flavour).await {
                Ok(key) => {
                    kept.extend(key.map(|key| Event::IdentityKept { node: Box::new(row.clone()), key }));
                    going.push(row);
                }
                Err(error) => {
                    let hint = Hint::set("keep_removed_days", 0).to("remove nodes without keeping their keys");
                    batch.advise(row.id(), vec![hint]);
                    let error = format!("its key cannot be kept: {error}");
                    batch.ended(row, Transition::StepFailed { error }, self.clock.now());
                }
            }
        }
        self.record(&kept)?;
        Ok(going)
    }
}
