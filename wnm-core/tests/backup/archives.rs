//! Archives that somebody altered.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use tar::{Builder, EntryType, Header};
use wnm_core::backup::{Manifest, read};
use wnm_core::node::Flavour;

use crate::{Scene, refusal};

/// The same archive with one more file of this kind and name.
fn with_another(archive: &Path, kind: EntryType, name: &[u8], link: Option<&str>) -> String {
    let altered = archive.with_file_name("altered.tar");
    let mut builder = Builder::new(File::create(&altered).expect("it is made"));
    let mut original = tar::Archive::new(File::open(archive).expect("it is there"));
    for entry in original.entries().expect("it is read") {
        let mut entry = entry.expect("it is read");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("it is read");
        builder.append(&entry.header().clone(), bytes.as_slice()).expect("it is written");
    }
    let mut header = Header::new_ustar();
    // Past what the library would refuse to write.
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    if let Some(link) = link {
        header.set_link_name(link).expect("it fits");
    }
    header.set_size(1);
    header.set_mode(0o600);
    header.set_cksum();
    builder.append(&header, &b"x"[..]).expect("it is written");
    builder.into_inner().expect("it is whole");
    refusal(&altered)
}

fn nothing_in_an_archive_leads_out_of_it() {
    let scene = Scene::new(&[Flavour::V1, Flavour::V2]);
    let archive = scene.back_up("backup.tar");
    let key: &[u8] = b"nodes/antnode0001/secret-key";
    let told = [
        with_another(&archive, EntryType::Regular, b"../escaped", None),
        with_another(&archive, EntryType::Regular, b"/tmp/escaped", None),
        with_another(&archive, EntryType::Regular, b"nodes/../nodes/antnode0001/secret-key", None),
        with_another(&archive, EntryType::Regular, b"nodes/antnode0009/secret-key", None),
        with_another(&archive, EntryType::Regular, key, None),
        with_another(&archive, EntryType::Symlink, b"nodes/antnode0009/secret-key", Some("/etc/passwd")),
        with_another(&archive, EntryType::Link, key, Some("/etc/passwd")),
        with_another(&archive, EntryType::Char, b"colony.db", None),
        with_another(&archive, EntryType::Directory, b"nodes", None),
        with_another(&archive, EntryType::GNULongName, b"././@LongLink", None),
        with_another(&archive, EntryType::XHeader, b"pax", None),
        with_another(&archive, EntryType::GNUSparse, b"colony.db", None),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    the backup BACKUP is damaged: ../escaped does not belong in a backup
    the backup BACKUP is damaged: /tmp/escaped does not belong in a backup
    the backup BACKUP is damaged: nodes/../nodes/antnode0001/secret-key does not belong in a backup
    the backup BACKUP is damaged: nodes/antnode0009/secret-key does not belong in a backup
    the backup BACKUP is damaged: nodes/antnode0001/secret-key is there twice
    the backup BACKUP is damaged: nodes/antnode0009/secret-key is not a plain file
    the backup BACKUP is damaged: nodes/antnode0001/secret-key is not a plain file
    the backup BACKUP is damaged: colony.db is not a plain file
    the backup BACKUP is damaged: nodes is not a plain file
    the backup BACKUP is damaged: ././@LongLink is not a plain file
    the backup BACKUP is damaged: pax is not a plain file
    the backup BACKUP is damaged: colony.db is not a plain file
    ");
    assert!(!scene.path("escaped").exists() && !Path::new("/tmp/escaped").exists());
}

/// Reads what is left of a backup: it is what it was, or it is refused.
fn is_noticed_or_no_matter(path: &Path, manifest: &Manifest) -> Result<(), TestCaseError> {
    if let Ok(found) = read(path) {
        prop_assert_eq!(&found.manifest, manifest);
    }
    Ok(())
}

fn any_altered_byte_and_any_lost_end_is_noticed() {
    let scene = Scene::new(&[Flavour::V1, Flavour::V2, Flavour::V1]);
    let path = scene.back_up("backup.tar");
    let manifest = read(&path).expect("it is whole").manifest;
    let bytes = fs::read(&path).expect("it is read");
    let altered = scene.path("altered.tar");
    let mut runner = TestRunner::new(Runs { cases: 150, failure_persistence: None, ..Runs::default() });
    let places = (0..bytes.len(), 1..=255_u8, any::<bool>());
    let law = |(place, change, cuts): (usize, u8, bool)| {
        let mut now = bytes.clone();
        if cuts {
            now.truncate(place);
        } else {
            now[place] ^= change;
        }
        fs::write(&altered, now).expect("it is written");
        is_noticed_or_no_matter(&altered, &manifest)
    };
    if let Err(error) = runner.run(&places, law) {
        panic!("{error}");
    }
}

fn something_else_is_not_a_backup() {
    let scene = Scene::new(&[]);
    let path = scene.path("text.tar");
    fs::write(&path, "not an archive").expect("it is written");
    fs::create_dir(scene.path("empty")).expect("it is made");
    let pipe = scene.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("a pipe");
    let told = [refusal(&path), refusal(&scene.path("empty")), refusal(&pipe), refusal(&scene.path("missing"))];
    insta::assert_snapshot!(told.join("\n"), @"
    BACKUP is not a backup of wnm: it has no manifest.json
    BACKUP is not a backup of wnm: it has no manifest.json
    cannot read BACKUP
    cannot read BACKUP
    ");
}

fn a_pipe_in_a_backup_is_not_waited_for() {
    let scene = Scene::new(&[Flavour::V1]);
    let backup = scene.back_up("backup");
    let key = backup.join("nodes/antnode0001/secret-key");
    fs::remove_file(&key).expect("it is there");
    rustix::fs::mknodat(rustix::fs::CWD, &key, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("a pipe");
    assert_eq!(refusal(&backup), "the backup BACKUP is damaged: nodes/antnode0001/secret-key is not a plain file");
}

wnm_testing::trials! {
    &[] => nothing_in_an_archive_leads_out_of_it, any_altered_byte_and_any_lost_end_is_noticed,
        something_else_is_not_a_backup, a_pipe_in_a_backup_is_not_waited_for;
}
