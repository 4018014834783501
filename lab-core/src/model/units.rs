//! Quantities with their units.

use std::time::Duration;

use serde_json::json;

use super::decode::wrong_type;
use super::{Decode, Diagnostic, Tree, Value};

/// A number of some unit out of a table.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    // "." alone, "1." and ".5" are more likely slips than numbers.
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return None;
    }
    number.parse::<f64>().ok().map(|number| number * factor)
}

fn read(
    tree: &Tree,
    units: &[(&str, f64)],
    wanted: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<f64> {
    if let Value::Scalar { text, .. } = &tree.value
        && let Some(value) = quantity(text, units)
    {
        return Some(value);
    }
    wrong_type(tree, wanted, diagnostics);
    None
}

/// A span of time: `200ms`, `5s`, `1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl Decode for Time {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let units = [
            ("us", 1e-6),
            ("ms", 1e-3),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
        ];
        let wanted = "a time with its unit, like `200ms`, `5s` or `1m`";
        let seconds = read(tree, &units, wanted, diagnostics)?;
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?(us|ms|s|m|h)$" })
    }
}

/// An amount of memory in bytes: `256MiB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Decode for Size {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let units = [
            ("B", 1.0),
            ("kB", 1e3),
            ("KiB", 1024.0),
            ("MB", 1e6),
            ("MiB", 1_048_576.0),
            ("GB", 1e9),
            ("GiB", 1_073_741_824.0),
        ];
        let wanted = "a size with its unit, like `256MiB` or `1GB`";
        read(tree, &units, wanted, diagnostics).map(|bytes| Self(bytes as u64))
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?(B|kB|KiB|MB|MiB|GB|GiB)$" })
    }
}

/// A rate in bits a second: `10mbit`, `1gbit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64);

impl Decode for Rate {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let units = [("bit", 1.0), ("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)];
        let wanted = "a rate with its unit, like `10mbit` or `1gbit`";
        read(tree, &units, wanted, diagnostics).map(|bits| Self(bits as u64))
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?[kmg]?bit$" })
    }
}

/// A share in parts per million, written in per cent: `1%`, `0.1%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub u32);

impl Decode for Share {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let wanted = "a share from `0%` to `100%`";
        let parts = read(tree, &[("%", 1e4)], wanted, diagnostics)?;
        if parts > 1e6 {
            wrong_type(tree, wanted, diagnostics);
            return None;
        }
        Some(Self(parts.round() as u32))
    }
    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?%$" })
    }
}

/// Permission bits in octal: `0644`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl Decode for FileMode {
    fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        if let Value::Scalar { text, .. } = &tree.value
            && (3..=4).contains(&text.len())
            && let Ok(bits) = u32::from_str_radix(text, 8)
        {
            return Some(Self(bits));
        }
        wrong_type(tree, "permission bits in octal, like `0644`", diagnostics);
        None
    }
    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "integer"], "pattern": "^[0-7]{3,4}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::quantity;

    #[test]
    fn a_quantity_is_a_number_and_a_known_unit() {
        let units = [("ms", 1.0), ("s", 1000.0)];
        assert_eq!(quantity("200ms", &units), Some(200.0));
        assert_eq!(quantity("1.5 s", &units), Some(1500.0));
        for wrong in ["200", "ms", "1.s", ".5s", "1e3s", "-1s", "5 minutes"] {
            assert_eq!(quantity(wrong, &units), None, "{wrong}");
        }
    }
}
