//! A part as a tree. Names are local: the name spaces of Office Open XML come in two editions
//! (transitional and strict), and their elements do not meet.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::Unreadable;

/// Deepest nesting.
const DEEPEST: usize = 100;
/// Most elements and attributes of a part.
const MOST_NODES: usize = 250_000;

/// An element.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    /// Local name.
    pub name: String,
    attributes: Vec<(String, String)>,
    /// Elements in it.
    pub elements: Vec<Element>,
    /// Its own text.
    pub text: String,
}

impl Element {
    /// The attribute of that local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The attribute `r:id`, beside which there may be a plain `id`.
    pub fn relation(&self) -> Option<&str> {
        let of_relation = self.attributes.iter().rev();
        of_relation
            .filter(|(known, _)| known == "id")
            .map(|(_, value)| value.as_str())
            .find(|value| value.starts_with('r') || value.starts_with('R'))
    }

    /// Elements in it of that name.
    pub fn children<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.elements.iter().filter(move |child| child.name == name)
    }

    /// The first element at the end of a way of names.
    pub fn at(&self, way: &[&str]) -> Option<&Element> {
        way.iter().try_fold(self, |here, name| {
            here.elements.iter().find(|e| e.name == *name)
        })
    }

    /// The attribute `val` of an element in it.
    pub fn value(&self, way: &[&str]) -> Option<&str> {
        self.at(way)?.attribute("val")
    }
}

/// Reads a part.
pub(super) fn tree(text: &str) -> Result<Element, Unreadable> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let mut nodes = 0;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| Unreadable::Damaged(error.to_string()))?;
        match event {
            Event::Start(tag) => {
                if open.len() > DEEPEST {
                    return Err(Unreadable::TooLarge("its parts are nested too deep".into()));
                }
                open.push(element(&tag, &mut nodes)?);
            }
            Event::Empty(tag) => {
                let element = element(&tag, &mut nodes)?;
                if let Some(around) = open.last_mut() {
                    around.elements.push(element);
                }
            }
            Event::End(_) => {
                // The reader sees to it that ends fit their starts.
                if let (Some(closed), Some(around)) = (open.pop(), open.last_mut()) {
                    around.elements.push(closed);
                }
            }
            Event::Text(text) => add(&mut open, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) => add(&mut open, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(name) => {
                let character = name
                    .resolve_char_ref()
                    .map_err(|error| Unreadable::Damaged(error.to_string()))?;
                match character {
                    Some(character) => add(&mut open, character.encode_utf8(&mut [0; 4])),
                    // The five of XML; others would have to be declared, and nothing is here.
                    None => match quick_xml::escape::resolve_predefined_entity(&name) {
                        Some(text) => add(&mut open, text),
                        None => {
                            return Err(Unreadable::Damaged("it uses unknown entities".into()));
                        }
                    },
                }
            }
            Event::DocType(_) => {
                return Err(Unreadable::Damaged("it declares a document type".into()));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if open.len() != 1 {
        return Err(Unreadable::Damaged("it ends in the middle".into()));
    }
    open.pop()
        .and_then(|root| root.elements.into_iter().next())
        .ok_or_else(|| Unreadable::Damaged("a part is empty".into()))
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn element(tag: &BytesStart<'_>, nodes: &mut usize) -> Result<Element, Unreadable> {
    let damaged = |error: &dyn std::fmt::Display| Unreadable::Damaged(error.to_string());
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| damaged(&error))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| damaged(&error))?;
        let name: &str = attribute.key.local_name().into_inner();
        attributes.push((name.to_owned(), value.into_owned()));
    }
    *nodes += 1 + attributes.len();
    if *nodes > MOST_NODES {
        return Err(Unreadable::TooLarge(format!(
            "a part has more than {MOST_NODES} pieces"
        )));
    }
    Ok(Element {
        name: tag.local_name().as_ref().to_owned(),
        attributes,
        elements: Vec::new(),
        text: String::new(),
    })
}
