//! Tearing down: antctl's `reset --force`; when that fails, the cause is found, mended, and the reset tried again.

use std::fs;
use std::path::PathBuf;

use wnm_pm::process_manager::{ManagerError, Outcome, Teardown};

use crate::leftovers::Leftover;
use crate::observation::exists;
use crate::parse::Registry;
use crate::{Antctl, parse};

/// How often the reset is tried.
const ATTEMPTS: usize = 3;

impl Antctl {
    pub(crate) async fn teardown_locked(&self) -> Outcome<Teardown> {
        let mut notes = Vec::new();
        let mut complaint = String::new();
        for attempt in 0..ATTEMPTS {
            let registry = self.readable_registry(&mut notes).await?;
            if let Some(link) = link(&registry) {
                let reason = "it is a symbolic link, and antctl is about to delete it".to_owned();
                return Err(ManagerError::NotOurs { path: link, reason });
            }
            let mended = self.mend_for_reset(&registry, &mut notes).await?;
            if attempt > 0 && !mended {
                break;
            }
            let seconds = 200 + 10 * registry.nodes.len() as u64;
            complaint = match self.caller.quiet(vec!["reset".into(), "--force".into()], seconds).await {
                Ok(output) if output.success() => {
                    self.finish(&registry, &mut notes).await?;
                    return Ok(Teardown::AllAtOnce { notes });
                }
                Ok(output) => parse::complaint(&output),
                Err(error) => error.to_string(),
            };
            notes.push(format!("antctl's reset failed: {complaint}"));
        }
        Err(ManagerError::Failed(format!(
            "antctl's reset fails: {complaint}\nhint: what was tried: {}; `antctl status` and `antctl reset --force` tell more",
            notes.join("; ")
        )))
    }

    /// antctl's registry; one that it cannot read is put aside, since antctl does nothing at all with it, not even a reset.
    async fn readable_registry(&self, notes: &mut Vec<String>) -> Outcome<Registry> {
        let error = match self.caller.registry().await {
            Ok(registry) => return Ok(registry),
            Err(error) => error,
        };
        let path = self.places().registry();
        let text = fs::read(&path).unwrap_or_default();
        if text.is_empty() || serde_json::from_slice::<serde_json::Value>(&text).is_ok() {
            // It is not the file that is damaged.
            return Err(error);
        }
        let aside =
            (1..).map(|number| path.with_extension(format!("json.damaged-{number}"))).find(|aside| !exists(aside));
        let aside = aside.expect("there is always another number");
        fs::rename(&path, &aside).map_err(|source| ManagerError::Io {
            doing: "put aside",
            path: path.clone(),
            source,
        })?;
        notes.push(format!("antctl's registry was damaged; it is now {}", aside.display()));
        self.caller.registry().await
    }

    /// Stops all nodes and mends what is known to make a reset fail; answers whether anything was mended.
    async fn mend_for_reset(&self, registry: &Registry, notes: &mut Vec<String>) -> Outcome<bool> {
        let before = notes.len();
        for entry in registry.present() {
            if self.put_unit_back(entry)? {
                notes.push(format!("put back the missing unit file of {}", entry.service_name));
            }
        }
        let services: Vec<String> = registry.present().map(|entry| entry.service_name.clone()).collect();
        if notes.len() > before {
            self.systemd.settle(&services).await;
        }
        // antctl takes a node for stopped that it does not see alive at that moment, and deletes its directory all the same;
        // the node then makes it anew. systemd stops them all at once, and surely.
        let units = self.systemd.show(&services).await?;
        let lives = |service: &String| units.get(service).is_some_and(|unit| unit.main_pid > 0);
        let up: Vec<String> = services.into_iter().filter(lives).collect();
        self.systemd.tell(&["stop"], &up).await;
        Ok(notes.len() > before)
    }

    /// Clears what a reset leaves: nodes that antctl had forgotten, and systemd's memory of all.
    async fn finish(&self, registry: &Registry, notes: &mut Vec<String>) -> Outcome<()> {
        for left in self.forgotten(&Registry::default()) {
            self.clear(&left).await?;
            notes.push(format!("removed {} in {}, which antctl had forgotten", left.service, left.root_dir.display()));
        }
        for entry in registry.present().filter(|entry| exists(&entry.data_dir_path)) {
            let (root_dir, log_dir) = (entry.data_dir_path.clone(), entry.log_dir_path.clone());
            notes.push(format!("deleted {}, which antctl left", root_dir.display()));
            self.clear(&Leftover { service: entry.service_name.clone(), root_dir, log_dir }).await?;
        }
        let services: Vec<String> = registry.present().map(|entry| entry.service_name.clone()).collect();
        self.systemd.settle(&services).await;
        Ok(())
    }
}

/// A directory among those that antctl would delete that is a link.
fn link(registry: &Registry) -> Option<PathBuf> {
    let directories = registry.present().flat_map(|entry| [&entry.data_dir_path, &entry.log_dir_path]);
    directories.into_iter().find(|directory| directory.is_symlink()).cloned()
}
