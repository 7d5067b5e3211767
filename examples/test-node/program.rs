//! A program is a test node's own executable file. Lines after its end say which version it is and how it misbehaves,
//! so that a newer test node, or a broken one, is a copy with other last lines:
//!
//! ```text
//! WNM-TEST-NODE-VERSION=0.4.18
//! WNM-TEST-NODE-MISBEHAVIOUR=exit:7:0
//! ```
//!
//! One of which a line says `WNM-TEST-NODE-FLAVOUR=v2` is ant-node's double instead of antnode's.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// How far from the end of the file the lines may begin.
const TAIL_BYTES: i64 = 512;

/// What the running program says about itself.
pub struct Program {
    pub version: String,
    /// Words as in `WNM_TEST_NODE`.
    pub misbehaviour: String,
    pub flavour: Flavour,
}

/// Whose double a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// antnode's.
    V1,
    /// ant-node's.
    V2,
}

impl Program {
    /// The program that is running, even when its file was replaced meanwhile.
    pub fn own() -> Self {
        let tail = own_tail().unwrap_or_default();
        let line = |name: &str| {
            tail.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        Self {
            version: line("WNM-TEST-NODE-VERSION").unwrap_or_else(|| "0.4.17".to_owned()),
            misbehaviour: line("WNM-TEST-NODE-MISBEHAVIOUR").unwrap_or_default(),
            flavour: if line("WNM-TEST-NODE-FLAVOUR").as_deref() == Some("v2") { Flavour::V2 } else { Flavour::V1 },
        }
    }

    /// What `--version` prints.
    pub fn version_text(&self) -> String {
        if self.flavour == Flavour::V2 {
            return format!("ant-node {}\nA test node that poses as one of the v2 network", self.version);
        }
        format!(
            "Autonomi Node v{}\nNetwork version: ant/1.0/1\nPackage version: 2025.7.1.1\nGit info: test-node / test-node / 2026-02-19",
            self.version
        )
    }
}

fn own_tail() -> std::io::Result<String> {
    let linux = PathBuf::from("/proc/self/exe");
    let path = if linux.exists() { linux } else { std::env::current_exe()? };
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-TAIL_BYTES))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).into_owned())
}
