//! Keeps a machine full of Autonomi nodes, and no fuller than its owner allows.

use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::umask;

fn main() -> ExitCode {
    // Whatever is private is made so on purpose. Programs that wnm runs, antctl above all, make directories that nodes of
    // another user have to pass.
    umask(Mode::WGRP | Mode::WOTH);
    ExitCode::from(wnm_cli::run(std::env::args_os()) as u8)
}
