//! What is known of a place (RFC 4918 §15), and what clients noted of it.

use std::fmt::Write;

use super::place::{Place, There};
use super::xml::{DAV, Element, escape};
use crate::sharepoint::clock;
use crate::sharepoint::library::{Held, Kind};

/// Properties that every place has.
pub(super) const LIVE: [&str; 8] = [
    "creationdate",
    "displayname",
    "getcontentlength",
    "getcontenttype",
    "getetag",
    "getlastmodified",
    "resourcetype",
    "supportedlock",
];
/// The one that is computed of locks.
pub(super) const DISCOVERY: &str = "lockdiscovery";
/// Properties that clients may not change.
pub(super) fn is_protected(property: &Element) -> bool {
    property.space == DAV
}

/// The name under which a property of a client is kept.
pub(super) fn key(property: &Element) -> String {
    format!("{{{}}}{}", property.space, property.name)
}

/// A property as XML; none: the place does not have it.
pub(super) fn value(place: &Place, property: &Element, locks: &[Held]) -> Option<String> {
    if property.space != DAV {
        let kept = place.item()?.fields.get(&key(property))?.as_str()?;
        return Some(foreign(property, Some(kept)));
    }
    let inner = live(place, &property.name, locks)?;
    Some(format!("<D:{0}>{inner}</D:{0}>", property.name))
}

/// A property of a namespace of its own.
pub(super) fn foreign(property: &Element, value: Option<&str>) -> String {
    let name = match property
        .name
        .chars()
        .all(|c| c.is_alphanumeric() || "-_.".contains(c))
    {
        true => property.name.as_str(),
        false => "unnamed",
    };
    let begin = match property.space.as_str() {
        DAV => format!("<D:{name}"),
        space => format!("<{name} xmlns=\"{}\"", escape(space)),
    };
    let end = if property.space == DAV { "D:" } else { "" };
    match value {
        Some(value) => format!("{begin}>{}</{end}{name}>", escape(value)),
        None => format!("{begin}/>"),
    }
}

fn live(place: &Place, name: &str, locks: &[Held]) -> Option<String> {
    let item = place.item();
    let file = item.filter(|item| item.kind == Kind::File);
    let (created, modified) = match &place.there {
        There::Nothing => return None,
        There::Site => (&place.web.created, &place.web.created),
        There::Library(list) => (&list.created, &list.created),
        There::Item(item) => (&item.created, &item.modified),
    };
    match name {
        "creationdate" => Some(created.clone()),
        "getlastmodified" => Some(clock::http(modified)),
        "displayname" => Some(escape(match &place.there {
            There::Site => &place.web.title,
            _ => place.path.name(),
        })),
        "getcontentlength" => file.map(|file| file.size.to_string()),
        "getcontenttype" => file.map(|_| "application/octet-stream".to_owned()),
        "getetag" => file.map(|file| escape(&file.etag())),
        "resourcetype" => Some(match place.is_collection() {
            true => "<D:collection/>".to_owned(),
            false => String::new(),
        }),
        "supportedlock" => Some(
            ["exclusive", "shared"]
                .map(|scope| {
                    format!(
                        "<D:lockentry><D:lockscope><D:{scope}/></D:lockscope>\
                         <D:locktype><D:write/></D:locktype></D:lockentry>"
                    )
                })
                .concat(),
        ),
        DISCOVERY => Some(locks.iter().map(active).collect()),
        _ => None,
    }
}

/// A lock, as clients are shown it.
pub(super) fn active(held: &Held) -> String {
    let scope = if held.shared { "shared" } else { "exclusive" };
    let depth = if held.deep { "infinity" } else { "0" };
    let mut xml = format!(
        "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{scope}/></D:lockscope>\
         <D:depth>{depth}</D:depth>"
    );
    if !held.owner.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(xml, "<D:owner>{}</D:owner>", escape(&held.owner));
    }
    let _ = write!(
        xml,
        "<D:timeout>Second-{}</D:timeout><D:locktoken><D:href>{}</D:href></D:locktoken>\
         <D:lockroot><D:href>{}</D:href></D:lockroot></D:activelock>",
        held.seconds(),
        escape(&held.token),
        escape(&held.path.encoded()),
    );
    xml
}
