//! What is restored, for whom, and what is refused.

use std::fs;
use std::os::unix::fs::MetadataExt;

use wnm_core::backup::{BackupError, read};
use wnm_core::event::Event;
use wnm_core::node::{Desired, Flavour, Intent, Node, Status, Transition, Verb};
use wnm_core::store::{EventKind, HistoryFilter, Store};
use wnm_pm::user::Owner;
use wnm_testing::Need::Root;

use crate::{Elsewhere, NOW, Scene, key};

fn both_flavours_come_back_as_they_were() {
    let scene = Scene::new(&[Flavour::V1, Flavour::V2]);
    let before: Vec<Node> = scene.store.load().expect("it is read").nodes;
    let archive = scene.back_up("backup.tar");
    let place = Elsewhere::after(scene);
    let backup = read(&archive).expect("it is whole");
    place.restore(&backup).expect("it is restored");
    let store = Store::open(&place.database()).expect("it is opened");
    let stored = store.load().expect("it is read");
    assert_eq!(stored.settings["node_cap"], "9");
    assert_eq!((stored.last_surveyed_boot, stored.highest_number_used), (NOW + 30, 2));
    for (before, after) in before.iter().zip(&stored.nodes) {
        assert_eq!(before.spec(), after.spec());
        assert_eq!((after.status(), after.life().has_run(), after.process()), (Status::Stopped, true, None));
        let spec = after.spec();
        let found = fs::read(spec.root_dir.join(spec.flavour.key_file())).expect("it is there");
        assert_eq!(found, key(spec.id.0, spec.flavour));
    }
    let filter = HistoryFilter { kind: Some(EventKind::Restored), ..HistoryFilter::default() };
    assert_eq!(store.history(&filter).expect("it is read").len(), 2);
    let error = place.restore(&backup).expect_err("there are nodes");
    assert!(matches!(error, BackupError::Living { nodes: 2, .. }), "{error}");
}

/// A node with a step that was begun, and where that leads.
fn in_hand(scene: &mut Scene, number: u32, intent: Intent) {
    let mut node = scene.store.load().expect("it is read").nodes.remove(number as usize - 1);
    node.apply(Transition::Intended(intent), NOW).expect("it can be begun");
    let event = Event::Intended { verb: intent.verb(), node: Box::new(node), why: String::new() };
    scene.store.apply(NOW, &[event]).expect("it is recorded");
}

fn what_was_in_hand_is_at_rest_and_what_an_owner_wants_stays() {
    let mut scene = Scene::new(&[Flavour::V1; 4]);
    in_hand(&mut scene, 1, Intent::Start);
    in_hand(&mut scene, 2, Intent::Stop { by_owner: true });
    in_hand(&mut scene, 3, Intent::Disable);
    in_hand(&mut scene, 4, Intent::Remove { delay_seconds: 60 });
    // One that is only planned, and one that never ran.
    let planned = Node::planned(scene.spec(5, Flavour::V1), NOW);
    let event = Event::Intended { verb: Verb::Add, node: Box::new(planned), why: String::new() };
    scene.store.apply(NOW, &[event]).expect("it is recorded");
    let backup = read(&scene.back_up("backup.tar")).expect("it is whole");
    let place = Elsewhere::after(scene);
    place.restore(&backup).expect("it is restored");
    let nodes = Store::open(&place.database()).and_then(|store| store.load()).expect("it is read").nodes;
    let found = nodes.iter().map(|node| (node.id().0, node.status(), node.life().desired(), node.life().pending()));
    let expected = [
        (1, Status::Stopped, Desired::Run, None),
        (2, Status::Stopped, Desired::Stop, None),
        (3, Status::Disabled, Desired::Unmanaged, None),
        (4, Status::Removing, Desired::Run, None),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

fn an_interrupted_restore_goes_on_and_another_ones_keys_stay() {
    let scene = Scene::new(&[Flavour::V1; 3]);
    let (first, second) = (scene.back_up("backup.tar"), scene.back_up("another"));
    let (first, second) = (read(&first).expect("it is whole"), read(&second).expect("it is whole"));
    let place = Elsewhere::after(scene);
    let in_the_way = place.config.node_storage.first().join("antnode0002/secret-key.new");
    fs::create_dir_all(&in_the_way).expect("it is made");
    place.restore(&first).expect_err("something is in the way");
    let key_1 = place.config.node_storage.first().join("antnode0001/secret-key");
    assert_eq!(fs::read(&key_1).expect("it is there"), key(1, Flavour::V1));
    assert!(!place.database().exists());
    fs::remove_dir(in_the_way).expect("it is ours");
    // The same key, but nobody said that it is of this backup.
    let noted = place.config.node_storage.first().join(".wnm-restoring");
    let note = fs::read(&noted).expect("it is noted");
    fs::remove_file(&noted).expect("it is there");
    assert!(matches!(place.restore(&second), Err(BackupError::KeysInTheWay(paths)) if paths == [key_1.clone()]));
    fs::write(&noted, note).expect("it is ours");
    fs::write(&key_1, [9; 32]).expect("it is ours");
    assert!(matches!(place.restore(&first), Err(BackupError::KeysInTheWay(_))), "it is another key by now");
    fs::write(&key_1, key(1, Flavour::V1)).expect("it is ours");
    place.restore(&first).expect("it goes on");
    assert!(!noted.exists());
}

fn nothing_is_written_outside_the_storage() {
    let mut scene = Scene::new(&[Flavour::V1]);
    let outside = scene.path("outside").join("antnode0002");
    fs::create_dir_all(&outside).and_then(|()| fs::write(outside.join("secret-key"), [2; 32])).expect("it is made");
    let spec = scene.spec(2, Flavour::V1);
    let binary = outside.join("antnode");
    scene.adopt(wnm_core::node::NodeSpec { root_dir: outside.clone(), binary, ..spec });
    let backup = read(&scene.back_up("backup.tar")).expect("it is whole");
    fs::remove_dir_all(&outside).expect("it is ours");
    let place = Elsewhere::after(scene);
    let error = place.restore(&backup).expect_err("it does not lie in the storage").to_string();
    assert!(
        error.starts_with("antnode0002 cannot be restored: ") && error.contains("does not lie in the node storage"),
        "{error}"
    );
    assert!(!outside.exists() && !place.database().exists());
}

fn what_is_restored_belongs_to_whom_the_nodes_run_as() {
    let scene = Scene::new(&[Flavour::V1]);
    let backup = read(&scene.back_up("backup.tar")).expect("it is whole");
    let place = Elsewhere::after(scene);
    let database = place.database();
    let owner = Some(Owner { uid: 12_345, gid: 12_346 });
    let target = wnm_core::backup::Target { owner, ..place.target(&database) };
    target.restore(&backup, NOW, &crate::counters()).expect("it is restored");
    let root_dir = place.config.node_storage.first().join("antnode0001");
    for (path, mode) in [(root_dir.join("secret-key"), 0o600), (root_dir, 0o700)] {
        let found = fs::metadata(&path).expect("it is there");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (12_345, 12_346, mode), "{}", path.display());
    }
}

fn a_link_in_place_of_a_key_is_not_backed_up() {
    let scene = Scene::new(&[Flavour::V1]);
    let key = scene.config.node_storage.first().join("antnode0001/secret-key");
    fs::remove_file(&key).and_then(|()| std::os::unix::fs::symlink("/etc/passwd", &key)).expect("a link is made");
    let error = scene.try_back_up("backup.tar").expect_err("it is not the node's");
    assert!(matches!(error, BackupError::Keys(_)), "{error}");
    assert!(!scene.path("backup.tar").exists());
}

fn managers_with_a_registry_of_their_own_are_refused() {
    let scene = Scene::new(&[Flavour::V1]);
    let backup = read(&scene.back_up("backup.tar")).expect("it is whole");
    let place = Elsewhere::after(scene);
    let database = place.database();
    let mut target = place.target(&database);
    target.capabilities.places_nodes_itself = true;
    let error = target.check(&backup, NOW).expect_err("it keeps a registry");
    assert!(matches!(error, BackupError::OwnRegistry(_)), "{error}");
}

wnm_testing::trials! {
    &[] => both_flavours_come_back_as_they_were, what_was_in_hand_is_at_rest_and_what_an_owner_wants_stays,
        an_interrupted_restore_goes_on_and_another_ones_keys_stay, nothing_is_written_outside_the_storage,
        a_link_in_place_of_a_key_is_not_backed_up, managers_with_a_registry_of_their_own_are_refused;
    &[Root] => what_is_restored_belongs_to_whom_the_nodes_run_as;
}
