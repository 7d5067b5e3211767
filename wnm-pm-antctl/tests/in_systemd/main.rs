//! The real antctl 0.14.2 under a real systemd: the contract with test nodes, and antnode 0.4.17 through everything that
//! antctl was measured to do wrong.

mod container;
mod damage;
mod real_nodes;
mod world;

use wnm_core::process_manager::{Mode, ProcessManager};
use wnm_core::testing::contract;

use container::in_container;
use world::World;

#[test]
fn contract_as_root() {
    in_container("root", "contract_as_root", async || {
        let world = World::new();
        contract(&world.manager(Mode::Sudo), &world).await;
    });
}

#[test]
fn contract_as_user() {
    in_container("resident", "contract_as_user", async || {
        let world = World::new();
        contract(&world.manager(Mode::User), &world).await;
    });
}

#[test]
fn sudo_mode_is_for_root_alone() {
    in_container("resident", "sudo_mode_is_for_root_alone", async || {
        let world = World::new();
        let error = world.try_manager(Mode::Sudo).err().expect("this user is not root").to_string();
        assert!(error.contains("antctl+sudo cannot be used here"), "{error}");
        assert!(error.contains("hint: run wnm as root"), "{error}");
        let findings = world.manager(Mode::User).examine().await;
        assert!(findings.is_empty(), "nothing is wrong here: {findings:#?}");
    });
}
