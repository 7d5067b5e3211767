//! Leftovers are what antctl forgot: units and directories of nodes that its registry does not, or no longer, hold.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::flavour::CommandLine;
use wnm_pm::hint::Hint;
use wnm_pm::node_files::{delete, exists};
use wnm_pm::path_policy::{own_path, resolve};
use wnm_pm::process_manager::{ManagerError, Mode, Outcome};
use wnm_pm::unit_file;

use crate::Antctl;
use crate::parse::{Entry, Registry};

/// A node that antctl forgot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub service: String,
    pub root_dir: PathBuf,
    pub log_dir: PathBuf,
}

impl Antctl {
    /// Whether a directory may be deleted as a node's own: it is not a link, and lies inside the storage, links resolved.
    ///
    /// # Errors
    /// [`ManagerError::NotOurs`] says what is wrong with it.
    pub(crate) fn deletable(&self, directory: &Path) -> Outcome<()> {
        refuse_link(directory)?;
        if !exists(directory) {
            return Ok(());
        }
        let own = own_path(directory)?;
        let mut storages = self.storages().into_iter().map(|storage| resolve(&storage));
        match storages.any(|storage| own != storage && own.starts_with(storage)) {
            true => Ok(()),
            false => Err(not_ours(directory, "it does not lie where nodes are kept")),
        }
    }

    /// Where nodes and their logs are kept.
    pub(crate) fn storages(&self) -> [PathBuf; 2] {
        match self.settings.mode {
            Mode::Zen => [self.places().nodes.clone(), "/var/log/antnode".into()],
            _ => [self.settings.node_storage.clone(), self.settings.log_dir.clone()],
        }
    }

    /// Stops and deletes what is left of a node.
    pub(crate) async fn clear(&self, left: &Leftover) -> Outcome<()> {
        self.deletable(&left.root_dir)?;
        self.deletable(&left.log_dir)?;
        let unit = self.places().unit(&left.service);
        let is_its = self.unit_runs(&left.service, &left.root_dir);
        let service = std::slice::from_ref(&left.service);
        if is_its {
            self.systemd.attempt(&["stop"], service).await;
            self.systemd.attempt(&["disable"], service).await;
            delete(&unit)?;
        }
        delete(&left.root_dir)?;
        delete(&left.log_dir)?;
        self.systemd.reload(service).await;
        Ok(())
    }

    /// Whether the unit file of this service runs the node in this directory.
    pub(crate) fn unit_runs(&self, service: &str, root_dir: &Path) -> bool {
        let line = fs::read_to_string(self.places().unit(service)).ok().and_then(|text| command_line(&text));
        line.and_then(|line| line.path("--root-dir")).as_deref() == Some(root_dir)
    }

    /// What antctl was told to give a node beside what wnm gives every node, as far as there is a unit file that says it.
    pub(crate) fn given(&self, entry: &Entry) -> Option<Vec<String>> {
        self.own_unit(entry).as_deref().and_then(command_line).map(|line| line.start_args())
    }

    /// antctl would write over a unit file of somebody else that is called as its next node will be.
    pub(crate) fn refuse_foreign_unit(&self, service: &str, storage: &Path) -> Outcome<()> {
        let unit = self.places().unit(service);
        let Ok(text) = fs::read_to_string(&unit) else { return Ok(()) };
        let is_own = |left: &Leftover| left.root_dir.parent() == Some(storage);
        if of_antctl(service.to_owned(), &text).is_some_and(|left| is_own(&left)) {
            return Ok(());
        }
        let what =
            format!("{} is left alone: it is not antctl's, which would call its next node {service}", unit.display());
        Err(ManagerError::advised(what, Hint::text("give that service another name: antctl passes over none")))
    }

    /// All nodes that have a unit file and no entry, and lie where nodes are kept.
    pub(crate) fn forgotten(&self, registry: &Registry) -> Vec<Leftover> {
        let files = fs::read_dir(&self.places().units).into_iter().flatten().flatten();
        let units = files.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let service = name.strip_suffix(".service")?.to_owned();
            // Other managers fill up with zeros: antnode0001.service is a node of systemd's, of this wnm or of the Python one.
            let number = service.strip_prefix("antnode")?.parse::<u32>().ok()?;
            (service == format!("antnode{number}")).then_some(())?;
            of_antctl(service, &fs::read_to_string(file.path()).ok()?)
        });
        let known = |left: &Leftover| registry.present().any(|entry| entry.service_name == left.service);
        let mut forgotten: Vec<_> =
            units.filter(|left| !known(left) && self.deletable(&left.root_dir).is_ok()).collect();
        forgotten.sort_by(|a, b| a.service.cmp(&b.service));
        forgotten
    }
}

/// The command line in a unit file.
fn command_line(unit: &str) -> Option<CommandLine> {
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    Some(CommandLine::new(unit_file::split(line)))
}

/// The node that a unit file of antctl's runs; none for a unit file of another program: only antctl's nodes have an RPC
/// port.
fn of_antctl(service: String, unit: &str) -> Option<Leftover> {
    let line = command_line(unit)?;
    line.option("--rpc")?;
    let (root_dir, log_dir) = (line.path("--root-dir")?, line.log_dir()?);
    (root_dir.is_absolute() && log_dir.is_absolute()).then_some(Leftover { service, root_dir, log_dir })
}

/// Refuses a symbolic link where a node's own directory should be.
pub(crate) fn refuse_link(directory: &Path) -> Outcome<()> {
    match directory.is_symlink() {
        true => Err(not_ours(directory, "it is a symbolic link")),
        false => Ok(()),
    }
}

fn not_ours(path: &Path, reason: &str) -> ManagerError {
    ManagerError::NotOurs { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wnm_pm::command::SystemRunner;

    use super::*;
    use crate::AntctlSettings;
    use crate::places::Places;
    use crate::render::tests::settings;

    /// A unit file of a node in `storage`.
    fn unit(storage: &Path, name: &str, options: &str) -> String {
        let root_dir = storage.join(name).display().to_string();
        format!(
            "[Service]\nExecStart={root_dir}/antnode {options}--root-dir {root_dir} --log-output-dest {root_dir}/logs\n"
        )
    }

    #[test]
    fn nodes_of_other_managers_are_not_taken_for_forgotten_ones() {
        let world = tempfile::tempdir().expect("a temporary directory");
        let (storage, units) = (world.path().join("nodes"), world.path().join("units"));
        fs::create_dir(&units).expect("it is made");
        let rpc = "--rpc 127.0.0.1:39533 ";
        for (name, options) in [("antnode7", rpc), ("antnode0001", ""), ("antnode1000", ""), ("antnode0002", rpc)] {
            fs::create_dir_all(storage.join(name)).expect("it is made");
            fs::write(units.join(format!("{name}.service")), unit(&storage, name, options)).expect("it is written");
        }
        let places = Places {
            system: true,
            base: world.path().into(),
            nodes: storage.clone(),
            units,
            has_session: false,
            environment: vec![],
        };
        let settings = AntctlSettings { node_storage: storage, ..settings(Mode::Sudo) };
        let manager = Antctl::at(settings, Arc::new(SystemRunner), places);
        let forgotten = manager.forgotten(&Registry::default());
        let names: Vec<&str> = forgotten.iter().map(|left| left.service.as_str()).collect();
        assert_eq!(names, ["antnode7"], "only antctl's own node is antctl's to clear");
    }

    #[test]
    fn a_unit_file_names_the_directories_of_its_node() {
        let unit = "[Unit]\nDescription=antnode1\n[Service]\nExecStart=/var/antctl/services/antnode1/antnode --rpc \
                    127.0.0.1:39533 --root-dir /var/antctl/services/antnode1 --log-output-dest /var/log/antnode/antnode1 \
                    --port 55001\nRestart=on-success\nUser=ant";
        let left = of_antctl("antnode1".to_owned(), unit).expect("it is antctl's");
        assert_eq!(left.root_dir, Path::new("/var/antctl/services/antnode1"));
        assert_eq!(left.log_dir, Path::new("/var/log/antnode/antnode1"));
        assert_eq!(of_antctl("antnode1".to_owned(), "[Service]\nExecStart=/bin/true\n"), None);
    }
}
