//! The arithmetic of wnm: which number a new node gets, which container group a number belongs to, and which ports
//! follow from it. No input or output, and no knowledge of the rest of wnm.
//!
//! The crate is `no_std` (with `alloc`), whether or not the feature `serde` is on, and so are its dependencies.
//!
//! ```
//! use wnm_allocator::{Blocks, Layout, Numbering, place};
//!
//! let layout = Layout { port_start: 55, metrics_port_start: 13, rpc_port_start: 30, webrtc_port_start: None };
//! let blocks = Blocks::new(200, 2)?;
//! blocks.check(&layout, 2)?;
//!
//! let numbering = Numbering::Blocks { max_node_per_container: 200, min_container_count: 2, active_groups: 2 };
//! assert_eq!(place(&numbering, &[], 0, 3)?, [1, 201, 2]);
//! assert_eq!(blocks.group_of(201)?.to_string(), "a2");
//! assert_eq!(layout.node_port(201)?, 55_201);
//! # Ok::<(), wnm_allocator::LayoutError>(())
//! ```
#![no_std]

extern crate alloc;

mod error;
mod group;
mod layout;
mod placement;
mod port;

pub use error::{GroupNameError, LayoutError};
pub use group::{Blocks, Group, GroupPorts};
pub use layout::{Layout, PortRange};
pub use placement::{Numbering, Placer, place};
pub use port::{HIGHEST_NUMBER, PORTS_PER_START, PortKind};
