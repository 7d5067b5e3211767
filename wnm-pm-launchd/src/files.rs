//! The files of a node: its directories, its own copy of the program and its property list.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::{node_files, path_policy, program};

use crate::{Launchd, render};

impl Launchd {
    /// Makes what a node lacks, and writes its property list for the launch that it has now.
    pub(crate) fn make(&self, node: &NodeRef, label: &str) -> Outcome<()> {
        let made = node_files::make(&node.spec, None)?;
        self.write_plist(node, label)?;
        made.keep();
        Ok(())
    }

    /// Writes it whole or not at all. launchd refuses one that other users may write.
    fn write_plist(&self, node: &NodeRef, label: &str) -> Outcome<()> {
        let plists = &self.domain.plists;
        let made = DirBuilder::new().recursive(true).mode(0o755).create(plists);
        made.map_err(|source| ManagerError::io("make the directory", plists, source))?;
        let plist = self.plist(label);
        let mut xml = Vec::new();
        let written = render::job(node, label).to_writer_xml(&mut xml);
        written.map_err(|error| ManagerError::io("write", &plist, std::io::Error::other(error)))?;
        program::write_whole(&plist, &xml, 0o644, None)
    }

    /// Stops a node and deletes all that is its own.
    pub(crate) async fn remove_one(&self, node: &NodeRef) -> Outcome<()> {
        self.stop_one(node).await?;
        // launchd remembers for ever what is disabled, and the number may come again.
        self.launchctl.enable(&node.service).await?;
        node_files::delete(&self.plist(&node.service))?;
        // Again, since stopping takes its time.
        path_policy::check_paths(&self.node_storage, &node.spec)?;
        node_files::remove(&node.spec)
    }
}
