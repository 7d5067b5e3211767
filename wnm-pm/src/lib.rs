//! What process managers are made of: the door ([`process_manager::ProcessManager`]), what a node is to a manager, and the
//! toolkit that all of them share. Neither the database nor the network of nodes is known here.

pub mod batch;
pub mod bounded;
pub mod command;
pub mod container_host;
mod elf;
pub mod flavour;
pub mod hint;
pub mod interpreter;
pub mod last_words;
pub mod launch;
pub mod logs;
pub mod node;
pub mod node_files;
pub mod path_policy;
pub mod patience;
pub mod port;
pub mod port_use;
pub mod privilege;
pub mod process;
pub mod process_manager;
pub mod program;
pub mod replacement;
pub mod shell;
pub mod storages;
pub mod unit_file;
pub mod upgrade;
pub mod user;
