//! Machines and users that systemd does not serve get one clear sentence, and nothing is left behind.

use std::fs;

use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::node::NodeRef;
use wnm_pm::privilege::SUDO_HINT;
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager};
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, on_machine, only};

use crate::world::World;

/// What every operation is refused with, and the advice that goes with it.
async fn refusal(world: &World) -> (String, Vec<Hint>) {
    let manager = world.manager();
    let nodes = [world.reference(1), world.reference(2)];
    let mut errors: Vec<ManagerError> = Vec::new();
    for (_, outcome) in manager.create(&nodes).await {
        errors.push(outcome.expect_err("no node can be created"));
    }
    for NodeRef { spec, .. } in &nodes {
        assert!(!spec.root_dir.exists() && !spec.log_dir.exists(), "nothing of {} is left behind", spec.name);
    }
    assert!(!world.unit(&nodes[0]).exists(), "no unit is left behind");
    assert!(errors.iter().all(|error| matches!(error, ManagerError::Unavailable { .. })), "{errors:?}");
    let texts: Vec<String> = errors.iter().map(ManagerError::text).collect();
    assert_eq!(texts[0], texts[1]);
    assert!(!texts[0].contains('\n') && !texts[0].contains("hint"), "{texts:?}");
    let findings = manager.examine().await;
    let finding = findings.iter().find(|finding| finding.code == "manager-unavailable");
    let finding = finding.unwrap_or_else(|| panic!("doctor says so too: {findings:?}"));
    assert_eq!(texts[0].replace(" cannot be used here", ""), finding.what);
    (texts[0].clone(), errors[0].hints())
}

fn f42_without_a_systemd_of_the_users_own_nothing_is_left_behind() {
    let test = "refusals::f42_without_a_systemd_of_the_users_own_nothing_is_left_behind";
    on_machine("keeper", test, async || {
        let world = World::new(Mode::User);
        let told = "systemd+user cannot be used here: no systemd of this user is running (/run/user/1001/systemd does \
             not exist)";
        let hint = Hint::shell("sudo loginctl enable-linger keeper");
        let hint = hint.to("keep one running from boot on, without a login");
        assert_eq!(refusal(&world).await, (told.to_owned(), vec![hint]));
        let findings = world.manager().examine().await;
        let lingering = findings.iter().find(|finding| finding.code == "lingering-off").expect("it is off");
        assert_eq!(lingering.fix, "sudo loginctl enable-linger keeper");
        world.root("sudo", &["loginctl", "enable-linger", "keeper"].map(AsRef::as_ref));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !std::path::Path::new("/run/user/1001/systemd/private").exists() {
            assert!(std::time::Instant::now() < deadline, "the advice is good");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let nodes = world.running(&world.manager(), &[1]).await;
        assert_eq!(world.manager().examine().await, []);
        only(world.manager().remove(&nodes).await).expect("it is removed");
    });
}

fn who_may_not_use_sudo_is_told_so() {
    on_machine("resident", "refusals::who_may_not_use_sudo_is_told_so", async || {
        let world = World::in_home(Mode::Sudo);
        let told =
            "systemd+sudo cannot be used here: this user is not root, and sudo refuses: sudo: a password is required";
        assert_eq!(refusal(&world).await, (told.to_owned(), vec![Hint::text(SUDO_HINT)]));
    });
}

fn f63_root_needs_no_sudo() {
    on_machine("root", "refusals::f63_root_needs_no_sudo", async || {
        fs::remove_file("/usr/bin/sudo").expect("it was there");
        let world = World::new(Mode::Sudo);
        let nodes = world.running(&world.manager(), &[1]).await;
        only(world.manager().remove(&nodes).await).expect("it is removed");
    });
}

fn a_machine_without_systemd_is_told_so() {
    on_machine("root", "refusals::a_machine_without_systemd_is_told_so", async || {
        fs::rename("/run/systemd/system", "/run/systemd/away").expect("the container is the test's own");
        let world = World::new(Mode::Sudo);
        let told = "systemd+sudo cannot be used here: this machine was not booted with systemd";
        let hint = Hint::run(Task::InitElsewhere { process_manager: "setsid+user".to_owned() });
        let hint = hint.to("run nodes without systemd");
        assert_eq!(refusal(&world).await, (told.to_owned(), vec![hint]));
        let state = only(world.manager().inspect(&[world.reference(1)]).await);
        assert!(matches!(state, Err(ManagerError::Unavailable { .. })), "{state:?}");
        assert!(world.manager().survey().await.is_err() && world.manager().teardown().await.is_err());
    });
}

fn a_service_name_that_is_no_nodes_is_refused() {
    on_machine("resident", "refusals::a_service_name_that_is_no_nodes_is_refused", async || {
        let world = World::new(Mode::User);
        let manager = world.manager();
        let living = world.running(&manager, &[1]).await;
        for service in ["antnode*", "--force", "dbus", "../antnode0001", "antnode0001 dbus", ""] {
            let mut node = world.reference(2);
            node.service = service.to_owned();
            let error = only(manager.stop(&[node]).await).expect_err("that is not a node");
            assert!(matches!(error, ManagerError::Unusable { .. }), "{service:?}: {error}");
        }
        assert!(world.listens(&living[0].spec).await, "the node runs on");
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        f42_without_a_systemd_of_the_users_own_nothing_is_left_behind,
        who_may_not_use_sudo_is_told_so,
        f63_root_needs_no_sudo,
        a_machine_without_systemd_is_told_so,
        a_service_name_that_is_no_nodes_is_refused;
}
