//! Nodes to which anything has happened that can happen to a node.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use semver::Version;
use wnm_core::node::{End, Evidence, Found, Intent, Node, ProcessId, Transition, UnixSeconds};
use wnm_pm::process_manager::Created;

fn intents() -> impl Strategy<Value = Intent> {
    prop_oneof![
        Just(Intent::Start),
        any::<bool>().prop_map(|by_owner| Intent::Stop { by_owner }),
        Just(Intent::Restart),
        Just(Intent::Upgrade),
        Just(Intent::Revert),
        (0_u64..1_000).prop_map(|delay_seconds| Intent::Remove { delay_seconds }),
        Just(Intent::Disable),
        Just(Intent::Enable),
    ]
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        3 => Just(Found::Running),
        1 => Just(Found::Down),
        2 => Just(Found::Fell),
        1 => Just(Found::WithMachine),
        1 => (0_u64..1_000).prop_map(|pause_seconds| Found::Hanging { pause_seconds }),
        1 => Just(Found::Failed),
        1 => Just(Found::Gone),
    ]
}

fn ends() -> impl Strategy<Value = End> {
    proptest::sample::select(vec![
        End::StillRunning,
        End::Underway,
        End::Stopped,
        End::Incomplete,
        End::Removing,
        End::Disabled,
        End::Enabled,
    ])
}

/// What was seen, with texts of any kind where managers and nodes give them.
pub fn evidence() -> impl Strategy<Value = Evidence> {
    any::<String>().prop_map(|reason| Evidence::ProcessGone { reason: Some(reason) })
}

/// Anything that can happen to a node, whether it can happen to the one at hand or not.
pub fn transitions() -> impl Strategy<Value = Transition> {
    let error = || any::<String>();
    let process = || option::of((1_u32.., 0..=i64::MAX.cast_unsigned()));
    let process = move || process().prop_map(|process| process.map(|(pid, start_time)| ProcessId { pid, start_time }));
    prop_oneof![
        8 => intents().prop_map(Transition::Intended),
        2 => "[a-z]{1,8}".prop_map(|name| Transition::Created(Created {
            service: name.clone(),
            root_dir: format!("/nodes/{name}").into(),
            binary: format!("/nodes/{name}/antnode").into(),
            log_dir: format!("/logs/{name}").into(),
        })),
        1 => error().prop_map(|error| Transition::CreationFailed { error }),
        3 => process().prop_map(|process| Transition::Started { process }),
        2 => error().prop_map(|error| Transition::StartFailed { error }),
        2 => (process(), 0_u64..9)
            .prop_map(|(process, patch)| Transition::Upgraded { process, version: Version::new(0, 4, patch) }),
        2 => (process(), 0_u64..9).prop_map(|(process, patch)| {
            Transition::Reverted { process, version: Some(Version::new(0, 4, patch)) }
        }),
        3 => Just(Transition::Stopped),
        1 => Just(Transition::Enabled),
        1 => Just(Transition::Forgiven),
        3 => error().prop_map(|error| Transition::StepFailed { error }),
        4 => (found(), evidence()).prop_map(|(found, why)| Transition::Observed { found, why }),
        3 => (ends(), evidence()).prop_map(|(end, why)| Transition::Resolved { end, why }),
    ]
}

/// What happens to a node one after the other, each with the seconds since the one before.
pub fn courses() -> impl Strategy<Value = Vec<(Transition, UnixSeconds)>> {
    vec((transitions(), 0_i64..10_000), 0..40)
}

/// The node after as much of a course as can happen to it.
#[must_use]
pub fn after(mut node: Node, course: Vec<(Transition, UnixSeconds)>) -> Node {
    let mut now = node.created_at();
    for (transition, seconds) in course {
        now += seconds;
        // What is impossible leaves it as it is.
        let _ = node.apply(transition, now);
    }
    node
}
