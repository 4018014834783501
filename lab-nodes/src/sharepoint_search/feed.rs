//! What changed in the content database.

use lab_core::service::Conversation;

use crate::sql_client::{Pool, SqlError, Value};

/// The view that front ends make in the content database. A row for each item that somebody can find:
///
/// | column | |
/// | --- | --- |
/// | `Change` BIGINT | grows with each change of an item, over all items |
/// | `Id` NVARCHAR | names the item for good |
/// | `Url`, `Title`, `Author`, `Modified` NVARCHAR | as people are shown them |
/// | `Name` NVARCHAR | the file's name, which tells what its bytes are; NULL for what is no file |
/// | `Body` VARBINARY or NVARCHAR | what is in it |
/// | `Readers` NVARCHAR | claims of who may read it, one a line |
/// | `Deleted` BIT | it is gone |
pub const FEED: &str = "SearchFeed";

/// Changes that are read together.
pub(super) const AT_ONCE: usize = 20;

/// An item that changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change {
    pub number: i64,
    pub id: String,
    pub url: String,
    pub title: String,
    pub author: String,
    pub modified: String,
    pub body: String,
    pub readers: Vec<String>,
    pub deleted: bool,
}

/// Changes behind this one, the oldest first.
pub(super) async fn read(
    content: &Pool,
    conversation: Option<&Conversation>,
    from: i64,
) -> Result<Vec<Change>, SqlError> {
    let sql = format!(
        "SELECT TOP {AT_ONCE} Change, Id, Url, Title, Author, Modified, Name, Body, Readers, Deleted \
         FROM {FEED} WHERE Change > @p1 ORDER BY Change"
    );
    let rows = match content.query(conversation, &sql, &[Value::Int(from)]).await {
        // No front end has made it yet: nothing is stored.
        Err(error) if error.number() == Some(208) => return Ok(Vec::new()),
        rows => rows?,
    };
    let change = |row: &crate::sql_client::Row| {
        let text = |column: &str| row.text(column).unwrap_or_default().to_owned();
        let body = match row.get("Body") {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Bytes(bytes)) => super::text::of(&text("Name"), bytes),
            _ => String::new(),
        };
        Change {
            number: row.int("Change").unwrap_or_default(),
            id: text("Id"),
            url: text("Url"),
            title: text("Title"),
            author: text("Author"),
            modified: text("Modified"),
            body,
            readers: text("Readers").lines().map(str::to_owned).collect(),
            deleted: row.int("Deleted") == Some(1),
        }
    };
    Ok(rows.iter().map(change).collect())
}

/// Notes how far a node has come.
pub(super) async fn note(
    search: &Pool,
    conversation: Option<&Conversation>,
    node: &str,
    position: i64,
    documents: i64,
) -> Result<(), SqlError> {
    let values = [
        Value::from(node),
        Value::Int(position),
        Value::Int(documents),
    ];
    let update = "UPDATE Crawls SET Position = @p2, Documents = @p3, At = SYSUTCDATETIME() \
                  WHERE Node = @p1";
    let updated = match search.execute(conversation, update, &values).await {
        Err(error) if error.number() == Some(208) => {
            let made = search
                .batch(
                    conversation,
                    "CREATE TABLE Crawls (Node NVARCHAR(64) PRIMARY KEY, Position BIGINT NOT NULL, \
                     Documents BIGINT NOT NULL, At DATETIME2 NOT NULL)",
                )
                .await;
            // Another node may have been faster.
            if let Err(error) = made
                && error.number() != Some(2714)
            {
                return Err(error);
            }
            0
        }
        updated => updated?,
    };
    if updated == 0 {
        let insert = "INSERT INTO Crawls (Node, Position, Documents, At) \
                      VALUES (@p1, @p2, @p3, SYSUTCDATETIME())";
        search.execute(conversation, insert, &values).await?;
    }
    Ok(())
}
