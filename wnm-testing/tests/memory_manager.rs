//! The memory manager keeps the promises of a process manager, so that what is tested with it holds with the real ones.

use wnm_pm::process_manager::{ManagerKind, NumberingKind};
use wnm_testing::{MemoryManager, MemoryWorld, contract};

fn setsid() -> ManagerKind {
    "setsid+user".parse().expect("it is a kind")
}

#[tokio::test]
async fn the_memory_manager_keeps_the_contract() {
    let world = MemoryWorld::new();
    contract(&MemoryManager::new(setsid(), NumberingKind::FillGaps, &world), &world).await;
    assert!(world.existing().is_empty());
}
