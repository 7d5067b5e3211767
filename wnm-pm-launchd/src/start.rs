//! Starting: jobs are enabled and loaded, all in one call, and each is watched until it has lived for a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy::check_program;
use wnm_pm::port_use;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};

use crate::Launchd;
use crate::look::{exists, last_words};
use crate::parse::Job;

/// A node that lived this long has started.
const SETTLE: Duration = Duration::from_secs(1);
/// launchd has to have made a process by then.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// What is to be done about a node that shall run.
enum Need {
    /// It runs already.
    Nothing(Started),
    /// launchd knows it, and pauses after a crash.
    Kickstart,
    /// launchd does not know it.
    Load(PathBuf),
}

/// What was seen so far of a node that was begun.
struct Watch {
    begun: Instant,
    /// Its process, and since when it is seen.
    lives: Option<(u32, Instant)>,
}

impl Watch {
    fn begin() -> Self {
        Self { begun: Instant::now(), lives: None }
    }
}

impl Launchd {
    pub(crate) async fn start_all(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        let mut needs = Vec::with_capacity(nodes.len());
        for node in nodes {
            needs.push(self.need(node).await);
        }
        let plists = needs.iter().filter_map(|need| match need {
            Ok(Need::Load(plist)) => Some(plist.as_path()),
            _ => None,
        });
        let plists: Vec<&Path> = plists.collect();
        if plists.len() > 1
            && let Err(error) = self.launchctl.bootstrap_all(&plists).await
        {
            tracing::debug!(%error, "loading the jobs one by one");
        }
        let mut begun = Vec::with_capacity(nodes.len());
        for (node, need) in nodes.iter().zip(needs) {
            begun.push(match need {
                Err(error) => Err(error),
                Ok(Need::Nothing(started)) => Ok(Some(started)),
                Ok(Need::Kickstart) => self.launchctl.kickstart(&node.service).await.map(|()| None),
                Ok(Need::Load(plist)) => self.load(&node.service, &plist).await.map(|()| None),
            });
        }
        self.watch(nodes, begun).await
    }

    async fn need(&self, node: &NodeRef) -> Outcome<Need> {
        match self.launchctl.print(&node.service).await? {
            Some(Job { pid: Some(pid), .. }) => return Ok(Need::Nothing(Started { process: identity(pid) })),
            Some(_) => return Ok(Need::Kickstart),
            None => {}
        }
        let plist = self.plist(&node.service);
        // launchd can load nothing from a damaged one either.
        if check_program(&node.spec.binary).is_err() || plist::Value::from_file(&plist).is_err() {
            self.put_back(node, &plist)?;
        }
        port_use::check_free(node.spec.ports, node.spec.flavour)?;
        self.launchctl.enable(&node.service).await?;
        Ok(Need::Load(plist))
    }

    /// Puts back what a node lacks, but for its directory: without that it would begin anew as another node.
    fn put_back(&self, node: &NodeRef, plist: &Path) -> Outcome<()> {
        let NodeSpec { name, root_dir, binary, program, .. } = &node.spec;
        let cannot = |why: String| Err(ManagerError::Failed(format!("{name} cannot be started: {why}")));
        if !exists(root_dir) {
            return cannot(format!(
                "its directory {} is gone\nhint: `wnm remove {name}` clears what is left of it",
                root_dir.display()
            ));
        }
        if check_program(binary).is_err() && check_program(program).is_err() {
            let (binary, program) = (binary.display(), program.display());
            return cannot(format!(
                "{binary} is gone or no program, and so is {program}, of which it is a copy\n\
                hint: put a node program there, or `wnm remove {name}`"
            ));
        }
        self.create_one(&node.spec)?;
        match exists(plist) {
            true => Ok(()),
            // Somebody named the job otherwise.
            false => cannot(format!("{} is gone\nhint: `wnm remove {name}`", plist.display())),
        }
    }

    async fn load(&self, label: &str, plist: &Path) -> Outcome<()> {
        match self.launchctl.print(label).await? {
            Some(_) => Ok(()),
            None => self.launchctl.bootstrap(label, plist).await,
        }
    }

    /// Waits until each node that was begun has lived for a second, or ended.
    async fn watch(&self, nodes: &[NodeRef], begun: Vec<Outcome<Option<Started>>>) -> Vec<Outcome<Started>> {
        let mut watched: Vec<(Watch, Option<Outcome<Started>>)> =
            begun.into_iter().map(|begun| (Watch::begin(), begun.transpose())).collect();
        while watched.iter().any(|(_, outcome)| outcome.is_none()) {
            tokio::time::sleep(PAUSE).await;
            for (node, (watch, outcome)) in nodes.iter().zip(&mut watched) {
                if outcome.is_none() {
                    *outcome = self.look_once(node, watch).await.transpose();
                }
            }
        }
        watched.into_iter().filter_map(|(_, outcome)| outcome).collect()
    }

    /// One look at a node that was begun; none while nothing can be said yet. One that ended is taken out of launchd again,
    /// which would otherwise start it for ever.
    async fn look_once(&self, node: &NodeRef, watch: &mut Watch) -> Outcome<Option<Started>> {
        let job = self.launchctl.print(&node.service).await?.unwrap_or_default();
        let ended = match (job.pid, watch.lives) {
            (Some(pid), Some((same, since))) if pid == same => {
                let lived = since.elapsed() >= SETTLE;
                return Ok(lived.then(|| Started { process: identity(pid) }));
            }
            // Another process already: the first one ended.
            (_, Some(_)) => true,
            (Some(pid), None) => {
                watch.lives = Some((pid, Instant::now()));
                false
            }
            // A job that is kickstarted still tells how it ended before.
            (None, None) if job.runs > 0 && job.end.is_some() => watch.begun.elapsed() > SETTLE,
            (None, None) => watch.begun.elapsed() > PATIENCE,
        };
        if ended { Err(self.abandon(node, &job).await) } else { Ok(None) }
    }

    async fn abandon(&self, node: &NodeRef, job: &Job) -> ManagerError {
        if let Err(error) = self.stop_one(node).await {
            return error;
        }
        ManagerError::ExitedAtOnce {
            name: node.spec.name.clone(),
            how: job.end.clone().unwrap_or_else(|| format!("launchd: {}", job.state)),
            said: last_words(&node.spec.log_dir),
            log_dir: node.spec.log_dir.clone(),
        }
    }
}
