//! Port blocks keep tests that run at the same time, in whatever process, off each other's ports.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use wnm_pm::node::{PortKind, Ports};
use wnm_pm::port_use::{Protocol, ports_in_use};

/// The first thousand of each block; all lie below the ports that the kernel hands out by itself.
const FIRST: [u16; 7] = [10, 13, 16, 19, 22, 25, 28];

/// Three thousands of ports that no other test has, until dropped: `port_start`, `metrics_port_start`, `rpc_port_start`.
#[derive(Debug)]
pub struct PortBlock {
    /// Node ports are `port_start`·1000 + number.
    pub port_start: u16,
    /// Metrics ports are `metrics_port_start`·1000 + number.
    pub metrics_port_start: u16,
    /// RPC ports are `rpc_port_start`·1000 + number.
    pub rpc_port_start: u16,
    /// The kernel releases the lock when the process ends, however it ends.
    _lock: File,
}

impl PortBlock {
    /// A block of one's own; waits while other tests have them all. A test takes one block only: two tests that each
    /// want a second one could wait for each other.
    ///
    /// # Panics
    /// When none gets free in ten minutes.
    #[must_use]
    pub fn reserve() -> Self {
        let directory = std::env::temp_dir().join("wnm-test-ports");
        fs::create_dir_all(&directory).expect("the temporary directory can be written");
        // Other users' tests share it.
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777));
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            for first in FIRST {
                let path = directory.join(first.to_string());
                let file = OpenOptions::new().create(true).append(true).open(&path);
                let Ok(lock) = file.and_then(|file| Ok(file.try_lock().map(|()| file)?)) else {
                    continue;
                };
                if is_busy(first) {
                    continue;
                }
                let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o666));
                return Self {
                    port_start: first,
                    metrics_port_start: first + 1,
                    rpc_port_start: first + 2,
                    _lock: lock,
                };
            }
            assert!(Instant::now() < deadline, "all port blocks are taken by other tests ({})", directory.display());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The ports of a node of this number (1 to 999).
    #[must_use]
    pub fn ports(&self, number: u16) -> Ports {
        assert!(number < 1000, "a block has 999 numbers");
        let (node, metrics) = (self.node_port(number), self.metrics_port(number));
        Ports::default().with(PortKind::Node, node).with(PortKind::Metrics, metrics)
    }

    /// The node port of a node of this number.
    #[must_use]
    pub fn node_port(&self, number: u16) -> u16 {
        self.port_start * 1000 + number
    }

    /// The metrics port of a node of this number.
    #[must_use]
    pub fn metrics_port(&self, number: u16) -> u16 {
        self.metrics_port_start * 1000 + number
    }

    /// The port of its RPC server, where its manager wants one.
    #[must_use]
    pub fn rpc_port(&self, number: u16) -> u16 {
        assert!(number < 1000, "a block has 999 numbers");
        self.rpc_port_start * 1000 + number
    }
}

/// Whether somebody holds a port of this block all the same: what a test that was killed left behind, say.
fn is_busy(first: u16) -> bool {
    let block = first * 1000..(first + 3) * 1000;
    [Protocol::Udp, Protocol::Tcp].iter().any(|protocol| ports_in_use(*protocol).range(block.clone()).next().is_some())
}
