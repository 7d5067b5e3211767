//! What the engine itself says it did to a machine's containers.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt;

use super::Machine;

/// Everything that the engine did to the containers of a machine while something was done. Each as `start a1`,
/// `exec_create a1: sh -c …` or `die a1 129`.
pub async fn during<T>(machine: &Machine, deed: impl Future<Output = T>) -> (T, Vec<String>) {
    let begin = now();
    let done = deed.await;
    let end = now();
    let filters = HashMap::from([("label", vec![format!("wnm.machine={}", machine.id())])]);
    let options = EventsOptionsBuilder::new().since(&begin).until(&end).filters(&filters).build();
    let events: Vec<EventMessage> = machine.docker.events(Some(options)).try_collect().await.expect("the engine tells");
    (done, events.into_iter().filter_map(text).collect())
}

fn text(event: EventMessage) -> Option<String> {
    let attributes = event.actor?.attributes?;
    let group = attributes.get("wnm.name")?;
    let code = attributes.get("exitCode").map(|code| format!(" {code}")).unwrap_or_default();
    let action = event.action?;
    let (verb, detail) =
        action.split_once(':').map_or((action.as_str(), String::new()), |(verb, detail)| (verb, format!(":{detail}")));
    Some(format!("{verb} {group}{code}{detail}"))
}

/// The time as the engine, which runs on this machine, wants it said.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}
