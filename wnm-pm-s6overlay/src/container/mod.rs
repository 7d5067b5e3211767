//! Containers as the engine knows them: how it is reached, what it is asked for, what is in the image, and the network
//! that leads to them. Of nodes nothing is known here but where their files and ports are.

pub mod actual;
pub mod addresses;
pub mod containers;
pub mod contract;
pub mod dockerfile;
pub mod engine;
pub mod error;
pub mod exec;
pub mod images;
pub mod labels;
pub mod layout;
pub mod network;
pub mod spec;
pub mod usage;
