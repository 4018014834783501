//! SharePoint's targets: what clients write in headers, addresses and bodies.

use lab_nodes::sharepoint::syntax;

/// An If header, and a body of WebDAV. A text that was written is read again.
pub fn dav(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(conditions) = syntax::if_header(text) {
            assert!(conditions <= text.len() / 3, "each has brackets");
        }
        let written = syntax::in_xml(text);
        let body = format!("<a>{written}</a>");
        let read = syntax::dav_body(body.as_bytes());
        assert!(read.is_some(), "{body:?}");
    }
    let _ = syntax::dav_body(bytes);
}

/// The address of a REST request, its options behind a question mark.
pub fn rest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if let Some(segments) = syntax::rest_address(path) {
        assert!(segments <= path.len());
    }
    syntax::rest_options(query);
}

/// A form: its content type in the first line.
pub fn upload(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (line, body) = bytes.split_at(end);
    let Ok(line) = std::str::from_utf8(line) else {
        return;
    };
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    if let Some(length) = syntax::form(line, body) {
        assert!(length <= body.len());
    }
}
