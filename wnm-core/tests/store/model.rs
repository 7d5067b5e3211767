//! Whatever the store is told, it holds what a naive model in memory holds, also after it was closed.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use wnm_core::event::{Event, NodeReport};
use wnm_core::node::{Flavour, Node, NodeId, Status, Verb};
use wnm_core::pause::CyclePause;
use wnm_core::relocation::Move;
use wnm_core::rollout::Rollouts;
use wnm_core::snapshot::Counters;
use wnm_core::store::{Store, StoredState};
use wnm_pm::container_host::Group;

use crate::rows::lives::evidence;
use crate::rows::{self, NOW};
use crate::scratch;

/// What is stored, as its events are described, with nothing of SQL.
#[derive(Debug, Clone, Default)]
struct Model {
    stored: StoredState,
    nodes: BTreeMap<u32, Node>,
    groups: BTreeMap<u32, Group>,
}

/// The model refuses a slice as the store does: by an error, and with no change.
#[derive(Debug)]
struct Refused;

impl Model {
    fn apply_all(&mut self, events: &[Event]) -> Result<(), Refused> {
        let mut changed = self.clone();
        events.iter().try_for_each(|event| changed.apply(event))?;
        changed.stored.nodes = changed.nodes.values().cloned().collect();
        changed.stored.groups = changed.groups.values().cloned().collect();
        *self = changed;
        Ok(())
    }

    fn apply(&mut self, event: &Event) -> Result<(), Refused> {
        match event.clone() {
            Event::Initialised { settings, boot_time } => {
                if !self.nodes.is_empty() || !self.groups.is_empty() {
                    return Err(Refused);
                }
                self.stored.initialised = true;
                (self.stored.torn_down_at, self.stored.pause) = (None, None);
                self.stored.settings.clear();
                self.stored.initialised_at = Some(NOW);
                self.stored.settings.extend(settings);
                self.stored.last_surveyed_boot = boot_time;
            }
            Event::SettingsChanged { changes } => {
                for (name, value) in changes {
                    match value {
                        Some(value) => drop(self.stored.settings.insert(name, value)),
                        None => drop(self.stored.settings.remove(&name)),
                    }
                }
            }
            Event::Intended { verb: Verb::Add, node, .. } if self.nodes.contains_key(&node.id().0) => {
                return Err(Refused);
            }
            Event::Adopted { node }
                if self.nodes.get(&node.id().0).is_some_and(|known| known.spec().root_dir != node.spec().root_dir) =>
            {
                return Err(Refused);
            }
            Event::BroughtBack { node, .. } if self.nodes.contains_key(&node.id().0) => return Err(Refused),
            Event::Rolling { rolling } => self.stored.rolling = rolling,
            Event::IdentityKept { .. } | Event::IdentitiesExpired { .. } => {}
            Event::BroughtBack { node, .. }
            | Event::Intended { node, .. }
            | Event::Completed { node, .. }
            | Event::Failed { node, .. }
            | Event::Reconciled { node, .. }
            | Event::FlavourChanged { node, .. }
            | Event::Moved { node, .. }
            | Event::Adopted { node } => self.put(*node)?,
            Event::Restored { node } => {
                let id = node.id();
                self.put(*node)?;
                self.stored.moves.retain(|begun| begun.node != id);
            }
            Event::MoveIntended { moving } => {
                if self.nodes.contains_key(&moving.node.0) {
                    self.stored.moves.retain(|begun| begun.node != moving.node);
                    self.stored.moves.push(moving);
                    self.stored.moves.sort_by_key(|begun| begun.node);
                }
            }
            Event::MoveEnded { node, .. } => self.stored.moves.retain(|begun| begun.node != node),
            Event::Forgotten { id, .. } => {
                self.stored.moves.retain(|begun| begun.node != id);
                self.nodes.remove(&id.0);
                self.stored.rollouts.trials.remove(&id);
                self.stored.signs.remove(&id);
            }
            Event::RolloutMoved { rollout } => self.stored.rollouts.turn_to(*rollout),
            Event::Tried { trial } if self.nodes.contains_key(&trial.node.0) => {
                self.stored.rollouts.trials.insert(trial.node, *trial);
            }
            Event::Tried { .. } => {}
            Event::TrialVoid { node } => drop(self.stored.rollouts.trials.remove(&node)),
            Event::Surveyed { reports } => {
                for report in reports {
                    let Some(node) = self.nodes.get_mut(&report.id.0) else { continue };
                    node.reported(report.peer_id, report.version, report.metrics);
                }
            }
            Event::Measured { counters } => self.stored.counters = Some(counters),
            Event::VersionCached { json } => self.stored.version_cache = Some(json),
            Event::SignsKept { memories } => {
                let there = memories.into_iter().filter(|(id, _)| self.nodes.contains_key(&id.0));
                self.stored.signs.extend(there.collect::<Vec<_>>());
            }
            Event::Rebooted { boot_time } => self.stored.last_surveyed_boot = boot_time,
            Event::GroupSeen { group } => drop(self.groups.insert(group.spec.group, *group)),
            Event::GroupClosed { group } => drop(self.groups.remove(&group)),
            Event::TornDown => {
                self.nodes.clear();
                self.stored.signs.clear();
                self.stored.moves.clear();
                self.groups.clear();
                self.stored.rollouts = Rollouts::default();
                self.stored.highest_number_used = 0;
                self.stored.pause = None;
                self.stored.torn_down_at = Some(NOW);
            }
            Event::Paused { pause } => self.stored.pause = Some(pause),
            Event::Resumed { .. } => self.stored.pause = None,
            Event::Decided { .. } | Event::Noted { .. } => {}
        }
        Ok(())
    }

    fn put(&mut self, node: Node) -> Result<(), Refused> {
        let others = self.nodes.values().filter(|other| other.id() != node.id());
        let (spec, ports) = (node.spec(), &node.spec().ports);
        let clashes = |other: &Node| {
            other.service() == node.service()
                || other.spec().name == spec.name
                || other.spec().root_dir == spec.root_dir
                || other.spec().ports.iter().any(|(kind, port)| ports.get(kind) == Some(port))
        };
        if others.into_iter().any(clashes) {
            return Err(Refused);
        }
        self.stored.highest_number_used = self.stored.highest_number_used.max(node.id().0);
        self.nodes.insert(node.id().0, node);
        Ok(())
    }
}

fn events() -> impl Strategy<Value = Event> {
    let number = || 1_u32..6;
    let text = any::<String>;
    let row = || number().prop_flat_map(rows::nodes).prop_map(Box::new);
    let verbs = [Verb::Add, Verb::Add, Verb::Start, Verb::Stop, Verb::Upgrade, Verb::Remove];
    let verb = move || proptest::sample::select(verbs.to_vec());
    let setting = || "[a-c]";
    let report = (number(), proptest::option::of(text()), rows::all_metrics());
    let report =
        report.prop_map(|(id, peer_id, metrics)| NodeReport { id: NodeId(id), peer_id, version: None, metrics });
    let counters = (any::<i64>(), 0..=i64::MAX.cast_unsigned(), proptest::option::of(text()));
    prop_oneof![
        1 => (vec((setting(), text()), 0..3), any::<i64>())
            .prop_map(|(settings, boot_time)| Event::Initialised { settings, boot_time }),
        2 => vec((setting(), proptest::option::of(text())), 0..3).prop_map(|changes| Event::SettingsChanged { changes }),
        6 => (verb(), row(), text()).prop_map(|(verb, node, why)| Event::Intended { verb, node, why }),
        4 => (verb(), row()).prop_map(|(verb, node)| Event::Completed { verb, node }),
        2 => (verb(), row(), text()).prop_map(|(verb, node, error)| Event::Failed { verb, node, error }),
        2 => (row(), evidence()).prop_map(|(node, why)| Event::Reconciled { from: Status::Running, node, why }),
        2 => row().prop_map(|node| Event::Adopted { node }),
        1 => row().prop_map(|node| Event::Restored { node }),
        1 => row().prop_map(|node| Event::FlavourChanged { from: Flavour::V1, node }),
        2 => number().prop_map(|number| Event::MoveIntended {
            moving: Move { node: NodeId(number), from: "/a".into(), to: "/b".into() },
        }),
        1 => row().prop_map(|node| Event::Moved { from: "/a".into(), node }),
        1 => number().prop_map(|number| Event::MoveEnded { node: NodeId(number), gone: "/a".into() }),
        3 => (number(), text()).prop_map(|(id, why)| Event::Forgotten { id: NodeId(id), why }),
        4 => vec(report, 0..4).prop_map(|reports| Event::Surveyed { reports }),
        1 => counters.prop_map(|(at, cpu_busy, boot_id)| {
            Event::Measured { counters: Counters { at, cpu_busy, boot_id, ..rows::counters() } }
        }),
        1 => text().prop_map(|json| Event::VersionCached { json }),
        2 => vec((number().prop_map(NodeId), text()), 0..3).prop_map(|memories| Event::SignsKept { memories }),
        1 => any::<i64>().prop_map(|boot_time| Event::Rebooted { boot_time }),
        1 => rows::rollouts().prop_map(|rollout| Event::RolloutMoved { rollout: Box::new(rollout) }),
        3 => rows::trials(number()).prop_map(|trial| Event::Tried { trial: Box::new(trial) }),
        1 => number().prop_map(|node| Event::TrialVoid { node: NodeId(node) }),
        1 => (1_u32..4).prop_map(|number| Event::GroupSeen { group: Box::new(rows::group(number)) }),
        1 => (1_u32..4).prop_map(|group| Event::GroupClosed { group }),
        2 => (any::<i64>(), proptest::option::of(any::<i64>()), proptest::option::of(text()))
            .prop_map(|(since, until, reason)| Event::Paused { pause: CyclePause { since, until, reason } }),
        1 => any::<bool>().prop_map(|expired| Event::Resumed { expired }),
        1 => Just(Event::TornDown),
        1 => (proptest::option::of(number()), text())
            .prop_map(|(id, what)| Event::Noted { id: id.map(NodeId), what }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_stored_is_what_its_events_say(slices in vec(vec(events(), 0..5), 0..8)) {
        let mut scratch = scratch();
        let mut model = Model::default();
        for slice in &slices {
            let expected = model.apply_all(slice);
            let done = scratch.store.apply(NOW, slice);
            prop_assert_eq!(done.is_ok(), expected.is_ok(), "{:?} of {:?}", done, slice);
            prop_assert_eq!(&scratch.store.load().expect("the database is read"), &model.stored);
        }
        drop(scratch.store);
        let again = Store::open(&scratch.path).expect("it is opened again");
        prop_assert_eq!(&again.load().expect("the database is read"), &model.stored);
        drop(again);
        let reader = Store::open_read_only(&scratch.path).expect("it is opened for reading");
        prop_assert_eq!(reader.load().expect("the database is read"), model.stored);
    }
}
