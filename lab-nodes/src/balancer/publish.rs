//! Which paths of a site are published.

/// A path that the balancer and a member could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// Length of the longest of these prefixes that the path lies under; `Some(0)` where the site
/// publishes all paths, none where it does not publish this one. Prefixes end at a segment
/// (`/owa` is not `/owa2`) and do not heed case, as virtual directories of IIS do not.
///
/// An encoded slash (`%2f`) is a slash to some members and a part of a name to others. Both readings
/// must lie under the same prefix: base64 in the path of an OCSP request (RFC 6960 §A.1) has such.
///
/// # Errors
/// The path has dot segments, backslashes or an encoded slash that matters: a member that resolves
/// them would serve another path than the one that was looked up.
pub(super) fn longest(prefixes: &[String], path: &str) -> Result<Option<usize>, Ambiguous> {
    if prefixes.is_empty() {
        return Ok(Some(0));
    }
    let path = path.to_ascii_lowercase();
    if path.contains(['\\', '\0']) || ["%5c", "%00"].iter().any(|code| path.contains(code)) {
        return Err(Ambiguous);
    }
    // Other letters of a prefix can be encoded, too: `/%6fwa` is `/owa` to a member.
    let decoded = decode(&path);
    if decoded.contains(['%', '\\']) || decoded.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(Ambiguous);
    }
    let found = longest_of(prefixes, &decoded);
    // No prefix has this character.
    let as_a_name = decode(&path.replace("%2f", "\u{1}"));
    if found != longest_of(prefixes, &as_a_name) {
        return Err(Ambiguous);
    }
    Ok(found)
}

fn longest_of(prefixes: &[String], decoded: &str) -> Option<usize> {
    let decoded = decoded.to_ascii_lowercase();
    prefixes
        .iter()
        .filter(|prefix| {
            let prefix = prefix.trim_end_matches('/').to_ascii_lowercase();
            decoded
                .strip_prefix(&prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .map(String::len)
        .max()
}

/// Resolves percent-encoding once (RFC 3986 §2.1); what is malformed stays.
fn decode(path: &str) -> String {
    let mut bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let Some((first, rest)) = bytes.split_first() {
        let code = rest
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match code {
            Some(byte) => {
                decoded.push(byte);
                bytes = &rest[2..];
            }
            None => {
                decoded.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(prefixes: &[&str], path: &str) -> Result<Option<usize>, Ambiguous> {
        let prefixes: Vec<String> = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        longest(&prefixes, path)
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        assert_eq!(published(&["/owa"], "/OWA/auth/logon.aspx"), Ok(Some(4)));
        assert_eq!(published(&["/owa"], "/owa"), Ok(Some(4)));
        assert_eq!(published(&["/owa"], "/%6fwa"), Ok(Some(4)));
        assert_eq!(published(&["/owa"], "/owa2"), Ok(None));
        assert_eq!(published(&["/"], "/anything"), Ok(Some(1)));
        assert_eq!(published(&[], "/a/../b"), Ok(Some(0)));
        assert_eq!(
            published(&["/EWS", "/EWS/Exchange.asmx"], "/ews/exchange.asmx"),
            Ok(Some(18))
        );
    }

    #[test]
    fn an_encoded_slash_below_a_prefix_is_there_in_both_readings() {
        assert_eq!(published(&["/pki"], "/pki/ocsp/MF%2Fa%2B%3D"), Ok(Some(4)));
        assert_eq!(published(&["/pki"], "/pki/ocsp/a//%2F"), Ok(Some(4)));
        assert_eq!(
            published(&["/pki", "/pki/ocsp"], "/pki/ocsp%2Fa"),
            Err(Ambiguous)
        );
        assert_eq!(published(&["/pki"], "/other/a%2Fb"), Ok(None));
    }

    #[test]
    fn a_path_with_two_readings_is_refused() {
        for path in [
            "/owa/../ecp",
            "/owa/%2e%2E/ecp",
            "/owa/%2f../ecp",
            "/owa\\..\\ecp",
            "/owa/%252e%252e/ecp",
            "/owa/./x",
            "/owa%2fx",
            "/owa%2f",
            "/owa/..%2fecp",
            "/owa/x%2f..%2f..%2fecp",
            "%2fowa/x",
        ] {
            assert_eq!(published(&["/owa"], path), Err(Ambiguous), "{path}");
        }
    }
}
