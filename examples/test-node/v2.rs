//! ant-node's double: no metrics server, peers and records in files, a log that says what it does, and a program that it
//! replaces by itself. SIGTERM and SIGINT end it with exit code 0, SIGHUP does not.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::arguments::Arguments;
use crate::misbehaviour::Misbehaviour;
use crate::program::Program;
use crate::{end, files, spawn};

/// As many bytes as a real identity has.
const KEY_BYTES: usize = 50_796;

/// Runs until a signal or an upgrade of its own ends it.
pub fn run(program: &Program, arguments: &Arguments) -> Result<ExitCode, String> {
    let misbehaviour = Misbehaviour::of(program, &arguments.root_dir);
    let log = arguments.log_dir.clone();
    fs::create_dir_all(&log).map_err(|error| error.to_string())?;
    say(&log, &format!("ant_node: ant-node starting version=\"{}\" commit=\"test\"", program.version));
    if misbehaviour.record {
        files::record(&arguments.root_dir, &program.version)?;
    }
    let id = peer_id(&key(&arguments.root_dir)?);
    say(
        &log,
        &format!("ant_node::node: Node identity resolved peer_id={id} root_dir={}", arguments.root_dir.display()),
    );
    thread::sleep(misbehaviour.slow_start);
    let _chunks = chunk_store(&arguments.root_dir)?;
    let bind = |port| UdpSocket::bind((arguments.ip, port));
    let (Ok(_node), Ok(_webrtc)) = (bind(arguments.port), arguments.webrtc_port.map(bind).transpose()) else {
        return Err("node startup failed: P2P node error: Failed to create transport".to_owned());
    };
    say(&log, &format!("ant_node::node: Node is running on port: {}", arguments.port));
    write_peers(&arguments.root_dir, if misbehaviour.no_peers { 0 } else { 5 })?;
    if let Some((code, delay)) = misbehaviour.exit {
        spawn(move || {
            thread::sleep(delay);
            end(code)
        });
    }
    if let Some((version, delay)) = misbehaviour.upgrade {
        spawn(move || upgrade(&log, &version, delay));
    }
    Ok(wait_for_signals(misbehaviour.ignore_term))
}

fn wait_for_signals(ignores_term: bool) -> ExitCode {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).expect("these signals can be caught");
    for signal in signals.forever() {
        match signal {
            SIGHUP => {}
            SIGTERM if ignores_term => {}
            _ => break,
        }
    }
    ExitCode::SUCCESS
}

/// Puts another version in the place of its own program, by renaming as ant-node does, and ends.
fn upgrade(log: &Path, version: &str, delay: Duration) {
    thread::sleep(delay);
    let replaced = || {
        let own = std::env::current_exe()?;
        let new = own.with_extension("new");
        fs::copy("/proc/self/exe", &new)?;
        let lines =
            format!("\nWNM-TEST-NODE-VERSION={version}\nWNM-TEST-NODE-MISBEHAVIOUR=\nWNM-TEST-NODE-FLAVOUR=v2\n");
        fs::OpenOptions::new().append(true).open(&new)?.write_all(lines.as_bytes())?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        fs::rename(new, own)
    };
    match replaced() {
        Ok(()) => {
            say(log, &format!("ant_node::node: Upgrade to {version} successful, initiating graceful shutdown"));
            say(log, "ant_node::node: Exiting with code 0 for upgrade restart");
            end(0)
        }
        Err(error) => say(log, &format!("ant_node::node: Error during upgrade process: {error}")),
    }
}

/// Adds a line to the log of the day, which for a test node is always the same.
fn say(log: &Path, line: &str) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let file = fs::OpenOptions::new().append(true).create(true).open(log.join("ant-node.2026-01-01.log"));
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{now}  INFO {line}")) {
        eprintln!("cannot write to {}: {error}", log.display());
    }
}

fn key(root_dir: &Path) -> Result<Vec<u8>, String> {
    let path = root_dir.join("node_identity.key");
    match fs::read(&path) {
        Ok(key) if key.len() == KEY_BYTES => return Ok(key),
        Ok(_) => return Err(format!("node startup failed: {} is not an identity", path.display())),
        Err(_) => {}
    }
    fs::create_dir_all(root_dir).map_err(|error| error.to_string())?;
    let mut key = vec![0; KEY_BYTES];
    let read = fs::File::open("/dev/urandom").and_then(|mut dice| std::io::Read::read_exact(&mut dice, &mut key));
    read.and_then(|()| fs::write(&path, &key)).map_err(|error| error.to_string())?;
    Ok(key)
}

/// A name that looks like a peer id and is always the same for the same key.
fn peer_id(key: &[u8]) -> String {
    let parts = key.chunks(key.len().div_ceil(8));
    let hash = |part: &[u8]| {
        part.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    };
    parts.map(|part| format!("{:08x}", hash(part))).collect()
}

/// The store, locked for as long as the answer is kept.
fn chunk_store(root_dir: &Path) -> Result<fs::File, String> {
    let chunks = root_dir.join("chunks");
    fs::create_dir_all(&chunks).map_err(|error| error.to_string())?;
    let lock = fs::File::options().create(true).truncate(false).write(true).mode(0o600).open(chunks.join(".lock"));
    let lock = lock.map_err(|error| error.to_string())?;
    if lock.try_lock().is_err() {
        return Err(format!("Another process already has the chunk store at {} open", chunks.display()));
    }
    fs::write(chunks.join("layout.json"), "{\"schema\":1}").map_err(|error| error.to_string())?;
    Ok(lock)
}

fn write_peers(root_dir: &Path, count: usize) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let peers = vec!["{\"peer_id\":\"test\",\"addresses\":[]}"; count].join(",");
    let unfinished = root_dir.join("close_group_cache.json.new");
    fs::write(&unfinished, format!("{{\"peers\":[{peers}],\"saved_at_epoch_secs\":{now}}}"))
        .and_then(|()| fs::rename(&unfinished, root_dir.join("close_group_cache.json")))
        .map_err(|error| error.to_string())
}
