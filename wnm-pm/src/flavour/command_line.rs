//! The command line of a node, read back: from the kernel, a unit, a property list or a script.

use std::path::{Path, PathBuf};

use super::network::from_v2;
use super::{Flavour, owner_of};
use crate::node::{PortKind, Ports};

/// The words of a node's command line, the program first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine(Vec<String>);

/// Options that only v2 has, and that wnm gives every node of it.
const OF_V2: [&str; 4] = ["--evm-network", "--stop-on-upgrade", "--enable-logging", "--log-dir"];
/// Options that only v1 has.
const OF_V1: [&str; 4] =
    ["--metrics-server-port", "--enable-metrics-server", "--log-output-dest", "--bootstrap-cache-dir"];

/// Words that are wnm's to give and have no value behind them.
const SWITCHES: [&str; 13] = [
    "--enable-metrics-server",
    "--no-upnp",
    "--stop-on-upgrade",
    "--enable-logging",
    "--disable-webrtc-direct",
    "--help",
    "-h",
    "--version",
    "-V",
    "--crate-version",
    "--package-version",
    "--protocol-version",
    "--",
];

impl CommandLine {
    /// These words, the program first.
    #[must_use]
    pub fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    /// The words, the program first.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        self.0.first().map(PathBuf::from)
    }

    fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The value of an option, as the next word or behind `=`. Never a part of another word.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let arguments = self.arguments();
        arguments.iter().enumerate().find_map(|(place, word)| {
            if word == name {
                return arguments.get(place + 1).map(String::as_str);
            }
            word.strip_prefix(name)?.strip_prefix('=')
        })
    }

    fn has(&self, name: &str) -> bool {
        self.arguments()
            .iter()
            .any(|word| word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    }

    /// Whether it is a node's at all, and not that of a program that is asked for its version.
    #[must_use]
    pub fn is_nodes(&self) -> bool {
        self.option("--root-dir").is_some()
    }

    /// Whether a process with this command line is the node with this directory and this copy of the program, by whatever
    /// link they are reached.
    #[must_use]
    pub fn names_directory(&self, root_dir: &Path) -> bool {
        use crate::path_policy::own_path;
        let told = self.path("--root-dir");
        told.is_some_and(|told| told == root_dir || own_path(&told).ok() == own_path(root_dir).ok())
    }

    /// Which program it is: by the options that only one flavour has, else by the name of the program.
    #[must_use]
    pub fn flavour(&self) -> Option<Flavour> {
        if OF_V2.iter().any(|option| self.has(option)) {
            return Some(Flavour::V2);
        }
        if OF_V1.iter().any(|option| self.has(option)) {
            return Some(Flavour::V1);
        }
        let program = self.program()?;
        Flavour::ALL.into_iter().find(|flavour| program.file_name().is_some_and(|name| name == flavour.program_name()))
    }

    /// A path that an option names.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.option(name).map(PathBuf::from)
    }

    /// Where the node writes its logs.
    #[must_use]
    pub fn log_dir(&self) -> Option<PathBuf> {
        self.path("--log-output-dest").or_else(|| self.path("--log-dir"))
    }

    /// The ports that it tells; 0 ("any") tells none.
    #[must_use]
    pub fn ports(&self) -> Ports {
        let options =
            [(PortKind::Node, "--port"), (PortKind::Metrics, "--metrics-server-port"), (PortKind::Rpc, "--rpc")];
        let told = options.into_iter().filter_map(|(kind, option)| {
            // antctl names its RPC server by address and port.
            let text = self.option(option)?;
            let port = text.rsplit(':').next()?.parse().ok()?;
            (port != 0).then_some((kind, port))
        });
        told.collect()
    }

    /// The address it earns for.
    #[must_use]
    pub fn wallet(&self) -> Option<&str> {
        self.option("--rewards-address")
    }

    /// The payment network, in the settings' words: v2 names it by an option, v1 by its last word.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        if let Some(network) = self.option("--evm-network") {
            return Some(from_v2(network).to_owned());
        }
        self.arguments().last().filter(|word| word.starts_with("evm-")).cloned()
    }

    /// Whether it has the router left alone; none for v2, which cannot be told.
    #[must_use]
    pub fn no_upnp(&self) -> Option<bool> {
        (self.flavour() != Some(Flavour::V2)).then(|| self.has("--no-upnp"))
    }

    /// What whoever started the node gave it beside what wnm gives every node: the words that `start_args` could hold.
    #[must_use]
    pub fn start_args(&self) -> Vec<String> {
        let mut words = self.arguments().iter();
        let mut added = Vec::new();
        while let Some(word) = words.next() {
            if owner_of(word).is_none() {
                added.push(word.clone());
            } else if word.starts_with('-') && !word.contains('=') && !SWITCHES.contains(&word.as_str()) {
                // Its value.
                words.next();
            }
        }
        if self.option("--evm-network").is_none() && added.last().is_some_and(|word| word.starts_with("evm-")) {
            added.pop();
        }
        added
    }
}
