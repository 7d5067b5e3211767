//! A machine's nodes are of one flavour: the ports, the program and what an upgrade means follow from it.

use wnm_core::migration::of_other_flavour;
use wnm_core::node::Flavour;
use wnm_core::observe::{Observer, ThisMachine, VersionCache};
use wnm_core::settings::Config;

use crate::Error;
use crate::machine::runner;

/// Refuses a storage that holds nodes of another flavour than the program. Where there is no program that says what it is,
/// nothing is known against it.
pub(crate) async fn refuse(config: &Config) -> Result<(), Error> {
    let asked = ThisMachine::new(runner()).program(&config.antnode_path, &VersionCache::default()).await;
    let Ok((program, _)) = asked else { return Ok(()) };
    let others = config.node_storage.iter().map(|storage| (storage, of_other_flavour(storage, program.flavour)));
    let Some((storage, others)) = others.into_iter().find(|(_, others)| !others.is_empty()) else { return Ok(()) };
    let found = Flavour::ALL.into_iter().find(|flavour| *flavour != program.flavour).unwrap_or_default();
    Err(Error::Mixed {
        storage: storage.to_owned(),
        nodes: others.len(),
        first: others[0].clone(),
        found,
        program: config.antnode_path.clone(),
        flavour: program.flavour,
    })
}
