//! What a container uses, as the engine itself measures it: by two readings, a moment apart. The engine would wait a second
//! or two between them by itself.

use std::time::Duration;

use bollard::models::{ContainerCpuStats, ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use wnm_pm::container_host::Usage;

use super::engine::Engine;
use super::error::{Doing, EngineError};

/// Between the two readings. An engine counts in nanoseconds.
const MOMENT: Duration = Duration::from_millis(300);

impl Engine {
    /// What a container uses now.
    ///
    /// # Errors
    /// When the engine cannot be asked, or the container does not run.
    pub(crate) async fn usage(&self, container: &str) -> Result<Usage, EngineError> {
        let before = self.reading(container).await?;
        tokio::time::sleep(MOMENT).await;
        let now = self.reading(container).await?;
        let unread = "the engine does not say how much memory and CPU it uses";
        let unread = || EngineError::refused(format!("measure the container {container}"), 0, unread);
        read(before.cpu_stats.as_ref(), &now).ok_or_else(unread)
    }

    async fn reading(&self, container: &str) -> Result<ContainerStatsResponse, EngineError> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let doing = || format!("measure the container {container}");
        let answer = std::pin::pin!(self.docker().await?.stats(container, Some(options))).next().await;
        let nothing = || EngineError::refused(doing(), 0, "the engine answers nothing");
        answer.transpose().doing(doing)?.ok_or_else(nothing)
    }
}

/// None for a container that does not run.
fn read(before: Option<&ContainerCpuStats>, stats: &ContainerStatsResponse) -> Option<Usage> {
    Some(Usage {
        memory_bytes: memory(stats.memory_stats.as_ref()?)?,
        cpu_percent: processors(before?, stats.cpu_stats.as_ref()?)?,
    })
}

/// Without what the kernel would give up at once: the engine also counts file pages that were not used recently.
fn memory(stats: &ContainerMemoryStats) -> Option<u64> {
    let details = stats.stats.as_ref();
    // The name in the first and in the second version of control groups.
    let idle = details.and_then(|details| details.get("total_inactive_file").or_else(|| details.get("inactive_file")));
    Some(stats.usage?.saturating_sub(idle.copied().unwrap_or(0)))
}

/// Percent of one core, between two readings.
#[expect(clippy::cast_precision_loss, reason = "differences of a moment are small")]
fn processors(before: &ContainerCpuStats, now: &ContainerCpuStats) -> Option<f64> {
    let used = |stats: &ContainerCpuStats| stats.cpu_usage.as_ref()?.total_usage;
    let busy = used(now)?.saturating_sub(used(before).unwrap_or(0));
    let all = now.system_cpu_usage?.saturating_sub(before.system_cpu_usage.unwrap_or(0));
    let cores = f64::from(now.online_cpus.unwrap_or(1));
    Some(if all == 0 { 0.0 } else { busy as f64 / all as f64 * cores * 100.0 })
}
