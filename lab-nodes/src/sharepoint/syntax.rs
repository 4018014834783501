//! What clients write, as the front ends read it: total, without I/O. What was understood is told in a
//! word, for those who try what nobody would write.

use super::dav::{condition, xml};
use super::pages::multipart;
use super::rest::{address, options};

/// How many conditions an If header (RFC 4918 §10.4) has; none: it is malformed.
pub fn if_header(text: &str) -> Option<usize> {
    let lists = condition::parse(text)?;
    Some(lists.iter().map(|list| list.conditions.len()).sum())
}

/// All text of a WebDAV body; none: it is malformed, or larger than anybody needs.
pub fn dav_body(body: &[u8]) -> Option<String> {
    xml::parse(body).map(|element| element.whole_text())
}

/// A text as it stands in XML.
pub fn in_xml(text: &str) -> String {
    xml::escape(text)
}

/// How many segments the address of a REST request has behind `_api/`; none: it is malformed.
pub fn rest_address(path: &str) -> Option<usize> {
    address::parse(path, |_| None).map(|segments| segments.len())
}

/// Whether the options of a REST request (`$select`, `$filter` …) can be read.
pub fn rest_options(query: &str) -> bool {
    options::Options::read(query).is_some()
}

/// The bytes of files and fields in a form (RFC 7578); none: it is none.
pub fn form(content_type: &str, body: &[u8]) -> Option<usize> {
    let parts = multipart::read(multipart::boundary(content_type)?, body)?;
    Some(parts.iter().map(|part| part.content.len()).sum())
}
