//! The part of AD's schema that this directory uses ([MS-ADA1] to [MS-ADA3], [MS-ADSC]).
//!
//! - `attributes`: name, identifier, syntax of each attribute;
//! - `classes`: name, identifier, attributes of each class;
//! - `definitions`: both as clients read them (RFC 4512 §4.1).

mod attributes;
mod classes;
mod definitions;

pub use attributes::{Attribute, Syntax, attribute};
pub use classes::{CLASSES, Class, Kind, class};
pub use definitions::{attribute_types, object_classes};
