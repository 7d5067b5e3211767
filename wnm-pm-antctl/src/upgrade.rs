//! Upgrading: antctl's `upgrade --path`, with what it would lose kept: the unit file, coming back with the machine, and the
//! program before, for the case that the new one does not live.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Binary, ManagerError, Outcome, Started};

use crate::call::{again, named, to_all};
use crate::create::write;
use crate::parse::Entry;
use crate::start::unknown;
use crate::{Antctl, parse, render};

impl Antctl {
    pub(crate) async fn upgrade_locked(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        if let Err(error) = check_program(&to.path) {
            return to_all(nodes.len(), &error);
        }
        let observation = match self.look(nodes).await {
            Ok(observation) => observation,
            Err(error) => return to_all(nodes.len(), &error),
        };
        // A node whose program cannot be kept runs on: nothing could be put back if the new one did not live.
        let entries = nodes.iter().map(|node| {
            let entry = observation.entry(node).cloned().ok_or_else(|| unknown(node))?;
            self.keep_previous(&entry).map(|()| entry)
        });
        let entries: Vec<Outcome<Entry>> = entries.collect();
        let willing = nodes.iter().zip(&entries).filter(|(_, entry)| entry.is_ok());
        let willing: Vec<NodeRef> = willing.map(|(node, _)| node.clone()).collect();
        let mut stopped = self.stop_locked(&willing).await.into_iter();
        let mut kept: Vec<Outcome<()>> = Vec::with_capacity(nodes.len());
        let mut ready = Vec::new();
        for (node, entry) in nodes.iter().zip(entries) {
            let entry = entry.and_then(|entry| stopped.next().unwrap_or_else(unanswered).map(|()| entry));
            kept.push(entry.map(|entry| ready.push((node.clone(), entry))));
        }
        let mut upgraded = self.upgrade_ready(&ready, &to.path).await.into_iter();
        let outcomes = kept.into_iter().map(|kept| {
            kept?;
            upgraded.next().unwrap_or_else(unanswered)
        });
        let outcomes = outcomes.collect();
        for entry in willing.iter().filter_map(|node| observation.entry(node)) {
            let _ = fs::remove_file(self.places().previous(&entry.service_name));
        }
        outcomes
    }

    /// Upgrades stopped nodes whose previous program is kept; takes it back where the new one does not live.
    async fn upgrade_ready(&self, ready: &[(NodeRef, Entry)], program: &Path) -> Vec<Outcome<Started>> {
        let mut outcomes = self.replace_and_start(ready, program).await;
        for ((node, entry), outcome) in ready.iter().zip(&mut outcomes) {
            if outcome.is_ok() {
                continue;
            }
            let previous = self.places().previous(&entry.service_name);
            let pair = [(node.clone(), entry.clone())];
            if let Some(Err(second)) = self.replace_and_start(&pair, &previous).await.pop() {
                let first = std::mem::replace(outcome, Err(again(&second))).err();
                let first = first.map(|error| error.to_string()).unwrap_or_default();
                *outcome = Err(ManagerError::Failed(format!(
                    "{first}\nand its previous program cannot be started again: {second}"
                )));
            }
        }
        outcomes
    }

    async fn replace_and_start(&self, ready: &[(NodeRef, Entry)], program: &Path) -> Vec<Outcome<Started>> {
        if ready.is_empty() {
            return vec![];
        }
        let services: Vec<String> = ready.iter().map(|(_, entry)| entry.service_name.clone()).collect();
        let units: Vec<Option<String>> =
            services.iter().map(|service| fs::read_to_string(self.places().unit(service)).ok()).collect();
        let mut arguments = named(&["upgrade", "--do-not-start", "--path"], []);
        arguments.push(program.into());
        arguments.extend(named(&[], &services));
        let said = match self.caller.quiet(arguments, 60 + 10 * services.len() as u64).await {
            Ok(output) => parse::complaint(&output),
            Err(error) => error.to_string(),
        };
        // antctl writes a new unit file, without [Install] and with the environment of whichever node was added last.
        let restored = services.iter().zip(&units).map(|(service, unit)| match unit {
            Some(text) => write(&self.places().unit(service), text),
            None => Ok(()),
        });
        let restored: Vec<Outcome<()>> = restored.collect();
        self.systemd.settle(&services).await;

        let replaced = ready.iter().zip(restored).map(|((_, entry), restored)| {
            restored?;
            match same_content(program, &entry.antnode_path) {
                true => Ok(()),
                false => Err(ManagerError::Failed(format!("antctl did not upgrade {}: {said}", entry.service_name))),
            }
        });
        let replaced: Vec<Outcome<()>> = replaced.collect();
        let good = ready.iter().zip(&replaced).filter(|(_, replaced)| replaced.is_ok());
        let nodes: Vec<NodeRef> = good.map(|((node, _), _)| node.clone()).collect();
        let mut started = self.start_locked(&nodes).await.into_iter();
        let outcomes = replaced.into_iter().map(|replaced| {
            replaced?;
            started.next().unwrap_or_else(unanswered)
        });
        outcomes.collect()
    }

    /// Keeps a copy of a node's program where the node itself cannot change it.
    fn keep_previous(&self, entry: &Entry) -> Outcome<()> {
        let previous = self.places().previous(&entry.service_name);
        let trouble =
            |source| ManagerError::Io { doing: "keep the previous program as", path: previous.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(render::parent(&previous)).map_err(trouble)?;
        fs::copy(&entry.antnode_path, &previous).map(drop).map_err(trouble)
    }
}

/// Every node has an outcome; one without would be a mistake of ours.
fn unanswered<T>() -> Outcome<T> {
    Err(ManagerError::Failed("nothing was heard of this node".to_owned()))
}

/// Whether two files hold the same.
fn same_content(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|data| data.len()).ok();
    let same_length = length(one).is_some() && length(one) == length(other);
    same_length && matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}
