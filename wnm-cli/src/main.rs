//! Keeps a machine full of Autonomi nodes, and no fuller than its owner allows.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(wnm_cli::run(std::env::args_os()) as u8)
}
