//! The table: every setting, declared once. [`Config`], flags, variables, files, reports and the reference page follow.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use wnm_allocator::HIGHEST_NUMBER;

use super::choice::{FirewallKind, NodeFlavour};
use super::facts::{Facts, OperatingSystem, directories};
use super::setting::Lifetime::{Explicit, Fixed, Pinned, Settled};
use super::setting::Setting;
use super::value::{Source, Value};
use crate::wallet::{Address, Wallets};
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::process_manager::{ManagerKind, Mode};
use wnm_pm::storages::Storages;

const NUMBERS: f64 = HIGHEST_NUMBER as f64;
/// 10^15: more than any disk or line of today holds or moves in a second.
const BYTES: f64 = 1e15;
const YEAR_SECONDS: f64 = 31_536_000.0;
const HOUR_MILLISECONDS: f64 = 3_600_000.0;

macro_rules! settings {
    ($( $(#[doc = $help:literal])+ $name:ident: $kind:ty = $declaration:expr; )+) => {
        /// Every setting with its value: complete and checked, as [`overlay`](super::overlay) made it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct Config {
            $( $(#[doc = $help])+ pub $name: $kind, )+
        }

        /// Settings by their types, for programs that embed wnm. What is not given stays what it is.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Settings {
            given: Vec<(&'static str, String)>,
        }

        impl Settings {
            /// None yet.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[doc = $help])+
                #[must_use]
                pub fn $name(mut self, value: impl Into<$kind>) -> Self {
                    let value: $kind = value.into();
                    self.given.push((stringify!($name), value.text()));
                    self
                }
            )+
        }

        /// Every setting, in the order of the reports.
        pub static TABLE: &[Setting] = &[
            $( $declaration.named::<$kind>(stringify!($name), concat!($($help),+).trim_ascii()), )+
        ];

        #[expect(non_camel_case_types, reason = "the names of the settings")]
        enum Index {
            $( $name, )+
        }

        impl Config {
            /// Reads all settings; what is wrong stays with the source.
            pub(super) fn read(source: &mut impl Source) -> Self {
                Self { $( $name: source.read(&TABLE[Index::$name as usize]), )+ }
            }

            /// Name and text of every setting, in the order of the table. The texts read as the same values.
            #[must_use]
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                vec![ $( (stringify!($name), self.$name.text()), )+ ]
            }
        }
    };
}

/// As texts, which all layers share.
impl IntoIterator for Settings {
    type Item = (&'static str, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.given.into_iter()
    }
}

const fn always(text: &'static str) -> Setting {
    Setting::always(text)
}

/// Nothing is ever above 100 %, so that a limit there is off.
const fn percent(text: &'static str) -> Setting {
    always(text).within(0.0, 200.0).unit("percent")
}

/// A rate that has no default limit.
const fn rate() -> Setting {
    always("0").within(0.0, BYTES).unit("bytes per second")
}

const fn delay(text: &'static str) -> Setting {
    always(text).within(0.0, YEAR_SECONDS).unit("seconds")
}

const fn pause() -> Setting {
    always("0").within(0.0, HOUR_MILLISECONDS).unit("milliseconds")
}

const fn at_once() -> Setting {
    always("1").within(1.0, NUMBERS).unit("nodes")
}

/// Below 2 lie ports that only root may open, and ports end at 65535.
const fn thousands(text: &'static str) -> Setting {
    always(text).within(2.0, 65.0).unit("thousands").lasting(Fixed)
}

const fn directory(text: fn(&Facts, Mode) -> String, words: &'static str) -> Setting {
    Setting::computed(text, words).lasting(Pinned)
}

settings! {
    /// The most nodes that this machine shall have. Nodes beyond it are removed.
    node_cap: u32 = always("20").within(0.0, NUMBERS).unit("nodes");
    /// Nodes are added only while less of the processors is in use.
    cpu_less_than: f64 = percent("50");
    /// A node is stopped or removed when more of the processors is in use.
    cpu_remove: f64 = percent("70");
    /// Nodes are added only while less of the memory is in use.
    mem_less_than: f64 = percent("60");
    /// A node is stopped or removed when more of the memory is in use.
    mem_remove: f64 = percent("75");
    /// Nodes are added only while less of the disk that node_storage lies on is in use. Each disk counts for itself.
    hd_less_than: f64 = percent("75");
    /// A node is removed when more of its disk is in use.
    hd_remove: f64 = percent("90");
    /// Nodes are added only while less is read from disks. 0: no such limit.
    hdio_read_less_than: u64 = rate();
    /// A node is stopped or removed when more is read from disks. 0: no such limit.
    hdio_read_remove: u64 = rate();
    /// Nodes are added only while less is written to disks. 0: no such limit.
    hdio_write_less_than: u64 = rate();
    /// A node is stopped or removed when more is written to disks. 0: no such limit.
    hdio_write_remove: u64 = rate();
    /// Nodes are added only while less comes in from the network. 0: no such limit.
    netio_read_less_than: u64 = rate();
    /// A node is stopped or removed when more comes in from the network. 0: no such limit.
    netio_read_remove: u64 = rate();
    /// Nodes are added only while less goes out to the network. 0: no such limit.
    netio_write_less_than: u64 = rate();
    /// A node is stopped or removed when more goes out to the network. 0: no such limit.
    netio_write_remove: u64 = rate();
    /// Nodes are added only while the load average is lower.
    desired_load_average: f64 = Setting::computed(
        |facts, _| format!("{}.{}", facts.cpu_count * 6 / 10, facts.cpu_count * 6 % 10),
        "processors × 0.6",
    ).within(0.0, 100_000.0);
    /// A node is stopped or removed when the load average is higher.
    max_load_average_allowed: f64 = Setting::computed(
        |facts, _| facts.cpu_count.to_string(),
        "processors",
    ).within(0.0, 100_000.0);
    /// How long a node that was started is given before it is looked at and anything else happens.
    delay_start: u64 = delay("300");
    /// How long a node that lives without answering is left alone before it is restarted.
    delay_restart: u64 = delay("600");
    /// How long a node that was upgraded is given.
    delay_upgrade: u64 = delay("300");
    /// How long a node stays stopped before its files go.
    delay_remove: u64 = delay("300");
    /// The pause between asking one node how it is and asking the next.
    survey_delay: u64 = pause();
    /// The pause between doing something to one node and to the next.
    action_delay: u64 = pause();
    /// How many nodes may be upgrading at the same time.
    max_concurrent_upgrades: u32 = at_once();
    /// How many nodes try a new version before the others, spread over the container groups. 0: none, all are upgraded as
    /// max_concurrent_upgrades allows.
    upgrade_canary: u32 = always("1").within(0.0, NUMBERS).unit("nodes");
    /// How long a node must be healthy on a new version, without a fall, before the next ones get it. Its previous program is
    /// kept so long. 0: until it is seen up.
    upgrade_settle_seconds: u64 = delay("300");
    /// Whether a node on which a new version fails gets its previous program back.
    auto_revert: bool = always("true");
    /// A new version that fails on more of the nodes than this is given to no other node until its owner resumes the roll-out. One
    /// that fails on a canary never is.
    upgrade_failure_percent: f64 = always("10").within(0.0, 100.0).unit("percent");
    /// How many nodes may be starting at the same time.
    max_concurrent_starts: u32 = at_once();
    /// How many nodes are started at once after the machine was restarted, and 100 where nodes fell and it was not. Each further
    /// cycle starts as many as what it measures allows, and at most as many as are back already. 0: no more than
    /// max_concurrent_starts.
    restart_pace: u32 = always("5").within(0.0, NUMBERS).unit("nodes");
    /// A node that falls so often in a row, less than an hour after each start, is broken: only its owner starts it
    /// again. 0: it is tried for ever.
    broken_after: u32 = always("10").within(0.0, NUMBERS).unit("falls");
    /// How many nodes may be on their way out at the same time.
    max_concurrent_removals: u32 = at_once();
    /// How many nodes may be upgrading, starting or on their way out at the same time, all together.
    max_concurrent_operations: u32 = at_once();
    /// The disk space that a node is expected to need at most. It tells how many nodes the disk holds in a crisis.
    crisis_bytes: u64 = always("2000000000").within(0.0, BYTES).unit("bytes");
    /// The node port of node N is this × 1000 + N (UDP).
    port_start: u16 = thousands("55");
    /// The port of the metrics server of node N is this × 1000 + N (TCP).
    metrics_port_start: u16 = thousands("13");
    /// The RPC port of node N is this × 1000 + N (TCP); only antctl's nodes have one.
    rpc_port_start: u16 = thousands("30");
    /// The port that browsers reach node N at (WebRTC Direct) is this × 1000 + N (UDP); only v2's nodes have one. Empty:
    /// nodes have no such port.
    webrtc_port_start: Option<u16> = thousands("");
    /// Which program the nodes are: the one that antnode_path turns out to be, or v1 (`antnode`) or v2 (`ant-node`) and no
    /// other.
    node_flavour: NodeFlavour = always("auto");
    /// How long the key of a removed node is kept, so that `wnm restore` can bring the node back. 0: not at all.
    keep_removed_days: u32 = always("7").within(0.0, 3650.0).unit("days");
    /// A floor for numbers that are never reused: the next node gets a higher one. Empty: what the database says.
    highest_node_id_used: Option<u32> = always("").within(0.0, NUMBERS).lasting(Explicit);
    /// Numbers that no new node gets. wnm notes the numbers here whose nodes' directories went away without it: who moves one
    /// back finds its number free.
    withheld_numbers: BTreeSet<u32> = always("").within(1.0, NUMBERS).lasting(Explicit);
    /// What keeps the nodes alive, and in whose name.
    process_manager: ManagerKind = Setting::computed(
        default_manager,
        "launchd+user on macOS, systemd+user where systemd runs, else setsid+user",
    ).lasting(Fixed);
    /// How many nodes one container holds; it is also how many numbers and ports each container group owns.
    max_node_per_container: u32 = always("200").within(1.0, NUMBERS).unit("nodes").lasting(Fixed);
    /// How many container groups stand from the start.
    min_container_count: u32 = always("1").within(1.0, NUMBERS).unit("containers");
    /// The image that containers are made of.
    docker_image: String = always("wnm-node:latest");
    /// How the nodes in containers are reached from outside.
    container_network: ContainerNetwork = always("published").lasting(Explicit);
    /// The directory that every node's directory lies in, or several on different disks: a new node goes where there is most room.
    node_storage: Storages = Setting::computed(
        |facts, mode| directories(facts, mode).node_storage,
        "node storage of the mode",
    ).lasting(Settled);
    /// The directory that nodes write their logs below.
    log_dir: PathBuf = directory(|facts, mode| directories(facts, mode).log_dir, "logs of the mode");
    /// The directory where the nodes of this machine share the peers that they know.
    bootstrap_cache_dir: PathBuf = directory(
        |facts, mode| directories(facts, mode).bootstrap_cache_dir,
        "bootstrap cache of the mode",
    );
    /// The node program. Each node gets a copy of its own.
    antnode_path: PathBuf = always("~/.local/bin/antnode").lasting(Pinned);
    /// The antctl program.
    antctl_path: PathBuf = always("~/.local/bin/antctl").lasting(Pinned);
    /// Whether antctl is told to say everything it does.
    antctl_debug: bool = always("false");
    /// The node version that antctl shall add. Empty: the newest.
    antctl_version: Option<String> = always("");
    /// The RUST_BACKTRACE that antctl runs with. Empty: none.
    rust_backtrace: Option<String> = always("");
    /// The address that nodes of this machine are asked at.
    host: IpAddr = always("127.0.0.1");
    /// The payment network, a subcommand of the node program.
    network: String = always("evm-arbitrum-one");
    /// Whether nodes are told not to ask the router for an open port.
    no_upnp: bool = always("false");
    /// What opens and closes the nodes' ports on this machine.
    firewall: FirewallKind = always("auto");
    /// What the word donate in rewards_address stands for.
    donate_address: Address = always("0x00455d78f850b0358E8cea5be24d415E01E107CF");
    /// What nodes earn for: an address, `faucet`, `donate`, or several with weights (`0x…:100,faucet:1`), one of which
    /// is drawn for each new node.
    rewards_address: Wallets = Setting::required("faucet");
    /// Environment variables of the nodes, as words of a shell: `A=1 'B=two words'`.
    environment: Vec<(String, String)> = always("");
    /// Arguments that are added to the nodes' command line, as words of a shell.
    start_args: Vec<String> = always("");
}

/// The setting of a name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

fn default_manager(facts: &Facts, _: Mode) -> String {
    let word = match facts.os {
        OperatingSystem::MacOs => "launchd+user",
        _ if facts.systemd_runs => "systemd+user",
        _ => "setsid+user",
    };
    word.to_owned()
}
