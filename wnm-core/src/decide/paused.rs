//! While its owner has paused the cycles, a cycle looks at the nodes and says what is down, and that is all.

use super::{Draft, groups, numbers};
use crate::node::{Desired, Status};
use crate::pause::CyclePause;
use crate::plan::{Action, Cause};
use crate::snapshot::NodeSnapshot;

/// The one thing that such a cycle does. After a restart of the machine it notices that, so that the nodes come back at their
/// pace once the pause has ended.
pub(super) fn action(draft: &mut Draft<'_>, pause: &CyclePause) -> Action {
    let snapshot = draft.snapshot;
    draft.because(Cause::Paused { pause: pause.clone() }, &[]);
    let is_down = |each: &&NodeSnapshot| {
        let life = each.node.life();
        life.status() == Status::Stopped && life.desired() == Desired::Run
    };
    let down: Vec<_> = snapshot.nodes.iter().filter(is_down).collect();
    draft.because_of(Cause::DownWhilePaused, &numbers(&down));
    let broken: Vec<u32> = groups::not_up(snapshot).map(|group| group.spec.group).collect();
    if !broken.is_empty() {
        draft.because(Cause::GroupsDownWhilePaused { groups: broken }, &[]);
    }
    if snapshot.boot_time > snapshot.last_surveyed_boot {
        draft.because(Cause::Reboot, &[]);
        return Action::Resurvey;
    }
    Action::Survey
}
