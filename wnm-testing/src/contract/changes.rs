//! Promises about what replaces, deletes and finds nodes.

use semver::Version;

use super::{ContractWorld, Trial, eventually, only};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{Binary, ManagerError, ProcessState};
use wnm_pm::upgrade::upgrade;

impl<W: ContractWorld> Trial<'_, W> {
    /// The steps of an upgrade, one by one: a program is replaced, put back, and the previous one forgotten.
    pub(super) async fn replacement(&self) {
        let mut nodes = [self.running(15).await, self.running(16).await];
        let version = Version::new(0, 4, 18);
        let newer = Binary { path: self.world.program(&version), version };
        for (id, outcome) in self.manager.replace_program(&nodes, &newer).await {
            outcome.unwrap_or_else(|error| panic!("the program of {id} is replaced: {error}"));
        }
        for node in &mut nodes {
            self.start(node).await;
            self.assert_version(node, "0.4.18").await;
        }
        let forgotten = only(self.manager.forget_previous(&nodes[..1]).await);
        forgotten.expect("the previous program is forgotten");
        only(self.manager.forget_previous(&nodes[..1]).await).expect("there is nothing left to forget");
        let restored = only(self.manager.restore_program(&nodes[..1]).await);
        assert!(restored.is_err(), "no previous program is kept");
        self.assert_running(&nodes[0]).await;

        only(self.manager.restore_program(&nodes[1..]).await).expect("the previous program is put back");
        self.start(&mut nodes[1]).await;
        self.assert_version(&nodes[1], "0.4.17").await;
        self.assert_version(&nodes[0], "0.4.18").await;
        self.remove(&nodes).await;
    }

    /// An upgrade replaces the program and nothing else; a program that does not live is rolled back.
    pub(super) async fn upgrade(&self) {
        let nodes = [self.running(10).await, self.running(11).await];
        let keys = [self.key(&nodes[0]).await, self.key(&nodes[1]).await];
        self.assert_version(&nodes[0], "0.4.17").await;

        let version = Version::new(0, 4, 18);
        let newer = Binary { path: self.world.program(&version), version };
        for (_, outcome) in upgrade(self.manager, &nodes, &newer).await {
            outcome.unwrap_or_else(|error| panic!("the newer program lives: {error}"));
        }
        for (node, key) in nodes.iter().zip(&keys) {
            self.assert_running(node).await;
            self.assert_version(node, "0.4.18").await;
            assert_eq!(&self.key(node).await, key, "it is the same node");
        }

        let version = Version::new(0, 4, 19);
        let broken = Binary { path: self.world.broken_program(&version), version };
        let outcome = only(upgrade(self.manager, &nodes[..1], &broken).await);
        assert!(outcome.is_err(), "the broken program does not live");
        let node = &nodes[0];
        eventually("the previous program runs again", async || {
            matches!(self.inspect(node).await, ProcessState::Running { .. })
        })
        .await;
        self.assert_running(node).await;
        self.assert_version(node, "0.4.18").await;

        let missing = Binary { path: self.world.missing_program(), version: Version::new(0, 4, 20) };
        let outcome = only(upgrade(self.manager, &nodes[1..], &missing).await);
        assert!(outcome.is_err(), "there is no such program");
        self.assert_running(&nodes[1]).await;
        self.assert_version(&nodes[1], "0.4.18").await;
        self.remove(&nodes).await;
    }

    async fn assert_version(&self, node: &NodeRef, version: &str) {
        eventually("the node says its version", async || self.seen(node).await["version"] == version).await;
    }

    /// Removing deletes what belongs to the node and nothing else, and follows no symbolic link.
    pub(super) async fn removal(&self) {
        let mut node = self.running(12).await;
        let beside = node.spec.root_dir.with_file_name("beside");
        self.world.write(&beside, b"not the node's").await;

        self.stop(&node).await;
        let aside = node.spec.root_dir.with_file_name("aside");
        let elsewhere = node.spec.root_dir.with_file_name("elsewhere");
        let precious = elsewhere.join("precious");
        self.world.write(&precious, b"not the node's").await;
        self.world.rename(&node.spec.root_dir, &aside).await;
        self.world.link(&elsewhere, &node.spec.root_dir).await;
        let error = only(self.manager.remove(std::slice::from_ref(&node)).await).expect_err("a link is no node");
        assert!(matches!(error, ManagerError::NotOurs { .. }), "it is not ours, not {error:?}");
        assert!(self.world.exists(&precious).await, "what the link points to survives");
        assert!(self.world.exists(&node.spec.root_dir).await, "the link itself survives");
        self.world.delete(&node.spec.root_dir).await;
        self.world.rename(&aside, &node.spec.root_dir).await;

        self.start(&mut node).await;
        self.remove(&[node]).await;
        assert!(self.world.exists(&beside).await, "a file beside the node survives");
        self.world.delete(&beside).await;
        self.world.delete(&precious).await;
        self.world.delete(&elsewhere).await;
    }

    /// A survey finds what runs and what stands still; the manager keeps no record of its own to look it up in.
    pub(super) async fn survey(&self) {
        let nodes = [self.running(13).await, self.created(14).await];
        let found = self.manager.survey().await.expect("this machine can be looked at");
        for (node, runs) in nodes.iter().zip([true, false]) {
            let mine: Vec<_> = found.iter().filter(|found| found.service == node.service).collect();
            let [mine] = mine[..] else { panic!("{} is found once: {found:#?}", node.service) };
            assert_eq!(matches!(mine.state, ProcessState::Running { .. }), runs, "{mine:?}");
            let told = mine.ports.node();
            assert!(told.is_none() || told == node.spec.ports.node(), "{mine:?}");
            assert!(mine.flavour.is_none_or(|flavour| flavour == node.spec.flavour), "{mine:?}");
            assert!(mine.network.as_ref().is_none_or(|network| *network == node.spec.network), "{mine:?}");
            assert_eq!(mine.root_dir.as_ref(), Some(&node.spec.root_dir), "{mine:?}");
        }
        self.remove(&nodes).await;
        let found = self.manager.survey().await.expect("this machine can be looked at");
        assert!(nodes.iter().all(|node| found.iter().all(|found| found.service != node.service)), "{found:#?}");
    }
}
