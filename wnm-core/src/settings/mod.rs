//! A setting is something that the owner of a machine may choose: declared once in the `table`, given in layers,
//! and complete and checked in the [`Config`].
//!
//! ```text
//! flags > environment > config file > database > default
//! ```
//!
//! [`Layers`] collects what was given where, [`overlay`] makes the [`Config`] of it or reports all [`Problems`] at once,
//! and [`show`], [`show_environment`] and [`rows`] write a [`Config`] so that it can be read back.

mod check;
mod choice;
mod facts;
mod layers;
mod origin;
mod overlay;
mod problem;
mod reader;
mod setting;
mod show;
mod table;
mod value;

pub use choice::{FirewallKind, NodeFlavour};
pub use facts::{Facts, NoHome, OperatingSystem, base_dir, base_dirs, config_file};
pub use layers::Layers;
pub use origin::{Origin, Origins};
pub use overlay::{overlay, to_record};
pub use problem::{Problem, Problems};
pub use reader::Occasion;
pub use setting::{DefaultValue, Lifetime, Setting, Shape};
pub use show::{Row, reference, rows, show, show_environment, show_rows};
pub use table::{Config, Settings, TABLE, lookup};
pub(crate) use value::join;
pub use value::storages_in;
