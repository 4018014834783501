//! The index of a node.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::feed::Change;
use super::{Answer, Question, words};

/// Most hits of an answer.
const MOST: u32 = 500;
/// Most claims of who asks that are looked at.
const MOST_CLAIMS: usize = 500;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The item's name for good.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Who wrote it.
    pub author: String,
    /// When it was changed.
    pub modified: String,
    /// A piece of it, the words asked for between `\u{2}` and `\u{3}`.
    pub summary: String,
}

/// The index.
pub(super) struct Index {
    connection: Connection,
}

impl Index {
    /// Opens it in a folder, or makes it anew: all of it can be read again.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open(folder: &Path) -> rusqlite::Result<Self> {
        let path = folder.join("index.sqlite");
        match Self::at(&path) {
            Ok(index) => Ok(index),
            Err(reason) => {
                tracing::warn!("the index is made anew: {reason}");
                for end in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(folder.join(format!("index.sqlite{end}")));
                }
                Self::at(&path)
            }
        }
    }

    fn at(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        // What is lost when the node's host loses power can be read again.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -256;
             CREATE TABLE IF NOT EXISTS position (number INTEGER NOT NULL);
             INSERT INTO position SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM position);
             CREATE TABLE IF NOT EXISTS items (
                 number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, url TEXT NOT NULL,
                 modified TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS readers (
                 item INTEGER NOT NULL, claim TEXT NOT NULL, PRIMARY KEY (item, claim)) WITHOUT ROWID;
             CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5 (
                 title, author, body, tokenize = 'unicode61 remove_diacritics 2');",
        )?;
        Ok(Self { connection })
    }

    /// The last change that it has.
    pub fn position(&self) -> i64 {
        let sql = "SELECT number FROM position";
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap_or(0)
    }

    /// How many items it has.
    pub fn documents(&self) -> i64 {
        let sql = "SELECT count(*) FROM items";
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap_or(0)
    }

    /// Takes changes in, all or none.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn take(&mut self, changes: Vec<Change>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            let known: Option<i64> = transaction
                .query_row(
                    "SELECT number FROM items WHERE id = ?1",
                    [&change.id],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(known) = known {
                for sql in [
                    "DELETE FROM items WHERE number = ?1",
                    "DELETE FROM readers WHERE item = ?1",
                    "DELETE FROM texts WHERE rowid = ?1",
                ] {
                    transaction.execute(sql, [known])?;
                }
            }
            if !change.deleted {
                transaction.execute(
                    "INSERT INTO items (id, url, modified) VALUES (?1, ?2, ?3)",
                    params![change.id, change.url, change.modified],
                )?;
                let number = transaction.last_insert_rowid();
                transaction.execute(
                    "INSERT INTO texts (rowid, title, author, body) VALUES (?1, ?2, ?3, ?4)",
                    params![number, change.title, change.author, change.body],
                )?;
                for claim in change.readers.iter().filter(|claim| !claim.is_empty()) {
                    transaction.execute(
                        "INSERT OR IGNORE INTO readers VALUES (?1, ?2)",
                        params![number, claim],
                    )?;
                }
            }
            transaction.execute("UPDATE position SET number = ?1", [change.number])?;
        }
        transaction.commit()
    }

    /// Finds what somebody with these claims may read.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn find(&self, question: &Question) -> rusqlite::Result<Answer> {
        let nothing = Answer {
            total: 0,
            hits: Vec::new(),
        };
        let Some(matching) = words::matching(&question.text) else {
            return Ok(nothing);
        };
        let claims: Vec<&str> = (question.claims.iter())
            .take(MOST_CLAIMS)
            .map(String::as_str)
            .collect();
        if claims.is_empty() {
            return Ok(nothing);
        }
        let places = vec!["?"; claims.len()].join(", ");
        let condition = format!(
            "FROM texts JOIN items ON items.number = texts.rowid WHERE texts MATCH ? AND \
             substr(items.url, 1, length(?)) = ? AND EXISTS (SELECT 1 FROM readers WHERE \
             item = items.number AND claim IN ({places}))"
        );
        let below = question.below.as_str();
        let values = || {
            let first = [matching.as_str(), below, below];
            first.into_iter().chain(claims.iter().copied())
        };
        let count = format!("SELECT count(*) {condition}");
        let total: i64 = self
            .connection
            .query_row(&count, params_from_iter(values()), |row| row.get(0))?;
        let select = format!(
            "SELECT items.id, items.url, texts.title, texts.author, items.modified, \
             snippet(texts, 2, char(2), char(3), '…', 24) {condition} \
             ORDER BY rank, items.id LIMIT {} OFFSET {}",
            question.rows.min(MOST),
            question.start
        );
        let mut statement = self.connection.prepare(&select)?;
        let hits = statement.query_map(params_from_iter(values()), |row| {
            Ok(Hit {
                id: row.get(0)?,
                url: row.get(1)?,
                title: row.get(2)?,
                author: row.get(3)?,
                modified: row.get(4)?,
                summary: row.get(5)?,
            })
        })?;
        Ok(Answer {
            total: u64::try_from(total).unwrap_or(0),
            hits: hits.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: i64, id: &str, body: &str, readers: &[&str]) -> Change {
        Change {
            number,
            id: id.into(),
            url: format!("https://teams.example/{id}"),
            title: format!("Title of {id}"),
            body: body.into(),
            readers: readers.iter().map(|claim| (*claim).to_owned()).collect(),
            ..Change::default()
        }
    }

    fn found(index: &Index, text: &str, claims: &[&str]) -> Vec<String> {
        let question = Question {
            text: text.into(),
            claims: claims.iter().map(|claim| (*claim).to_owned()).collect(),
            below: String::new(),
            start: 0,
            rows: 10,
        };
        let answer = index.find(&question).expect("an answer");
        assert_eq!(answer.total as usize, answer.hits.len());
        answer.hits.into_iter().map(|hit| hit.id).collect()
    }

    fn index() -> Index {
        Index::at(Path::new(":memory:")).expect("an index")
    }

    #[test]
    fn nobody_finds_what_they_may_not_read() {
        let mut index = index();
        let changes = vec![
            change(1, "plan", "the secret plan", &["employees"]),
            change(2, "offer", "an open plan", &["employees", "partners"]),
            change(3, "nobody", "a lost plan", &[]),
        ];
        index.take(changes).expect("taken");
        assert_eq!(found(&index, "plan", &["employees"]).len(), 2);
        assert_eq!(found(&index, "plan", &["partners"]), ["offer"]);
        assert_eq!(found(&index, "plan", &[]), [""; 0]);
        assert_eq!(found(&index, "secret", &["partners"]), [""; 0]);
        assert_eq!(found(&index, "plan", &["x' OR '1'='1"]), [""; 0]);
    }

    #[test]
    fn what_changed_is_found_as_it_is_now() {
        let mut index = index();
        index
            .take(vec![change(1, "a", "first", &["e"])])
            .expect("taken");
        index
            .take(vec![change(5, "a", "Änderung", &["e"])])
            .expect("taken");
        assert_eq!(found(&index, "first", &["e"]), [""; 0]);
        assert_eq!(found(&index, "anderung", &["e"]), ["a"]);
        assert_eq!(found(&index, "title:title", &["e"]), ["a"]);
        let gone = Change {
            deleted: true,
            ..change(6, "a", "", &[])
        };
        index.take(vec![gone]).expect("taken");
        assert_eq!(found(&index, "anderung", &["e"]), [""; 0]);
        assert_eq!((index.position(), index.documents()), (6, 0));
    }
}
