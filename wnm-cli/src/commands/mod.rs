//! Commands: one module for each family of subcommands.

pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod cycle;
pub(crate) mod doctor;
pub(crate) mod groups;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod move_storage;
pub(crate) mod pause;
pub(crate) mod remove;
pub(crate) mod removed;
pub(crate) mod rolling;
pub(crate) mod rollout;
pub(crate) mod schedule;
pub(crate) mod status;
pub(crate) mod survey;
pub(crate) mod uninstall;
pub(crate) mod why;
