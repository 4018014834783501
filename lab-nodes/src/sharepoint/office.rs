//! Documents for Office Web Apps: what the WOPI host asks of the content database, and the page in
//! which the farm shows a document.
//!
//! An access token is issued to who may read a document, and says what they may do; who shows it is
//! not asked again until it ends.

use std::sync::Arc;
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::StatusCode;
use hyper::body::Bytes;

use super::answer;
use super::clock;
use super::farm::{Answered, Need, Trouble, Visit};
use super::library::{Expected, Held, Item, Kind, Library, NewFile, StoreError, Web};
use super::pages;
use super::path::ServerPath;
use crate::http::form::Form;
use crate::wopi::{self, Document, Host, Lock, Permission, Refused, Storage, Tokens, User};

/// Where documents are served to the farm.
pub(super) const BASE: &str = "/_vti_bin/wopi.ashx/files";
/// The page that shows one.
pub(super) const FRAME: &str = "/_layouts/15/WopiFrame.aspx";
/// What the names of WOPI's locks begin with among those of WebDAV.
const KIND: &str = "wopi:";

/// What the front end has for Office Web Apps.
pub(super) struct Office {
    pub host: Host,
    pub tokens: Arc<Tokens>,
    pub farm: Arc<wopi::Farm>,
}

/// The content database, as a WOPI host's storage. A file is named by its name for good.
pub(super) struct Documents(pub Arc<Library>);

impl Documents {
    async fn find(&self, file: &str) -> Result<(Web, Item), Refused> {
        let found = self.0.file_anywhere(None, file).await.map_err(refused)?;
        found.ok_or(Refused::Missing)
    }

    async fn lock_of(&self, web: &Web, path: &ServerPath) -> Result<Option<Lock>, Refused> {
        let held = self
            .0
            .locks(None, web, path, false)
            .await
            .map_err(refused)?;
        Ok(held.first().map(|held| Lock {
            id: held.token.strip_prefix(KIND).unwrap_or_default().to_owned(),
            until: held.ends(),
        }))
    }

    async fn put(
        &self,
        web: &Web,
        path: &ServerPath,
        user: &User,
        lock: Option<&str>,
        overwrite: bool,
        content: &[u8],
    ) -> Result<Item, Refused> {
        let tokens: Vec<String> = lock
            .map(|lock| format!("{KIND}{lock}"))
            .into_iter()
            .collect();
        let new = NewFile {
            content,
            by: (&user.id, &user.name),
            overwrite,
            expected: Expected::default(),
            tokens: &tokens,
        };
        match self.0.put_file(None, web, path, new).await {
            Ok((item, _)) => Ok(item),
            Err(StoreError::Locked(_)) => {
                let lock = self.lock_of(web, path).await?;
                Err(Refused::Locked(
                    lock.map(|lock| lock.id).unwrap_or_default(),
                ))
            }
            Err(reason) => Err(refused(reason)),
        }
    }
}

impl Storage for Documents {
    fn describe<'a>(
        &'a self,
        file: &'a str,
        _: &'a User,
    ) -> BoxFuture<'a, Result<Document, Refused>> {
        async move {
            let (web, item) = self.find(file).await?;
            let page = format!("https://{}{}?web=1", web.application, item.path.encoded());
            Ok(Document {
                name: item.path.name().to_owned(),
                size: u64::try_from(item.size).unwrap_or_default(),
                version: version(&item),
                owner: item.author.clone(),
                modified: clock::read(&item.modified),
                writable: true,
                page: Some(page),
            })
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        file: &'a str,
        _: &'a User,
    ) -> BoxFuture<'a, Result<(String, Bytes), Refused>> {
        async move {
            let (_, item) = self.find(file).await?;
            let content = self.0.content(None, item.id).await.map_err(refused)?;
            Ok((
                version(&item),
                Bytes::from(content.ok_or(Refused::Missing)?),
            ))
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
        lock: Option<&'a str>,
        content: Bytes,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        async move {
            let (web, item) = self.find(file).await?;
            let item = self
                .put(&web, &item.path, user, lock, true, &content)
                .await?;
            Ok(version(&item))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
        name: &'a str,
        replace: bool,
        content: Bytes,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        async move {
            let (web, item) = self.find(file).await?;
            let folder = item.path.parent().ok_or(Refused::Missing)?;
            let path = folder.join(name).map_err(|_| Refused::Name)?;
            let made = self.put(&web, &path, user, None, replace, &content).await?;
            Ok(made.guid)
        }
        .boxed()
    }

    fn lock<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Lock>, Refused>> {
        async move {
            let (web, item) = self.find(file).await?;
            self.lock_of(&web, &item.path).await
        }
        .boxed()
    }

    fn swap_lock<'a>(
        &'a self,
        file: &'a str,
        seen: Option<&'a Lock>,
        new: Option<&'a Lock>,
    ) -> BoxFuture<'a, Result<bool, Refused>> {
        async move {
            let (web, item) = self.find(file).await?;
            let seen = seen.map(|lock| format!("{KIND}{}", lock.id));
            let new = new
                .map(|lock| Held::of_office(&item.path, &format!("{KIND}{}", lock.id), lock.until));
            let swapped = self
                .0
                .swap(&web, &item.path, seen.as_deref(), new.as_ref())
                .await;
            swapped.map_err(refused)
        }
        .boxed()
    }
}

fn version(item: &Item) -> String {
    format!("{}.{}", item.guid, item.version)
}

fn refused(error: StoreError) -> Refused {
    match error {
        StoreError::Missing(_) | StoreError::NoPlace => Refused::Missing,
        StoreError::Exists => Refused::Taken,
        StoreError::Path(_) => Refused::Name,
        StoreError::Impossible(_) => Refused::Forbidden,
        other => Refused::Trouble(other.to_string()),
    }
}

/// The page that hands a document to the farm: `?sourcedoc=…&action=view`.
pub(super) async fn frame(visit: &Visit<'_>) -> Answered {
    let missing = || {
        Trouble::Refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "Office Web Apps is not to be had at the moment".to_owned(),
        )
    };
    let office = visit.farm.office.as_ref().ok_or_else(missing)?;
    let form = Form::read(visit.query.as_bytes()).unwrap_or_default();
    let file = form
        .get("sourcedoc")
        .unwrap_or_default()
        .trim_matches(['{', '}'])
        .to_lowercase();
    let found = visit
        .farm
        .library
        .file_anywhere(Some(visit.conversation), &file)
        .await?;
    let found = found
        .filter(|(web, item)| web.application == visit.application.host && item.kind == Kind::File);
    let (web, item) = found.ok_or_else(|| Trouble::missing("document"))?;
    let action = match form.get("action") {
        Some("edit") => "edit",
        _ => "view",
    };
    let need = if action == "edit" {
        Need::Write
    } else {
        Need::Read
    };
    visit.may(&web, need)?;
    let name = item.path.name();
    let extension = name.rsplit_once('.').map_or("", |(_, last)| last);
    let discovery = office
        .farm
        .discovery(visit.conversation)
        .await
        .map_err(|reason| {
            tracing::error!("Office Web Apps does not tell what it can do: {reason}");
            missing()
        })?;
    let source = office.host.source(&visit.application.host, &item.guid);
    let to = discovery.address(action, extension, &source);
    let to =
        to.ok_or_else(|| Trouble::bad("Office Web Apps can't do that with such a document"))?;
    let user = User {
        id: visit.principal.login.clone(),
        name: visit.principal.title.clone(),
    };
    let permission = if action == "edit" {
        Permission::Edit
    } else {
        Permission::View
    };
    let token = office
        .tokens
        .issue(&user, &item.guid, permission, SystemTime::now());
    let token = token.ok_or_else(missing)?;
    let page = pages::office(visit, name, &to, &token);
    Ok(answer::html(StatusCode::OK, page))
}
