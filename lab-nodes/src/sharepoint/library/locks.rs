//! Who holds a document: locks of WebDAV (RFC 4918 §6) and of WOPI, for all front ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab_core::service::Conversation;

use super::Library;
use super::model::{StoreError, Web};
use crate::sharepoint::path::ServerPath;
use crate::sql_client::{Row, Transaction, Value};

/// A lock that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub path: ServerPath,
    /// Its name, which whoever changes the document must know.
    pub token: String,
    /// What its client says of its owner, as XML; for people.
    pub owner: String,
    /// Login name of who took it.
    pub login: String,
    /// It holds what is below, too.
    pub deep: bool,
    pub shared: bool,
    /// Milliseconds since the Unix epoch.
    pub until: i64,
}

/// A lock that somebody wants.
#[derive(Clone, Debug)]
pub struct Hold<'a> {
    pub token: &'a str,
    pub owner: &'a str,
    pub login: &'a str,
    pub deep: bool,
    pub shared: bool,
    pub lasts: Duration,
}

impl Held {
    /// Whether it stands in the way of a change of this place; `whole`: also of what is below.
    fn covers(&self, place: &ServerPath, whole: bool) -> bool {
        let above = self.deep && place.is_in(&self.path);
        let same = self.path.is_in(place) && place.is_in(&self.path);
        above || same || whole && self.path.is_in(place)
    }

    /// Seconds that it holds on.
    pub fn seconds(&self) -> u64 {
        u64::try_from((self.until - now()) / 1000).unwrap_or(0)
    }
}

impl Library {
    /// The locks that hold a place, or something below it.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn locks(
        &self,
        conversation: Option<&Conversation>,
        web: &Web,
        place: &ServerPath,
        below: bool,
    ) -> Result<Vec<Held>, StoreError> {
        let pool = self.pool(conversation).await?;
        let sql = "SELECT Path, Token, Owner, Login, Deep, Shared, Until FROM Locks \
                   WHERE Web = @p1 AND Until > @p2";
        let values = [Value::Int(web.id), Value::Int(now())];
        let rows = pool.query(conversation, sql, &values).await?;
        let held = rows.iter().filter_map(held);
        Ok(held.filter(|held| held.covers(place, below)).collect())
    }

    /// Takes a lock; two shared ones go together.
    ///
    /// # Errors
    /// Somebody else holds it.
    pub async fn hold(
        &self,
        conversation: Option<&Conversation>,
        web: &Web,
        place: &ServerPath,
        hold: Hold<'_>,
    ) -> Result<Held, StoreError> {
        let pool = self.pool(conversation).await?;
        let mut transaction = pool.transaction(conversation).await?;
        let there = locks(&mut transaction, web, place, hold.deep).await?;
        if let Some(other) = there.iter().find(|other| !(other.shared && hold.shared)) {
            return Err(StoreError::Locked(other.login.clone()));
        }
        let lasts = i64::try_from(hold.lasts.as_millis()).unwrap_or(i64::MAX / 2);
        let held = Held {
            path: place.clone(),
            token: hold.token.to_owned(),
            owner: hold.owner.to_owned(),
            login: hold.login.to_owned(),
            deep: hold.deep,
            shared: hold.shared,
            until: now() + lasts,
        };
        insert(&mut transaction, web, &held).await?;
        transaction.commit().await?;
        Ok(held)
    }

    /// Lets a lock hold so long from now on; none: there is no such lock.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn hold_on(
        &self,
        conversation: &Conversation,
        web: &Web,
        place: &ServerPath,
        tokens: &[String],
        lasts: Duration,
    ) -> Result<Option<Held>, StoreError> {
        let holding = self.locks(Some(conversation), web, place, false).await?;
        let own = holding
            .into_iter()
            .find(|held| tokens.contains(&held.token));
        let Some(mut own) = own else {
            return Ok(None);
        };
        own.until = now() + i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX / 2);
        let sql = "UPDATE Locks SET Until = @p3 WHERE Web = @p1 AND Token = @p2";
        let values = [
            Value::Int(web.id),
            own.token.as_str().into(),
            Value::Int(own.until),
        ];
        let pool = self.pool(Some(conversation)).await?;
        let changed = pool.execute(Some(conversation), sql, &values).await?;
        Ok((changed > 0).then_some(own))
    }

    /// Lets a lock go; false: there is no such lock.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn let_go(
        &self,
        conversation: &Conversation,
        web: &Web,
        place: &ServerPath,
        token: &str,
    ) -> Result<bool, StoreError> {
        let holding = self.locks(Some(conversation), web, place, false).await?;
        if !holding.iter().any(|held| held.token == token) {
            return Ok(false);
        }
        let sql = "DELETE FROM Locks WHERE Web = @p1 AND Token = @p2";
        let values = [Value::Int(web.id), token.into()];
        let pool = self.pool(Some(conversation)).await?;
        Ok(pool.execute(Some(conversation), sql, &values).await? > 0)
    }

    /// Puts a lock in the place of the one of that name on this very place; false: something else
    /// stands there. Each of them can be none.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn swap(
        &self,
        web: &Web,
        place: &ServerPath,
        seen: Option<&str>,
        new: Option<&Held>,
    ) -> Result<bool, StoreError> {
        let pool = self.pool(None).await?;
        let mut transaction = pool.transaction(None).await?;
        let there = locks(&mut transaction, web, place, false).await?;
        let now = there.first().map(|held| held.token.as_str());
        if now != seen {
            return Ok(false);
        }
        let sql = "DELETE FROM Locks WHERE Web = @p1 AND Path = @p2";
        let values = [Value::Int(web.id), place.as_str().into()];
        transaction.execute(sql, &values).await?;
        if let Some(new) = new {
            insert(&mut transaction, web, new).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Refuses a change of a place that somebody else holds.
///
/// # Errors
/// It is held by who is named in it.
pub(super) async fn permit(
    transaction: &mut Transaction<'_>,
    web: &Web,
    place: &ServerPath,
    whole: bool,
    tokens: &[String],
) -> Result<(), StoreError> {
    let there = locks(transaction, web, place, whole).await?;
    let stranger = there.into_iter().find(|held| !tokens.contains(&held.token));
    stranger.map_or(Ok(()), |held| Err(StoreError::Locked(held.login)))
}

/// Those that hold a place, after those that are over are gone.
async fn locks(
    transaction: &mut Transaction<'_>,
    web: &Web,
    place: &ServerPath,
    whole: bool,
) -> Result<Vec<Held>, StoreError> {
    let over = "DELETE FROM Locks WHERE Until <= @p1";
    transaction.execute(over, &[Value::Int(now())]).await?;
    let sql = "SELECT Path, Token, Owner, Login, Deep, Shared, Until FROM Locks WHERE Web = @p1";
    let rows = transaction.query(sql, &[Value::Int(web.id)]).await?;
    let held = rows.iter().filter_map(held);
    Ok(held.filter(|held| held.covers(place, whole)).collect())
}

async fn insert(
    transaction: &mut Transaction<'_>,
    web: &Web,
    held: &Held,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO Locks (Web, Path, Token, Owner, Login, Deep, Shared, Until) \
               VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8)";
    let values = [
        Value::Int(web.id),
        held.path.as_str().into(),
        held.token.as_str().into(),
        held.owner.as_str().into(),
        held.login.as_str().into(),
        held.deep.into(),
        held.shared.into(),
        Value::Int(held.until),
    ];
    transaction.execute(sql, &values).await?;
    Ok(())
}

fn held(row: &Row) -> Option<Held> {
    Some(Held {
        path: ServerPath::new(row.text("Path")?).ok()?,
        token: row.text("Token")?.to_owned(),
        owner: row.text("Owner").unwrap_or_default().to_owned(),
        login: row.text("Login").unwrap_or_default().to_owned(),
        deep: row.int("Deep") == Some(1),
        shared: row.int("Shared") == Some(1),
        until: row.int("Until")?,
    })
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
