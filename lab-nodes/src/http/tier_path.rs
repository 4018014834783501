//! `Tierlab-Path`: the nodes that took part in an answer, in the order they were asked. Every
//! hop puts its own name before those of the hops it asked and whose certificates it verified.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header's name.
pub const TIERLAB_PATH: HeaderName = HeaderName::from_static("tierlab-path");
/// Names the tier that could not be reached.
pub const TIERLAB_MISSING: HeaderName = HeaderName::from_static("tierlab-missing");

/// Most hops that are read from a header.
const MOST_HOPS: usize = 64;
/// Longest name of a tier that is read from a header, in bytes.
const LONGEST_TIER: usize = 128;

/// Nodes that took part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierPath(Vec<String>);

impl TierPath {
    /// This node alone.
    pub fn of(node: &str) -> Self {
        Self(vec![node.to_owned()])
    }

    /// Reads it from a response. None: there is none, or it is malformed.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(TIERLAB_PATH)?.to_str().ok()?;
        let hops: Vec<String> = text.split(',').map(|hop| hop.trim().to_owned()).collect();
        (hops.len() <= MOST_HOPS && hops.iter().all(|hop| is_node(hop))).then_some(Self(hops))
    }

    /// Adds the nodes of a tier that was asked.
    pub fn append(&mut self, asked: Self) {
        self.0.extend(asked.0);
    }

    /// The node that answered.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// Puts it into a response, in place of any other.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            headers.insert(TIERLAB_PATH, value);
        }
    }
}

impl fmt::Display for TierPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// The tier that a response says is missing.
pub fn missing(headers: &HeaderMap) -> Option<String> {
    // A tier's name is what a lab file says, in any script.
    let tier = std::str::from_utf8(headers.get(TIERLAB_MISSING)?.as_bytes()).ok()?;
    (tier.len() <= LONGEST_TIER).then(|| tier.to_owned())
}

fn is_node(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_grows_from_the_deepest_tier_up() {
        let mut headers = HeaderMap::new();
        TierPath::of("sp-sql3").write(&mut headers);
        let mut path = TierPath::of("sp-search2");
        path.append(TierPath::read(&headers).expect("a path"));
        path.write(&mut headers);
        assert_eq!(headers[TIERLAB_PATH], "sp-search2, sp-sql3");
    }

    #[test]
    fn a_malformed_path_is_none() {
        for text in ["", "a,,b", "a b", "<b>", &"a,".repeat(65)] {
            let mut headers = HeaderMap::new();
            headers.insert(TIERLAB_PATH, HeaderValue::from_str(text).expect("a value"));
            assert_eq!(TierPath::read(&headers), None, "{text}");
        }
    }
}
