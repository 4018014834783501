//! What the services of SharePoint's application tier have in common: requests over mutual TLS, from
//! front ends only, answered with the help of databases.
//!
//! - [`options`], [`Settings`]: what a lab file says, and what a running service knows;
//! - `serve`: takes requests, admits who may ask, tells what was done;
//! - [`Tier`]: the other side: asks the members one after the other until one answers.

mod ask;
mod options;
mod serve;

pub use ask::{Tier, TierError};
pub(crate) use options::{Settings, schema, setup};
pub(crate) use serve::{Asked, Work, json, probe, serve};

/// The database that front ends keep sites, lists and documents in.
pub const CONTENT: &str = "content";
/// The database of search.
pub const SEARCH: &str = "search";
/// The database of the farm's configuration: jobs and timers.
pub const CONFIGURATION: &str = "configuration";
/// The login under which the farm asks its databases.
pub const LOGIN: &str = "sharepoint";
