//! Tearing down: antctl's `reset --force`; when that fails, the cause is found, repaired, and the reset tried again.

use std::fs;
use std::path::PathBuf;

use wnm_pm::hint::{Hint, chain};
use wnm_pm::node_files::{delete, exists};
use wnm_pm::path_policy::resolve;
use wnm_pm::process_manager::{ManagerError, Outcome, Teardown};

use crate::leftovers::{Leftover, refuse_link};
use crate::parse::{Entry, Registry};
use crate::{Antctl, parse};

/// How often the reset is tried.
const ATTEMPTS: usize = 3;

impl Antctl {
    pub(crate) async fn take_down(&self) -> Outcome<Teardown> {
        let mut notes = Vec::new();
        for attempt in 0..ATTEMPTS {
            let registry = self.readable_registry(&mut notes).await?;
            // A reset would take those of another database too.
            if registry.present().any(|entry| !self.is_ours(entry)) {
                return Ok(Teardown::OneByOne);
            }
            // antctl looks at nothing before it deletes.
            for entry in registry.present() {
                refuse_link(&entry.data_dir_path)?;
                refuse_link(&entry.log_dir_path)?;
            }
            let repaired = self.repair_for_reset(&registry, &mut notes).await?;
            if attempt > 0 && !repaired {
                break;
            }
            let seconds = 200 + 10 * registry.nodes.len() as u64;
            let complaint = match self.caller.quiet(vec!["reset".into(), "--force".into()], seconds).await {
                Ok(output) if output.success() => {
                    self.finish_reset(&registry, &mut notes).await?;
                    return Ok(Teardown::AllAtOnce { notes });
                }
                Ok(output) => parse::complaint(&output),
                Err(error) => chain(&error),
            };
            notes.push(format!("antctl's reset failed: {complaint}"));
        }
        let what = format!("antctl cannot be reset: {}", notes.join("; "));
        Err(ManagerError::advised(what, Hint::shell("antctl status --json").to("see what is left")))
    }

    /// Whether a node lies where this database keeps its nodes.
    fn is_ours(&self, entry: &Entry) -> bool {
        let [storage, _] = self.storages();
        entry.data_dir_path.parent().is_some_and(|parent| resolve(parent) == resolve(&storage))
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
        let aside = |number: u32| path.with_extension(format!("json.damaged-{number}"));
        let mut number = 1;
        while exists(&aside(number)) {
            number += 1;
        }
        let aside: PathBuf = aside(number);
        fs::rename(&path, &aside).map_err(|source| ManagerError::io("put aside", &path, source))?;
        notes.push(format!("antctl's registry was damaged; it is now {}", aside.display()));
        self.caller.registry().await
    }

    /// Stops all nodes and repairs what is known to make a reset fail; answers whether anything was repaired.
    async fn repair_for_reset(&self, registry: &Registry, notes: &mut Vec<String>) -> Outcome<bool> {
        let before = notes.len();
        for entry in registry.present() {
            if self.put_unit_back(entry)? {
                notes.push(format!("restored the missing unit file of {}", entry.service_name));
            }
        }
        let services: Vec<String> = registry.present().map(|entry| entry.service_name.clone()).collect();
        if notes.len() > before {
            self.systemd.reload(&services).await;
        }
        // antctl takes a node for stopped that it does not see alive at that moment, and deletes its directory all the same;
        // the node then makes it anew. systemd stops them all at once, and surely.
        let units = self.systemd.show(&services).await?;
        let lives = |service: &String| units.get(service).is_some_and(|unit| unit.main_pid > 0);
        let up: Vec<String> = services.into_iter().filter(lives).collect();
        self.systemd.attempt(&["stop"], &up).await;
        Ok(notes.len() > before)
    }

    /// Clears what a reset leaves: nodes that antctl had forgotten, programs that were kept, and systemd's memory of all.
    async fn finish_reset(&self, registry: &Registry, notes: &mut Vec<String>) -> Outcome<()> {
        for left in self.forgotten(&Registry::default()) {
            self.clear(&left).await?;
            notes.push(format!("removed {} in {}, which antctl had forgotten", left.service, left.root_dir.display()));
        }
        for entry in registry.present().filter(|entry| exists(&entry.data_dir_path)) {
            let (root_dir, log_dir) = (entry.data_dir_path.clone(), entry.log_dir_path.clone());
            notes.push(format!("deleted {}, which antctl left", root_dir.display()));
            self.clear(&Leftover { service: entry.service_name.clone(), root_dir, log_dir }).await?;
        }
        delete(&self.places().kept_programs())?;
        delete(&self.places().registry_copy())?;
        let services: Vec<String> = registry.present().map(|entry| entry.service_name.clone()).collect();
        self.systemd.reload(&services).await;
        Ok(())
    }
}
