//! The promises of a process manager, kept.

use std::time::Duration;

use wnm_pm_setsid::Setsid;
use wnm_testing::{HostWorld, contract};

async fn setsid_keeps_the_contract() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let world = HostWorld::new(directory.path());
    let kind = "setsid+user".parse().expect("it is a kind");
    let manager = Setsid::new(kind, world.node_storage()).settling(Duration::from_millis(100), Duration::from_secs(3));
    contract(&manager, &world).await;
}

wnm_testing::trials! {
    &[] => setsid_keeps_the_contract;
}
