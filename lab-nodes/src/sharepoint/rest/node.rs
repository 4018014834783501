//! From segment to segment to what an address names.

use serde_json::Value as Json;

use super::Call;
use super::address::Segment;
use super::describe;
use super::entity::{Entity, Linked};
use crate::sharepoint::farm::Trouble;
use crate::sharepoint::library::{Item, Kind, List};
use crate::sharepoint::path::ServerPath;
use crate::sql_client::Value;

/// Something that an address names.
pub(super) enum Node {
    Web,
    Lists,
    List(List),
    Items(List),
    Item(List, Item),
    Folder(ServerPath, Option<Item>),
    Folders(ServerPath),
    Files(ServerPath),
    File(Item),
    /// The bytes of a file.
    Content(Item),
    Versions(Item),
    Version(Item, i64),
    OldContent(Vec<u8>),
    User,
    /// A property.
    Value(String, Json),
    /// A property alone.
    Raw(String),
}

impl Node {
    pub fn is_many(&self) -> bool {
        matches!(
            self,
            Self::Lists | Self::Items(_) | Self::Folders(_) | Self::Files(_) | Self::Versions(_)
        )
    }

    /// Where a collection is.
    pub fn address(&self) -> String {
        match self {
            Self::Lists => "Web/Lists".to_owned(),
            Self::Items(list) => format!("{}/Items", describe::list_address(list)),
            Self::Folders(path) => format!("Web/Folders('{}')", path.encoded()),
            Self::Files(path) => format!("Web/Files('{}')", path.encoded()),
            _ => "Versions".to_owned(),
        }
    }
}

/// What these segments name.
///
/// # Errors
/// Nothing of that name is there.
pub(super) async fn find(call: &Call<'_>, segments: &[Segment]) -> Result<Node, Trouble> {
    let mut node = match segments.first().map(|first| first.name.as_str()) {
        Some("web") => Node::Web,
        Some("site") => Node::Web,
        _ => return Err(Trouble::missing("resource")),
    };
    for segment in segments.iter().skip(1) {
        node = step(call, node, segment).await?;
    }
    Ok(node)
}

async fn step(call: &Call<'_>, node: Node, segment: &Segment) -> Result<Node, Trouble> {
    let (library, on, web) = (&call.visit.farm.library, call.visit.conversation, &call.web);
    let first = segment.argument("", 0);
    let path = |names: [&str; 2]| {
        let text = names.iter().find_map(|name| segment.argument(name, 0));
        let text = text.ok_or_else(|| Trouble::bad("the address lacks a path"))?;
        under(call, text)
    };
    Ok(match (node, segment.name.as_str()) {
        (Node::Web, "rootweb" | "web") => Node::Web,
        (Node::Web, "currentuser") => Node::User,
        (Node::Web, "rootfolder") => Node::Folder(web.path.clone(), None),
        (Node::Web, "folders") => match first {
            Some(name) => folder(call, &web.path.join(name)?).await?,
            None => Node::Folders(web.path.clone()),
        },
        (Node::Web, "lists") => match first {
            Some(guid) => list(call, |list| list.guid.eq_ignore_ascii_case(guid)).await?,
            None => Node::Lists,
        },
        (Node::Web, "getlist") => {
            let path = path(["strurl", ""])?;
            list(call, |list| list.path == path).await?
        }
        (Node::Lists, "getbytitle") => {
            let title = segment.argument("title", 0).unwrap_or_default();
            list(call, |list| {
                list.title.to_lowercase() == title.to_lowercase()
            })
            .await?
        }
        (Node::Lists, "getbyid") => {
            let guid = segment.argument("id", 0).unwrap_or_default();
            list(call, |list| list.guid.eq_ignore_ascii_case(guid)).await?
        }
        (Node::Web, "getfilebyserverrelativeurl" | "getfilebyserverrelativepath") => {
            file(call, &path(["serverrelativeurl", "decodedurl"])?).await?
        }
        (Node::Web, "getfolderbyserverrelativeurl" | "getfolderbyserverrelativepath") => {
            folder(call, &path(["serverrelativeurl", "decodedurl"])?).await?
        }
        (Node::Web, "getfilebyid") => {
            let guid = Value::from(first.unwrap_or_default());
            let item = library.item_by(on, web, "Guid", guid).await?;
            let item = item.filter(|item| item.kind == Kind::File);
            Node::File(item.ok_or_else(|| Trouble::missing("file"))?)
        }
        (Node::List(list), "items") => match first {
            Some(id) => item(call, list, id).await?,
            None => Node::Items(list),
        },
        (Node::List(list), "getitembyid") => {
            let id = segment.argument("id", 0).unwrap_or_default();
            item(call, list, id).await?
        }
        (Node::Items(list), "getbyid") => {
            let id = segment.argument("id", 0).unwrap_or_default();
            item(call, list, id).await?
        }
        (Node::List(list), "rootfolder") => Node::Folder(list.path, None),
        (Node::Item(_, item), "file") if item.kind == Kind::File => Node::File(item),
        (Node::Item(_, item), "folder") if item.kind == Kind::Folder => {
            Node::Folder(item.path.clone(), Some(item))
        }
        (Node::Item(list, _), "parentlist") => Node::List(list),
        (Node::Folder(path, _), "files") => match first {
            Some(name) => file(call, &path.join(name)?).await?,
            None => Node::Files(path),
        },
        (Node::Folder(path, _), "folders") => match first {
            Some(name) => folder(call, &path.join(name)?).await?,
            None => Node::Folders(path),
        },
        (Node::Files(path), "getbyurl") => {
            file(
                call,
                &path.join(segment.argument("url", 0).unwrap_or_default())?,
            )
            .await?
        }
        (Node::File(file), "$value") => Node::Content(file),
        (Node::File(file), "listitemallfields") => {
            let found = list(call, |list| list.id == file.list).await?;
            match found {
                Node::List(list) => Node::Item(list, file),
                other => other,
            }
        }
        (Node::File(file), "versions") => match first {
            Some(id) => Node::Version(file, id.parse().unwrap_or(0)),
            None => Node::Versions(file),
        },
        (Node::Versions(file), "getbyid") => {
            let id = segment.argument("vid", 0).unwrap_or_default();
            Node::Version(file, id.parse().unwrap_or(0))
        }
        (Node::Version(file, id), "$value") => {
            let content = library.old_content(on, file.id, id / 512).await?;
            Node::OldContent(content.ok_or_else(|| Trouble::missing("version"))?)
        }
        (Node::Value(_, value), "$value") => Node::Raw(match value {
            Json::String(text) => text,
            other => other.to_string(),
        }),
        (node, name) if !node.is_many() => {
            let entity = entity(call, &node)?;
            let property = entity
                .property(name)
                .ok_or_else(|| Trouble::missing("resource"))?;
            Node::Value(property.0.to_owned(), property.1.clone())
        }
        _ => return Err(Trouble::missing("resource")),
    })
}

/// A server-relative path; one that begins with no slash is below the site.
pub(super) fn under(call: &Call<'_>, text: &str) -> Result<ServerPath, Trouble> {
    let path = match text.starts_with('/') {
        true => ServerPath::new(text)?,
        false => {
            let site = call.web.path.as_str().trim_end_matches('/');
            ServerPath::new(&format!("{site}/{text}"))?
        }
    };
    match path.is_in(&call.web.path) {
        true => Ok(path),
        false => Err(Trouble::missing("file")),
    }
}

async fn list(call: &Call<'_>, which: impl Fn(&List) -> bool) -> Result<Node, Trouble> {
    let lists = call
        .visit
        .farm
        .library
        .lists(call.visit.conversation, &call.web)
        .await?;
    let list = lists.into_iter().find(which);
    list.map(Node::List).ok_or_else(|| Trouble::missing("list"))
}

async fn item(call: &Call<'_>, list: List, id: &str) -> Result<Node, Trouble> {
    let id: i64 = id
        .parse()
        .map_err(|_| Trouble::bad("an item's id is a number"))?;
    let library = &call.visit.farm.library;
    let found = library
        .item_by(call.visit.conversation, &call.web, "Id", Value::Int(id))
        .await?;
    let found = found.filter(|item| item.list == list.id);
    let item = found.ok_or_else(|| Trouble::missing("item"))?;
    Ok(Node::Item(list, item))
}

async fn file(call: &Call<'_>, path: &ServerPath) -> Result<Node, Trouble> {
    let library = &call.visit.farm.library;
    let found = library
        .item(call.visit.conversation, &call.web, path)
        .await?;
    let found = found.filter(|item| item.kind == Kind::File);
    found
        .map(Node::File)
        .ok_or_else(|| Trouble::missing("file"))
}

async fn folder(call: &Call<'_>, path: &ServerPath) -> Result<Node, Trouble> {
    let library = &call.visit.farm.library;
    let on = call.visit.conversation;
    if *path == call.web.path {
        return Ok(Node::Folder(path.clone(), None));
    }
    if let Some(item) = library.item(on, &call.web, path).await? {
        if item.kind == Kind::Folder {
            return Ok(Node::Folder(item.path.clone(), Some(item)));
        }
        return Err(Trouble::missing("folder"));
    }
    let list = library.list_at(on, &call.web, path).await?;
    let list = list.filter(|list| list.path.is_in(path));
    let list = list.ok_or_else(|| Trouble::missing("folder"))?;
    Ok(Node::Folder(list.path, None))
}

/// The properties of one thing.
pub(super) fn entity(call: &Call<'_>, node: &Node) -> Result<Entity, Trouble> {
    Ok(match node {
        Node::Web => describe::web(&call.web, &call.site),
        Node::List(list) => describe::list(list),
        Node::Item(list, item) => describe::item(list, item),
        Node::Folder(path, item) => describe::folder(path, item.as_ref()),
        Node::File(file) => describe::file(file),
        Node::User => describe::current_user(call.visit),
        _ => return Err(Trouble::missing("resource")),
    })
}

/// The members of a collection.
pub(super) async fn members(call: &Call<'_>, node: &Node) -> Result<Vec<Entity>, Trouble> {
    let (library, on, web) = (&call.visit.farm.library, call.visit.conversation, &call.web);
    Ok(match node {
        Node::Lists => {
            let lists = library.lists(on, web).await?;
            lists.iter().map(describe::list).collect()
        }
        Node::Items(list) => {
            let items = library.items(on, list).await?;
            items
                .iter()
                .map(|item| describe::item(list, item))
                .collect()
        }
        Node::Files(path) => {
            let items = library.children(on, web, path).await?;
            let files = items.iter().filter(|item| item.kind == Kind::File);
            files.map(describe::file).collect()
        }
        Node::Folders(path) if *path == web.path => {
            let lists = library.lists(on, web).await?;
            let libraries = lists.iter().filter(|list| list.is_library());
            libraries
                .map(|list| describe::folder(&list.path, None))
                .collect()
        }
        Node::Folders(path) => {
            let items = library.children(on, web, path).await?;
            let folders = items.iter().filter(|item| item.kind == Kind::Folder);
            folders
                .map(|item| describe::folder(&item.path, Some(item)))
                .collect()
        }
        Node::Versions(file) => {
            // SharePoint tells the older ones only.
            let versions = library.versions(on, file).await?;
            let old = versions.iter().filter(|version| !version.current);
            old.map(|version| describe::version(file, version))
                .collect()
        }
        _ => return Err(Trouble::missing("resource")),
    })
}

/// Puts what is wanted of what an entity links to into it.
pub(super) async fn expand(call: &Call<'_>, entity: &mut Entity) -> Result<(), Trouble> {
    for name in entity.links() {
        if !call.options.expands(&name) {
            continue;
        }
        let address = format!("{}/{name}", entity.address);
        let Some(segments) = super::address::parse(&address, |_| None) else {
            continue;
        };
        let node = find(call, &segments).await;
        let linked = match node {
            Ok(node) if node.is_many() => Linked::Many(members(call, &node).await?),
            Ok(node) => Linked::One(Box::new(self::entity(call, &node)?)),
            // A folder has no file, a file no folder.
            Err(_) => continue,
        };
        entity.expand(&name, linked);
    }
    Ok(())
}
