//! Upgrading replaces nodes' own copies of the program, and takes the new one back where it does not live.

use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Binary, ManagerError, Outcome, Started};

use crate::program::{self, Previous, Staged};
use crate::{Setsid, in_background, start, stop};

/// Copies the new program while the nodes still run, so that a full disk stops none of them; then stops those that have
/// their copy, swaps, and starts them again.
pub(crate) async fn upgrade(manager: &Setsid, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
    let mut copied_nodes = Vec::new();
    let mut copies = Vec::new();
    let mut failures = Vec::new();
    for (node, copied) in nodes.iter().zip(stage(manager, nodes, to).await) {
        match copied {
            Ok(copy) => {
                copied_nodes.push(node.clone());
                copies.push(copy);
                failures.push(None);
            }
            Err(error) => failures.push(Some(error)),
        }
    }
    let mut replaced = replace(manager, &copied_nodes, copies).await.into_iter();
    let outcomes = failures.into_iter().map(|failure| match failure {
        Some(error) => Err(error),
        None => replaced.next().expect("each node with its copy has an outcome"),
    });
    outcomes.collect()
}

async fn stage(manager: &Setsid, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Staged>> {
    let (manager, from) = (manager.clone(), to.path.clone());
    in_background(nodes.to_vec(), move |node| {
        manager.refuse(&node.spec)?;
        check_program(&node.spec.binary)?;
        program::stage(&from, &node.spec.binary)
    })
    .await
}

async fn replace(manager: &Setsid, nodes: &[NodeRef], copies: Vec<Staged>) -> Vec<Outcome<Started>> {
    let stopped = stop::stop(manager, nodes).await;
    let together = nodes.iter().zip(stopped).zip(copies);
    let swapped: Vec<_> = together.map(|((node, stopped), copy)| stopped.and_then(|()| swap(node, copy))).collect();

    // A node whose program could not be swapped runs on with the one it has.
    let started = start::start(manager, nodes).await;
    let mut outcomes = Vec::new();
    let mut not_living = Vec::new();
    for (swapped, started) in swapped.into_iter().zip(started) {
        match (swapped, started) {
            (Err(error), _) => outcomes.push(Err(error)),
            (Ok(previous), Ok(started)) => {
                previous.forget();
                outcomes.push(Ok(started));
            }
            (Ok(previous), Err(error)) => {
                not_living.push((outcomes.len(), previous));
                outcomes.push(Err(error));
            }
        }
    }
    roll_back(manager, nodes, not_living, &mut outcomes).await;
    outcomes
}

fn swap(node: &NodeRef, copy: Staged) -> Result<Previous, ManagerError> {
    let previous = program::keep_previous(&node.spec.binary)?;
    copy.put_in_place()?;
    Ok(previous)
}

/// Gives nodes their previous program back and starts them; the failure of the upgrade stays their outcome.
async fn roll_back(
    manager: &Setsid,
    nodes: &[NodeRef],
    not_living: Vec<(usize, Previous)>,
    outcomes: &mut [Outcome<Started>],
) {
    let mut back = Vec::new();
    for (index, previous) in not_living {
        match previous.put_back() {
            Ok(()) => back.push(index),
            Err(error) => add_to_failure(&mut outcomes[index], &error),
        }
    }
    let again: Vec<_> = back.iter().map(|index| nodes[*index].clone()).collect();
    for (index, started) in back.into_iter().zip(start::start(manager, &again).await) {
        if let Err(error) = started {
            add_to_failure(&mut outcomes[index], &error);
        }
    }
}

fn add_to_failure(outcome: &mut Outcome<Started>, second: &ManagerError) {
    if let Err(first) = outcome {
        *first = ManagerError::Failed(format!("{first}\nThe previous program does not run either: {second}"));
    }
}
