//! The files of a node, as antnode leaves them on disk.

#![expect(clippy::disallowed_methods, reason = "what is tried here is started and waited for as by anybody")]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::arguments::Arguments;

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Makes all that a node has on disk, and answers the peer id that belongs to its secret key.
pub fn prepare(arguments: &Arguments) -> Result<String, String> {
    let root_dir = &arguments.root_dir;
    fs::create_dir_all(root_dir.join("record_store")).map_err(text)?;
    fs::create_dir_all(&arguments.log_dir).map_err(text)?;
    let _ = fs::remove_file(arguments.log_dir.join("critical_failure.log"));
    if let Some(directory) = &arguments.bootstrap_cache_dir {
        fs::create_dir_all(directory.join("version_1")).map_err(text)?;
        let cache = directory.join("version_1/bootstrap_cache_1_1.0.json");
        if !cache.exists() {
            fs::write(cache, "{\"peers\":[]}").map_err(text)?;
        }
    }
    let key = secret_key(&root_dir.join("secret-key"))?;
    fs::write(root_dir.join("antnode.pid"), std::process::id().to_string()).map_err(text)?;
    fs::write(root_dir.join("network_key_version"), [1]).map_err(text)?;
    fs::write(root_dir.join("historic_quoting_metrics"), [0; 13]).map_err(text)?;
    Ok(peer_id(&key))
}

fn secret_key(path: &Path) -> Result<Vec<u8>, String> {
    match fs::read(path) {
        Ok(key) if key.len() == 32 => return Ok(key),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        _ => {
            return Err("could not read ed25519 key from file: Key decoding error: failed to parse Ed25519 secret key"
                .to_owned());
        }
    }
    let mut key = vec![0; 32];
    File::open("/dev/urandom").and_then(|mut dice| dice.read_exact(&mut key)).map_err(text)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(text)?;
    file.write_all(&key).map_err(text)?;
    Ok(key)
}

/// A name that looks like a peer id and is always the same for the same key.
pub fn peer_id(key: &[u8]) -> String {
    let mut state = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let name = (0..44).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let index = usize::try_from(state % 58).unwrap_or_default();
        char::from(BASE58[index])
    });
    "12D3KooW".chars().chain(name).collect()
}

/// Writes down what the node was started with.
pub fn record(root_dir: &Path, version: &str) -> Result<(), String> {
    let seen = serde_json::json!({
        "version": version,
        "pid": std::process::id(),
        "arguments": std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        "environment": std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect::<BTreeMap<_, _>>(),
        "directory": std::env::current_dir().ok(),
    });
    // Whoever waits for it never reads half of it.
    let unfinished = root_dir.join("seen.json.new");
    fs::write(&unfinished, seen.to_string()).map_err(text)?;
    fs::rename(unfinished, root_dir.join("seen.json")).map_err(text)
}

/// Adds a line to the node's log.
pub fn log(log_dir: &Path, line: &str) {
    append(&log_dir.join("antnode.log"), line);
}

/// Leaves the reason of an end where antnode leaves it.
pub fn critical_failure(log_dir: &Path, reason: &str) {
    append(&log_dir.join("critical_failure.log"), reason);
}

fn append(path: &Path, line: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let file = OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) =
        file.and_then(|mut file| writeln!(file, "[{}.{:06}] {line}", now.as_secs(), now.subsec_micros()))
    {
        eprintln!("cannot write to {}: {error}", path.display());
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
