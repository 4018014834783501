//! The tables, and what stands in them from the start.

use lab_core::service::Conversation;
use ring::rand::{SecureRandom, SystemRandom};

use super::StoreError;
use crate::sharepoint::clock;
use crate::sharepoint::settings::Application;
use crate::sql_client::{Pool, SqlError, Value};

/// In the order they are made. `SearchFeed` is what `sharepoint_search` reads.
const TABLES: [&str; 7] = [
    "CREATE TABLE Counters (Name NVARCHAR(40) PRIMARY KEY, Value BIGINT NOT NULL)",
    "CREATE TABLE Webs (Id INT IDENTITY(1,1) PRIMARY KEY, Guid NVARCHAR(36) NOT NULL, \
     Application NVARCHAR(255) NOT NULL, Path NVARCHAR(260) NOT NULL, Title NVARCHAR(255) NOT NULL, \
     Created NVARCHAR(30) NOT NULL, Readers NVARCHAR(MAX) NOT NULL, Writers NVARCHAR(MAX) NOT NULL, \
     UNIQUE (Application, Path))",
    "CREATE TABLE Lists (Id INT IDENTITY(1,1) PRIMARY KEY, Guid NVARCHAR(36) NOT NULL, \
     Web INT NOT NULL, Title NVARCHAR(255) NOT NULL, Path NVARCHAR(260) NOT NULL, \
     Template INT NOT NULL, Created NVARCHAR(30) NOT NULL, UNIQUE (Web, Path), UNIQUE (Web, Title))",
    "CREATE TABLE Items (Id INT IDENTITY(1,1) PRIMARY KEY, Guid NVARCHAR(36) NOT NULL, \
     List INT NOT NULL, Kind INT NOT NULL, Path NVARCHAR(260) NOT NULL, Parent NVARCHAR(260) NOT NULL, \
     Title NVARCHAR(255) NOT NULL, Fields NVARCHAR(MAX) NOT NULL, Author NVARCHAR(255) NOT NULL, \
     AuthorName NVARCHAR(255) NOT NULL, Editor NVARCHAR(255) NOT NULL, EditorName NVARCHAR(255) NOT NULL, \
     Created NVARCHAR(30) NOT NULL, Modified NVARCHAR(30) NOT NULL, Version INT NOT NULL, \
     Revision INT NOT NULL, Size BIGINT NOT NULL, Content VARBINARY(MAX), Change BIGINT NOT NULL, \
     Deleted BIT NOT NULL, UNIQUE (List, Path))",
    "CREATE TABLE Versions (Item INT NOT NULL, Version INT NOT NULL, Size BIGINT NOT NULL, \
     EditorName NVARCHAR(255) NOT NULL, Modified NVARCHAR(30) NOT NULL, Content VARBINARY(MAX), \
     PRIMARY KEY (Item, Version))",
    "CREATE TABLE Locks (Web INT NOT NULL, Path NVARCHAR(260) NOT NULL, Token NVARCHAR(MAX) NOT NULL, \
     Owner NVARCHAR(MAX) NOT NULL, Login NVARCHAR(255) NOT NULL, Deep BIT NOT NULL, Shared BIT NOT NULL, \
     Until BIGINT NOT NULL)",
    "CREATE VIEW SearchFeed AS SELECT i.Change AS Change, i.Guid AS Id, \
     'https://' + w.Application + i.Path AS Url, i.Title AS Title, i.EditorName AS Author, \
     i.Modified AS Modified, CASE WHEN i.Kind = 0 THEN i.Path END AS Name, \
     CASE WHEN i.Kind = 0 THEN i.Content ELSE i.Fields END AS Body, \
     w.Readers AS Readers, i.Deleted AS Deleted \
     FROM Items i INNER JOIN Lists l ON l.Id = i.List INNER JOIN Webs w ON w.Id = l.Web \
     WHERE i.Kind <> 1",
];

/// Lists that every site has.
const LISTS: [(&str, &str, i64); 2] = [
    ("Documents", "/Shared Documents", 101),
    ("Announcements", "/Lists/Announcements", 104),
];

/// Makes what is not there yet; of several front ends that do so at once each finds all made.
///
/// # Errors
/// The database is not there, or refuses it.
pub(super) async fn prepare(
    pool: &Pool,
    conversation: Option<&Conversation>,
    applications: &[Application],
) -> Result<(), StoreError> {
    for sql in TABLES {
        there(pool.batch(conversation, sql).await)?;
    }
    let counter = "INSERT INTO Counters (Name, Value) VALUES ('change', 0)";
    there(pool.batch(conversation, counter).await)?;
    for application in applications {
        let (readers, writers) = (&application.readers, &application.writers);
        let title = &application.title;
        make_web(
            pool,
            conversation,
            &application.host,
            "/",
            title,
            readers,
            writers,
        )
        .await?;
    }
    Ok(())
}

/// Makes a site with its lists, if it is not there; who may see it is as it is now.
///
/// # Errors
/// The database is not there, or refuses it.
pub(super) async fn make_web(
    pool: &Pool,
    conversation: Option<&Conversation>,
    application: &str,
    path: &str,
    title: &str,
    readers: &[String],
    writers: &[String],
) -> Result<(), StoreError> {
    let (readers, writers) = (readers.join("\n"), writers.join("\n"));
    let insert = "INSERT INTO Webs (Guid, Application, Path, Title, Created, Readers, Writers) \
                  VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7)";
    let values = [
        guid()?.into(),
        application.into(),
        path.into(),
        title.into(),
        clock::now().into(),
        readers.as_str().into(),
        writers.as_str().into(),
    ];
    there(
        pool.execute(conversation, insert, &values)
            .await
            .map(|_| ()),
    )?;
    let update = "UPDATE Webs SET Title = @p3, Readers = @p4, Writers = @p5 \
                  WHERE Application = @p1 AND Path = @p2 AND \
                  (Title <> @p3 OR Readers <> @p4 OR Writers <> @p5)";
    let values: [Value; 5] = [
        application.into(),
        path.into(),
        title.into(),
        readers.into(),
        writers.into(),
    ];
    pool.execute(conversation, update, &values).await?;
    for (title, place, template) in LISTS {
        let insert = "INSERT INTO Lists (Guid, Web, Title, Path, Template, Created) \
                      SELECT @p1, Id, @p4, @p5, @p6, @p7 FROM Webs WHERE Application = @p2 AND Path = @p3";
        let place = format!("{}{place}", path.trim_end_matches('/'));
        let values = [
            guid()?.into(),
            application.into(),
            path.into(),
            title.into(),
            place.into(),
            Value::Int(template),
            clock::now().into(),
        ];
        there(
            pool.execute(conversation, insert, &values)
                .await
                .map(|_| ()),
        )?;
    }
    Ok(())
}

/// It is made, or was there.
fn there(made: Result<(), SqlError>) -> Result<(), SqlError> {
    match made {
        Err(error) if error.number() == Some(2714) || error.is_duplicate() => Ok(()),
        made => made,
    }
}

/// A name for good: a random UUID (RFC 9562 §5.4).
///
/// # Errors
/// There are no random numbers.
pub(in crate::sharepoint) fn guid() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| StoreError::NoRandomNumbers)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}
