//! The configuration of one machine, checked and complete: what the [settings](crate::settings) come to.

pub use crate::settings::Config;
