//! Leftovers are what antctl forgot: units and directories of nodes that its registry does not, or no longer, hold.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::process_manager::{ManagerError, Mode, Outcome};

use crate::Antctl;
use crate::observation::exists;
use crate::parse::Registry;

/// A node that antctl forgot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub service: String,
    pub root_dir: PathBuf,
    pub log_dir: PathBuf,
}

impl Antctl {
    /// Whether a directory may be deleted as a node's own: it is no link, and lies inside the storage, links resolved.
    ///
    /// # Errors
    /// [`ManagerError::NotOurs`] says what is wrong with it.
    pub(crate) fn deletable(&self, directory: &Path) -> Outcome<()> {
        let not_ours = |reason: String| Err(ManagerError::NotOurs { path: directory.to_owned(), reason });
        if directory.is_symlink() {
            return not_ours("it is a symbolic link".to_owned());
        }
        if !exists(directory) {
            return Ok(());
        }
        let real = match directory.canonicalize() {
            Ok(real) => real,
            Err(error) => return not_ours(error.to_string()),
        };
        let inside = |storage: &PathBuf| {
            storage.canonicalize().is_ok_and(|storage| real != storage && real.starts_with(storage))
        };
        match self.storages().iter().any(inside) {
            true => Ok(()),
            false => not_ours("it does not lie where nodes are kept".to_owned()),
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
            self.systemd.tell(&["stop"], service).await;
            self.systemd.tell(&["disable"], service).await;
            delete(&unit, |path| fs::remove_file(path))?;
        }
        delete(&left.root_dir, |path| fs::remove_dir_all(path))?;
        delete(&left.log_dir, |path| fs::remove_dir_all(path))?;
        self.systemd.settle(service).await;
        Ok(())
    }

    /// Whether the unit file of this service, as antctl writes it, runs the node in this directory.
    pub(crate) fn unit_runs(&self, service: &str, root_dir: &Path) -> bool {
        let text = fs::read_to_string(self.places().unit(service)).ok();
        text.and_then(|text| command(&text)).is_some_and(|line| line.root_dir == root_dir)
    }

    /// All nodes that have a unit file and no entry, and lie where nodes are kept.
    pub(crate) fn forgotten(&self, registry: &Registry) -> Vec<Leftover> {
        let files = fs::read_dir(&self.places().units).into_iter().flatten().flatten();
        let units = files.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let service = name.strip_suffix(".service")?.to_owned();
            // Others fill up with zeros: antnode0001.service is a node of systemd's, of this wnm or of the Python one.
            let number = service.strip_prefix("antnode")?.parse::<u32>().ok()?;
            (service == format!("antnode{number}")).then_some(())?;
            let line = command(&fs::read_to_string(file.path()).ok()?)?;
            Some(Leftover { service, ..line })
        });
        let known = |left: &Leftover| registry.present().any(|entry| entry.service_name == left.service);
        let mut forgotten: Vec<_> =
            units.filter(|left| !known(left) && self.deletable(&left.root_dir).is_ok()).collect();
        forgotten.sort_by(|a, b| a.service.cmp(&b.service));
        forgotten
    }
}

/// What a unit file of antctl's tells of its node; none for one that another wrote: only antctl's nodes have an RPC port.
fn command(unit: &str) -> Option<Leftover> {
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    let words: Vec<&str> = line.split(' ').collect();
    words.contains(&"--rpc").then_some(())?;
    let value = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1).map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let (root_dir, log_dir) = (value("--root-dir")?, value("--log-output-dest")?);
    Some(Leftover { service: String::new(), root_dir, log_dir })
}

fn delete(path: &Path, how: impl Fn(&Path) -> std::io::Result<()>) -> Outcome<()> {
    match how(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(ManagerError::Io { doing: "delete", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
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
        let places =
            Places { system: true, base: world.path().into(), nodes: storage.clone(), units, runtime_dir: None };
        let settings = AntctlSettings { node_storage: storage, ..settings(Mode::Sudo) };
        let manager = Antctl::at(settings, Arc::new(SystemRunner), places);
        let forgotten = manager.forgotten(&Registry::default());
        let names: Vec<&str> = forgotten.iter().map(|left| left.service.as_str()).collect();
        assert_eq!(names, ["antnode7"], "only antctl's own node is antctl's to clear");
    }

    #[test]
    fn a_unit_file_tells_where_its_node_lies() {
        let unit = "[Unit]\nDescription=antnode1\n[Service]\nExecStart=/var/antctl/services/antnode1/antnode --rpc \
                    127.0.0.1:39533 --root-dir /var/antctl/services/antnode1 --log-output-dest /var/log/antnode/antnode1 \
                    --port 55001\nRestart=on-success\nUser=ant";
        let left = command(unit).expect("it is antctl's");
        assert_eq!(left.root_dir, Path::new("/var/antctl/services/antnode1"));
        assert_eq!(left.log_dir, Path::new("/var/log/antnode/antnode1"));
        assert_eq!(command("[Service]\nExecStart=/bin/true\n"), None);
    }
}
