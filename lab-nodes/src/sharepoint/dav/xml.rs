//! The XML of requests: elements with their namespaces, without document types and entities of
//! anybody's own, of bounded size and depth.

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

/// The namespace of WebDAV.
pub(super) const DAV: &str = "DAV:";
/// Most elements of a request.
const MOST: usize = 1000;
/// Deepest nesting.
const DEEPEST: usize = 16;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Namespace; empty: none.
    pub space: String,
    /// Local name.
    pub name: String,
    /// Text in it, without that of its children.
    pub text: String,
    /// Elements in it.
    pub children: Vec<Element>,
}

impl Element {
    /// Whether it is this one of WebDAV.
    pub fn is(&self, name: &str) -> bool {
        self.space == DAV && self.name == name
    }

    /// Its child of that name, of WebDAV.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    /// All text in it.
    pub fn whole_text(&self) -> String {
        let mut text = self.text.trim().to_owned();
        for child in &self.children {
            text.push_str(&child.whole_text());
        }
        text
    }
}

/// The outermost element; none: it is malformed, or larger than anybody needs.
pub fn parse(bytes: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut done = None;
    let mut count = 0;
    loop {
        let (space, event) = reader.read_resolved_event().ok()?;
        let element = |name: &str| {
            let space = match space {
                ResolveResult::Bound(space) => space.0.to_owned(),
                ResolveResult::Unbound => String::new(),
                ResolveResult::Unknown(_) => return None,
            };
            Some(Element {
                space,
                name: name.to_owned(),
                ..Element::default()
            })
        };
        match event {
            Event::Start(start) => {
                count += 1;
                if done.is_some() || count > MOST || open.len() >= DEEPEST {
                    return None;
                }
                open.push(element(start.local_name().as_ref())?);
            }
            Event::Empty(empty) => {
                count += 1;
                if done.is_some() || count > MOST {
                    return None;
                }
                close(element(empty.local_name().as_ref())?, &mut open, &mut done);
            }
            Event::End(_) => {
                let element = open.pop()?;
                close(element, &mut open, &mut done);
            }
            Event::Text(piece) => match open.last_mut() {
                Some(last) => last.text.push_str(&piece),
                None if piece.trim().is_empty() => {}
                None => return None,
            },
            Event::CData(piece) => open.last_mut()?.text.push_str(&piece),
            Event::GeneralRef(name) => {
                let character = match name.as_ref() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => name.resolve_char_ref().ok()??,
                };
                open.last_mut()?.text.push(character);
            }
            Event::DocType(_) => return None,
            Event::Eof => return done.filter(|_| open.is_empty()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
}

fn close(element: Element, open: &mut [Element], done: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *done = Some(element),
    }
}

/// Text as it stands in XML.
pub(in crate::sharepoint) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(character),
            // XML 1.0 has no way to write these.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            character if character.is_ascii_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_by_namespace() {
        let text = "<?xml version=\"1.0\"?><a:propfind xmlns:a=\"DAV:\"><a:prop><a:getetag/>\
            <x xmlns=\"urn:x\">1 &lt; &#50;</x></a:prop></a:propfind>";
        let root = parse(text.as_bytes()).expect("it is well-formed");
        let prop = root.child("prop").expect("a child");
        assert!(root.is("propfind") && prop.children[0].is("getetag"));
        assert_eq!(
            (
                prop.children[1].space.as_str(),
                prop.children[1].text.as_str()
            ),
            ("urn:x", "1 < 2")
        );
    }

    #[test]
    fn what_is_dangerous_or_malformed_is_none() {
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
            "<a>&e;</a>",
            "<x:a/>",
            "<a>&#0;</a>",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        let deep = "<a>".repeat(17) + &"</a>".repeat(17);
        assert_eq!(parse(deep.as_bytes()), None);
        let wide = format!("<a>{}</a>", "<b/>".repeat(1000));
        assert_eq!(parse(wide.as_bytes()), None);
        assert_eq!(parse(b"<a>\xff</a>"), None);
    }
}
