//! All that can be wrong with a lab file, and the [`Lab`] that is left when nothing is.
//!
//! [`load`] reads (`read`, the only I/O), decodes ([`crate::model`]) and builds (`build`,
//! pure) the lab, one file a topic; each reports what it finds and goes on, so that all
//! errors come in one go. [`render()`] says it for people, [`schema()`] for editors.

mod acls;
mod attachments;
mod balancers;
mod build;
mod certificates;
mod circles;
mod crowds;
mod directory;
mod files;
mod lab;
mod labels;
mod literal;
mod members;
mod names;
mod nat;
mod needs;
mod nodes;
mod read;
mod records;
mod render;
mod reverse;
mod routes;
mod schema;
mod seats;
mod segments;
mod services;
mod snippet;
mod source;
mod targets;
mod traffic;
mod views;
mod vips;
mod ways;
mod zones;

pub use crate::model::{Diagnostic, Severity};
pub use lab::*;
pub use needs::{Need, needs};
pub use render::{render, report};
pub use schema::schema;
pub use source::{Checked, Source, load, load_text};
