//! Starting: jobs are enabled and loaded, all in one call, and each is watched until it has lived for a second.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::last_words::{last_words, tail};
use wnm_pm::node::NodeRef;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};
use wnm_pm::{node_files, port_use};

use crate::Launchd;
use crate::parse::Job;
use crate::render::output;

/// A node that lived this long has started.
const SETTLE: Duration = Duration::from_secs(1);
/// launchd has to have made a process by then.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// How far the start of a node has come.
enum Begun {
    Started(Started),
    Young(Young),
}

/// A node that launchd starts.
#[derive(Clone, Copy)]
struct Young {
    begun: Instant,
    /// Where its output begins in the file.
    output_start: u64,
    /// Its process, and since when it is seen.
    lives: Option<(u32, Instant)>,
}

impl Launchd {
    pub(crate) async fn start_all(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        let ready = Batch::of(nodes).check(|node, ()| self.refuse_launch(node));
        let ready = ready.one_by_one(|node, ()| self.prepare(node)).await;
        let young = ready.good().filter(|(_, begun)| matches!(begun, Begun::Young(_)));
        let plists: Vec<PathBuf> = young.map(|(node, _)| self.plist(&node.service)).collect();
        if plists.len() > 1
            && let Err(error) = self.launchctl.bootstrap_all(&plists).await
        {
            tracing::debug!(%error, "loading the jobs one by one");
        }
        self.watch(ready.one_by_one(|node, begun| self.load(node, begun)).await).await
    }

    /// A node that runs already, or one that has all that it needs to be loaded.
    async fn prepare(&self, node: &NodeRef) -> Outcome<Begun> {
        let job = self.launchctl.print(&node.service).await?;
        if let Some(Job { pid: Some(pid), .. }) = job {
            return Ok(Begun::Started(Started { process: identity(pid) }));
        }
        node_files::check_startable(&node.spec)?;
        port_use::check_free(&node.spec.ports)?;
        self.make(node, &node.service)?;
        if job.is_some() {
            // launchd pauses after a crash, and starts what the property list said when it was loaded.
            self.launchctl.bootout(&node.service).await?;
        }
        self.launchctl.enable(&node.service).await?;
        let output_start = fs::metadata(output(&node.spec)).map_or(0, |found| found.len());
        Ok(Begun::Young(Young { begun: Instant::now(), output_start, lives: None }))
    }

    async fn load(&self, node: &NodeRef, begun: Begun) -> Outcome<Begun> {
        let label = &node.service;
        if matches!(begun, Begun::Young(_)) && self.launchctl.print(label).await?.is_none() {
            self.launchctl.bootstrap(label, &self.plist(label)).await?;
        }
        Ok(begun)
    }

    /// Waits until each node that was begun has lived for a second, or ended.
    async fn watch(&self, mut begun: Batch<'_, Begun>) -> Outcomes<Started> {
        while begun.good().any(|(_, begun)| matches!(begun, Begun::Young(_))) {
            tokio::time::sleep(PAUSE).await;
            begun = begun.one_by_one(|node, begun| self.observe_start(node, begun)).await;
        }
        let started = begun.then(|node, begun| match begun {
            Begun::Started(started) => Ok(started),
            Begun::Young(_) => Err(ManagerError::unanswered(&node.spec.name)),
        });
        started.outcomes()
    }

    /// How far a start has come by now. A node that ended is taken out of launchd again, which would otherwise restart it
    /// for ever.
    async fn observe_start(&self, node: &NodeRef, begun: Begun) -> Outcome<Begun> {
        let Begun::Young(young) = begun else { return Ok(begun) };
        let job = self.launchctl.print(&node.service).await?.unwrap_or_default();
        let has_ended = match (job.pid, young.lives) {
            (Some(pid), Some((same, since))) if pid == same => {
                let lived = since.elapsed() >= SETTLE;
                return Ok(if lived { Begun::Started(Started { process: identity(pid) }) } else { begun });
            }
            // Another process already: the first one ended.
            (_, Some(_)) => true,
            (Some(pid), None) => return Ok(Begun::Young(Young { lives: Some((pid, Instant::now())), ..young })),
            (None, None) => (job.runs > 0 && job.end.is_some()) || young.begun.elapsed() > PATIENCE,
        };
        if has_ended { Err(self.abandon(node, &job, young.output_start).await) } else { Ok(begun) }
    }

    async fn abandon(&self, node: &NodeRef, job: &Job, output_start: u64) -> ManagerError {
        if let Err(error) = self.stop_one(node).await {
            return error;
        }
        ManagerError::ExitedAtOnce {
            name: node.spec.name.clone(),
            how: job.end.clone().unwrap_or_else(|| format!("launchd: {}", job.state)),
            said: last_words(&tail(&output(&node.spec), output_start)),
            log_dir: node.spec.log_dir.clone(),
        }
    }
}
