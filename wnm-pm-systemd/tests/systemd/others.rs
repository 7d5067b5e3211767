//! Units of somebody else under the names of nodes' are left to whoever has them.

use std::fs;
use std::path::PathBuf;

use wnm_pm::node::{NodeId, NodeRef};
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager, ProcessState};
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, on_machine, only};

use crate::replacing::newer;
use crate::world::World;

/// A service that somebody wrote for himself.
const HIS: &str = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target default.target\n";

/// Whatever wnm does with the node 1 of its database, the service of that name is not touched.
async fn stays_his(world: &World, his: &str) {
    let manager = world.manager();
    let pid = world.systemctl(&["show", "--property=MainPID", his]);
    assert_ne!(pid, "MainPID=0", "it runs");
    let files = || world.systemctl(&["cat", "--no-pager", his]);
    let before = files();

    let node = &world.reference(1);
    let nodes = std::slice::from_ref(node);
    let taken = manager.taken(&[]).await.expect("systemd tells");
    assert_eq!(taken.iter().map(|each| each.number).collect::<Vec<_>>(), [NodeId(1)], "{taken:?}");
    assert!(taken[0].why.ends_with("is there already: it is not a unit of this database"), "{taken:?}");
    assert_eq!(manager.survey().await.expect("the machine can be surveyed"), []);
    let refusal = only(manager.create(nodes).await).expect_err("the name is taken");
    assert!(matches!(refusal, ManagerError::NotOurs { .. }), "{refusal:?}");
    assert!(!node.spec.root_dir.exists(), "nothing was made");
    assert_eq!(world.state(&manager, node).await, ProcessState::Absent);

    // A node that was there before.
    world.write(&node.spec.binary, &fs::read(&node.spec.program).expect("it can be read")).await;
    world.root("chmod", &["755".as_ref(), &node.spec.binary]);
    let ProcessState::Stopped { reason: Some(reason) } = world.state(&manager, node).await else {
        panic!("it is down")
    };
    assert!(reason.ends_with("is not its unit: it is not a unit of this database"), "{reason}");
    assert!(matches!(only(manager.start(nodes).await), Err(ManagerError::NotOurs { .. })));
    assert!(matches!(only(manager.replace_program(nodes, &newer()).await), Err(ManagerError::NotOurs { .. })));
    only(manager.stop(nodes).await).expect("nothing of it runs");
    only(manager.remove(nodes).await).expect("only its own goes");
    assert!(!node.spec.root_dir.exists());
    manager.teardown().await.expect("nothing is left");
    assert_eq!((world.systemctl(&["show", "--property=MainPID", his]), files()), (pid, before));
}

fn a_service_of_the_same_name_is_its_owners() {
    on_machine("root", "others::a_service_of_the_same_name_is_its_owners", async || {
        let world = World::new(Mode::Sudo);
        fs::write("/etc/systemd/system/antnode0001.service", HIS).expect("it is written");
        world.systemctl(&["daemon-reload"]);
        world.systemctl(&["enable", "--now", "antnode0001.service"]);
        stays_his(&world, "antnode0001.service").await;
        assert_eq!(world.systemctl(&["is-enabled", "antnode0001.service"]), "enabled");
    });
}

fn a_service_of_the_same_name_is_its_owners_wherever_its_file_lies() {
    let test = "others::a_service_of_the_same_name_is_its_owners_wherever_its_file_lies";
    on_machine("root", test, async || {
        let world = World::new(Mode::Sudo);
        let output =
            world.root("systemd-run", &["--unit=antnode0001.service".as_ref(), "sleep".as_ref(), "1000".as_ref()]);
        assert!(output.status.success(), "{output:?}");
        stays_his(&world, "antnode0001.service").await;
    });
}

fn an_alias_of_a_service_is_its_owners() {
    on_machine("root", "others::an_alias_of_a_service_is_its_owners", async || {
        let world = World::new(Mode::Sudo);
        let his = HIS.to_owned() + "Alias=antnode0001.service\n";
        fs::write("/etc/systemd/system/mine.service", his).expect("it is written");
        world.systemctl(&["daemon-reload"]);
        world.systemctl(&["enable", "--now", "mine.service"]);
        stays_his(&world, "mine.service").await;
        assert!(PathBuf::from("/etc/systemd/system/antnode0001.service").is_symlink(), "his alias stays");
    });
}

fn a_service_of_the_same_name_is_its_owners_for_a_user_too() {
    on_machine("resident", "others::a_service_of_the_same_name_is_its_owners_for_a_user_too", async || {
        let world = World::new(Mode::User);
        let place = world.unit(&world.reference(1));
        fs::create_dir_all(place.parent().expect("it lies somewhere")).expect("it can be made");
        fs::write(&place, HIS).expect("it is written");
        world.systemctl(&["daemon-reload"]);
        world.systemctl(&["start", "antnode0001.service"]);
        stays_his(&world, "antnode0001.service").await;
    });
}

fn units_of_an_older_wnm_are_their_nodes() {
    on_machine("root", "others::units_of_an_older_wnm_are_their_nodes", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        let (unit, nodes) = (world.unit(node), std::slice::from_ref(node));
        let text = || fs::read_to_string(&unit).expect("it is there");
        let unmarked: Vec<String> =
            text().lines().filter(|line| !line.starts_with("X-Wnm")).map(str::to_owned).collect();
        fs::write(&unit, unmarked.join("\n")).expect("it is written");
        world.systemctl(&["daemon-reload"]);
        assert!(matches!(world.state(&manager, node).await, ProcessState::Running { .. }));
        assert_eq!(manager.survey().await.expect("the machine can be surveyed").len(), 1);
        only(manager.stop(nodes).await).expect("it stops");
        only(manager.start(nodes).await).expect("it starts");
        assert!(text().contains("\nX-WnmNodeStorage=/srv/wnm/"), "{}", text());
        only(manager.remove(nodes).await).expect("it is removed");
        assert!(!unit.exists());
    });
}

fn two_databases_have_units_of_their_own() {
    on_machine("resident", "others::two_databases_have_units_of_their_own", async || {
        let world = World::new(Mode::User);
        let second = world.beside(&std::env::home_dir().expect("users have a home").join("disk2"));
        let (manager, others) = (world.manager(), second.manager());
        let node = world.running(&manager, &[1]).await.remove(0);
        let [same, next]: [NodeRef; 2] = [1, 2].map(|number| NodeRef::new(second.spec(number)));
        let refusal = only(others.create(std::slice::from_ref(&same)).await).expect_err("the name is taken").text();
        let storage = world.node_storage();
        assert!(refusal.ends_with(&format!("it is a unit of the nodes in {}", storage.display())), "{refusal}");
        let taken = others.taken(&[]).await.expect("systemd tells");
        assert_eq!(taken.iter().map(|each| each.number).collect::<Vec<_>>(), [NodeId(1)], "{taken:?}");
        assert_eq!(others.survey().await.expect("the machine can be surveyed"), [], "the first one's are its own");

        let next = second.create(&others, &[next.spec]).await;
        assert!(others.start(&next).await.all_good());
        assert_eq!(manager.taken(std::slice::from_ref(&node)).await.expect("systemd tells").len(), 1);
        only(others.remove(&next).await).expect("it is removed");
        others.teardown().await.expect("its own goes");
        assert_eq!(world.state(&manager, &node).await, ProcessState::Running { process: node.process });
        let slice = world.unit(&node).with_file_name("wnm.slice");
        assert!(slice.exists(), "the other's nodes are in it");
        only(manager.remove(std::slice::from_ref(&node)).await).expect("it is removed");
        manager.teardown().await.expect("its own goes");
        assert!(!slice.exists());
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        a_service_of_the_same_name_is_its_owners,
        a_service_of_the_same_name_is_its_owners_wherever_its_file_lies,
        an_alias_of_a_service_is_its_owners,
        a_service_of_the_same_name_is_its_owners_for_a_user_too,
        units_of_an_older_wnm_are_their_nodes,
        two_databases_have_units_of_their_own;
}
