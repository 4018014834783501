//! Documents in a browser: the page that leads to Office Web Apps, and the WOPI host that they ask
//! ([MS-WOPI]). The farm proves itself by its keys, the user by a token that this farm sealed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::StatusCode;
use hyper::body::Bytes;
use lab_core::service::Secret;
use rustls::ClientConfig;

use super::answer;
use super::farm::{Answered, Need, Trouble, Visit};
use super::library::{Expected, Held, Item, Library, NewFile, StoreError, Web};
use super::path::ServerPath;
use crate::http::form::Form;
use crate::http::page::escape;
use crate::wopi::{Document, Farm, Host, Lock, Permission, Reach, Refused, Storage, Tokens, User};

/// The page that leads to the farm.
pub(super) const FRAME: &str = "/_layouts/15/WopiFrame.aspx";
/// Below it documents are told by their names for good.
const BASE: &str = "/_vti_bin/wopi.ashx/files";
/// Who holds a lock that a server of the farm took, for people.
const HOLDER: &str = "Office Web Apps";

/// What the front end needs to show documents in a browser.
pub(super) struct Office {
    pub host: Host,
    farm: Arc<Farm>,
    tokens: Arc<Tokens>,
}

impl Office {
    /// With the farm of this name. All front ends share the secret, and so honour each other's
    /// tokens.
    pub fn new(
        name: &str,
        secret: &Secret,
        client: Arc<ClientConfig>,
        library: Arc<Library>,
    ) -> Self {
        let farm = Arc::new(Farm::new(name, Reach::new(client, Default::default())));
        let tokens = Arc::new(Tokens::new(secret));
        let documents = Arc::new(Documents(library));
        Self {
            host: Host::new(documents, tokens.clone(), farm.clone(), BASE),
            farm,
            tokens,
        }
    }

    /// The page with the form that carries a token to the farm.
    pub async fn frame(&self, visit: &Visit<'_>) -> Answered {
        let form = Form::read(visit.query.as_bytes()).unwrap_or_default();
        let guid = form.get("sourcedoc").unwrap_or_default();
        let guid = guid.trim_matches(['{', '}']).to_ascii_lowercase();
        let action = form.get("action").unwrap_or("view");
        let library = &visit.farm.library;
        let found = library
            .file_anywhere(Some(visit.conversation), &guid)
            .await?;
        let (web, item) = found.ok_or_else(|| Trouble::missing("document"))?;
        // A name for good holds in every web application, what one may see does not.
        if web.application != visit.application.host {
            return Err(Trouble::missing("document"));
        }
        let need = if action == "edit" {
            Need::Write
        } else {
            Need::Read
        };
        visit.may(&web, need)?;
        let unavailable = |reason: String| {
            tracing::warn!("a document can't be shown in a browser: {reason}");
            let sentence = "Office Web Apps do not answer now; download the document";
            Trouble::Refused(StatusCode::BAD_GATEWAY, sentence.into())
        };
        let discovery = self.farm.discovery(visit.conversation).await;
        let discovery = discovery.map_err(unavailable)?;
        let name = item.path.name();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let source = self.host.source(&visit.application.host, &item.guid);
        let address = discovery
            .address(action, extension, &source)
            .ok_or_else(|| Trouble::bad("documents of this kind are not shown in a browser"))?;
        let permission = match visit.may_write(&web) {
            true => Permission::Edit,
            false => Permission::View,
        };
        let user = User {
            id: visit.principal.login.clone(),
            name: visit.principal.title.clone(),
            claims: visit.principal.claims(),
        };
        let token = self
            .tokens
            .issue(&user, &item.guid, permission, SystemTime::now())
            .ok_or_else(|| unavailable("the system gives no random numbers".into()))?;
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title></head>\n\
             <body><form method=\"post\" action=\"{}\">\
             <input type=\"hidden\" name=\"access_token\" value=\"{}\">\
             <input type=\"hidden\" name=\"access_token_ttl\" value=\"{}\">\
             <p><button autofocus>Open {name} in the browser</button></p></form></body></html>\n",
            escape(&address),
            escape(&token.text),
            token.ttl,
            name = escape(name),
        );
        Ok(answer::html(StatusCode::OK, html))
    }
}

/// The libraries of all sites, as a WOPI host keeps documents.
struct Documents(Arc<Library>);

impl Documents {
    async fn find(&self, file: &str) -> Result<(Web, Item), Refused> {
        let found = self.0.file_anywhere(None, file).await.map_err(refused)?;
        found.ok_or(Refused::Missing)
    }

    async fn readable(&self, file: &str, user: &User) -> Result<(Web, Item), Refused> {
        let (web, item) = self.find(file).await?;
        if has(user, &web.readers) || has(user, &web.writers) {
            return Ok((web, item));
        }
        Err(Refused::Missing)
    }

    async fn store(
        &self,
        (web, path): (&Web, &ServerPath),
        user: &User,
        overwrite: bool,
        lock: Option<&str>,
        content: &[u8],
    ) -> Result<Item, Refused> {
        if !has(user, &web.writers) {
            return Err(Refused::Forbidden);
        }
        let tokens: Vec<String> = lock.iter().map(|&lock| lock.to_owned()).collect();
        let new = NewFile {
            content,
            by: (&user.id, &user.name),
            overwrite,
            expected: Expected::default(),
            tokens: &tokens,
        };
        let stored = self.0.put_file(None, web, path, new).await;
        stored.map(|(item, _)| item).map_err(refused)
    }
}

impl Storage for Documents {
    fn describe<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
    ) -> BoxFuture<'a, Result<Document, Refused>> {
        async move {
            let (web, item) = self.readable(file, user).await?;
            Ok(Document {
                name: item.path.name().to_owned(),
                size: u64::try_from(item.size).unwrap_or_default(),
                version: item.version.to_string(),
                owner: item.author.clone(),
                writable: has(user, &web.writers),
                page: Some(format!(
                    "https://{}{}?web=1",
                    web.application,
                    item.path.encoded()
                )),
            })
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        file: &'a str,
        user: &'a User,
    ) -> BoxFuture<'a, Result<(String, Bytes), Refused>> {
        async move {
            let (_, item) = self.readable(file, user).await?;
            let content = self.0.content(None, item.id).await.map_err(refused)?;
            let content = content.ok_or(Refused::Missing)?;
            Ok((item.version.to_string(), content.into()))
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
            let (web, item) = self.readable(file, user).await?;
            let place = (&web, &item.path);
            let stored = self.store(place, user, true, lock, &content).await?;
            Ok(stored.version.to_string())
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
            let (web, item) = self.readable(file, user).await?;
            if name.contains(['/', '\\']) {
                return Err(Refused::Name);
            }
            let folder = item.path.parent().ok_or(Refused::Name)?;
            let path = format!("{}/{name}", folder.as_str().trim_end_matches('/'));
            let path = ServerPath::new(&path).map_err(|_| Refused::Name)?;
            let stored = self.store((&web, &path), user, replace, None, &content);
            Ok(stored.await?.guid)
        }
        .boxed()
    }

    fn lock<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Lock>, Refused>> {
        async move {
            let (web, item) = self.find(file).await?;
            let locks = self.0.locks(None, &web, &item.path, false).await;
            let held = locks.map_err(refused)?.into_iter().next();
            Ok(held.map(|held| Lock {
                id: held.token,
                until: UNIX_EPOCH
                    + Duration::from_millis(u64::try_from(held.until).unwrap_or_default()),
            }))
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
            let new = new.map(|lock| {
                let until = lock.until.duration_since(UNIX_EPOCH).unwrap_or_default();
                Held {
                    path: item.path.clone(),
                    token: lock.id.clone(),
                    owner: HOLDER.to_owned(),
                    login: HOLDER.to_owned(),
                    deep: false,
                    shared: false,
                    until: i64::try_from(until.as_millis()).unwrap_or(i64::MAX),
                }
            });
            let seen = seen.map(|lock| lock.id.as_str());
            let swapped = self.0.swap(&web, &item.path, seen, new.as_ref()).await;
            swapped.map_err(refused)
        }
        .boxed()
    }
}

/// Whether one of these claims is the user's.
fn has(user: &User, claims: &[String]) -> bool {
    user.claims.iter().any(|own| claims.contains(own))
}

fn refused(error: StoreError) -> Refused {
    match error {
        StoreError::Missing(_) => Refused::Missing,
        StoreError::Exists => Refused::Taken,
        // Who holds it may be a client of WebDAV, whose lock is none of WOPI.
        StoreError::Locked(_) => Refused::Locked(String::new()),
        StoreError::Path(_) | StoreError::NoPlace => Refused::Name,
        other => Refused::Trouble(other.to_string()),
    }
}
