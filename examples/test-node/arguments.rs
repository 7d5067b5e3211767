//! A node's command line, as far as anybody gives it to one: read by hand, refused in antnode's words.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::program::Flavour;

/// Options of antnode that take a value which makes no difference to a test node.
const WITH_VALUE: [&str; 7] = [
    "--log-format",
    "--max-log-files",
    "--max-archived-log-files",
    "--network-id",
    "--peer",
    "--network-contacts-url",
    "--payment-token-address",
];

/// Switches of antnode that make no difference to a test node.
const SWITCHES: [&str; 10] = [
    "--alpha",
    "--enable-metrics-server",
    "--no-upnp",
    "--first",
    "--local",
    "--ignore-cache",
    "--relay",
    "--write-older-cache-files",
    "--stop-on-upgrade",
    "--upnp",
];

/// Options of ant-node that take a value which makes no difference to a test node.
const WITH_VALUE_OF_V2: [&str; 6] =
    ["--bootstrap", "--evm-network", "--log-max-files", "--log-level", "--network-mode", "--upgrade-channel"];

/// Switches of ant-node that make no difference to a test node.
const SWITCHES_OF_V2: [&str; 4] = ["--disable-webrtc-direct", "--enable-logging", "--ipv4-only", "--stop-on-upgrade"];

/// What a node is told to be.
pub struct Arguments {
    pub root_dir: PathBuf,
    pub log_dir: PathBuf,
    pub bootstrap_cache_dir: Option<PathBuf>,
    pub ip: IpAddr,
    pub port: u16,
    pub metrics_port: Option<u16>,
    pub rpc: Option<SocketAddr>,
    pub webrtc_port: Option<u16>,
    /// The payment network, in the words that antnode prints.
    pub network: &'static str,
}

/// What the command line asks for.
pub enum Asked {
    Run(Arguments),
    Version,
}

/// A command line that antnode would refuse.
pub struct Refused {
    pub code: u8,
    pub text: String,
}

/// A usage error, as clap tells it.
fn usage(text: String) -> Refused {
    Refused { code: 2, text: format!("error: {text}\n\nFor more information, try '--help'.") }
}

/// Reads a command line without the program's name.
pub fn parse(flavour: Flavour, words: impl Iterator<Item = String>) -> Result<Asked, Refused> {
    let is_v2 = flavour == Flavour::V2;
    let (with_value, switches): (&[&str], &[&str]) =
        if is_v2 { (&WITH_VALUE_OF_V2, &SWITCHES_OF_V2) } else { (&WITH_VALUE, &SWITCHES) };
    let mut words = words.peekable();
    let mut root_dir = None;
    let mut log_dir = None;
    let mut wallet = None;
    let mut arguments = Arguments {
        root_dir: PathBuf::new(),
        log_dir: PathBuf::new(),
        bootstrap_cache_dir: None,
        ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
        metrics_port: None,
        rpc: None,
        webrtc_port: None,
        network: "ArbitrumOne",
    };
    while let Some(word) = words.next() {
        let (option, glued) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || {
            // A word that begins with a dash is an option of its own, for antnode's parser too.
            let next = glued.clone().or_else(|| words.next_if(|next| !next.starts_with('-')));
            next.ok_or_else(|| usage(format!("a value is required for '{option}' but none was supplied")))
        };
        match option {
            "--version" => return Ok(Asked::Version),
            "--log-dir" if is_v2 => log_dir = Some(PathBuf::from(value()?)),
            "--webrtc-direct-port" if is_v2 => arguments.webrtc_port = Some(number(option, &value()?)?),
            "--root-dir" => root_dir = Some(PathBuf::from(value()?)),
            "--log-output-dest" if !is_v2 => log_dir = Some(PathBuf::from(value()?)),
            "--bootstrap-cache-dir" if !is_v2 => arguments.bootstrap_cache_dir = Some(value()?.into()),
            "--rewards-address" => wallet = Some(value()?),
            "--ip" => arguments.ip = number(option, &value()?)?,
            "--port" => arguments.port = number(option, &value()?)?,
            "--metrics-server-port" if !is_v2 => arguments.metrics_port = Some(number(option, &value()?)?),
            "--rpc" => arguments.rpc = Some(number(option, &value()?)?),
            "evm-arbitrum-one" if !is_v2 => {}
            "evm-arbitrum-sepolia-test" => arguments.network = "ArbitrumSepoliaTest",
            "evm-custom" => arguments.network = "Custom",
            known if with_value.contains(&known) => drop(value()?),
            known if switches.contains(&known) => {}
            dashed if dashed.starts_with('-') => {
                return Err(usage(format!("unexpected argument '{dashed}' found")));
            }
            other => return Err(usage(format!("unrecognized subcommand '{other}'"))),
        }
    }
    check_wallet(wallet)?;
    arguments.root_dir = root_dir.ok_or_else(|| usage("a test node needs a --root-dir".to_owned()))?;
    arguments.log_dir = log_dir.unwrap_or_else(|| arguments.root_dir.join("logs"));
    Ok(Asked::Run(arguments))
}

fn number<T: FromStr>(option: &str, value: &str) -> Result<T, Refused> {
    value.parse().map_err(|_| usage(format!("invalid value '{value}' for '{option}'")))
}

fn check_wallet(wallet: Option<String>) -> Result<(), Refused> {
    let Some(wallet) = wallet else {
        let missing = "the following required arguments were not provided: --rewards-address <REWARDS_ADDRESS>";
        return Err(Refused { code: 101, text: format!("The application panicked (crashed).\nMessage:  {missing}") });
    };
    let digits = wallet.strip_prefix("0x").unwrap_or(&wallet);
    if digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Refused { code: 1, text: "Error: \n   0: invalid string length".to_owned() })
}
