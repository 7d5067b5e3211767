//! What every process manager promises, kept by nodes in containers.

mod common;

use std::any::Any;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use async_trait::async_trait;
use common::{Machine, PUBLISHED, all_good};
use wnm_pm::container_host::ContainerHost;
use wnm_pm::node::NodeSpec;
use wnm_pm::port_use::Protocol;
use wnm_pm_s6overlay::ContainerNetwork;
use wnm_testing::Need::S6Image;
use wnm_testing::{ContractWorld, contract, node_port};

struct ContainerWorld(Machine);

#[async_trait]
impl ContractWorld for ContainerWorld {
    fn spec(&self, number: u32) -> NodeSpec {
        self.0.spec(u16::try_from(number).expect("the contract uses small numbers"))
    }

    async fn listens(&self, spec: &NodeSpec) -> bool {
        if self.0.settings.container_network == ContainerNetwork::Host {
            let tried = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, node_port(spec)));
            return tried.is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        }
        let pid = self.0.container_pid(spec.group.expect("it has a group")).await;
        let sockets = std::fs::read_to_string(format!("/proc/{pid}/net/udp")).expect("root may read it");
        sockets.contains(&format!(":{:04X} ", node_port(spec)))
    }

    async fn kill(&self, spec: &NodeSpec) {
        let pid = std::fs::read_to_string(spec.root_dir.join("antnode.pid")).expect("the node wrote its pid");
        self.0.exec(spec.group.expect("it has a group"), &["kill", "-KILL", pid.trim()]).await;
    }

    async fn occupy(&self, protocol: Protocol, port: u16) -> Box<dyn Any + Send> {
        match protocol {
            Protocol::Udp => Box::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free")),
            Protocol::Tcp => Box::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free")),
        }
    }

    /// What a node wrote about itself has the container's names of paths.
    async fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let content = std::fs::read(path).ok()?;
        if path.ends_with("seen.json") {
            let text = String::from_utf8(content).expect("test nodes write JSON");
            return Some(common::outside(&self.0.settings, &text).into_bytes());
        }
        Some(content)
    }
}

async fn keeps_the_contract(network: ContainerNetwork) {
    let machine = Machine::new(network).await;
    let manager = machine.manager();
    all_good(manager.open(&[machine.group(1), machine.group(2)]).await);
    contract(&manager, &ContainerWorld(machine)).await;
}

async fn nodes_on_a_published_network_keep_the_contract() {
    keeps_the_contract(ContainerNetwork::Published).await;
}

async fn nodes_on_the_machines_own_network_keep_the_contract() {
    keeps_the_contract(ContainerNetwork::Host).await;
}

wnm_testing::trials! {
    PUBLISHED => nodes_on_a_published_network_keep_the_contract;
    &[S6Image] => nodes_on_the_machines_own_network_keep_the_contract;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
