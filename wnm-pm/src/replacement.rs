//! Replacing nodes' programs, for managers that work on the disk themselves: everything that can fail is done while the
//! nodes still run, and only then are they stopped.

use std::path::Path;

use crate::batch::{Batch, Outcomes};
use crate::node::{NodeRef, NodeSpec};
use crate::node_files::exists;
use crate::path_policy::check_program;
use crate::process_manager::ManagerError;
use crate::program;
use crate::user::Owner;

/// Copies the program `from` for each node, puts it in its place, keeping the one before it, and stops those that have it. A
/// node for which that is not possible is not stopped, and one that does not stop gets its program back.
pub async fn replace<F>(
    batch: Batch<'_>,
    from: &Path,
    owner: Option<Owner>,
    stop: impl FnOnce(Vec<NodeRef>) -> F,
) -> Outcomes<()>
where
    F: Future<Output = Outcomes<()>>,
{
    let from = from.to_owned();
    let placed = batch.in_background(move |node, ()| place(&from, &node.spec, owner)).await;
    let had_it = placed.good_nodes();
    let replaced = placed.join(stop(had_it.clone()).await);
    for node in replaced.bad_nodes().iter().filter(|node| had_it.contains(node)) {
        // It runs on with that program: one that began anew would have to find it.
        if let Err(error) = program::restore_previous(&node.spec.binary) {
            tracing::warn!("{} runs on with its previous program: {}", node.spec.name, error.text());
        }
    }
    replaced.outcomes()
}

/// A running node does not notice. Where it is there already, an earlier replacement was interrupted, which kept the one
/// before it.
fn place(from: &Path, spec: &NodeSpec, owner: Option<Owner>) -> Result<(), ManagerError> {
    let place = &spec.binary;
    if !exists(place) {
        check_program(place)?;
    }
    check_program(from)?;
    if program::is_copy_of(place, from) {
        return Ok(());
    }
    let staged = program::stage_for(spec, from, owner)?;
    match program::check_own(spec) {
        Ok(()) => program::keep_previous(place, owner)?,
        // Nobody would want a damaged one back.
        Err(_) => program::forget_previous(place)?,
    }
    staged.install()
}

/// Stops nodes and puts their previous program back; one of which none is kept is not stopped.
pub async fn restore<F>(batch: Batch<'_>, stop: impl FnOnce(Vec<NodeRef>) -> F) -> Outcomes<()>
where
    F: Future<Output = Outcomes<()>>,
{
    let kept = batch.check(|node, ()| {
        let kept = program::previous(&node.spec.binary);
        check_program(&kept).map_err(|error| {
            let name = &node.spec.name;
            ManagerError::Failed(format!("{name} cannot be given its previous program back: {}", error.text()))
        })
    });
    let stopped = stop(kept.good_nodes()).await;
    kept.join(stopped).in_background(|node, ()| program::restore_previous(&node.spec.binary)).await.outcomes()
}

/// Deletes the previous programs of nodes.
pub async fn forget(batch: Batch<'_>) -> Outcomes<()> {
    batch.in_background(|node, ()| program::forget_previous(&node.spec.binary)).await.outcomes()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::future::{Ready, ready};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::node::{NodeId, NodeSpec};

    /// Nodes 1 to 3 with the program "old", and "new" to replace it.
    struct Scene {
        directory: TempDir,
        nodes: Vec<NodeRef>,
    }

    impl Scene {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            program(&directory.path().join("new"), "new");
            let nodes = [1, 2, 3].map(|number| {
                let spec = NodeSpec::sample(number, directory.path());
                fs::create_dir_all(&spec.root_dir).expect("it is made");
                program(&spec.binary, "old");
                NodeRef::new(spec)
            });
            Self { nodes: nodes.into(), directory }
        }

        fn new_program(&self) -> PathBuf {
            self.directory.path().join("new")
        }

        /// The programs in their places, and those that are kept.
        fn programs(&self) -> [Vec<Option<String>>; 2] {
            let read = |path: PathBuf| fs::read_to_string(path).ok().map(|text| text[2..].to_owned());
            let each =
                |which: fn(&Path) -> PathBuf| self.nodes.iter().map(|node| read(which(&node.spec.binary))).collect();
            [each(Path::to_path_buf), each(program::previous)]
        }
    }

    fn program(path: &Path, text: &str) {
        fs::write(path, format!("#!{text}")).expect("it is written");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("its mode is set");
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// Stops all but node 2, which does not end.
    fn stop(stopped: &mut Vec<NodeId>, nodes: Vec<NodeRef>) -> Ready<Outcomes<()>> {
        stopped.extend(nodes.iter().map(NodeRef::id));
        let outcome = |node: &NodeRef| match node.id() {
            NodeId(2) => Err(ManagerError::Failed("it did not end".to_owned())),
            _ => Ok(()),
        };
        ready(nodes.iter().map(|node| (node.id(), outcome(node))).collect())
    }

    #[tokio::test]
    async fn what_cannot_be_replaced_is_not_stopped_and_what_does_not_stop_keeps_its_program() {
        let scene = Scene::new();
        fs::remove_file(&scene.nodes[2].spec.binary).expect("it was there");
        let mut stopped = vec![];
        let replaced =
            replace(Batch::of(&scene.nodes), &scene.new_program(), None, |nodes| stop(&mut stopped, nodes)).await;
        let good: Vec<_> = replaced.iter().map(|(_, outcome)| outcome.is_ok()).collect();
        assert_eq!(good, [true, false, false]);
        assert_eq!(stopped, [NodeId(1), NodeId(2)], "the third has no program to be replaced");
        let programs = [vec![some("new"), some("old"), None], vec![some("old"), None, None]];
        assert_eq!(scene.programs(), programs);

        let new = scene.new_program();
        let again = replace(Batch::of(&scene.nodes[..1]), &new, None, |nodes| stop(&mut vec![], nodes)).await;
        assert!(again.all_good(), "it is repeated, as after an interruption");
        assert_eq!(scene.programs(), programs, "and what was kept is kept");

        let nowhere = scene.directory.path().join("nowhere");
        let mut stopped = vec![];
        let replaced = replace(Batch::of(&scene.nodes), &nowhere, None, |nodes| stop(&mut stopped, nodes)).await;
        assert!(replaced.iter().all(|(_, outcome)| outcome.is_err()) && stopped.is_empty());
        assert_eq!(scene.programs(), programs, "what an earlier replacement kept is kept");
    }

    #[tokio::test]
    async fn what_is_kept_is_put_back_or_forgotten() {
        let scene = Scene::new();
        let [first, rest] = [&scene.nodes[..1], &scene.nodes[1..]];
        replace(Batch::of(first), &scene.new_program(), None, |nodes| stop(&mut vec![], nodes)).await;
        let mut stopped = vec![];
        let restored = restore(Batch::of(&scene.nodes), |nodes| stop(&mut stopped, nodes)).await;
        assert_eq!(stopped, [NodeId(1)], "of the others no program is kept");
        let error = restored.get(NodeId(2)).and_then(|outcome| outcome.as_ref().err()).expect("it has none").text();
        assert!(error.starts_with("antnode0002 cannot be given its previous program back: "), "{error}");
        assert_eq!(scene.programs(), [vec![some("old"); 3], vec![None; 3]]);

        replace(Batch::of(first), &scene.new_program(), None, |nodes| stop(&mut vec![], nodes)).await;
        assert!(forget(Batch::of(first)).await.all_good() && forget(Batch::of(rest)).await.all_good());
        assert_eq!(scene.programs(), [vec![some("new"), some("old"), some("old")], vec![None; 3]]);
    }
}
