//! A form that brings a file (`multipart/form-data`, RFC 7578).

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'b> {
    /// Its name.
    pub name: String,
    /// The name of the file that it is.
    pub file: Option<String>,
    /// What is in it.
    pub content: &'b [u8],
}

/// Most fields of a form.
const MOST: usize = 32;

/// The boundary that a content type names.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = rest.split(';').find_map(|field| {
        let (name, value) = field.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let boundary = named.trim_matches('"');
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The fields of a body; none: it is no such form.
pub fn read<'b>(boundary: &str, body: &'b [u8]) -> Option<Vec<Part<'b>>> {
    let line = format!("--{boundary}");
    let begin = body.strip_prefix(line.as_bytes())?;
    let between = format!("\r\n{line}");
    let mut rest = begin;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, between.as_bytes())?;
        parts.push(part(&rest[..end])?);
        if parts.len() > MOST {
            return None;
        }
        rest = &rest[end + between.len()..];
    }
    Some(parts)
}

fn part(bytes: &[u8]) -> Option<Part<'_>> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    Some(Part {
        name: parameter(disposition, "name")?,
        file: parameter(disposition, "filename"),
        content: &bytes[end + 4..],
    })
}

/// A quoted parameter; browsers write a quote in it as `%22`.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let begin = format!("; {name}=\"");
    let (_, rest) = disposition.split_once(&begin)?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("%22", "\"").replace("%0D%0A", " "))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_s_form_is_read() {
        let kind = "multipart/form-data; boundary=\"----x\"";
        let boundary = boundary(kind).expect("a boundary");
        let body = b"------x\r\nContent-Disposition: form-data; name=\"digest\"\r\n\r\n0x1\r\n\
            ------x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a%22b.txt\"\r\n\
            Content-Type: text/plain\r\n\r\none\r\ntwo\r\n------x--\r\n";
        let parts = read(boundary, body).expect("a form");
        assert_eq!(parts[0].content, b"0x1");
        assert_eq!(parts[1].file.as_deref(), Some("a\"b.txt"));
        assert_eq!(parts[1].content, b"one\r\ntwo");
    }

    #[test]
    fn what_is_no_form_is_none() {
        assert_eq!(boundary("multipart/mixed; boundary=x"), None);
        assert_eq!(boundary("multipart/form-data; boundary="), None);
        for body in [
            "",
            "--x",
            "--x\r\n",
            "--x\r\n\r\n\r\n--x--",
            "--y--",
            "--x\r\na\r\n\r\n--x",
        ] {
            assert_eq!(read("x", body.as_bytes()), None, "{body:?}");
        }
    }
}
