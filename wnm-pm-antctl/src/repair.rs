//! Repairing: what a node lacks is put back. antctl's `upgrade` does it, which writes a node's program and its unit file.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use wnm_pm::batch::Batch;
use wnm_pm::hint::{Hint, chain};
use wnm_pm::node::NodeRef;
use wnm_pm::node_files::{delete, exists};
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::program::{self, Staged, check_noted, stage, stamp_of, write_whole};
use wnm_pm::user::Owner;

use crate::call::named;
use crate::parse::{self, Entry};
use crate::{Antctl, render};

/// A node whose program antctl is about to overwrite.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub entry: Entry,
    /// The text of its unit file, unless that is missing.
    unit: Option<String>,
}

impl Antctl {
    /// Whether somebody masked the unit of a node. That is its owner's word, and nothing is started or written against it.
    pub(crate) fn is_masked(&self, service: &str) -> bool {
        let target = fs::canonicalize(self.places().unit(service));
        target.is_ok_and(|target| target == Path::new("/dev/null"))
    }

    /// Refuses a node whose unit is masked.
    pub(crate) fn refuse_mask(&self, service: &str) -> Outcome<()> {
        if !self.is_masked(service) {
            return Ok(());
        }
        let user = if self.places().system { "" } else { " --user" };
        let unmask =
            Hint::shell(format!("systemctl{user} unmask {service}.service")).to(format!("let {service} start"));
        let unit = self.places().unit(service);
        Err(ManagerError::advised(format!("{} is left alone: it is masked", unit.display()), unmask))
    }

    /// What a node lacks to be started.
    pub(crate) fn missing(&self, entry: &Entry) -> Option<String> {
        let program = Some(&entry.antnode_path).filter(|program| check_program(program).is_err()).cloned();
        let unit = || {
            let unit = self.places().unit(&entry.service_name);
            (self.systemd.booted && self.own_unit(entry).is_none()).then_some(unit)
        };
        program.or_else(unit).map(|path| path.display().to_string())
    }

    /// What a node lacks to be started, or what of it is not as it was put there.
    pub(crate) fn broken(&self, entry: &Entry, node: &NodeRef) -> Option<String> {
        let missing = self.missing(entry).map(|missing| format!("{missing} is missing"));
        let altered = || is_altered(entry, node).then(|| format!("{} is damaged", entry.antnode_path.display()));
        missing.or_else(altered)
    }

    /// The text of a node's unit file, unless it is missing or a stand-in for it.
    pub(crate) fn own_unit(&self, entry: &Entry) -> Option<String> {
        let text = fs::read_to_string(self.places().unit(&entry.service_name)).ok()?;
        (text != stand_in(&entry.service_name)).then_some(text)
    }

    /// Puts back what a stopped node lacks, or has damaged: directories, its program, its unit file.
    pub(crate) async fn repair(&self, entry: &Entry, node: &NodeRef) -> Outcome<()> {
        check_program(&node.spec.program)?;
        if is_altered(entry, node) {
            // antctl leaves alone a program that says it is of the right version.
            delete(&entry.antnode_path)?;
        }
        for directory in [&entry.data_dir_path, &entry.log_dir_path] {
            make_like_its_parent(directory)?;
        }
        self.place_one(node, self.prepare(entry)?, &node.spec.program).await?;
        match self.broken(entry, node) {
            None => Ok(()),
            Some(broken) => Err(ManagerError::Failed(format!("antctl did not restore what it lacks: {broken}"))),
        }
    }

    /// Writes the text of a node's unit file.
    pub(crate) fn write_unit_of(&self, entry: &Entry, text: &str) -> Outcome<()> {
        write_unit(&self.places().unit(&entry.service_name), text)
    }

    /// Reads what antctl is about to overwrite, and proves that it can be written again.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn prepare(&self, entry: &Entry) -> Outcome<Prepared> {
        self.refuse_mask(&entry.service_name)?;
        let unit = self.own_unit(entry);
        match &unit {
            Some(text) => write_unit(&self.places().unit(&entry.service_name), text)?,
            None => drop(self.put_unit_back(entry)?),
        }
        Ok(Prepared { entry: entry.clone(), unit })
    }

    /// Has antctl put a program in the place of stopped nodes' own. Their unit files stay as they are: antctl writes new
    /// ones, without `[Install]` and with the environment of whichever node was added last. What it leaves unfinished is
    /// replaced by the program that is kept of the node.
    pub(crate) async fn place<'n>(&self, batch: Batch<'n, Prepared>, program: &Path) -> Batch<'n> {
        let services: Vec<String> = batch.good().map(|(_, prepared)| prepared.entry.service_name.clone()).collect();
        if services.is_empty() {
            return batch.then(|_, _| Ok(()));
        }
        let said = self.upgrade(&services, program).await;
        let batch = batch.then(|node, prepared| self.restore_unit(node, &prepared).map(|()| prepared.entry));
        self.systemd.reload(&services).await;
        let (program, places) = (program.to_owned(), self.places().clone());
        let finish = move |node: NodeRef, entry: Entry| {
            finish(&program, &entry.antnode_path, &places.kept_program(&node), &said)
        };
        batch.in_background(finish).await
    }

    /// The same for one node.
    pub(crate) async fn place_one(&self, node: &NodeRef, prepared: Prepared, program: &Path) -> Outcome<()> {
        let batch = Batch::of(std::slice::from_ref(node)).then(|_, ()| Ok(prepared.clone()));
        let mut placed = self.place(batch, program).await.outcomes();
        placed.take(node.id()).unwrap_or_else(|| Err(ManagerError::unanswered(&node.spec.name)))
    }

    /// Has antctl write the programs and unit files of stopped nodes; answers its complaint.
    async fn upgrade(&self, services: &[String], program: &Path) -> String {
        let mut arguments = named(&["upgrade", "--do-not-start", "--path"], []);
        arguments.push(program.into());
        arguments.extend(named(&[], services));
        match self.caller.quiet(arguments, 60 + 10 * services.len() as u64).await {
            Ok(output) => parse::complaint(&output),
            Err(error) => chain(&error),
        }
    }

    /// Writes a unit file as it was; one that was missing stays as antctl wrote it, with the node's own environment.
    fn restore_unit(&self, node: &NodeRef, prepared: &Prepared) -> Outcome<()> {
        let unit = self.places().unit(&prepared.entry.service_name);
        if let Some(text) = &prepared.unit {
            return write_unit(&unit, text);
        }
        // Without systemd there may be none.
        let Ok(text) = fs::read_to_string(&unit) else { return Ok(()) };
        write_unit(&unit, &render::with_environment(&text, &node.spec.environment))
    }

    /// antctl neither rewrites nor removes a node whose unit file is missing; a stand-in will do. Answers whether one was
    /// written.
    pub(crate) fn put_unit_back(&self, entry: &Entry) -> Outcome<bool> {
        let unit = self.places().unit(&entry.service_name);
        if !self.systemd.booted || unit.is_file() {
            return Ok(false);
        }
        write_unit(&unit, &stand_in(&entry.service_name)).map(|()| true)
    }
}

/// Makes sure that a node's program is what antctl was to put there, or else what is kept of it, which then is not kept any
/// longer.
fn finish(program: &Path, place: &Path, kept: &Path, said: &str) -> Outcome<()> {
    let error = match same_content(program, place) {
        Ok(true) => {
            note(place, program);
            return Ok(());
        }
        Ok(false) => {
            let (program, place) = (program.display(), place.display());
            ManagerError::Failed(format!("antctl did not put {program} in the place of {place}: {said}"))
        }
        Err(source) => ManagerError::io("compare the node program with", place, source),
    };
    if stage(kept, place, None).and_then(Staged::put_in_place).is_err() {
        return Err(error);
    }
    let _ = fs::remove_file(kept);
    if program == kept { Ok(()) } else { Err(error) }
}

/// Whether a node's program runs and is not what was copied there.
fn is_altered(entry: &Entry, node: &NodeRef) -> bool {
    let place = &entry.antnode_path;
    check_program(place).is_ok() && check_noted(&node.spec, place, &stamp_of(place)).is_err()
}

/// Notes that antctl copied this program to its place. Without that, nothing new is known of it.
pub(crate) fn note(place: &Path, program: &Path) {
    let noted = stamp_of(place);
    let directory = render::parent(place);
    let write = || {
        let text = program::note(&noted, place, place, program)?;
        let found = fs::metadata(directory).map_err(|source| ManagerError::io("read", directory, source))?;
        write_whole(&noted, text.as_bytes(), 0o600, Some(Owner { uid: found.uid(), gid: found.gid() }))
    };
    if let Err(error) = write() {
        tracing::warn!(error = error.text(), "what was copied to {} is not noted", place.display());
    }
}

/// Whether two files hold the same.
fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if length == 0 {
            return Ok(left.len() == right.len());
        }
        if left[..length] != right[..length] {
            return Ok(false);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// A unit file that is there until antctl writes the node's own.
fn stand_in(service: &str) -> String {
    format!("[Unit]\nDescription={service}\n[Service]\nExecStart=/bin/false\n")
}

/// Writes a unit file; whoever reads it reads all of it.
fn write_unit(path: &Path, text: &str) -> Outcome<()> {
    let directory = render::parent(path);
    fs::create_dir_all(directory).map_err(|source| ManagerError::io("make", directory, source))?;
    write_whole(path, text.as_bytes(), 0o644, None)
}

/// Makes a directory that belongs to whom its parent belongs to.
fn make_like_its_parent(directory: &Path) -> Outcome<()> {
    let failed = |source| ManagerError::io("make", directory, source);
    if exists(directory) {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(failed)?;
    let parent = fs::metadata(render::parent(directory)).map_err(failed)?;
    chown(directory, Some(parent.uid()), Some(parent.gid())).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_the_same_when_every_byte_is() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [one, other] = ["one", "other"].map(|name| directory.path().join(name));
        let long = vec![b'a'; 20_000];
        let changed = [&long[..19_999], b"b"].concat();
        let same = |left: &[u8], right: &[u8]| {
            fs::write(&one, left).expect("it is written");
            fs::write(&other, right).expect("it is written");
            same_content(&one, &other).expect("both are there")
        };
        assert!(same(b"", b"") && same(&long, &long));
        assert!(!same(&long, &changed) && !same(&long, &long[..19_999]) && !same(b"", &long));
        fs::remove_file(&other).expect("it is there");
        assert!(same_content(&one, &other).is_err());
    }

    #[test]
    fn what_antctl_left_unfinished_is_replaced_by_what_is_kept() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [new, place, kept] = ["new", "antnode", "kept"].map(|name| directory.path().join(name));
        for (path, text) in [(&new, "#!new program"), (&place, "#!new pro"), (&kept, "#!old program")] {
            fs::write(path, text).expect("it is written");
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
        }
        let error = finish(&new, &place, &kept, "the disk is full").expect_err("it is half of the program").to_string();
        assert!(error.ends_with(": the disk is full"), "{error}");
        assert_eq!(fs::read(&place).expect("it is there"), b"#!old program");
        assert!(!kept.exists(), "there is nothing to go back to");
        fs::rename(&place, &kept).expect("it is there");
        fs::write(&place, "#!old pro").expect("it is written");
        finish(&kept, &place, &kept, "the disk is full").expect("what is kept is what was to be there");
        assert_eq!(fs::read(&place).expect("it is there"), b"#!old program");
        assert!(finish(&new, &place, &kept, "").is_err(), "nothing is kept");
        assert_eq!(fs::read(&place).expect("it is there"), b"#!old program");
    }
}
