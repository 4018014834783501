//! What front ends change.

use lab_core::service::Conversation;
use serde_json::{Map, Value as Json};

use super::locks::permit;
use super::model::{Expected, Item, Kind, List, NewFile, StoreError, Web};
use super::read::{ITEM, item};
use super::{Library, schema};
use crate::sharepoint::clock;
use crate::sharepoint::path::ServerPath;
use crate::sql_client::{Transaction, Value};

/// Most older versions of a file that are kept.
const VERSIONS: i64 = 50;

/// Somebody who changes something: login name and name.
pub type By<'a> = (&'a str, &'a str);

impl Library {
    /// Stores a file; the content that was there stays as an older version. True: it is new.
    ///
    /// # Errors
    /// It is locked, not what was expected, or has no place.
    pub async fn put_file(
        &self,
        conversation: Option<&Conversation>,
        web: &Web,
        path: &ServerPath,
        new: NewFile<'_>,
    ) -> Result<(Item, bool), StoreError> {
        let pool = self.pool(conversation).await?;
        let mut transaction = pool.transaction(conversation).await?;
        let tx = &mut transaction;
        permit(tx, web, path, false, new.tokens).await?;
        let there = find(tx, web, path).await?;
        if there.as_ref().is_some_and(|item| item.kind != Kind::File) {
            return Err(StoreError::Impossible("it is a folder"));
        }
        let tag = there.as_ref().map(Item::etag);
        if !new.expected.holds(tag.as_deref()) {
            return Err(StoreError::Changed);
        }
        if there.is_some() && !new.overwrite {
            return Err(StoreError::Exists);
        }
        let change = change(tx).await?;
        let size = i64::try_from(new.content.len()).unwrap_or(i64::MAX);
        match &there {
            Some(old) => {
                let keep = "INSERT INTO Versions (Item, Version, Size, EditorName, Modified, Content) \
                            SELECT Id, Version, Size, EditorName, Modified, Content FROM Items \
                            WHERE Id = @p1";
                tx.execute(keep, &[Value::Int(old.id)]).await?;
                let forget = "DELETE FROM Versions WHERE Item = @p1 AND Version <= @p2";
                let oldest = Value::Int(old.version - VERSIONS);
                tx.execute(forget, &[Value::Int(old.id), oldest]).await?;
                let update = "UPDATE Items SET Content = @p2, Size = @p3, Editor = @p4, \
                              EditorName = @p5, Modified = @p6, Version = Version + 1, \
                              Revision = Revision + 1, Change = @p7 WHERE Id = @p1";
                let values = [
                    Value::Int(old.id),
                    new.content.to_vec().into(),
                    Value::Int(size),
                    new.by.0.into(),
                    new.by.1.into(),
                    clock::now().into(),
                    Value::Int(change),
                ];
                tx.execute(update, &values).await?;
            }
            None => {
                let list = place(tx, web, path).await?;
                let made = Made {
                    list,
                    kind: Kind::File,
                    path,
                    title: path.name(),
                    fields: "{}",
                    content: Some(new.content),
                    by: new.by,
                    change,
                };
                insert(tx, made).await?;
            }
        }
        let item = find(tx, web, path)
            .await?
            .ok_or(StoreError::Missing("file"))?;
        transaction.commit().await?;
        Ok((item, there.is_none()))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// Something is there, or it has no place.
    pub async fn make_folder(
        &self,
        conversation: &Conversation,
        web: &Web,
        path: &ServerPath,
        by: By<'_>,
        tokens: &[String],
    ) -> Result<Item, StoreError> {
        let pool = self.pool(Some(conversation)).await?;
        let mut transaction = pool.transaction(Some(conversation)).await?;
        let tx = &mut transaction;
        permit(tx, web, path, false, tokens).await?;
        if find(tx, web, path).await?.is_some() {
            return Err(StoreError::Exists);
        }
        let list = place(tx, web, path).await?;
        let change = change(tx).await?;
        let made = Made {
            list,
            kind: Kind::Folder,
            path,
            title: path.name(),
            fields: "{}",
            content: None,
            by,
            change,
        };
        insert(tx, made).await?;
        let item = find(tx, web, path)
            .await?
            .ok_or(StoreError::Missing("folder"))?;
        transaction.commit().await?;
        Ok(item)
    }

    /// Adds an entry to a list.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn add_entry(
        &self,
        conversation: &Conversation,
        web: &Web,
        list: &List,
        title: &str,
        fields: &Map<String, Json>,
        by: By<'_>,
    ) -> Result<Item, StoreError> {
        let pool = self.pool(Some(conversation)).await?;
        let mut transaction = pool.transaction(Some(conversation)).await?;
        let tx = &mut transaction;
        let change = change(tx).await?;
        // As SharePoint names them: `3_.000`. The number of a change is as good as any.
        let path = list.path.join(&format!("{change}_.000"))?;
        let fields = Json::Object(fields.clone()).to_string();
        let made = Made {
            list: list.id,
            kind: Kind::Entry,
            path: &path,
            title,
            fields: &fields,
            content: None,
            by,
            change,
        };
        insert(tx, made).await?;
        let item = find(tx, web, &path)
            .await?
            .ok_or(StoreError::Missing("item"))?;
        transaction.commit().await?;
        Ok(item)
    }

    /// Gives an item another title and other fields: those that are null are taken away, those that
    /// are not named stay.
    ///
    /// # Errors
    /// It is not what was expected, or locked.
    #[expect(
        clippy::too_many_arguments,
        reason = "who, where, what and under which conditions: each is one thing"
    )]
    pub async fn merge(
        &self,
        conversation: &Conversation,
        web: &Web,
        path: &ServerPath,
        title: Option<&str>,
        fields: &Map<String, Json>,
        expected: &Expected,
        by: By<'_>,
        tokens: &[String],
    ) -> Result<Item, StoreError> {
        let pool = self.pool(Some(conversation)).await?;
        let mut transaction = pool.transaction(Some(conversation)).await?;
        let tx = &mut transaction;
        permit(tx, web, path, false, tokens).await?;
        let old = find(tx, web, path)
            .await?
            .ok_or(StoreError::Missing("item"))?;
        if !expected.holds(Some(&old.etag())) {
            return Err(StoreError::Changed);
        }
        let change = change(tx).await?;
        let mut merged = old.fields.clone();
        for (name, value) in fields {
            if value.is_null() {
                merged.remove(name);
            } else {
                merged.insert(name.clone(), value.clone());
            }
        }
        let update = "UPDATE Items SET Title = @p2, Fields = @p3, Editor = @p4, EditorName = @p5, \
                      Modified = @p6, Revision = Revision + 1, Change = @p7 WHERE Id = @p1";
        let values = [
            Value::Int(old.id),
            title.unwrap_or(&old.title).into(),
            Json::Object(merged).to_string().into(),
            by.0.into(),
            by.1.into(),
            clock::now().into(),
            Value::Int(change),
        ];
        tx.execute(update, &values).await?;
        let item = find(tx, web, path)
            .await?
            .ok_or(StoreError::Missing("item"))?;
        transaction.commit().await?;
        Ok(item)
    }

    /// Deletes an item, a folder with all in it.
    ///
    /// # Errors
    /// It is not there, not what was expected, or locked.
    pub async fn delete(
        &self,
        conversation: &Conversation,
        web: &Web,
        path: &ServerPath,
        expected: &Expected,
        tokens: &[String],
    ) -> Result<(), StoreError> {
        let pool = self.pool(Some(conversation)).await?;
        let mut transaction = pool.transaction(Some(conversation)).await?;
        let tx = &mut transaction;
        permit(tx, web, path, true, tokens).await?;
        let old = find(tx, web, path)
            .await?
            .ok_or(StoreError::Missing("item"))?;
        if !expected.holds(Some(&old.etag())) {
            return Err(StoreError::Changed);
        }
        for gone in whole(tx, web, old).await? {
            forget(tx, &gone).await?;
        }
        transaction.commit().await.map_err(StoreError::from)
    }

    /// Moves or copies a file, or a folder with all in it. True: nothing was at the other place.
    ///
    /// # Errors
    /// Something is there and may not be overwritten, one of both is locked, there is no place for
    /// it, or it would be in itself.
    pub async fn carry(
        &self,
        conversation: &Conversation,
        web: &Web,
        from: &ServerPath,
        to: &ServerPath,
        carry: Carry<'_>,
    ) -> Result<bool, StoreError> {
        let pool = self.pool(Some(conversation)).await?;
        let mut transaction = pool.transaction(Some(conversation)).await?;
        let tx = &mut transaction;
        if to.is_in(from) && from.is_in(to) && from == to {
            return Err(StoreError::Impossible("it is there already"));
        }
        let source = find(tx, web, from)
            .await?
            .ok_or(StoreError::Missing("item"))?;
        if source.kind == Kind::Folder && to.is_in(from) && !from.is_in(to) {
            return Err(StoreError::Impossible("a folder can't be put into itself"));
        }
        if !carry.copy {
            permit(tx, web, from, true, carry.tokens).await?;
        }
        permit(tx, web, to, true, carry.tokens).await?;
        let there = find(tx, web, to)
            .await?
            .filter(|there| there.id != source.id);
        let fresh = there.is_none();
        if let Some(there) = there {
            if !carry.overwrite {
                return Err(StoreError::Exists);
            }
            if from.is_in(&there.path) {
                return Err(StoreError::Impossible("it is in what would be overwritten"));
            }
            for gone in whole(tx, web, there).await? {
                forget(tx, &gone).await?;
            }
        }
        let list = place(tx, web, to).await?;
        let moved = match carry.deep || !carry.copy {
            true => whole(tx, web, source).await?,
            false => vec![source],
        };
        for item in moved {
            let rest = item.path.below(from).unwrap_or_default().to_owned();
            let path = ServerPath::new(&format!("{}{rest}", to.as_str()))?;
            let change = change(tx).await?;
            match carry.copy {
                true => copy(tx, &item, list, &path, carry.by, change).await?,
                false => relocate(tx, &item, list, &path, change).await?,
            }
        }
        if !carry.copy {
            let sql = "DELETE FROM Locks WHERE Web = @p1 AND Path = @p2";
            tx.execute(sql, &[Value::Int(web.id), from.as_str().into()])
                .await?;
        }
        transaction.commit().await?;
        Ok(fresh)
    }
}

/// How something is moved or copied.
#[derive(Clone, Copy, Debug)]
pub struct Carry<'a> {
    pub copy: bool,
    /// A folder is copied with all in it.
    pub deep: bool,
    pub overwrite: bool,
    pub by: By<'a>,
    pub tokens: &'a [String],
}

struct Made<'a> {
    list: i64,
    kind: Kind,
    path: &'a ServerPath,
    title: &'a str,
    fields: &'a str,
    content: Option<&'a [u8]>,
    by: By<'a>,
    change: i64,
}

/// The number of the next change: later ones are greater, over all front ends.
async fn change(tx: &mut Transaction<'_>) -> Result<i64, StoreError> {
    let sql = "UPDATE Counters SET Value = Value + 1 OUTPUT INSERTED.Value WHERE Name = 'change'";
    let rows = tx.query(sql, &[]).await?;
    let number = rows.first().and_then(|row| row.int("Value"));
    number.ok_or(StoreError::Missing("counter"))
}

async fn find(
    tx: &mut Transaction<'_>,
    web: &Web,
    path: &ServerPath,
) -> Result<Option<Item>, StoreError> {
    let sql = format!(
        "SELECT {ITEM} FROM Items i INNER JOIN Lists l ON l.Id = i.List \
         WHERE l.Web = @p1 AND i.Path = @p2 AND i.Deleted = 0"
    );
    let values = [Value::Int(web.id), path.as_str().into()];
    Ok(tx.query(&sql, &values).await?.first().and_then(item))
}

/// The library that something new at this path belongs to: the folder around it must be there.
async fn place(tx: &mut Transaction<'_>, web: &Web, path: &ServerPath) -> Result<i64, StoreError> {
    let parent = path.parent().ok_or(StoreError::NoPlace)?;
    let sql = "SELECT Id FROM Lists WHERE Web = @p1 AND Path = @p2 AND Template = 101";
    let values = [Value::Int(web.id), parent.as_str().into()];
    let rows = tx.query(sql, &values).await?;
    if let Some(list) = rows.first().and_then(|row| row.int("Id")) {
        return Ok(list);
    }
    match find(tx, web, &parent).await? {
        Some(folder) if folder.kind == Kind::Folder => Ok(folder.list),
        _ => Err(StoreError::NoPlace),
    }
}

async fn insert(tx: &mut Transaction<'_>, made: Made<'_>) -> Result<(), StoreError> {
    let parent = made.path.parent().unwrap_or_else(ServerPath::root);
    let size = made.content.map_or(0, |content| {
        i64::try_from(content.len()).unwrap_or(i64::MAX)
    });
    let sql = "INSERT INTO Items (Guid, List, Kind, Path, Parent, Title, Fields, Author, AuthorName, \
               Editor, EditorName, Created, Modified, Version, Revision, Size, Content, Change, Deleted) \
               VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p8, @p9, @p10, @p10, 1, 1, @p11, \
               @p12, @p13, 0)";
    let values = [
        schema::guid()?.into(),
        Value::Int(made.list),
        Value::Int(made.kind.number()),
        made.path.as_str().into(),
        parent.as_str().into(),
        made.title.into(),
        made.fields.into(),
        made.by.0.into(),
        made.by.1.into(),
        clock::now().into(),
        Value::Int(size),
        // No bytes are no text: NULL has no type of its own on the way.
        made.content.unwrap_or_default().to_vec().into(),
        Value::Int(made.change),
    ];
    tx.execute(sql, &values).await?;
    Ok(())
}

/// An item with all below it, the outer ones first.
async fn whole(tx: &mut Transaction<'_>, web: &Web, top: Item) -> Result<Vec<Item>, StoreError> {
    let mut found = vec![top];
    let mut at = 0;
    while let Some(next) = found.get(at) {
        at += 1;
        if next.kind != Kind::Folder {
            continue;
        }
        let sql = format!(
            "SELECT {ITEM} FROM Items i INNER JOIN Lists l ON l.Id = i.List \
             WHERE l.Web = @p1 AND i.Parent = @p2 AND i.Deleted = 0"
        );
        let values = [Value::Int(web.id), next.path.as_str().into()];
        let rows = tx.query(&sql, &values).await?;
        found.extend(rows.iter().filter_map(item));
    }
    Ok(found)
}

/// What search has seen must be told that it is gone: the row stays, without what was in it.
async fn forget(tx: &mut Transaction<'_>, gone: &Item) -> Result<(), StoreError> {
    let change = change(tx).await?;
    let sql = "UPDATE Items SET Deleted = 1, Path = @p2, Parent = '', Fields = '{}', Size = 0, \
               Content = NULL, Change = @p3 WHERE Id = @p1";
    let place = format!("/deleted/{}", gone.guid);
    let values = [Value::Int(gone.id), place.into(), Value::Int(change)];
    tx.execute(sql, &values).await?;
    let versions = "DELETE FROM Versions WHERE Item = @p1";
    tx.execute(versions, &[Value::Int(gone.id)]).await?;
    let locks =
        "DELETE FROM Locks WHERE Path = @p1 AND Web = (SELECT Web FROM Lists WHERE Id = @p2)";
    let values = [gone.path.as_str().into(), Value::Int(gone.list)];
    tx.execute(locks, &values).await?;
    Ok(())
}

async fn relocate(
    tx: &mut Transaction<'_>,
    item: &Item,
    list: i64,
    path: &ServerPath,
    change: i64,
) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or_else(ServerPath::root);
    let sql = "UPDATE Items SET List = @p2, Path = @p3, Parent = @p4, Title = @p5, \
               Revision = Revision + 1, Change = @p6 WHERE Id = @p1";
    let title = match item.title == item.path.name() {
        true => path.name(),
        false => item.title.as_str(),
    };
    let values = [
        Value::Int(item.id),
        Value::Int(list),
        path.as_str().into(),
        parent.as_str().into(),
        title.into(),
        Value::Int(change),
    ];
    tx.execute(sql, &values).await?;
    Ok(())
}

async fn copy(
    tx: &mut Transaction<'_>,
    item: &Item,
    list: i64,
    path: &ServerPath,
    by: By<'_>,
    change: i64,
) -> Result<(), StoreError> {
    let parent = path.parent().unwrap_or_else(ServerPath::root);
    let sql = "INSERT INTO Items (Guid, List, Kind, Path, Parent, Title, Fields, Author, AuthorName, \
               Editor, EditorName, Created, Modified, Version, Revision, Size, Content, Change, Deleted) \
               SELECT @p2, @p3, Kind, @p4, @p5, @p6, Fields, @p7, @p8, @p7, @p8, @p9, @p9, 1, 1, Size, \
               Content, @p10, 0 FROM Items WHERE Id = @p1";
    let values = [
        Value::Int(item.id),
        schema::guid()?.into(),
        Value::Int(list),
        path.as_str().into(),
        parent.as_str().into(),
        path.name().into(),
        by.0.into(),
        by.1.into(),
        clock::now().into(),
        Value::Int(change),
    ];
    tx.execute(sql, &values).await?;
    Ok(())
}
