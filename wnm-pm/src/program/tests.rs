use std::os::unix::fs::MetadataExt;

use super::*;
use crate::flavour::Flavour;

fn program(path: &Path, text: &str) {
    fs::write(path, format!("#!{text}")).expect("it is written");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("its mode is set");
}

#[test]
fn a_program_is_replaced_and_put_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [new, place] = ["new-program", "antnode"].map(|name| directory.path().join(name));
    program(&place, "old");
    program(&new, "new");
    keep_previous(&place, None).expect("it is kept");
    stage(&new, &place, None).and_then(Staged::put_in_place).expect("it is replaced");
    assert_eq!(fs::read(&place).expect("it is read"), b"#!new");
    assert!(has_previous(&place));
    restore_previous(&place).expect("it is put back");
    assert_eq!(fs::read(&place).expect("it is read"), b"#!old");
    assert!(!has_previous(&place) && restore_previous(&place).is_err(), "there is nothing left to put back");
    forget_previous(&place).expect("there is nothing to forget");
}

#[test]
fn a_copy_that_is_not_put_in_place_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [new, place] = ["new-program", "antnode"].map(|name| directory.path().join(name));
    program(&new, "new");
    drop(stage(&new, &place, None).expect("it is staged"));
    assert!(stage(&directory.path().join("missing"), &place, None).is_err());
    assert!(stage(&new, &directory.path().join("missing/antnode"), None).is_err());
    assert_eq!(fs::read_dir(directory.path()).expect("it is read").count(), 1);
}

#[test]
fn no_link_in_the_way_is_followed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [precious, place] = ["precious", "file"].map(|name| directory.path().join(name));
    fs::write(&precious, "precious").expect("it is written");
    std::os::unix::fs::symlink(&precious, directory.path().join("file.new")).expect("a link is made");
    write_whole(&place, b"content", 0o600, None).expect("it is written");
    assert_eq!(fs::read(&precious).expect("it is read"), b"precious");
    assert_eq!(fs::metadata(&place).expect("it is there").permissions().mode() & 0o777, 0o600);
}

/// A node of this flavour below `directory`, and the program that its owner has.
fn node(flavour: Flavour, number: u32, directory: &Path) -> NodeSpec {
    let spec = NodeSpec::sample(number, directory);
    let binary = spec.root_dir.join(flavour.program_name());
    NodeSpec { flavour, binary, ..spec }
}

fn made(spec: &NodeSpec) {
    crate::node_files::make(spec, None).expect("it is made").keep();
}

/// What files take on the disk, each once.
fn bytes_below(directory: &Path) -> u64 {
    let mut files = std::collections::BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is read").flatten() {
            let found = entry.metadata().expect("it is there");
            if found.is_dir() {
                folders.push(entry.path());
            } else {
                files.insert((found.dev(), found.ino()), found.len());
            }
        }
    }
    files.values().sum()
}

/// Whether files here can share blocks, so that nothing need share a file.
fn can_clone(directory: &Path) -> bool {
    let [from, to] = ["clone-from", "clone-to"].map(|name| directory.join(name));
    program(&from, "x");
    let cloned = clone_whole(&from, &to, None).is_ok();
    [from, to].into_iter().for_each(|path| drop(fs::remove_file(path)));
    cloned
}

#[test]
fn a_thousand_nodes_that_rename_their_programs_have_one_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let size = 200_000;
    program(&directory.path().join("program"), &"x".repeat(size));
    let nodes: Vec<NodeSpec> = (1..=1_000).map(|number| node(Flavour::V2, number, directory.path())).collect();
    nodes.iter().for_each(made);
    if can_clone(directory.path()) {
        assert!(nodes.iter().all(|node| held(&node.binary) == Some(Held::Reflink)));
        return;
    }
    assert!(nodes.iter().all(|node| held(&node.binary) == Some(Held::HardLink)));
    let stamps = 1_000 * 200;
    assert!(bytes_below(directory.path()) < 2 * size as u64 + stamps + 1_000, "{}", bytes_below(directory.path()));
    assert!(!shared::is_linked(&directory.path().join("program")), "what the owner has is nobody else's");

    crate::node_files::remove(&nodes[0]).expect("it goes");
    assert!(!nodes[0].root_dir.exists());
    check_own(&nodes[1]).expect("only its own name went");
    nodes[1..].iter().for_each(|node| crate::node_files::remove(node).expect("it goes"));
    assert_eq!(fs::read_dir(directory.path().join("node")).expect("it is there").count(), 0, "the last took it along");
}

#[test]
fn a_node_whose_program_is_written_in_place_has_one_of_its_own() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    program(&directory.path().join("program"), "x");
    let nodes = [1, 2].map(|number| node(Flavour::V1, number, directory.path()));
    nodes.iter().for_each(made);
    let expected = if can_clone(directory.path()) { Held::Reflink } else { Held::Copy };
    assert!(nodes.iter().all(|node| held(&node.binary) == Some(expected)));
    program(&nodes[0].binary, "altered");
    assert!(check_own(&nodes[0]).is_err());
    check_own(&nodes[1]).expect("it is untouched");
}

/// Nodes of v2 that share a file; none where blocks are shared instead.
fn sharing(directory: &Path) -> Option<[NodeSpec; 3]> {
    program(&directory.join("program"), "whole");
    let nodes = [1, 2, 3].map(|number| node(Flavour::V2, number, directory));
    nodes.iter().for_each(made);
    (!can_clone(directory)).then_some(nodes)
}

#[test]
fn a_program_that_is_altered_by_another_name_is_noticed_and_made_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some(nodes) = sharing(directory.path()) else { return };
    program(&nodes[0].binary, "broken");
    for node in &nodes {
        let error = check_own(node).expect_err("all have that file").to_string();
        assert!(error.ends_with("it is damaged: it is not what was copied there"), "{error}");
    }
    // A manager that leaves no stamp notices it as well.
    fs::remove_file(stamp_of(&nodes[1].binary)).expect("it was there");
    assert!(check_own(&nodes[1]).is_err());
    for node in &nodes {
        made(node);
        check_own(node).expect("it is whole again");
        assert_eq!(held(&node.binary), Some(Held::HardLink));
        assert_eq!(fs::read(&node.binary).expect("it is read"), b"#!whole");
    }
}

#[test]
fn a_node_that_replaces_its_program_leaves_the_others_theirs_and_shares_the_new_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some(nodes) = sharing(directory.path()) else { return };
    let upgrades_itself = |node: &NodeSpec| {
        let new = node.binary.with_extension("downloaded");
        program(&new, "newer");
        fs::rename(new, &node.binary).expect("it is renamed");
    };
    upgrades_itself(&nodes[0]);
    check_own(&nodes[0]).expect("that is its own affair");
    assert_eq!(held(&nodes[0].binary), None, "nobody knows");
    assert_eq!(fs::read(&nodes[1].binary).expect("it is read"), b"#!whole");
    upgrades_itself(&nodes[1]);
    for node in &nodes {
        made(node);
        assert_eq!(held(&node.binary), Some(Held::HardLink));
    }
    let inode = |node: &NodeSpec| fs::metadata(&node.binary).expect("it is there").ino();
    assert_eq!(inode(&nodes[0]), inode(&nodes[1]));
    assert_eq!(fs::read(&nodes[0].binary).expect("it is read"), b"#!newer");
    assert_eq!(fs::read(&nodes[2].binary).expect("it is read"), b"#!whole");
}

#[test]
fn what_stands_in_the_place_of_first_copies_is_not_followed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let precious = directory.path().join("precious");
    fs::create_dir(&precious).and_then(|()| fs::create_dir(directory.path().join("node"))).expect("they are made");
    std::os::unix::fs::symlink(&precious, directory.path().join("node").join(shared::DIRECTORY)).expect("a link");
    program(&directory.path().join("program"), "x");
    let node = node(Flavour::V2, 1, directory.path());
    made(&node);
    let expected = if can_clone(directory.path()) { Held::Reflink } else { Held::Copy };
    assert_eq!(held(&node.binary), Some(expected));
    assert_eq!(fs::read_dir(precious).expect("it is there").count(), 0);
}

#[test]
fn a_stamp_of_an_older_wnm_counts() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    program(&directory.path().join("program"), "x");
    let node = node(Flavour::V1, 1, directory.path());
    made(&node);
    let stamp = fs::read_to_string(stamp_of(&node.binary)).expect("it is noted");
    let words: Vec<&str> = stamp.split_whitespace().take(3).collect();
    fs::write(stamp_of(&node.binary), words.join(" ") + "\n").expect("it is written");
    check_own(&node).expect("it is whole");
    assert_eq!(held(&node.binary), None);
    program(&node.binary, "yy");
    assert!(check_own(&node).is_err());
}

#[test]
fn a_node_that_upgrades_itself_again_and_again_is_never_taken_for_a_damaged_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    program(&directory.path().join("program"), "first");
    let node = node(Flavour::V2, 1, directory.path());
    // Without others, so that the numbers of its files come again.
    made(&node);
    fs::remove_dir_all(directory.path().join("node").join(shared::DIRECTORY)).ok();
    for version in 0..20 {
        let new = node.binary.with_extension("downloaded");
        program(&new, &format!("version {version}"));
        fs::rename(new, &node.binary).expect("it is renamed");
        check_own(&node).expect("that is its own affair");
    }
}
