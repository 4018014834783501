//! What a request asks of a host: bytes to types, no I/O.

use data_encoding::BASE64_NOPAD;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use percent_encoding::percent_decode_str;

use super::locks::Wish;

/// Longest lock, in bytes ([MS-WOPI] §2.2.1: at least 256, 1,024 for hosts of today).
const LONGEST_LOCK: usize = 1024;
/// Longest identifier of a document, in bytes.
const LONGEST_FILE: usize = 512;
/// Longest name of a document, in bytes.
const LONGEST_NAME: usize = 255;

/// A request to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The host's identifier of the document.
    pub file: String,
    /// The access token; empty where there is none.
    pub token: String,
    /// What is asked.
    pub operation: Operation,
}

/// What a host can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// What the document is and what the user may do.
    CheckFileInfo,
    /// Its content.
    GetFile {
        /// Not if it has more bytes (X-WOPI-MaxExpectedSize).
        most: Option<u64>,
    },
    /// New content.
    PutFile {
        /// The lock that the client holds.
        lock: Option<String>,
    },
    /// LOCK, REFRESH_LOCK, UNLOCK and UnlockAndRelock.
    Lock(Wish),
    /// Which lock is on it.
    GetLock,
    /// A new document beside it.
    PutRelative {
        /// Its name, or an extension that begins with a dot.
        name: String,
        /// Whether the host may choose another name.
        suggested: bool,
        /// Whether one of that name gets new content.
        replace: bool,
    },
}

/// Why a request is none of a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAsk {
    /// The path leads to no document.
    #[error("the path names no document")]
    Path,
    /// The method does not fit the path.
    #[error("the method does not fit the path")]
    Method,
    /// X-WOPI-Override names nothing that this host does.
    #[error("X-WOPI-Override names no operation of this host")]
    Override,
    /// A header is missing or malformed: its name.
    #[error("{0} is missing or malformed")]
    Header(&'static str),
}

impl Ask {
    /// Reads a request whose path follows the host's own base (`/7/contents`).
    ///
    /// # Errors
    /// It is none of WOPI.
    pub fn read(
        method: &Method,
        path: &str,
        query: &str,
        headers: &HeaderMap,
    ) -> Result<Self, BadAsk> {
        let path = path.strip_prefix('/').ok_or(BadAsk::Path)?;
        let (file, contents) = match path.strip_suffix("/contents") {
            Some(file) => (file, true),
            None => (path, false),
        };
        let file = decoded(file).ok_or(BadAsk::Path)?;
        if path.matches('/').count() > usize::from(contents)
            || file.is_empty()
            || file.len() > LONGEST_FILE
            || file.chars().any(char::is_control)
        {
            return Err(BadAsk::Path);
        }
        Ok(Self {
            file,
            token: token(query, headers).unwrap_or_default(),
            operation: operation(method, contents, headers)?,
        })
    }
}

fn operation(method: &Method, contents: bool, headers: &HeaderMap) -> Result<Operation, BadAsk> {
    let what = text(headers, "x-wopi-override");
    match (method, contents, what) {
        (&Method::GET, false, _) => Ok(Operation::CheckFileInfo),
        (&Method::GET, true, _) => Ok(Operation::GetFile {
            most: match text(headers, "x-wopi-maxexpectedsize") {
                None => None,
                Some(most) => Some(
                    most.parse()
                        .map_err(|_| BadAsk::Header("X-WOPI-MaxExpectedSize"))?,
                ),
            },
        }),
        (&Method::POST, true, None | Some("PUT")) => Ok(Operation::PutFile {
            lock: lock(headers, "x-wopi-lock", "X-WOPI-Lock")?,
        }),
        (&Method::POST, true, Some(_)) => Err(BadAsk::Override),
        (&Method::POST, false, Some(what)) => on_file(what, headers),
        (&Method::POST, false, None) => Err(BadAsk::Header("X-WOPI-Override")),
        _ => Err(BadAsk::Method),
    }
}

fn on_file(what: &str, headers: &HeaderMap) -> Result<Operation, BadAsk> {
    let named =
        || lock(headers, "x-wopi-lock", "X-WOPI-Lock")?.ok_or(BadAsk::Header("X-WOPI-Lock"));
    Ok(match what {
        "LOCK" => {
            let new = named()?;
            Operation::Lock(match lock(headers, "x-wopi-oldlock", "X-WOPI-OldLock")? {
                Some(old) => Wish::Relock { new, old },
                None => Wish::Lock(new),
            })
        }
        "REFRESH_LOCK" => Operation::Lock(Wish::Refresh(named()?)),
        "UNLOCK" => Operation::Lock(Wish::Unlock(named()?)),
        "GET_LOCK" => Operation::GetLock,
        "PUT_RELATIVE" => relative(headers)?,
        _ => return Err(BadAsk::Override),
    })
}

fn relative(headers: &HeaderMap) -> Result<Operation, BadAsk> {
    let bad = BadAsk::Header("X-WOPI-SuggestedTarget or X-WOPI-RelativeTarget");
    let suggested = text(headers, "x-wopi-suggestedtarget");
    let exact = text(headers, "x-wopi-relativetarget");
    let (name, suggested) = match (suggested, exact) {
        (Some(name), None) => (name, true),
        (None, Some(name)) => (name, false),
        _ => return Err(bad),
    };
    let name = utf7(name)
        .filter(|name| (1..=LONGEST_NAME).contains(&name.len()))
        .ok_or(bad)?;
    let replace = text(headers, "x-wopi-overwriterelativetarget");
    Ok(Operation::PutRelative {
        name,
        suggested,
        replace: replace.is_some_and(|text| text.eq_ignore_ascii_case("true")),
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn lock(headers: &HeaderMap, field: &str, name: &'static str) -> Result<Option<String>, BadAsk> {
    match headers.get(field) {
        None => Ok(None),
        Some(value) => match value.to_str() {
            Ok(text) if (1..=LONGEST_LOCK).contains(&text.len()) => Ok(Some(text.to_owned())),
            _ => Err(BadAsk::Header(name)),
        },
    }
}

/// The access token: the parameter `access_token`, else what `Authorization: Bearer` says.
fn token(query: &str, headers: &HeaderMap) -> Option<String> {
    parameter(query, "access_token").or_else(|| {
        let bearer = text(headers, AUTHORIZATION.as_str())?;
        let (scheme, token) = bearer.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    })
}

/// The first parameter of that name in a query or a form.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(&key.replace('+', " "))? == name)
            .then(|| decoded(&value.replace('+', " ")))
            .flatten()
    })
}

/// Percent-encoded text. None: it is no UTF-8.
pub fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// UTF-7 (RFC 2152), in which names of documents travel in headers.
fn utf7(text: &str) -> Option<String> {
    let mut read = String::new();
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        read.push_str(&rest[..plus]);
        rest = &rest[plus + 1..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '/'))
            .unwrap_or(rest.len());
        let (shifted, after) = rest.split_at(end);
        rest = after.strip_prefix('-').unwrap_or(after);
        if shifted.is_empty() {
            read.push('+');
            continue;
        }
        // Bits that fill up the last character may be anything but must not be a unit.
        let mut encoding = BASE64_NOPAD.specification();
        encoding.check_trailing_bits = false;
        let bytes = encoding.encoding().ok()?.decode(shifted.as_bytes()).ok()?;
        let units = bytes
            .chunks_exact(2)
            .map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
        for unit in char::decode_utf16(units) {
            read.push(unit.ok()?);
        }
    }
    read.push_str(rest);
    Some(read)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn ask(method: Method, target: &str, fields: &[(&str, &str)]) -> Result<Ask, BadAsk> {
        let headers = fields
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().expect("a name"),
                    HeaderValue::from_str(value).expect("a value"),
                )
            })
            .collect();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ask::read(&method, path, query, &headers)
    }

    #[test]
    fn operations_are_told_by_method_path_and_override() {
        let operation = |method, path, fields: &[(&str, &str)]| {
            ask(method, path, fields).map(|ask| ask.operation)
        };
        let get = |path| operation(Method::GET, path, &[]);
        assert_eq!(get("/7"), Ok(Operation::CheckFileInfo));
        assert_eq!(get("/7/contents"), Ok(Operation::GetFile { most: None }));
        let post = |path, fields: &[_]| operation(Method::POST, path, fields);
        let named = ("x-wopi-lock", "l");
        let lock = |what| post("/7", &[("x-wopi-override", what), named]);
        assert_eq!(lock("LOCK"), Ok(Operation::Lock(Wish::Lock("l".into()))));
        assert_eq!(
            lock("UNLOCK"),
            Ok(Operation::Lock(Wish::Unlock("l".into())))
        );
        assert_eq!(
            lock("REFRESH_LOCK"),
            Ok(Operation::Lock(Wish::Refresh("l".into())))
        );
        assert_eq!(lock("GET_LOCK"), Ok(Operation::GetLock));
        assert_eq!(lock("DELETE"), Err(BadAsk::Override));
        assert_eq!(
            post("/7", &[("x-wopi-override", "LOCK")]),
            Err(BadAsk::Header("X-WOPI-Lock"))
        );
        assert_eq!(
            post(
                "/7",
                &[("x-wopi-override", "LOCK"), named, ("x-wopi-oldlock", "o")]
            ),
            Ok(Operation::Lock(Wish::Relock {
                new: "l".into(),
                old: "o".into()
            }))
        );
        assert_eq!(
            post("/7/contents", &[("x-wopi-override", "PUT"), named]),
            Ok(Operation::PutFile {
                lock: Some("l".into())
            })
        );
        assert_eq!(operation(Method::PUT, "/7", &[]), Err(BadAsk::Method));
        for path in [
            "",
            "/",
            "//contents",
            "/7/8",
            "/7/8/contents",
            "/%00",
            "/%ff",
        ] {
            assert_eq!(get(path), Err(BadAsk::Path), "{path}");
        }
        let long = "x".repeat(2000);
        assert_eq!(
            post("/7", &[("x-wopi-override", "LOCK"), ("x-wopi-lock", &long)]),
            Err(BadAsk::Header("X-WOPI-Lock"))
        );
    }

    #[test]
    fn a_token_stands_in_the_query_or_the_header() {
        let read = |target, fields: &[_]| ask(Method::GET, target, fields).map(|ask| ask.token);
        assert_eq!(read("/7?a=b&access_token=t%20k", &[]), Ok("t k".into()));
        assert_eq!(
            read("/7", &[("authorization", "Bearer tk")]),
            Ok("tk".into())
        );
        assert_eq!(read("/7", &[]), Ok(String::new()));
    }

    #[test]
    fn names_come_in_utf_7() {
        // RFC 2152 §4 examples.
        assert_eq!(utf7("A+ImIDkQ.").as_deref(), Some("A\u{2262}\u{391}."));
        assert_eq!(
            utf7("Hi Mom -+Jjo--!").as_deref(),
            Some("Hi Mom -\u{263a}-!")
        );
        assert_eq!(utf7("1 +- 1").as_deref(), Some("1 + 1"));
        assert_eq!(utf7("+2AA-"), None);
    }
}
