//! The real antctl 0.14.2 under a real systemd: the contract with test nodes, and antnode 0.4.17 through everything that
//! antctl was measured to do wrong.

mod damage;
mod lost;
mod owners;
mod programs;
mod real_nodes;
mod world;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use wnm_pm::command::SystemRunner;
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::node::PortKind;
use wnm_pm::process_manager::{Mode, NumberingKind, ProcessManager};
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, contract, on_machine, only, told};

use world::{World, text};

fn contract_as_root() {
    on_machine("root", "contract_as_root", async || {
        let world = World::new();
        contract(&world.manager(Mode::Sudo), &world).await;
    });
}

fn contract_as_user() {
    on_machine("resident", "contract_as_user", async || {
        let world = World::new();
        contract(&world.manager(Mode::User), &world).await;
    });
}

fn the_storage_is_opened_to_antctls_user_and_one_in_a_closed_place_is_refused() {
    on_machine("root", "the_storage_is_opened_to_antctls_user_and_one_in_a_closed_place_is_refused", async || {
        let world = World::new();
        let settings = world.settings(Mode::Sudo);
        // As `wnm init` makes it.
        let storage = settings.node_storage.clone();
        std::fs::create_dir_all(&storage).expect("it is made");
        std::fs::set_permissions(&storage, Permissions::from_mode(0o700)).expect("it is ours");
        let manager = world.manager(Mode::Sudo);
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        only(manager.start(std::slice::from_ref(&node)).await).expect("its user gets there");
        assert!(!manager.capabilities().runs_nodes_as_caller);

        let settings =
            wnm_pm_antctl::AntctlSettings { mode: Mode::User, node_storage: "/root/nodes".into(), ..settings };
        let manager = wnm_pm_antctl::Antctl::new(settings, Arc::new(SystemRunner)).expect("root may use antctl");
        let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["node-storage-closed"]);
        let error = only(manager.create(&world.planned([2])).await).expect_err("no node could run there");
        assert!(text(&error).contains("/root does not let ant pass"), "{error}");
        assert_eq!(error.hints(), [Hint::shell("chmod o+x /root").to("let it pass")]);
    });
}

fn sudo_mode_is_for_root_alone() {
    on_machine("resident", "sudo_mode_is_for_root_alone", async || {
        let world = World::new();
        let error = world.try_manager(Mode::Sudo).err().expect("this user is not root");
        assert!(text(&error).starts_with("antctl+sudo cannot be used here"), "{error}");
        assert!(told(&error).contains("run wnm as root"), "{error:?}");
        let manager = world.manager(Mode::User);
        let findings = manager.examine().await;
        assert!(findings.is_empty(), "nothing is wrong here: {findings:#?}");
        let capabilities = manager.capabilities();
        assert_eq!(capabilities.extra_ports, [PortKind::Rpc]);
        assert_eq!(capabilities.numbering, NumberingKind::NeverReuse);
        assert!(capabilities.places_nodes_itself && capabilities.teardown_takes_untracked);
        assert!(capabilities.runs_nodes_as_caller);
    });
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        contract_as_root,
        contract_as_user,
        the_storage_is_opened_to_antctls_user_and_one_in_a_closed_place_is_refused,
        sudo_mode_is_for_root_alone;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([
        trials(),
        damage::trials(),
        lost::trials(),
        owners::trials(),
        programs::trials(),
        real_nodes::trials(),
    ])
}
