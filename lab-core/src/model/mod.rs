//! What a lab file says: YAML read into types that remember their place.

mod place;

pub use place::Place;
