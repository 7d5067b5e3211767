//! A peer is another machine as far as the kernel can tell: a network namespace with a cable to this one.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long a packet may take on one machine before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(1500);

pub struct Peer {
    name: String,
    device: String,
    pub own: Ipv4Addr,
    pub own6: Ipv6Addr,
    /// This machine's address at the peer's end of the cable.
    pub machine: Ipv4Addr,
    pub machine6: Ipv6Addr,
}

impl Peer {
    pub fn new() -> Self {
        static SERIAL: AtomicU8 = AtomicU8::new(0);
        let serial = SERIAL.fetch_add(4, Ordering::Relaxed);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let tag = format!("{:x}-{serial:x}", std::process::id());
        let net = u16::from_be_bytes([high ^ 0x5a, low]);
        let address = |last: u8| Ipv4Addr::new(10, 251, low, serial + last);
        let address6 = |last: u16| Ipv6Addr::new(0xfd51, net, serial.into(), 0, 0, 0, 0, last);
        let peer = Self {
            name: format!("wnm-peer-{tag}"),
            device: format!("wp{tag}"),
            own: address(2),
            own6: address6(2),
            machine: address(1),
            machine6: address6(1),
        };
        let (name, device) = (peer.name.as_str(), peer.device.as_str());
        ip(&["netns", "add", name]);
        ip(&["link", "add", device, "type", "veth", "peer", "name", "cable", "netns", name]);
        ip(&["addr", "add", &format!("{}/30", peer.machine), "dev", device]);
        ip(&["-6", "addr", "add", &format!("{}/64", peer.machine6), "dev", device, "nodad"]);
        ip(&["link", "set", device, "up"]);
        let inside = |arguments: &[&str]| ip(&[&["-n", name], arguments].concat());
        inside(&["link", "set", "lo", "up"]);
        inside(&["addr", "add", &format!("{}/30", peer.own), "dev", "cable"]);
        inside(&["-6", "addr", "add", &format!("{}/64", peer.own6), "dev", "cable", "nodad"]);
        inside(&["link", "set", "cable", "up"]);
        inside(&["route", "add", "default", "via", &peer.machine.to_string()]);
        inside(&["-6", "route", "add", "default", "via", &peer.machine6.to_string()]);
        peer
    }

    /// The peer 192.0.2.1 of an engine that has a network namespace of its own, where it is 192.0.2.2 and knows no other way
    /// out.
    pub fn facing(engine: &str) -> Self {
        let peer = Self {
            name: engine.replace("wnm-engine", "wnm-peer"),
            device: String::new(),
            own: Ipv4Addr::new(192, 0, 2, 1),
            own6: Ipv6Addr::UNSPECIFIED,
            machine: Ipv4Addr::new(192, 0, 2, 2),
            machine6: Ipv6Addr::UNSPECIFIED,
        };
        ip(&["netns", "add", &peer.name]);
        ip(&["-n", &peer.name, "link", "add", "cable", "type", "veth", "peer", "name", "uplink", "netns", engine]);
        for (namespace, device, address) in [(peer.name.as_str(), "cable", peer.own), (engine, "uplink", peer.machine)]
        {
            ip(&["-n", namespace, "addr", "add", &format!("{address}/24"), "dev", device]);
            ip(&["-n", namespace, "link", "set", device, "up"]);
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
        }
        ip(&["-n", engine, "route", "add", "default", "via", &peer.own.to_string()]);
        peer
    }

    /// Who the peer takes a question from that is asked over this socket.
    pub fn is_asked_by(&self, socket: &UdpSocket) -> Option<IpAddr> {
        let own = self.udp();
        let port = own.local_addr().expect("it is bound").port();
        socket.send_to(b"who are you?", (self.own.to_ipv6_mapped(), port)).ok()?;
        own.recv_from(&mut [0; 16]).ok().map(|(_, from)| from.ip().to_canonical())
    }

    fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// A socket of the peer's.
    pub fn udp(&self) -> UdpSocket {
        in_namespace(&self.namespace(), || udp_socket("[::]:0"))
    }

    /// What answers on a UDP port, as the peer sees it: who it took the question from.
    pub fn ask(&self, to: (impl Into<IpAddr>, u16)) -> Option<IpAddr> {
        ask(&self.udp(), to)
    }

    /// Whether a TCP port takes the peer in.
    pub fn connects(&self, to: (impl Into<IpAddr>, u16)) -> bool {
        let to = SocketAddr::new(to.0.into(), to.1);
        in_namespace(&self.namespace(), move || TcpStream::connect_timeout(&to, PATIENCE).is_ok())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for arguments in [["netns", "del", &self.name], ["link", "del", &self.device]] {
            let _ = Command::new("ip").args(arguments).output();
        }
    }
}

pub fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip can be run");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A socket for both families that does not wait for ever.
fn udp_socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("the port is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    socket
}

/// Makes something in a network namespace; sockets stay there wherever they are used.
pub fn in_namespace<T: Send>(namespace: &Path, make: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let file = File::open(namespace).expect("the namespace is there");
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may move there");
            make()
        });
        made.join().expect("it is made")
    })
}

/// Answers every UDP question on a port of a container with the address that it came from, for the rest of the test.
pub fn answer_udp(container_pid: i64, port: u16) {
    let namespace = PathBuf::from(format!("/proc/{container_pid}/ns/net"));
    let socket = in_namespace(&namespace, || UdpSocket::bind(("::", port)).expect("the port is free"));
    std::thread::spawn(move || {
        let mut question = [0; 16];
        while let Ok((_, from)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(from.ip().to_canonical().to_string().as_bytes(), from);
        }
    });
}

/// A socket in a container's network.
pub fn udp_in_container(container_pid: i64) -> UdpSocket {
    in_namespace(&PathBuf::from(format!("/proc/{container_pid}/ns/net")), || udp_socket("[::]:0"))
}

/// Asks over a socket of one's own: who the question was taken from.
pub fn ask(socket: &UdpSocket, (to, port): (impl Into<IpAddr>, u16)) -> Option<IpAddr> {
    let to = match to.into() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    socket.send_to(b"who am I?", (to, port)).ok()?;
    let mut answer = [0; 64];
    let (length, from) = socket.recv_from(&mut answer).ok()?;
    assert_eq!(from.port(), port, "the answer comes from where the question went");
    std::str::from_utf8(&answer[..length]).ok()?.parse().ok()
}

/// Asks from this machine.
pub fn ask_from_here(to: (impl Into<IpAddr>, u16)) -> Option<IpAddr> {
    ask(&udp_socket("[::]:0"), to)
}

/// The metrics that a node serves there; none when nobody takes the connection.
pub fn metrics(to: (impl Into<IpAddr>, u16)) -> Option<String> {
    page("/metrics", to)
}

/// A page of a node's metrics server; none when nobody takes the connection.
pub fn page(path: &str, to: (impl Into<IpAddr>, u16)) -> Option<String> {
    let to = SocketAddr::new(to.0.into(), to.1);
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let question = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).ok()?;
    let mut said = Vec::new();
    let mut piece = [0; 8192];
    // It may keep the connection open for more.
    while !said.ends_with(b"# EOF\n") {
        match stream.read(&mut piece).ok()? {
            0 => break,
            length => said.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8(said).ok()
}
