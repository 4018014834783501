//! PROPFIND and PROPPATCH.

use std::fmt::Write;

use hyper::{Response, StatusCode};
use serde_json::{Map, Value};

use super::place::Place;
use super::properties::{self, DISCOVERY, LIVE};
use super::xml::{self, DAV, Element, escape};
use crate::http::body::Body;
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Trouble, Visit};
use crate::sharepoint::library::{Expected, Held};

/// Longest value of a property that a client notes, in bytes.
const LONGEST: usize = 8 << 10;
/// Most properties of a client.
const MOST: usize = 100;

/// What of its properties is asked for.
enum Wanted {
    All,
    Names,
    These(Vec<Element>),
}

pub(super) async fn find(visit: &Visit<'_>, place: &Place) -> Answered {
    if !place.is_there() {
        return Err(Trouble::missing("document"));
    }
    let depth = visit.header("depth").unwrap_or("infinity");
    if depth == "infinity" {
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
            <D:error xmlns:D=\"DAV:\"><D:propfind-finite-depth/></D:error>";
        return Ok(answer::with(
            StatusCode::FORBIDDEN,
            "text/xml; charset=utf-8",
            text,
        ));
    }
    if !matches!(depth, "0" | "1") {
        return Err(Trouble::bad("the depth is 0 or 1"));
    }
    let wanted = wanted(&visit.body)?;
    let library = &visit.farm.library;
    let locks = library
        .locks(Some(visit.conversation), &place.web, &place.path, true)
        .await?;
    let mut out = begin();
    describe(&mut out, place, &wanted, &locks);
    if depth == "1" {
        for child in place.children(visit).await? {
            describe(&mut out, &child, &wanted, &locks);
        }
    }
    Ok(multi(out))
}

fn wanted(body: &[u8]) -> Result<Wanted, Trouble> {
    if body.is_empty() {
        return Ok(Wanted::All);
    }
    let root = xml::parse(body).filter(|root| root.is("propfind"));
    let root = root.ok_or_else(|| Trouble::bad("the body is no propfind element"))?;
    if root.child("propname").is_some() {
        return Ok(Wanted::Names);
    }
    match root.child("prop") {
        Some(prop) => Ok(Wanted::These(prop.children.clone())),
        None if root.child("allprop").is_some() => Ok(Wanted::All),
        None => Err(Trouble::bad("the propfind element asks for nothing")),
    }
}

fn describe(out: &mut String, place: &Place, wanted: &Wanted, locks: &[Held]) {
    let here: Vec<Held> = locks
        .iter()
        .filter(|held| held.path == place.path || held.deep && place.path.is_in(&held.path))
        .cloned()
        .collect();
    let own = |name: &str| Element {
        space: DAV.to_owned(),
        name: name.to_owned(),
        ..Element::default()
    };
    let mut all: Vec<Element> = LIVE
        .iter()
        .chain([&DISCOVERY])
        .map(|name| own(name))
        .collect();
    if let Some(item) = place.item() {
        let foreign = item.fields.keys().filter_map(|key| {
            let (space, name) = key.strip_prefix('{')?.split_once('}')?;
            Some(Element {
                space: space.to_owned(),
                name: name.to_owned(),
                ..Element::default()
            })
        });
        all.extend(foreign);
    }
    let (mut found, mut missing) = (String::new(), String::new());
    let asked = match wanted {
        Wanted::These(asked) => asked,
        Wanted::All | Wanted::Names => &all,
    };
    for property in asked {
        match (wanted, properties::value(place, property, &here)) {
            (Wanted::Names, Some(_)) => found.push_str(&properties::foreign(property, None)),
            (_, Some(value)) => found.push_str(&value),
            (Wanted::These(_), None) => missing.push_str(&properties::foreign(property, None)),
            _ => {}
        }
    }
    let slash = match place.is_collection() && place.path.as_str() != "/" {
        true => "/",
        false => "",
    };
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<D:response><D:href>{}{slash}</D:href>",
        escape(&place.path.encoded())
    );
    status(out, &found, "200 OK");
    if !missing.is_empty() {
        status(out, &missing, "404 Not Found");
    }
    out.push_str("</D:response>");
}

fn status(out: &mut String, properties: &str, status: &str) {
    let _ = write!(
        out,
        "<D:propstat><D:prop>{properties}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
    );
}

fn begin() -> String {
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">".to_owned()
}

fn multi(mut out: String) -> Response<Body> {
    out.push_str("</D:multistatus>");
    answer::with(StatusCode::MULTI_STATUS, "text/xml; charset=utf-8", out)
}

/// Notes or forgets properties of clients: all of them, or none.
pub(super) async fn patch(visit: &Visit<'_>, place: &Place, tokens: &[String]) -> Answered {
    let root = xml::parse(&visit.body).filter(|root| root.is("propertyupdate"));
    let root = root.ok_or_else(|| Trouble::bad("the body is no propertyupdate element"))?;
    if !place.is_there() {
        return Err(Trouble::missing("document"));
    }
    let mut changes = Map::new();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for action in &root.children {
        let set = action.is("set");
        if !set && !action.is("remove") {
            continue;
        }
        for property in action
            .child("prop")
            .map(|prop| prop.children.as_slice())
            .unwrap_or_default()
        {
            let value = property.whole_text();
            let too_much = value.len() > LONGEST || changes.len() >= MOST;
            if properties::is_protected(property) || place.item().is_none() || too_much {
                bad.push(property);
                continue;
            }
            let value = if set { Value::from(value) } else { Value::Null };
            changes.insert(properties::key(property), value);
            good.push(property);
        }
    }
    if bad.is_empty() {
        let library = &visit.farm.library;
        let any = Expected::default();
        let (on, web, path) = (visit.conversation, &place.web, &place.path);
        library
            .merge(on, web, path, None, &changes, &any, visit.by(), tokens)
            .await?;
    }
    let names = |properties: &[&Element]| -> String {
        properties
            .iter()
            .map(|property| properties::foreign(property, None))
            .collect()
    };
    let mut out = begin();
    let _ = write!(
        out,
        "<D:response><D:href>{}</D:href>",
        escape(&place.path.encoded())
    );
    match bad.is_empty() {
        true => status(&mut out, &names(&good), "200 OK"),
        false => {
            status(&mut out, &names(&bad), "403 Forbidden");
            if !good.is_empty() {
                status(&mut out, &names(&good), "424 Failed Dependency");
            }
        }
    }
    out.push_str("</D:response>");
    Ok(multi(out))
}
