//! Results for other programs and for people: functions from [`Results`](super::Results) to text.

mod github;
mod html;
mod journey;
mod junit;
mod xml;

pub use github::github;
pub use html::html;
pub use journey::journey_lines;
pub use junit::junit;
