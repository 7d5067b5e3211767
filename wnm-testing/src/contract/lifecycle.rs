//! Promises about a node's way from nothing to running and back.

use super::{ContractWorld, Trial, eventually, node_port, only};
use wnm_pm::logs::LogPlace;
use wnm_pm::node::NodeRef;
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::{ManagerError, ProcessState};

impl<W: ContractWorld> Trial<'_, W> {
    /// Creating starts nothing, may be repeated, hurts nothing that is there, and leaves nothing when it fails.
    pub(super) async fn creation(&self) {
        let node = self.created(1).await;
        assert!(self.world.exists(&node.spec.binary).await, "the node has its own copy of the program");
        self.assert_stopped(&node).await;

        let kept = node.spec.root_dir.join("kept");
        self.world.write(&kept, b"data of the node").await;
        assert_eq!(self.created(1).await, node, "creating twice answers the same");
        assert_eq!(self.world.read(&kept).await.as_deref(), Some(&b"data of the node"[..]), "data is kept");

        let mut homeless = self.world.spec(2);
        homeless.program = self.world.missing_program();
        let error =
            only(self.manager.create(&[NodeRef::new(homeless.clone())]).await).expect_err("there is no program");
        assert!(matches!(error, ManagerError::Program { .. }), "the program is to blame, not {error:?}");
        assert!(!self.world.exists(&homeless.binary).await, "no half of a program is left");
        self.remove(&[node]).await;
    }

    /// Starting and stopping may be repeated; a node keeps its identity; removing ends what runs.
    pub(super) async fn starting_and_stopping(&self) {
        let mut node = self.running(3).await;
        let key = self.key(&node).await;
        let process = node.process;
        self.start(&mut node).await;
        assert_eq!(node.process, process, "what runs is not started again");

        self.stop(&node).await;
        self.assert_stopped(&node).await;
        self.stop(&node).await;
        self.assert_stopped(&node).await;

        self.start(&mut node).await;
        if let (Some(before), Some(now)) = (process, node.process) {
            assert_ne!(before, now, "another process runs now");
        }
        assert_eq!(self.key(&node).await, key, "it is the same node");
        self.remove(std::slice::from_ref(&node)).await;
        self.remove(&[node]).await;
    }

    /// What a node writes lies where its manager says: what it prints first, and its own log last.
    pub(super) async fn logs(&self) {
        let node = self.running(59).await;
        let places = self.manager.logs(&node);
        let (own, printed) = places.split_last().expect("every node has a log of its own");
        assert_eq!(*own, LogPlace::own(&node.spec));
        assert!(!printed.is_empty() || self.world.keeps_nothing_printed(), "what it prints is kept");
        for place in &places {
            eventually(&format!("{place} has what the node wrote"), async || {
                let lines = self.world.lines(place).await;
                // Whoever has nodes run as somebody else need not be let into their directories.
                let is_denied = !self.manager.capabilities().runs_nodes_as_caller
                    && lines.iter().any(|line| line.contains("Permission denied"));
                is_denied || lines.iter().any(|line| line.contains("Node started"))
            })
            .await;
        }
        self.remove(&[node]).await;
    }

    /// Each node has its own outcome, and a node that fails hurts no other.
    pub(super) async fn batches(&self) {
        let nodes = self.create(&[4, 5, 6].map(|number| self.world.spec(number))).await;
        self.remove(&nodes[1..2]).await;

        let started = self.manager.start(&nodes).await;
        let good: Vec<_> = started.iter().map(|(_, outcome)| outcome.is_ok()).collect();
        assert_eq!(good, [true, false, true], "only the node that is gone fails: {started:?}");
        let states: Vec<_> = self.manager.inspect(&nodes).await.into_iter().map(|(_, state)| state.ok()).collect();
        assert!(
            matches!(
                states[..],
                [Some(ProcessState::Running { .. }), Some(ProcessState::Absent), Some(ProcessState::Running { .. })]
            ),
            "{states:?}"
        );
        for node in [&nodes[0], &nodes[2]] {
            self.assert_running(node).await;
        }
        let stopped = self.manager.stop(&nodes).await;
        for node in [&nodes[0], &nodes[2]] {
            assert!(stopped.get(node.id()).is_some_and(Result::is_ok), "both stop: {stopped:?}");
            self.assert_stopped(node).await;
        }
        self.remove(&nodes).await;
        assert!(self.manager.start(&[]).await.is_empty(), "nothing is done to no node");
    }

    /// A port that somebody else holds is found before the node starts, and named.
    pub(super) async fn ports_in_use(&self) {
        let nodes = self.create(&[7, 8].map(|number| self.world.spec(number))).await;
        let ports = [node_port(&nodes[0].spec), nodes[1].spec.ports.metrics().expect("v1 nodes have one")];
        let holders =
            [self.world.occupy(Protocol::Udp, ports[0]).await, self.world.occupy(Protocol::Tcp, ports[1]).await];
        let started = self.manager.start(&nodes).await;
        match [started.get(nodes[0].id()), started.get(nodes[1].id())] {
            [
                Some(Err(ManagerError::PortInUse { protocol: Protocol::Udp, port: udp, .. })),
                Some(Err(ManagerError::PortInUse { protocol: Protocol::Tcp, port: tcp, .. })),
            ] => assert_eq!([*udp, *tcp], ports),
            other => panic!("both ports are in use: {other:?}"),
        }
        for node in &nodes {
            let state = self.inspect(node).await;
            assert!(matches!(state, ProcessState::Stopped { .. }), "nothing was started: {state:?}");
        }
        drop(holders);
        for node in &nodes {
            // A process that another test starts at this moment may hold the port a little longer.
            eventually("the port is free again", async || {
                let started = only(self.manager.start(std::slice::from_ref(node)).await);
                !matches!(started, Err(ManagerError::PortInUse { .. }))
            })
            .await;
            self.assert_running(node).await;
        }
        self.remove(&nodes).await;
    }

    /// A node that was killed is seen to be, and can be started again; or its manager brings it back.
    pub(super) async fn crash(&self) {
        let mut node = self.running(9).await;
        let key = self.key(&node).await;
        let killed = node.process;
        self.world.kill(&node.spec).await;
        let comes_back = self.manager.capabilities().restarts_crashed;
        eventually("the death is seen", async || match self.inspect(&node).await {
            ProcessState::Stopped { .. } => !comes_back,
            ProcessState::Waiting { .. } => comes_back,
            ProcessState::Running { process } => comes_back && (process.is_none() || process != killed),
            other => panic!("a killed node is {other:?}"),
        })
        .await;
        self.start(&mut node).await;
        assert_eq!(self.key(&node).await, key, "it is the same node");
        self.remove(&[node]).await;
    }
}
