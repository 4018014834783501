//! Server-relative paths, as they stand in URLs and in the content database: `/Shared Documents/a.txt`.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Longest path, in characters (SharePoint 2013).
const LONGEST: usize = 260;
/// Longest name, in characters.
const LONGEST_NAME: usize = 128;
/// What no name has in SharePoint 2013.
const ILLEGAL: &[char] = &[
    '~', '"', '#', '%', '&', '*', ':', '<', '>', '?', '/', '\\', '{', '|', '}',
];
/// What is not written as it is in a URL's path.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'\\');

/// A path without dots, doubled slashes or a slash at its end, but for the root `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerPath(String);

/// Why something is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Its form.
    #[error("the path does not name a place on this site")]
    Malformed,
    /// A name in it.
    #[error("a name in the path has characters that no name may have")]
    Name,
    /// Its length.
    #[error("the path or a name in it is too long")]
    TooLong,
}

impl ServerPath {
    /// The root.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// From a URL's path, which is decoded once.
    ///
    /// # Errors
    /// It leads out of the site, or is none.
    pub fn from_url(path: &str) -> Result<Self, PathError> {
        let decoded = percent_decode_str(path).decode_utf8();
        Self::new(&decoded.map_err(|_| PathError::Malformed)?)
    }

    /// From a path as people write it.
    ///
    /// # Errors
    /// It leads out of the site, or is none.
    pub fn new(path: &str) -> Result<Self, PathError> {
        let inside = path.strip_prefix('/').ok_or(PathError::Malformed)?;
        if inside.is_empty() {
            return Ok(Self::root());
        }
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        if path.chars().count() > LONGEST {
            return Err(PathError::TooLong);
        }
        for name in inside.split('/') {
            check(name)?;
        }
        Ok(Self(format!("/{inside}")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name; of the root, nothing.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder around it; none around the root.
    pub fn parent(&self) -> Option<Self> {
        let (parent, name) = self.0.rsplit_once('/')?;
        match (parent, name) {
            (_, "") => None,
            ("", _) => Some(Self::root()),
            (parent, _) => Some(Self(parent.to_owned())),
        }
    }

    /// The place of this name in it.
    ///
    /// # Errors
    /// No name is like this, or the whole is too long.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        check(name)?;
        Self::new(&format!("{}/{name}", self.0.trim_end_matches('/')))
    }

    /// Whether it is this place or one below it.
    pub fn is_in(&self, place: &Self) -> bool {
        self.below(place).is_some()
    }

    /// What follows a place, with its slash; none: it is elsewhere.
    pub fn below(&self, place: &Self) -> Option<&str> {
        let place = place.0.trim_end_matches('/');
        let head = self.0.get(..place.len())?;
        let rest = self.0.get(place.len()..)?;
        (head.to_lowercase() == place.to_lowercase() && (rest.is_empty() || rest.starts_with('/')))
            .then_some(rest)
    }

    /// As a URL has it.
    pub fn encoded(&self) -> String {
        utf8_percent_encode(&self.0, ENCODED).to_string()
    }
}

fn check(name: &str) -> Result<(), PathError> {
    if name.is_empty() || name.chars().all(|character| character == '.') {
        return Err(PathError::Malformed);
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(PathError::TooLong);
    }
    let illegal = |character: char| ILLEGAL.contains(&character) || character.is_control();
    if name.contains(illegal) || name.trim() != name || name.ends_with('.') {
        return Err(PathError::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_site() {
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/..",
            "/a/../b",
            "/%2e%2e/b",
            "/a/%2e%2e",
            "/./a",
            "/...",
        ] {
            assert_eq!(
                ServerPath::from_url(path),
                Err(PathError::Malformed),
                "{path}"
            );
        }
        for path in [
            "/a%2fb%5cc",
            "/a%00",
            "/a:b",
            "/%252e%252e/x",
            "/a ",
            "/x%0d%0ay",
            "/a.",
        ] {
            assert_eq!(ServerPath::from_url(path), Err(PathError::Name), "{path}");
        }
        assert_eq!(ServerPath::from_url("/%ff"), Err(PathError::Malformed));
        let long = format!("/{}", "x".repeat(200));
        assert_eq!(ServerPath::from_url(&long), Err(PathError::TooLong));
    }

    #[test]
    fn paths_know_their_places() {
        let path = ServerPath::from_url("/Shared%20Documents/a/%C3%A4.txt/").expect("a path");
        assert_eq!(path.as_str(), "/Shared Documents/a/ä.txt");
        assert_eq!(path.encoded(), "/Shared%20Documents/a/%C3%A4.txt");
        let parent = path.parent().expect("a parent");
        assert_eq!(parent.as_str(), "/Shared Documents/a");
        assert_eq!(parent.join("ä.txt"), Ok(path.clone()));
        assert!(path.is_in(&parent) && !parent.is_in(&path) && path.is_in(&ServerPath::root()));
        let other = ServerPath::new("/shared documents/A").expect("a path");
        assert_eq!(path.below(&other), Some("/ä.txt"));
        assert_eq!(ServerPath::root().parent(), None);
    }
}
