//! What a container uses: read from the kernel's control groups where the engine is this machine's, a moment apart; an engine
//! that is asked takes a second or two for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::{ContainerCpuStats, ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;
use wnm_pm::container_host::Usage;

use super::engine::Engine;
use super::error::{Doing, EngineError};

/// Between two readings: the kernel counts in microseconds at least.
const MOMENT: Duration = Duration::from_millis(100);
/// Where the kernel keeps control groups.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

impl Engine {
    /// What a container uses now.
    ///
    /// # Errors
    /// When the engine cannot be asked, or the container does not run.
    pub(crate) async fn usage(&self, container: &str) -> Result<Usage, EngineError> {
        let state = self.inspect(container).await?.and_then(|is| is.state);
        let pid = state.and_then(|state| state.pid).filter(|pid| *pid > 0 && self.is_local());
        match pid.and_then(|pid| ControlGroup::of(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)) {
            Some(group) if group.memory().is_some() && group.busy().is_some() => {
                let (began, before) = (Instant::now(), group.busy());
                tokio::time::sleep(MOMENT).await;
                let used = group.usage(before.unwrap_or_default(), began.elapsed());
                used.ok_or_else(|| unread(container))
            }
            _ => self.usage_by_engine(container).await,
        }
    }

    async fn usage_by_engine(&self, container: &str) -> Result<Usage, EngineError> {
        let options = StatsOptionsBuilder::new().stream(false).build();
        let doing = || format!("measure the container {container}");
        let answer = std::pin::pin!(self.docker().await?.stats(container, Some(options))).next().await;
        answer.transpose().doing(doing)?.as_ref().and_then(read).ok_or_else(|| unread(container))
    }
}

fn unread(container: &str) -> EngineError {
    let said = "nobody says how much memory and CPU it uses";
    EngineError::refused(format!("measure the container {container}"), 0, said)
}

/// The control group of a container: in the first version a directory for each kind of thing, in the second one for all.
#[derive(Debug, PartialEq, Eq)]
struct ControlGroup {
    memory: PathBuf,
    processors: PathBuf,
}

impl ControlGroup {
    /// From the text of `/proc/PID/cgroup`.
    fn of(text: &str) -> Option<Self> {
        let path = |wanted: &str| {
            text.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (kinds, path) = (fields.next()?, fields.next()?);
                let is_wanted = kinds.split(',').any(|kind| kind == wanted);
                is_wanted.then(|| Path::new(CONTROL_GROUPS).join(kinds).join(path.trim_start_matches('/')))
            })
        };
        // One in which both are at the root is not a container's.
        let group =
            Self { memory: path("memory").or_else(|| path(""))?, processors: path("cpuacct").or_else(|| path(""))? };
        (group.memory.components().count() > Path::new(CONTROL_GROUPS).components().count() + 1).then_some(group)
    }

    /// Without what the kernel would give up at once: file pages that were not used recently.
    fn memory(&self) -> Option<u64> {
        let all = number(&self.memory, "memory.current").or_else(|| number(&self.memory, "memory.usage_in_bytes"))?;
        let details = fs::read_to_string(self.memory.join("memory.stat")).ok()?;
        let idle = field(&details, "total_inactive_file").or_else(|| field(&details, "inactive_file"));
        Some(all.saturating_sub(idle.unwrap_or(0)))
    }

    /// How long its processors have been busy in all.
    fn busy(&self) -> Option<Duration> {
        let nanoseconds = || number(&self.processors, "cpuacct.usage").map(Duration::from_nanos);
        let details = fs::read_to_string(self.processors.join("cpu.stat")).unwrap_or_default();
        field(&details, "usage_usec").map(Duration::from_micros).or_else(nanoseconds)
    }

    fn usage(&self, before: Duration, elapsed: Duration) -> Option<Usage> {
        let busy = self.busy()?.saturating_sub(before);
        Some(Usage { memory_bytes: self.memory()?, cpu_percent: busy.as_secs_f64() / elapsed.as_secs_f64() * 100.0 })
    }
}

fn number(directory: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}

/// The number behind a name, from a text with one of both in each line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// None for a container that does not run.
fn read(stats: &ContainerStatsResponse) -> Option<Usage> {
    Some(Usage {
        memory_bytes: memory(stats.memory_stats.as_ref()?)?,
        cpu_percent: processors(stats.precpu_stats.as_ref()?, stats.cpu_stats.as_ref()?)?,
    })
}

/// As above: the engine also counts file pages that were not used recently.
fn memory(stats: &ContainerMemoryStats) -> Option<u64> {
    let details = stats.stats.as_ref();
    // The name in the first and in the second version of control groups.
    let idle = details.and_then(|details| details.get("total_inactive_file").or_else(|| details.get("inactive_file")));
    Some(stats.usage?.saturating_sub(idle.copied().unwrap_or(0)))
}

/// Percent of one core, between two readings.
#[expect(clippy::cast_precision_loss, reason = "differences of a second are small")]
fn processors(before: &ContainerCpuStats, now: &ContainerCpuStats) -> Option<f64> {
    let used = |stats: &ContainerCpuStats| stats.cpu_usage.as_ref()?.total_usage;
    let busy = used(now)?.saturating_sub(used(before).unwrap_or(0));
    let all = now.system_cpu_usage?.saturating_sub(before.system_cpu_usage.unwrap_or(0));
    let cores = f64::from(now.online_cpus.unwrap_or(1));
    Some(if all == 0 { 0.0 } else { busy as f64 / all as f64 * cores * 100.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_found_in_either_version_of_control_groups() {
        let first = "12:pids:/docker/0a1b\n4:memory:/docker/0a1b\n3:cpu,cpuacct:/docker/0a1b\n0::/system.slice\n";
        let group = ControlGroup::of(first).unwrap();
        assert_eq!(group.memory, Path::new("/sys/fs/cgroup/memory/docker/0a1b"));
        assert_eq!(group.processors, Path::new("/sys/fs/cgroup/cpu,cpuacct/docker/0a1b"));
        let group = ControlGroup::of("0::/system.slice/docker-0a1b.scope\n").unwrap();
        assert_eq!(group.memory, Path::new("/sys/fs/cgroup/system.slice/docker-0a1b.scope"));
        assert_eq!(group.processors, group.memory);
        assert_eq!(ControlGroup::of("0::/\n"), None);
        assert_eq!(ControlGroup::of("nonsense"), None);
        assert_eq!(field("usage_usec 12\nuser_usec 5\n", "usage_usec"), Some(12));
    }
}
