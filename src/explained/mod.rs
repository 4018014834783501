//! Explanations for people: `tree` for a terminal, `sequence` as a Mermaid diagram.

mod sequence;
mod tree;
mod words;

pub use sequence::sequence;
pub use tree::tree;
pub use words::almost;
