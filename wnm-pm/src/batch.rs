//! Outcomes are kept by node, never by place: [`Batch`] carries the nodes of one call from step to step, [`Outcomes`] is
//! what became of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::node::{NodeId, NodeRef};
use crate::process_manager::error::{ManagerError, Outcome};

/// What became of each node, or of each of whatever `K` numbers.
#[derive(Debug, Clone)]
pub struct Outcomes<T, K = NodeId>(BTreeMap<K, Outcome<T>>);

impl<T, K: Ord + Copy> Outcomes<T, K> {
    /// Nothing became of anybody.
    #[must_use]
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The same failure for all.
    #[must_use]
    pub fn all_failed(ids: impl IntoIterator<Item = K>, error: &ManagerError) -> Self {
        ids.into_iter().map(|id| (id, Err(error.clone()))).collect()
    }

    /// What became of one.
    #[must_use]
    pub fn get(&self, id: K) -> Option<&Outcome<T>> {
        self.0.get(&id)
    }

    /// Takes out what became of one.
    pub fn take(&mut self, id: K) -> Option<Outcome<T>> {
        self.0.remove(&id)
    }

    /// What became of each, by number.
    pub fn iter(&self) -> impl Iterator<Item = (K, &Outcome<T>)> {
        self.0.iter().map(|(id, outcome)| (*id, outcome))
    }

    /// Of how many something is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known of anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn all_good(&self) -> bool {
        self.0.values().all(Result::is_ok)
    }
}

impl<T, K: Ord> FromIterator<(K, Outcome<T>)> for Outcomes<T, K> {
    fn from_iter<I: IntoIterator<Item = (K, Outcome<T>)>>(outcomes: I) -> Self {
        Self(outcomes.into_iter().collect())
    }
}

impl<T, K: Ord> IntoIterator for Outcomes<T, K> {
    type Item = (K, Outcome<T>);
    type IntoIter = std::collections::btree_map::IntoIter<K, Outcome<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A node of a batch, and how far it has come.
#[derive(Debug, Clone)]
pub struct Item<'a, T> {
    /// The node.
    pub node: &'a NodeRef,
    outcome: Outcome<T>,
}

/// The nodes of one call, each with what is known of it so far, or with the step at which it went wrong. A node that went
/// wrong takes no further part.
#[derive(Debug, Clone)]
pub struct Batch<'a, T = ()>(Vec<Item<'a, T>>);

impl<'a> Batch<'a> {
    /// The nodes of a call, of which nothing is known yet.
    #[must_use]
    pub fn of(nodes: &'a [NodeRef]) -> Self {
        Self(nodes.iter().map(|node| Item { node, outcome: Ok(()) }).collect())
    }
}

impl<'a, T> Batch<'a, T> {
    /// Those that nothing went wrong with, with what is known of each.
    pub fn good(&self) -> impl Iterator<Item = (&'a NodeRef, &T)> {
        self.0.iter().filter_map(|item| Some((item.node, item.outcome.as_ref().ok()?)))
    }

    /// The nodes that nothing went wrong with.
    #[must_use]
    pub fn good_nodes(&self) -> Vec<NodeRef> {
        self.good().map(|(node, _)| node.clone()).collect()
    }

    /// Those that something went wrong with, and what.
    pub fn bad(&self) -> impl Iterator<Item = (&'a NodeRef, &ManagerError)> {
        self.0.iter().filter_map(|item| Some((item.node, item.outcome.as_ref().err()?)))
    }

    /// The nodes that something went wrong with.
    #[must_use]
    pub fn bad_nodes(&self) -> Vec<NodeRef> {
        self.bad().map(|(node, _)| node.clone()).collect()
    }

    /// Whether nothing more can be done to any of them.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.good().next().is_none()
    }

    /// The next step, node by node.
    #[must_use]
    pub fn then<U>(self, mut step: impl FnMut(&'a NodeRef, T) -> Outcome<U>) -> Batch<'a, U> {
        let each = |Item { node, outcome }| Item { node, outcome: outcome.and_then(|known| step(node, known)) };
        Batch(self.0.into_iter().map(each).collect())
    }

    /// The next step, node by node, each waited for before the next begins.
    pub async fn one_by_one<U, F>(self, mut step: impl FnMut(&'a NodeRef, T) -> F) -> Batch<'a, U>
    where
        F: Future<Output = Outcome<U>>,
    {
        let mut items = Vec::with_capacity(self.0.len());
        for Item { node, outcome } in self.0 {
            let outcome = match outcome {
                Ok(known) => step(node, known).await,
                Err(error) => Err(error),
            };
            items.push(Item { node, outcome });
        }
        Batch(items)
    }

    /// Looks at each node; what is found wrong ends its part.
    #[must_use]
    pub fn check(self, mut check: impl FnMut(&'a NodeRef, &T) -> Outcome<()>) -> Self {
        self.then(|node, known| check(node, &known).map(|()| known))
    }

    /// Looks at each node again and changes what is known of it; what is found wrong ends its part.
    pub fn update(&mut self, mut step: impl FnMut(&'a NodeRef, &mut T) -> Outcome<()>) {
        for Item { node, outcome } in &mut self.0 {
            if let Ok(known) = outcome
                && let Err(error) = step(node, known)
            {
                *outcome = Err(error);
            }
        }
    }

    /// Something that all depend on: should it have failed, all have.
    #[must_use]
    pub fn all<U>(self, outcome: Outcome<U>) -> (Self, Option<U>) {
        match outcome {
            Ok(value) => (self, Some(value)),
            Err(error) => (self.check(|_, _| Err(error.clone())), None),
        }
    }

    /// What a step of many nodes came to; a node that it tells nothing of keeps what is known.
    #[must_use]
    pub fn join(self, mut outcomes: Outcomes<()>) -> Self {
        self.then(|node, known| outcomes.take(node.id()).unwrap_or(Ok(())).map(|()| known))
    }

    /// Those good nodes that a step is for, as a batch of their own; [`Batch::join_part`] takes back what became of them.
    #[must_use]
    pub fn part(&self, mut wanted: impl FnMut(&'a NodeRef, &T) -> bool) -> Self
    where
        T: Clone,
    {
        let good = self.good().filter(|(node, known)| wanted(node, known));
        Self(good.map(|(node, known)| Item { node, outcome: Ok(known.clone()) }).collect())
    }

    /// Whoever failed in a part has failed; the others keep what is known of them.
    #[must_use]
    pub fn join_part<U>(self, part: Batch<'_, U>) -> Self {
        self.join(part.then(|_, _| Ok(())).outcomes())
    }

    /// What a step of many nodes came to, with what it answers for each. A node that it does not answer for has failed.
    #[must_use]
    pub fn answered<U>(self, mut outcomes: Outcomes<U>) -> Batch<'a, U> {
        self.then(|node, _| outcomes.take(node.id()).unwrap_or_else(|| Err(ManagerError::unanswered(&node.spec.name))))
    }

    /// The next step on a disk, which takes its time, for several nodes at once.
    pub async fn in_background<U: Send + 'static>(
        self,
        step: impl Fn(NodeRef, T) -> Outcome<U> + Send + Sync + Clone + 'static,
    ) -> Batch<'a, U>
    where
        T: Send + 'static,
    {
        let (mut items, mut jobs) = (Vec::with_capacity(self.0.len()), Vec::new());
        for (place, Item { node, outcome }) in self.0.into_iter().enumerate() {
            let outcome = outcome.map(|known| jobs.push((place, node.clone(), known)));
            items.push(Item { node, outcome });
        }
        let (mut outcomes, panic) = work_off(jobs, step).await;
        let lost = || Err(ManagerError::Failed(panic.clone()));
        let done = items.into_iter().enumerate().map(|(place, Item { node, outcome })| {
            let outcome = outcome.and_then(|()| outcomes.remove(&place).unwrap_or_else(lost));
            Item { node, outcome }
        });
        Batch(done.collect())
    }

    /// What became of each node.
    #[must_use]
    pub fn outcomes(self) -> Outcomes<T> {
        self.0.into_iter().map(|Item { node, outcome }| (node.id(), outcome)).collect()
    }
}

/// Carries a step out for these nodes, each with its place, in a few threads that each take the next one. What it came to by
/// place, and why some places are missing: what panicked.
async fn work_off<T: Send + 'static, U: Send + 'static>(
    jobs: Vec<(usize, NodeRef, T)>,
    step: impl Fn(NodeRef, T) -> Outcome<U> + Send + Clone + 'static,
) -> (BTreeMap<usize, Outcome<U>>, String) {
    let threads = AT_ONCE.min(jobs.len());
    let queue = Arc::new(Mutex::new(jobs.into_iter()));
    let (tell, told) = mpsc::channel();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (queue, step, tell) = (Arc::clone(&queue), step.clone(), tell.clone());
            tokio::task::spawn_blocking(move || {
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some((place, node, known)) = next() {
                    // Whoever waits for it waits for all.
                    let _ = tell.send((place, step(node, known)));
                }
            })
        })
        .collect();
    drop(tell);
    let mut panic = String::new();
    for worker in workers {
        if let Err(error) = worker.await {
            panic = error.to_string();
        }
    }
    (told.into_iter().collect(), panic)
}

/// How many nodes' files are worked on at the same time: more than disks have queues only costs memory.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeSpec;

    fn node(number: u32) -> NodeRef {
        NodeRef::new(NodeSpec::sample(number, std::path::Path::new("/srv")))
    }

    #[tokio::test]
    async fn what_is_done_in_the_background_is_each_nodes_own_also_when_it_panics() {
        let nodes: Vec<NodeRef> = (1..=40).map(node).collect();
        let batch = Batch::of(&nodes).check(|node, ()| match node.id() {
            NodeId(7) => Err(ManagerError::Failed("before".to_owned())),
            _ => Ok(()),
        });
        let done = batch.in_background(|node, ()| match node.id() {
            NodeId(3) => panic!("a fault"),
            NodeId(5) => Err(ManagerError::Failed("its disk".to_owned())),
            NodeId(number) => Ok(number),
        });
        let outcomes = done.await.outcomes();
        let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).map(|(id, _)| id.0).collect();
        assert_eq!((outcomes.len(), failed), (40, vec![3, 5, 7]));
        assert!(outcomes.get(NodeId(3)).unwrap().as_ref().unwrap_err().text().contains("panicked"));
        assert!(matches!(outcomes.get(NodeId(40)), Some(Ok(40))));
    }

    #[test]
    fn a_node_that_went_wrong_takes_no_further_part() {
        let nodes = [node(1), node(2), node(3)];
        let batch = Batch::of(&nodes)
            .check(|node, ()| if node.id().0 == 2 { Err(ManagerError::Failed("broken".to_owned())) } else { Ok(()) })
            .then(|node, ()| Ok(node.id().0 * 10));
        assert_eq!(batch.good().map(|(_, known)| *known).collect::<Vec<_>>(), [10, 30]);
        assert_eq!(batch.bad_nodes().iter().map(|node| node.id().0).collect::<Vec<_>>(), [2]);
        let outcomes = batch.outcomes();
        assert!(matches!(outcomes.get(NodeId(3)), Some(Ok(30))));
        assert!(outcomes.get(NodeId(2)).is_some_and(Result::is_err));
    }

    #[test]
    fn what_is_known_changes_until_something_goes_wrong() {
        let nodes = [node(1), node(2)];
        let mut batch = Batch::of(&nodes).then(|_, ()| Ok(0));
        for _ in 0..3 {
            batch.update(|node, known| {
                *known += node.id().0;
                if *known == 4 { Err(ManagerError::Failed("four".to_owned())) } else { Ok(()) }
            });
        }
        assert_eq!(batch.good().map(|(node, known)| (node.id().0, *known)).collect::<Vec<_>>(), [(1, 3)]);
        assert_eq!(batch.bad().map(|(_, error)| error.text()).collect::<Vec<_>>(), ["four"]);
    }

    #[test]
    fn what_all_depend_on_fails_all() {
        let nodes = [node(1), node(2)];
        let (batch, value) = Batch::of(&nodes).all::<u8>(Err(ManagerError::Failed("no disk".to_owned())));
        assert!(value.is_none() && batch.is_done());
        assert_eq!(batch.bad().count(), 2);
    }

    #[test]
    fn a_node_that_nobody_answered_for_has_failed() {
        let nodes = [node(1), node(2)];
        let answered: Outcomes<u8> = [(NodeId(1), Ok(7))].into_iter().collect();
        let outcomes = Batch::of(&nodes).answered(answered).outcomes();
        assert!(matches!(outcomes.get(NodeId(1)), Some(Ok(7))));
        assert!(outcomes.get(NodeId(2)).is_some_and(Result::is_err));
    }

    #[test]
    fn what_fails_in_a_part_fails_in_the_whole() {
        let nodes = [node(1), node(2), node(3), node(4)];
        let fail = |_: &NodeRef, _: &u32| Err::<(), _>(ManagerError::Failed("broken".to_owned()));
        let batch = Batch::of(&nodes).then(|node, ()| Ok(node.id().0));
        let batch = batch.check(|node, known| if node.id().0 == 4 { fail(node, known) } else { Ok(()) });
        let part = batch.part(|_, known| *known >= 2);
        assert_eq!(part.good().map(|(_, known)| *known).collect::<Vec<_>>(), [2, 3], "4 takes no further part");
        let part = part.check(|node, known| if node.id().0 == 2 { fail(node, known) } else { Ok(()) });
        let batch = batch.join_part(part);
        assert_eq!(batch.good().map(|(_, known)| *known).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(batch.bad().count(), 2);
    }

    #[tokio::test]
    async fn what_went_wrong_is_not_waited_for() {
        let nodes = [node(1), node(2), node(3)];
        let mut begun = vec![];
        let batch = Batch::of(&nodes).check(|node, ()| match node.id().0 {
            2 => Err(ManagerError::Failed("no".to_owned())),
            _ => Ok(()),
        });
        let batch = batch.one_by_one(|node, ()| {
            begun.push(node.id().0);
            async {
                tokio::task::yield_now().await;
                Ok(node.id().0)
            }
        });
        assert_eq!(batch.await.good().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(begun, [1, 3]);
    }

    #[tokio::test]
    async fn work_on_a_disk_keeps_each_node_with_its_own_outcome() {
        let nodes: Vec<NodeRef> = (1..=40).map(node).collect();
        let batch = Batch::of(&nodes).in_background(|node, ()| match node.id().0 % 3 {
            0 => Err(ManagerError::Failed(node.spec.name)),
            _ => Ok(node.id().0),
        });
        for (id, outcome) in batch.await.outcomes() {
            assert_eq!(outcome.ok(), (id.0 % 3 != 0).then_some(id.0));
        }
    }
}
