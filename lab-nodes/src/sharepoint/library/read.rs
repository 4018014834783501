//! What front ends ask.

use lab_core::service::Conversation;

use super::model::{Item, Kind, List, StoreError, Version, Web};
use super::{Library, schema};
use crate::sharepoint::path::ServerPath;
use crate::sharepoint::principal::Principal;
use crate::sql_client::{Row, Value};

/// The columns of an item, without its content.
pub(super) const ITEM: &str = "i.Id, i.Guid, i.List, i.Kind, i.Path, i.Title, i.Fields, i.Author, \
    i.AuthorName, i.Editor, i.EditorName, i.Created, i.Modified, i.Version, i.Revision, i.Size";
/// Most items that are read at once.
const MOST: usize = 5000;

impl Library {
    /// The site that a path is in.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn web(
        &self,
        conversation: &Conversation,
        application: &str,
        path: &ServerPath,
    ) -> Result<Option<Web>, StoreError> {
        let sql = "SELECT Id, Guid, Application, Path, Title, Created, Readers, Writers FROM Webs \
                   WHERE Application = @p1 AND (Path = '/' OR Path = @p2)";
        let values = [application.into(), personal_place(path).into()];
        let pool = self.pool(Some(conversation)).await?;
        let rows = pool.query(Some(conversation), sql, &values).await?;
        let webs = rows.iter().filter_map(web);
        let mut around: Vec<Web> = webs.filter(|web| path.is_in(&web.path)).collect();
        around.sort_by_key(|web| web.path.as_str().len());
        Ok(around.pop())
    }

    /// Makes somebody's own site, where it is not there; gives its place.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn personal_web(
        &self,
        conversation: &Conversation,
        application: &str,
        principal: &Principal,
    ) -> Result<ServerPath, StoreError> {
        let path = ServerPath::new(&format!("/personal/{}", principal.account))?;
        let found = self.web(conversation, application, &path).await?;
        if found.is_none_or(|web| web.path != path) {
            let pool = self.pool(Some(conversation)).await?;
            let own = [principal.own_claim()];
            let title = &principal.title;
            let on = Some(conversation);
            schema::make_web(pool, on, application, path.as_str(), title, &own, &own).await?;
        }
        Ok(path)
    }

    /// The lists of a site, each with the number of its items.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn lists(
        &self,
        conversation: &Conversation,
        web: &Web,
    ) -> Result<Vec<List>, StoreError> {
        let sql = "SELECT l.Id, l.Guid, l.Web, l.Title, l.Path, l.Template, l.Created, \
                   (SELECT COUNT(*) FROM Items i WHERE i.List = l.Id AND i.Deleted = 0) AS Items \
                   FROM Lists l WHERE l.Web = @p1 ORDER BY l.Id";
        let pool = self.pool(Some(conversation)).await?;
        let rows = pool
            .query(Some(conversation), sql, &[Value::Int(web.id)])
            .await?;
        Ok(rows.iter().filter_map(list).collect())
    }

    /// The list that a path is in.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn list_at(
        &self,
        conversation: &Conversation,
        web: &Web,
        path: &ServerPath,
    ) -> Result<Option<List>, StoreError> {
        let lists = self.lists(conversation, web).await?;
        Ok(lists.into_iter().find(|list| path.is_in(&list.path)))
    }

    /// What stands at a path.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn item(
        &self,
        conversation: &Conversation,
        web: &Web,
        path: &ServerPath,
    ) -> Result<Option<Item>, StoreError> {
        let sql = format!(
            "SELECT {ITEM} FROM Items i INNER JOIN Lists l ON l.Id = i.List \
             WHERE l.Web = @p1 AND i.Path = @p2 AND i.Deleted = 0"
        );
        let pool = self.pool(Some(conversation)).await?;
        let values = [Value::Int(web.id), path.as_str().into()];
        let rows = pool.query(Some(conversation), &sql, &values).await?;
        Ok(rows.first().and_then(item))
    }

    /// An item by its number or its name for good.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn item_by(
        &self,
        conversation: &Conversation,
        web: &Web,
        column: &'static str,
        value: Value,
    ) -> Result<Option<Item>, StoreError> {
        let sql = format!(
            "SELECT {ITEM} FROM Items i INNER JOIN Lists l ON l.Id = i.List \
             WHERE l.Web = @p1 AND i.{column} = @p2 AND i.Deleted = 0"
        );
        let pool = self.pool(Some(conversation)).await?;
        let values = [Value::Int(web.id), value];
        let rows = pool.query(Some(conversation), &sql, &values).await?;
        Ok(rows.first().and_then(item))
    }

    /// The file of that name for good, in whichever site it is.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn file_anywhere(
        &self,
        conversation: Option<&Conversation>,
        guid: &str,
    ) -> Result<Option<(Web, Item)>, StoreError> {
        let sql = format!(
            "SELECT {ITEM}, w.Id AS WId, w.Guid AS WGuid, w.Application, w.Path AS WPath, \
             w.Title AS WTitle, w.Created AS WCreated, w.Readers, w.Writers \
             FROM Items i INNER JOIN Lists l ON l.Id = i.List INNER JOIN Webs w ON w.Id = l.Web \
             WHERE i.Guid = @p1 AND i.Kind = 0 AND i.Deleted = 0"
        );
        let pool = self.pool(conversation).await?;
        let rows = pool.query(conversation, &sql, &[guid.into()]).await?;
        let found = rows.first().and_then(|row| {
            let web = Web {
                id: row.int("WId")?,
                guid: text(row, "WGuid"),
                application: text(row, "Application"),
                path: ServerPath::new(row.text("WPath")?).ok()?,
                title: text(row, "WTitle"),
                created: text(row, "WCreated"),
                readers: lines(row, "Readers"),
                writers: lines(row, "Writers"),
            };
            Some((web, item(row)?))
        });
        Ok(found)
    }

    /// What is directly in a folder or in the root of a list, by name.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn children(
        &self,
        conversation: &Conversation,
        web: &Web,
        folder: &ServerPath,
    ) -> Result<Vec<Item>, StoreError> {
        let sql = format!(
            "SELECT TOP {MOST} {ITEM} FROM Items i INNER JOIN Lists l ON l.Id = i.List \
             WHERE l.Web = @p1 AND i.Parent = @p2 AND i.Deleted = 0 ORDER BY i.Path"
        );
        let pool = self.pool(Some(conversation)).await?;
        let values = [Value::Int(web.id), folder.as_str().into()];
        let rows = pool.query(Some(conversation), &sql, &values).await?;
        Ok(rows.iter().filter_map(item).collect())
    }

    /// All items of a list, by number.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn items(
        &self,
        conversation: &Conversation,
        list: &List,
    ) -> Result<Vec<Item>, StoreError> {
        let sql = format!(
            "SELECT TOP {MOST} {ITEM} FROM Items i WHERE i.List = @p1 AND i.Deleted = 0 ORDER BY i.Id"
        );
        let pool = self.pool(Some(conversation)).await?;
        let rows = pool
            .query(Some(conversation), &sql, &[Value::Int(list.id)])
            .await?;
        Ok(rows.iter().filter_map(item).collect())
    }

    /// The content of a file.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn content(
        &self,
        conversation: Option<&Conversation>,
        file: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT Content FROM Items WHERE Id = @p1 AND Deleted = 0 AND Kind = 0";
        self.bytes(conversation, sql, &[Value::Int(file)]).await
    }

    /// The content of an older version.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn old_content(
        &self,
        conversation: &Conversation,
        file: i64,
        version: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT Content FROM Versions WHERE Item = @p1 AND Version = @p2";
        let values = [Value::Int(file), Value::Int(version)];
        self.bytes(Some(conversation), sql, &values).await
    }

    async fn bytes(
        &self,
        conversation: Option<&Conversation>,
        sql: &str,
        values: &[Value],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let pool = self.pool(conversation).await?;
        let rows = pool.query(conversation, sql, values).await?;
        let content = |row: &Row| row.bytes("Content").unwrap_or_default().to_vec();
        Ok(rows.first().map(content))
    }

    /// The versions of a file, the newest first.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn versions(
        &self,
        conversation: &Conversation,
        file: &Item,
    ) -> Result<Vec<Version>, StoreError> {
        let sql = "SELECT Version, Size, EditorName, Modified FROM Versions WHERE Item = @p1 \
                   ORDER BY Version DESC";
        let pool = self.pool(Some(conversation)).await?;
        let rows = pool
            .query(Some(conversation), sql, &[Value::Int(file.id)])
            .await?;
        let old = rows.iter().map(|row| Version {
            version: row.int("Version").unwrap_or_default(),
            size: row.int("Size").unwrap_or_default(),
            editor_name: text(row, "EditorName"),
            modified: text(row, "Modified"),
            current: false,
        });
        let newest = Version {
            version: file.version,
            size: file.size,
            editor_name: file.editor_name.clone(),
            modified: file.modified.clone(),
            current: true,
        };
        Ok(std::iter::once(newest).chain(old).collect())
    }
}

/// `/personal/NAME` of a path that is there or below; else the root.
fn personal_place(path: &ServerPath) -> String {
    let mut names = path.as_str().split('/').skip(1);
    match (names.next(), names.next()) {
        (Some(first), Some(name)) if first.eq_ignore_ascii_case("personal") => {
            format!("/personal/{name}")
        }
        _ => "/".to_owned(),
    }
}

fn text(row: &Row, column: &str) -> String {
    row.text(column).unwrap_or_default().to_owned()
}

fn lines(row: &Row, column: &str) -> Vec<String> {
    let lines = row.text(column).unwrap_or_default().lines();
    lines.map(str::to_owned).collect()
}

fn web(row: &Row) -> Option<Web> {
    Some(Web {
        id: row.int("Id")?,
        guid: text(row, "Guid"),
        application: text(row, "Application"),
        path: ServerPath::new(row.text("Path")?).ok()?,
        title: text(row, "Title"),
        created: text(row, "Created"),
        readers: lines(row, "Readers"),
        writers: lines(row, "Writers"),
    })
}

fn list(row: &Row) -> Option<List> {
    Some(List {
        id: row.int("Id")?,
        guid: text(row, "Guid"),
        web: row.int("Web")?,
        title: text(row, "Title"),
        path: ServerPath::new(row.text("Path")?).ok()?,
        template: row.int("Template")?,
        created: text(row, "Created"),
        items: row.int("Items").unwrap_or_default(),
    })
}

pub(super) fn item(row: &Row) -> Option<Item> {
    Some(Item {
        id: row.int("Id")?,
        guid: text(row, "Guid"),
        list: row.int("List")?,
        kind: Kind::of(row.int("Kind")?),
        path: ServerPath::new(row.text("Path")?).ok()?,
        title: text(row, "Title"),
        fields: serde_json::from_str(row.text("Fields").unwrap_or("{}")).unwrap_or_default(),
        author: text(row, "Author"),
        author_name: text(row, "AuthorName"),
        editor: text(row, "Editor"),
        editor_name: text(row, "EditorName"),
        created: text(row, "Created"),
        modified: text(row, "Modified"),
        version: row.int("Version")?,
        revision: row.int("Revision")?,
        size: row.int("Size").unwrap_or_default(),
    })
}
