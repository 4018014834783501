//! What a lab file says: YAML read into types that remember their place. Nothing here
//! asks whether names lead anywhere: that is [`crate::check`]'s work.
//!
//! - [`yaml`]: text → [`Tree`], bounded; [`merge`]: trees of several files → one;
//! - [`decode`] and `record`: [`Tree`] → types, all mistakes in one go;
//! - one file a topic: [`mod@file`], [`segment`], [`node`], [`leg`], [`program`], [`service`],
//!   [`acl`], [`dns`], [`balancer`], [`directory`], [`certificates`], and [`units`] for
//!   quantities.

pub mod acl;
pub mod balancer;
pub mod certificates;
pub mod decode;
mod diagnostic;
pub mod directory;
pub mod dns;
pub mod file;
pub mod leg;
pub mod merge;
mod nearest;
pub mod node;
mod place;
pub mod program;
pub(crate) mod record;
pub mod segment;
pub mod service;
mod tree;
pub mod units;
pub mod yaml;

pub use decode::{Decode, Many, Map, OneOrMore};
pub use diagnostic::{Diagnostic, Severity};
pub use nearest::nearest;
pub use place::Place;
pub use tree::{Spanned, Tree, Value};
