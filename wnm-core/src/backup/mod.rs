//! A backup holds what cannot be made again of a machine: the keys that make its nodes who they are, and the database, with
//! ports, wallets, numbers and settings. What nodes store for others (records, chunks) is not in it: the network gives
//! them that again.
//!
//! It is a directory or a tar archive of plain files with a manifest that has a digest of each. Two machines with the same
//! identities harm both, so nothing is restored over nodes that are there, nor on another machine without being told.

mod error;
mod judge;
mod machine_id;
mod make;
mod manifest;
mod read;
mod restore;
mod write;

pub use error::{BackupError, Flaw, KeyFault};
pub use machine_id::MachineName;
pub use make::{Made, Source};
pub use manifest::{FORMAT, FileEntry, Manifest, NodeEntry};
pub use read::{Backup, read};
pub use restore::{Restored, Target};
pub use write::Form;
