//! Results for other programs and for people: functions from [`Results`](super::Results) to text.

mod coverage;
mod github;
mod html;
mod junit;
mod xml;

pub use github::github;
pub use html::html;
pub use junit::junit;

use crate::observe::Journey;

/// How a journey is written in a report: lines of text.
pub type Tell<'a> = &'a dyn Fn(&Journey) -> String;
