//! The properties of sites, lists, items, files and people, as clients know them.

use serde_json::json;

use super::entity::Entity;
use crate::sharepoint::farm::Visit;
use crate::sharepoint::library::{Item, Kind, List, Version, Web};
use crate::sharepoint::path::ServerPath;

pub fn web(web: &Web, site: &str) -> Entity {
    let mut entity = Entity::new("SP.Web", "Web");
    for link in ["CurrentUser", "Lists", "RootFolder", "Folders"] {
        entity.link(link);
    }
    entity
        .put("Created", json!(web.created))
        .put("Description", json!(""))
        .put("Id", json!(web.guid))
        .put("Language", json!(1033))
        .put("ServerRelativeUrl", json!(web.path.as_str()))
        .put("Title", json!(web.title))
        .put("UIVersion", json!(15))
        .put("Url", json!(site))
        .put("WebTemplate", json!("STS"));
    entity
}

/// The address of a list.
pub fn list_address(list: &List) -> String {
    format!("Web/Lists(guid'{}')", list.guid)
}

/// The type of a list's items.
pub fn item_type(list: &List) -> String {
    let name = list.path.name().replace(' ', "_x0020_");
    let end = if list.is_library() {
        "Item"
    } else {
        "ListItem"
    };
    format!("SP.Data.{name}{end}")
}

pub fn list(list: &List) -> Entity {
    let mut entity = Entity::new("SP.List", &list_address(list));
    entity.link("Items").link("RootFolder");
    entity
        .put("BaseTemplate", json!(list.template))
        .put("BaseType", json!(i32::from(list.is_library())))
        .put("Created", json!(list.created))
        .put("Description", json!(""))
        .put("EnableVersioning", json!(list.is_library()))
        .put("Hidden", json!(false))
        .put("Id", json!(list.guid))
        .put("ItemCount", json!(list.items))
        .put("ListItemEntityTypeFullName", json!(item_type(list)))
        .put("Title", json!(list.title));
    entity
}

pub fn item(list: &List, item: &Item) -> Entity {
    let address = format!("{}/Items({})", list_address(list), item.id);
    let mut entity = Entity::new(&item_type(list), &address);
    entity.etag = Some(format!("\"{}\"", item.revision));
    entity.link("ParentList");
    if item.kind != Kind::Entry {
        entity.link("File").link("Folder");
    }
    entity
        .put(
            "FileSystemObjectType",
            json!(i32::from(item.kind == Kind::Folder)),
        )
        .put("Id", json!(item.id))
        .put("ID", json!(item.id))
        .put("Title", json!(item.title))
        .put("Created", json!(item.created))
        .put("Modified", json!(item.modified))
        .put("GUID", json!(item.guid));
    if item.kind == Kind::Entry {
        for (name, value) in &item.fields {
            entity.put(name, value.clone());
        }
    } else {
        entity
            .put("FileRef", json!(item.path.as_str()))
            .put("FileLeafRef", json!(item.path.name()));
    }
    entity
}

fn quoted(path: &ServerPath) -> String {
    path.encoded().replace('\'', "''")
}

pub fn file(file: &Item) -> Entity {
    let address = format!("Web/GetFileByServerRelativeUrl('{}')", quoted(&file.path));
    let mut entity = Entity::new("SP.File", &address);
    for link in ["ListItemAllFields", "Versions"] {
        entity.link(link);
    }
    entity
        .put("CheckInComment", json!(""))
        .put("CheckOutType", json!(2))
        .put(
            "ContentTag",
            json!(format!(
                "{{{}}},{},1",
                file.guid.to_uppercase(),
                file.version
            )),
        )
        .put("ETag", json!(file.etag()))
        .put("Exists", json!(true))
        .put("Length", json!(file.size.to_string()))
        .put("Level", json!(1))
        .put("MajorVersion", json!(file.version))
        .put("MinorVersion", json!(0))
        .put("Name", json!(file.path.name()))
        .put("ServerRelativeUrl", json!(file.path.as_str()))
        .put("TimeCreated", json!(file.created))
        .put("TimeLastModified", json!(file.modified))
        .put("Title", json!(file.title))
        .put("UIVersion", json!(file.version * 512))
        .put("UIVersionLabel", json!(format!("{}.0", file.version)))
        .put("UniqueId", json!(file.guid));
    entity
}

pub fn folder(path: &ServerPath, item: Option<&Item>) -> Entity {
    let address = format!("Web/GetFolderByServerRelativeUrl('{}')", quoted(path));
    let mut entity = Entity::new("SP.Folder", &address);
    for link in ["Files", "Folders"] {
        entity.link(link);
    }
    entity
        .put("Name", json!(path.name()))
        .put("ServerRelativeUrl", json!(path.as_str()))
        .put("WelcomePage", json!(""));
    if let Some(item) = item {
        entity
            .put("TimeCreated", json!(item.created))
            .put("TimeLastModified", json!(item.modified))
            .put("UniqueId", json!(item.guid));
    }
    entity
}

pub fn version(file: &Item, version: &Version) -> Entity {
    let number = version.version * 512;
    let address = format!(
        "Web/GetFileByServerRelativeUrl('{}')/Versions({number})",
        quoted(&file.path)
    );
    let mut entity = Entity::new("SP.FileVersion", &address);
    entity
        .put("CheckInComment", json!(""))
        .put("Created", json!(version.modified))
        .put("ID", json!(number))
        .put("IsCurrentVersion", json!(version.current))
        .put("Size", json!(version.size))
        .put(
            "Url",
            json!(format!("_vti_history/{number}{}", file.path.as_str())),
        )
        .put("VersionLabel", json!(format!("{}.0", version.version)));
    entity
}

pub fn current_user(visit: &Visit<'_>) -> Entity {
    let who = visit.principal;
    let mut entity = Entity::new("SP.User", "Web/CurrentUser");
    entity
        .put("Email", json!(who.mail.as_deref().unwrap_or_default()))
        .put("Id", json!(number(&who.login)))
        .put("IsHiddenInUI", json!(false))
        .put("IsSiteAdmin", json!(false))
        .put("LoginName", json!(who.login))
        .put("PrincipalType", json!(1))
        .put("Title", json!(who.title));
    entity
}

/// A number of somebody, the same on all front ends.
fn number(login: &str) -> u32 {
    let digest = ring::digest::digest(&ring::digest::SHA256, login.to_lowercase().as_bytes());
    let bytes = digest
        .as_ref()
        .first_chunk::<4>()
        .copied()
        .unwrap_or_default();
    u32::from_be_bytes(bytes) >> 8
}
