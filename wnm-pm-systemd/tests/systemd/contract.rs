//! The promises of a process manager, kept: as root, through sudo, and without any rights.

use wnm_pm::process_manager::Mode;
use wnm_testing::Need::SystemdImage;
use wnm_testing::{contract, on_machine};

use crate::world::World;

fn root_keeps_the_contract() {
    on_machine("root", "contract::root_keeps_the_contract", async || {
        let world = World::new(Mode::Sudo);
        contract(&world.manager(), &world).await;
    });
}

fn sudo_keeps_the_contract() {
    on_machine("keeper", "contract::sudo_keeps_the_contract", async || {
        let world = World::new(Mode::Sudo);
        contract(&world.manager(), &world).await;
    });
}

fn a_user_without_rights_keeps_the_contract() {
    on_machine("resident", "contract::a_user_without_rights_keeps_the_contract", async || {
        let world = World::new(Mode::User);
        contract(&world.manager(), &world).await;
    });
}

wnm_testing::trials! {
    &[SystemdImage] => root_keeps_the_contract, sudo_keeps_the_contract, a_user_without_rights_keeps_the_contract;
}
