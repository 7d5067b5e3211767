//! A survey finds every node that the volume defines, whether anybody knows of it or not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::try_join_all;
use wnm_pm::node::NodeId;
use wnm_pm::node_files;
use wnm_pm::process_manager::{FoundNode, ManagerError, Outcome, ProcessState};

use super::Nodes;
use super::ask::Report;
use super::command_line::command_line;
use super::definition::Definition;
use super::inspect::{Missing, state};
use super::processes::Processes;
use super::script::Call;
use crate::container::layout;
use crate::settings::{S6Settings, group_name};
use crate::storage::definitions;

impl Nodes<'_> {
    /// Every node that the volume defines, by its name. A number may occur in several groups.
    ///
    /// # Errors
    /// When the volume cannot be read, or a container cannot be asked.
    pub async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        let settings = Arc::clone(&self.0.settings);
        let defined = tokio::task::spawn_blocking(move || defined(&settings)).await;
        let defined = defined.unwrap_or_else(|panic| Err(ManagerError::Failed(panic.to_string())))?;
        let containers = self.0.engine.containers(&self.0.machine).await?;
        let asked = defined.into_iter().map(async |(group, nodes)| {
            let names: Vec<&str> = nodes.iter().map(|node| node.service.as_str()).collect();
            let said = self.ask_group(&containers, group, Call::Status, &names).await?;
            nodes.into_iter().map(|node| said.of(&node.service).map(|report| (node, report))).collect()
        });
        let asked: Vec<Vec<(FoundNode, Report)>> = try_join_all(asked).await?;
        let processes = Processes::of(asked.iter().flatten().map(|(_, report)| (None, report)));
        let observed = asked.into_iter().flatten().map(|(node, report)| FoundNode {
            state: state(&node.service, Missing::Nothing, report, &processes),
            ..node
        });
        let mut found: Vec<FoundNode> = observed.collect();
        found.sort_by(|one, other| one.service.cmp(&other.service));
        Ok(found)
    }
}

/// The nodes that the volume defines, by their groups.
fn defined(settings: &S6Settings) -> Result<BTreeMap<u32, Vec<FoundNode>>, ManagerError> {
    let mut found = BTreeMap::new();
    for (name, dir) in directories(&definitions(&settings.node_storage))? {
        let Some(group) = number_of_group(&name) else { continue };
        let names = directories(&dir)?.into_iter().map(|(name, _)| name);
        let nodes: Vec<FoundNode> = names.filter_map(|name| read(settings, group, &name)).collect();
        if !nodes.is_empty() {
            found.insert(group, nodes);
        }
    }
    Ok(found)
}

/// 1 of `a1`; none for what is not the name of a group.
fn number_of_group(name: &str) -> Option<u32> {
    let group = name.strip_prefix('a')?.parse().ok()?;
    (group > 0 && group_name(group) == name).then_some(group)
}

/// The directories in a directory; none when it does not exist.
fn directories(dir: &Path) -> Outcome<Vec<(String, PathBuf)>> {
    let entries = node_files::entries(dir)?.into_iter();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(directories.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect())
}

/// A node of a group as its definition describes it, with the machine's names of its paths; none for what is not a node's.
fn read(settings: &S6Settings, group: u32, name: &str) -> Option<FoundNode> {
    let id = NodeId::of_name(name)?;
    let definition = Definition::new(&settings.node_storage, &group_name(group), name);
    let line = command_line(&fs::read_to_string(&definition.run).unwrap_or_default());
    let described = FoundNode::named(name, Some(id), ProcessState::Stopped { reason: None }).told(&line);
    let outside = |path: Option<PathBuf>| layout::outside(settings, &path?);
    Some(FoundNode {
        root_dir: outside(described.root_dir),
        binary: outside(described.binary),
        log_dir: outside(described.log_dir),
        group: Some(group),
        ..described
    })
}

#[cfg(test)]
mod tests {
    use wnm_pm::node::{Flavour, NodeRef};

    use super::*;
    use crate::node::definition::run_script;
    use crate::node::launch;
    use crate::node::paths::tests::node_in;

    #[test]
    fn a_node_of_either_flavour_is_found_as_it_was_defined() {
        for flavour in Flavour::ALL {
            let machine = tempfile::tempdir().unwrap();
            let (settings, spec) = node_in(machine.path(), flavour);
            let definition = Definition::new(&settings.node_storage, "a1", &spec.name);
            fs::create_dir_all(&definition.dir).unwrap();
            let launch = launch::inside(&settings, &NodeRef::new(spec.clone())).unwrap();
            fs::write(&definition.run, run_script(&launch).unwrap()).unwrap();

            let found = defined(&settings).unwrap();
            let expected = FoundNode {
                flavour: Some(flavour),
                root_dir: Some(spec.root_dir),
                binary: Some(spec.binary),
                log_dir: Some(spec.log_dir),
                ports: spec.ports,
                wallet: Some(spec.wallet),
                network: Some(spec.network),
                start_args: Some(spec.start_args),
                no_upnp: (flavour == Flavour::V1).then_some(spec.no_upnp),
                group: Some(1),
                ..FoundNode::named(spec.name, Some(spec.id), ProcessState::Stopped { reason: None })
            };
            assert_eq!(found, BTreeMap::from([(1, vec![expected])]));
        }
    }

    #[test]
    fn what_is_not_a_group_or_a_node_is_passed_over() {
        let machine = tempfile::tempdir().unwrap();
        let (settings, _) = node_in(machine.path(), Flavour::V1);
        assert_eq!(defined(&settings).unwrap(), BTreeMap::new(), "there is nothing");
        for name in ["a1/antnode1", "a1/other", "a0/antnode0001", "a01/antnode0001", "b1/antnode0001"] {
            fs::create_dir_all(settings.node_storage.join(".s6").join(name)).unwrap();
        }
        assert_eq!(defined(&settings).unwrap(), BTreeMap::new());
    }
}
