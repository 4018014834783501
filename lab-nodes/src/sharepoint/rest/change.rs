//! POST, MERGE, PUT and DELETE.

use hyper::StatusCode;
use hyper::header::ETAG;
use serde_json::{Map, Value};

use super::node::{self, Node};
use super::{Call, describe, entity, written};
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Need, Trouble};
use crate::sharepoint::library::{Carry, Expected, NewFile};

/// Longest content of one field, and most fields of an item.
const LONGEST: usize = 64 << 10;
const MOST: usize = 100;
/// Fields that nobody sets.
const READ_ONLY: [&str; 8] = [
    "Id",
    "ID",
    "Created",
    "Modified",
    "GUID",
    "FileSystemObjectType",
    "FileRef",
    "FileLeafRef",
];

pub(super) async fn answer(call: &Call<'_>) -> Answered {
    call.visit.may(&call.web, Need::Write)?;
    let Some((last, before)) = call.segments.split_last() else {
        return Err(Trouble::missing("resource"));
    };
    let parent = match before.is_empty() {
        true => None,
        false => Some(node::find(call, before).await?),
    };
    let creates = call.method == "POST";
    match (parent, last.name.as_str()) {
        (Some(Node::Files(folder)), "add") if creates => {
            let name = last.argument("url", 0).unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default();
            let overwrite = last.argument("overwrite", 1).unwrap_or("false");
            return add(
                call,
                &folder.join(name)?,
                overwrite.eq_ignore_ascii_case("true"),
            )
            .await;
        }
        (Some(Node::Folders(folder)), "add") if creates => {
            let path = folder.join(last.argument("url", 0).unwrap_or_default())?;
            return make_folder(call, &path).await;
        }
        (Some(Node::Folder(folder, _)), "folders") if creates => {
            let body = body(call)?;
            let path = named(&body, "ServerRelativeUrl").unwrap_or_default();
            let path = match path.contains('/') {
                true => node::under(call, path)?,
                false => folder.join(path)?,
            };
            return make_folder(call, &path).await;
        }
        (Some(Node::Web), "folders") if creates => {
            let body = body(call)?;
            let path = named(&body, "ServerRelativeUrl").unwrap_or_default();
            return make_folder(call, &node::under(call, path)?).await;
        }
        (Some(Node::List(list)), "items") if creates && last.arguments.is_empty() => {
            if list.is_library() {
                return Err(Trouble::bad(
                    "to add a document, add a file to the library's folder",
                ));
            }
            let (title, fields) = fields(call)?;
            let library = &call.visit.farm.library;
            let (on, by) = (call.visit.conversation, call.visit.by());
            let title = title.unwrap_or_default();
            let item = library
                .add_entry(on, &call.web, &list, &title, &fields, by)
                .await?;
            let made = describe::item(&list, &item);
            return Ok(written(call, &made, StatusCode::CREATED));
        }
        (Some(Node::File(file)), "moveto" | "copyto") if creates => {
            let to = last
                .argument("newurl", 0)
                .or_else(|| last.argument("strnewurl", 0));
            let to = node::under(call, to.unwrap_or_default())?;
            let flags = last.argument("flags", 1).unwrap_or("0");
            let overwrite = last.argument("boverwrite", 1).unwrap_or("false");
            let carry = Carry {
                copy: last.name == "copyto",
                deep: true,
                overwrite: flags == "1" || overwrite.eq_ignore_ascii_case("true"),
                by: call.visit.by(),
                tokens: &[],
            };
            let library = &call.visit.farm.library;
            library
                .carry(call.visit.conversation, &call.web, &file.path, &to, carry)
                .await?;
            return Ok(done(call, &last.name));
        }
        (Some(Node::File(file)), "recycle" | "deleteobject") if creates => {
            return remove(call, &file.path).await;
        }
        (Some(Node::Folder(_, Some(folder))), "recycle" | "deleteobject") if creates => {
            return remove(call, &folder.path).await;
        }
        (Some(Node::Item(_, item)), "recycle" | "deleteobject") if creates => {
            return remove(call, &item.path).await;
        }
        _ => {}
    }
    let node = node::find(call, &call.segments).await?;
    match (node, call.method.as_str()) {
        (Node::Content(file), "PUT") => {
            let library = &call.visit.farm.library;
            let on = Some(call.visit.conversation);
            let (item, _) = library
                .put_file(on, &call.web, &file.path, new(call, true))
                .await?;
            let mut response = answer::bare(StatusCode::NO_CONTENT);
            answer::set(&mut response, ETAG, &item.etag());
            Ok(response)
        }
        (Node::Item(_, item), "MERGE" | "PATCH" | "PUT") => {
            let (title, fields) = fields(call)?;
            let library = &call.visit.farm.library;
            let (on, by) = (call.visit.conversation, call.visit.by());
            let expected = expected(call, &item.etag(), item.revision);
            let title = title.as_deref();
            let merged = library
                .merge(
                    on,
                    &call.web,
                    &item.path,
                    title,
                    &fields,
                    &expected,
                    by,
                    &[],
                )
                .await?;
            let mut response = answer::bare(StatusCode::NO_CONTENT);
            answer::set(&mut response, ETAG, &format!("\"{}\"", merged.revision));
            Ok(response)
        }
        (Node::Item(_, item) | Node::File(item) | Node::Folder(_, Some(item)), "DELETE") => {
            let expected = expected(call, &item.etag(), item.revision);
            let library = &call.visit.farm.library;
            library
                .delete(
                    call.visit.conversation,
                    &call.web,
                    &item.path,
                    &expected,
                    &[],
                )
                .await?;
            Ok(answer::bare(StatusCode::OK))
        }
        _ => Err(Trouble::Refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "this can't be done with what the address names".to_owned(),
        )),
    }
}

/// What is expected; a client may name an item of a library by its revision alone.
fn expected(call: &Call<'_>, tag: &str, revision: i64) -> Expected {
    let short = format!("\"{revision}\"");
    let mut expected = answer::expected(call.visit.headers);
    let tags = expected
        .matching
        .iter_mut()
        .chain(expected.none_matching.iter_mut());
    for one in tags.flatten() {
        if *one == short {
            tag.clone_into(one);
        }
    }
    expected
}

fn new<'a>(call: &'a Call<'_>, overwrite: bool) -> NewFile<'a> {
    NewFile {
        content: &call.visit.body,
        by: call.visit.by(),
        overwrite,
        expected: answer::expected(call.visit.headers),
        tokens: &[],
    }
}

async fn add(
    call: &Call<'_>,
    path: &crate::sharepoint::path::ServerPath,
    overwrite: bool,
) -> Answered {
    let library = &call.visit.farm.library;
    let on = Some(call.visit.conversation);
    let (item, _) = library
        .put_file(on, &call.web, path, new(call, overwrite))
        .await?;
    Ok(written(call, &describe::file(&item), StatusCode::OK))
}

async fn make_folder(call: &Call<'_>, path: &crate::sharepoint::path::ServerPath) -> Answered {
    let library = &call.visit.farm.library;
    let (on, by) = (call.visit.conversation, call.visit.by());
    let item = library.make_folder(on, &call.web, path, by, &[]).await?;
    let folder = describe::folder(&item.path, Some(&item));
    Ok(written(call, &folder, StatusCode::CREATED))
}

async fn remove(call: &Call<'_>, path: &crate::sharepoint::path::ServerPath) -> Answered {
    let library = &call.visit.farm.library;
    let expected = answer::expected(call.visit.headers);
    library
        .delete(call.visit.conversation, &call.web, path, &expected, &[])
        .await?;
    Ok(done(call, "Recycle"))
}

fn done(call: &Call<'_>, name: &str) -> hyper::Response<crate::http::body::Body> {
    let text = entity::value(name, &Value::Null, "", call.form, &call.site);
    answer::with(StatusCode::OK, call.form.content_type(), text)
}

fn body(call: &Call<'_>) -> Result<Map<String, Value>, Trouble> {
    let body: Value = serde_json::from_slice(&call.visit.body)
        .map_err(|error| Trouble::bad(format!("the body is no JSON: {error}")))?;
    match body {
        Value::Object(map) => Ok(map),
        _ => Err(Trouble::bad("the body is no JSON object")),
    }
}

fn named<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    let found = map.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str())
}

/// The title and the other fields of an item.
fn fields(call: &Call<'_>) -> Result<(Option<String>, Map<String, Value>), Trouble> {
    let mut title = None;
    let mut fields = Map::new();
    for (name, value) in body(call)? {
        if name.starts_with("__")
            || name.starts_with("odata.")
            || READ_ONLY.contains(&name.as_str())
        {
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(Trouble::bad("a field has a name that no field has"));
        }
        if value.to_string().len() > LONGEST || fields.len() >= MOST {
            return Err(Trouble::bad("the item is too large"));
        }
        match (name.as_str(), value) {
            ("Title", Value::String(text)) if text.chars().count() <= 255 => title = Some(text),
            ("Title", Value::Null) => title = Some(String::new()),
            ("Title", _) => return Err(Trouble::bad("a title is text of at most 255 characters")),
            (_, value) => {
                fields.insert(name, value);
            }
        }
    }
    Ok((title, fields))
}
