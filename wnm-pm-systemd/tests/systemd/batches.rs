//! A batch costs as many programs as one node, and what fails in it fails alone.

use std::fs;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, SystemRunner};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager};
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, on_machine};

use crate::replacing::newer;
use crate::world::World;

/// Runs programs and notes which.
#[derive(Default)]
pub struct CountingRunner {
    lines: Mutex<Vec<String>>,
}

impl CountingRunner {
    /// The programs since the last time, without their arguments.
    fn programs(&self) -> Vec<String> {
        let mut lines = self.lines.lock().expect("nobody panics in there");
        let words =
            |line: &String| line.split(' ').filter(|word| !word.starts_with('-')).take(2).collect::<Vec<_>>().join(" ");
        let mut programs: Vec<String> = lines.iter().map(words).collect();
        lines.clear();
        for program in &mut programs {
            // What follows these is a path.
            if let Some((name @ ("install" | "rm"), _)) = program.split_once(' ') {
                *program = name.to_owned();
            }
        }
        programs
    }
}

#[async_trait]
impl CommandRunner for CountingRunner {
    async fn run(&self, command: &Command) -> Result<Output, CommandError> {
        self.lines.lock().expect("nobody panics in there").push(command.display());
        SystemRunner.run(command).await
    }
}

fn twenty_nodes_cost_as_many_programs_as_one() {
    on_machine("root", "batches::twenty_nodes_cost_as_many_programs_as_one", async || {
        let world = World::new(Mode::Sudo);
        let runner = Arc::new(CountingRunner::default());
        let manager = world.manager_with(runner.clone());
        let mut costs = Vec::new();
        for numbers in [1..2, 11..31] {
            let mut cost = Vec::new();
            let specs: Vec<_> = numbers.map(|number| world.spec(number)).collect();
            // The node's user and the slice are made once.
            world.create(&manager, &[world.spec(40)]).await;
            runner.programs();
            let nodes = world.create(&manager, &specs).await;
            cost.push(runner.programs().join(", "));
            assert!(manager.start(&nodes).await.all_good());
            cost.push(runner.programs().join(", "));
            assert!(manager.inspect(&nodes).await.all_good());
            cost.push(runner.programs().join(", "));
            assert!(manager.replace_program(&nodes, &newer()).await.all_good());
            cost.push(runner.programs().join(", "));
            assert!(manager.start(&nodes).await.all_good());
            runner.programs();
            assert!(manager.stop(&nodes).await.all_good());
            cost.push(runner.programs().join(", "));
            assert!(manager.remove(&nodes).await.all_good());
            cost.push(runner.programs().join(", "));
            costs.push(cost.join("\n"));
        }
        assert_eq!(costs[0], costs[1]);
        let create = "systemctl show, install, xargs 2, install, xargs 2, systemctl, install, systemctl daemon-reload";
        let start = "systemctl show, systemctl, systemctl reset-failed, systemctl enable, systemctl restart, systemctl show, \
                     systemctl show";
        let replace = "systemctl show, xargs 2, install, xargs 2, xargs 2, systemctl stop, systemctl show";
        let stop = "systemctl show, systemctl disable, systemctl stop, systemctl show";
        let remove = "systemctl show, rm, systemctl daemon-reload";
        assert_eq!(costs[1], [create, start, "systemctl show", replace, stop, remove].join("\n"));
    });
}

fn what_fails_fails_alone() {
    on_machine("root", "batches::what_fails_fails_alone", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let mut specs = [world.spec(1), world.spec(2), world.spec(3)];
        specs[1].log_dir = "/proc/none/antnode0002".into();
        let created: Vec<_> =
            manager.create(&specs.map(NodeRef::new)).await.into_iter().map(|(_, each)| each).collect();
        let [Ok(_), Err(ManagerError::Command(error)), Ok(_)] = &created[..] else { panic!("{created:?}") };
        assert!(error.to_string().contains("/proc/none"), "{error}");
    });
}

fn a_unit_file_that_cannot_be_written_fails_alone() {
    on_machine("resident", "batches::a_unit_file_that_cannot_be_written_fails_alone", async || {
        let world = World::new(Mode::User);
        let manager = world.manager();
        let nodes = [1, 2, 3].map(|number| world.reference(number));
        fs::create_dir_all(world.unit(&nodes[1])).expect("it is new");
        let created: Vec<_> = manager.create(&nodes).await.into_iter().map(|(_, each)| each).collect();
        let [Ok(_), Err(ManagerError::Command(error)), Ok(_)] = &created[..] else { panic!("{created:?}") };
        assert!(error.to_string().contains("antnode0002.service"), "{error}");
        let started: Vec<_> = manager.start(&nodes).await.into_iter().map(|(_, each)| each.is_ok()).collect();
        assert_eq!(started, [true, false, true]);
    });
}

fn a_node_that_dies_at_once_hurts_no_other() {
    on_machine("resident", "batches::a_node_that_dies_at_once_hurts_no_other", async || {
        let world = World::new(Mode::User);
        let manager = world.manager();
        let nodes = world.create(&manager, &[1, 2, 3].map(|number| world.spec(number))).await;
        fs::write(nodes[1].spec.root_dir.join("misbehave"), "exit:7:0.1s").expect("it is written");
        let started: Vec<_> = manager.start(&nodes).await.into_iter().map(|(_, each)| each).collect();
        assert!(matches!(started[..], [Ok(_), Err(ManagerError::ExitedAtOnce { .. }), Ok(_)]), "{started:?}");
    });
}

fn f41_five_nodes_that_are_added_within_one_second_are_five() {
    on_machine("resident", "batches::f41_five_nodes_that_are_added_within_one_second_are_five", async || {
        let world = World::new(Mode::User);
        let manager = world.manager();
        let nodes = world.running(&manager, &[1, 2, 3, 4, 5]).await;
        let found = manager.survey().await.expect("the machine can be surveyed");
        let services: Vec<&str> = found.iter().map(|node| node.service.as_str()).collect();
        let created: Vec<&str> = nodes.iter().map(|node| node.service.as_str()).collect();
        assert_eq!(services, created);
        let mut processes: Vec<_> = nodes.iter().map(|node| node.process.expect("systemd knows it").pid).collect();
        processes.sort_unstable();
        processes.dedup();
        assert_eq!(processes.len(), 5);
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        twenty_nodes_cost_as_many_programs_as_one,
        what_fails_fails_alone,
        a_unit_file_that_cannot_be_written_fails_alone,
        a_node_that_dies_at_once_hurts_no_other,
        f41_five_nodes_that_are_added_within_one_second_are_five;
}
