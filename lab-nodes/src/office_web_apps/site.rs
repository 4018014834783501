//! A request and its answer.

use std::sync::{Arc, PoisonError, RwLock};

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use lab_core::service::Secret;
use ring::hmac;
use tokio::sync::{OnceCell, Semaphore};

use super::HEALTH;
use super::document::{self, Kind, Unreadable};
use super::pages::{self, Carried};
use super::session::{Info, Session, Trouble};
use super::settings::Settings;
use super::source::Source;
use crate::http::accept::Visitor;
use crate::http::asked::Asked;
use crate::http::body::{self, Body};
use crate::http::tier_path::TierPath;
use crate::http::{host, page};
use crate::wopi::{Action, DISCOVERY, Discovery, ProofKey, PublicKeys, Reach, parameter};

/// Longest form, in bytes: 1 MB of text, each byte of which may take three.
const LONGEST_FORM: usize = (3 << 20) + (64 << 10);
/// Documents that are read at the same time; others wait.
const AT_ONCE: usize = 2;

/// What this node serves.
pub(super) struct Site {
    node: String,
    farm: RwLock<Arc<Farm>>,
    secret: Secret,
    reach: Reach,
    room: Semaphore,
}

/// The farm as its settings have it; the keys are made when they are needed first.
struct Farm {
    settings: Settings,
    keys: OnceCell<Option<Arc<Keys>>>,
}

struct Keys {
    current: ProofKey,
    /// None: there was no other.
    old: Option<ProofKey>,
}

impl Keys {
    fn pair(&self) -> (&ProofKey, &ProofKey) {
        (&self.current, self.old.as_ref().unwrap_or(&self.current))
    }
}

impl Site {
    pub fn new(node: &str, settings: Settings, secret: Secret, reach: Reach) -> Self {
        Self {
            node: node.to_owned(),
            farm: RwLock::new(Arc::new(Farm::new(settings))),
            secret,
            reach,
            room: Semaphore::new(AT_ONCE),
        }
    }

    /// New settings, for requests from now on.
    pub fn change(&self, settings: Settings) {
        *self.farm.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Farm::new(settings));
    }

    pub async fn answer(&self, visitor: &Visitor, request: Request<Incoming>) -> Response<Body> {
        let farm = self
            .farm
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let asked = Asked::new(&request);
        let (head, incoming) = request.into_parts();
        let mut response = match body::read(incoming, LONGEST_FORM).await {
            Ok(form) => {
                let form = String::from_utf8_lossy(&form).into_owned();
                let head = Request::from_parts(head, ());
                self.reply(&farm, visitor, &head, &form).await
            }
            Err(trouble) => {
                let status = match trouble {
                    body::BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    body::BodyError::Broken(_) => StatusCode::BAD_REQUEST,
                };
                let mut response = pages::refusal(status, "Not saved", &format!("{trouble}."));
                // The rest of the body stands in the way of the next request.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
                response
            }
        };
        TierPath::of(&self.node).write(response.headers_mut());
        visitor
            .conversation
            .tell(|| asked.served(response.status()));
        response
    }

    async fn reply(
        &self,
        farm: &Farm,
        visitor: &Visitor,
        request: &Request<()>,
        form: &str,
    ) -> Response<Body> {
        let Some(host) = host::of(request) else {
            return page::line(
                StatusCode::BAD_REQUEST,
                "The request names no host, or several.",
            );
        };
        if !farm.settings.served.contains(&host) {
            let refusal = format!("{} does not serve {host}.", self.node);
            return page::line(StatusCode::MISDIRECTED_REQUEST, &refusal);
        }
        let asks = matches!(*request.method(), Method::GET | Method::HEAD);
        match (request.uri().path(), asks) {
            (HEALTH, true) => page::line(StatusCode::OK, &format!("{} is well.", self.node)),
            (DISCOVERY, true) => self.discovery(farm).await,
            ("/", true) => pages::welcome(&farm.settings.name, &self.node),
            // A host's page posts the token; a link carries it.
            ("/wv/view", _) => self.with(farm, visitor, request, form, What::View).await,
            ("/we/edit", _) => self.with(farm, visitor, request, form, What::Edit).await,
            ("/we/save", false) => self.with(farm, visitor, request, form, What::Save).await,
            ("/we/close", false) => self.with(farm, visitor, request, form, What::Close).await,
            ("/we/save" | "/we/close" | HEALTH | DISCOVERY | "/", _) => pages::refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "Not so",
                "This address is asked in another way.",
            ),
            _ => pages::refusal(
                StatusCode::NOT_FOUND,
                "Nothing here",
                "Open a document in a library: it leads to its page here.",
            ),
        }
    }

    async fn discovery(&self, farm: &Farm) -> Response<Body> {
        let Some(keys) = farm.keys(&self.secret).await else {
            return no_keys();
        };
        let name = &farm.settings.name;
        let action = |kind: Kind, extension: &str, name: &str, address: &str| Action {
            app: kind.app().to_owned(),
            name: name.to_owned(),
            extension: extension.to_owned(),
            source: format!("{address}?<ui=UI_LLCC&><rs=DC_LLCC&>"),
        };
        let mut actions = Vec::new();
        for (kind, extensions) in Kind::ALL {
            for extension in extensions {
                let view = format!("https://{name}/wv/view");
                actions.push(action(kind, extension, "view", &view));
                if kind.editable() {
                    let edit = format!("https://{name}/we/edit");
                    actions.push(action(kind, extension, "edit", &edit));
                }
            }
        }
        let (current, old) = keys.pair();
        let discovery = Discovery {
            actions,
            keys: PublicKeys {
                current: current.public().clone(),
                old: old.public().clone(),
            },
        };
        let Some(xml) = discovery.write("internal-https") else {
            return no_keys();
        };
        let mut response = Response::new(body::full(xml));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/xml; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn with(
        &self,
        farm: &Farm,
        visitor: &Visitor,
        request: &Request<()>,
        form: &str,
        what: What,
    ) -> Response<Body> {
        let query = request.uri().query().unwrap_or_default();
        let field = |name| parameter(form, name).or_else(|| parameter(query, name));
        let text = field("WOPISrc").unwrap_or_default();
        let source = match Source::read(&text, &farm.settings.hosts) {
            Ok(source) => source,
            Err(bad) => {
                tracing::warn!("a document was not asked for: {bad}");
                return pages::refusal(StatusCode::BAD_REQUEST, "Not shown", &bad.to_string());
            }
        };
        let Some(token) = field("access_token").filter(|token| !token.is_empty()) else {
            return trouble(&Trouble::Token, &source);
        };
        let Some(keys) = farm.keys(&self.secret).await else {
            return no_keys();
        };
        let opened = Session::open(
            &self.reach,
            &source,
            &token,
            keys.pair(),
            &visitor.conversation,
        )
        .await;
        let done = match opened {
            Ok(session) => {
                let visit = Visit {
                    site: self,
                    session,
                    source: &source,
                    token: &token,
                };
                let text = parameter(form, "text").unwrap_or_default();
                visit.act(what, text).await
            }
            Err(trouble) => Err(trouble),
        };
        done.unwrap_or_else(|why| trouble(&why, &source))
    }

    /// The lock of a user on a document: the same in each of their windows, and on each server.
    fn lock_of(&self, source: &Source, info: &Info) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.bytes());
        let whose = format!("lock\n{}\n{}", source.text(), info.user_id);
        let tag = hmac::sign(&key, whose.as_bytes());
        format!(
            "owa-{}",
            data_encoding::HEXLOWER.encode(&tag.as_ref()[..16])
        )
    }
}

#[derive(Clone, Copy)]
enum What {
    View,
    Edit,
    Save,
    Close,
}

/// A user's request about a document.
struct Visit<'v> {
    site: &'v Site,
    session: Session<'v>,
    source: &'v Source,
    token: &'v str,
}

impl Visit<'_> {
    async fn act(mut self, what: What, text: String) -> Result<Response<Body>, Trouble> {
        let info = self.session.info().await?;
        let Some(kind) = Kind::of(&info.base_file_name) else {
            return Ok(unreadable(&Unreadable::Kind));
        };
        let lock = self.site.lock_of(self.source, &info);
        match what {
            What::View => self.view(&info, kind, None).await,
            What::Edit | What::Save if !(kind.editable() && info.user_can_write) => {
                Ok(pages::refusal(
                    StatusCode::FORBIDDEN,
                    "Read only",
                    "You may read this document here, but not change it.",
                ))
            }
            What::Edit => match self.session.lock(&lock).await {
                Ok(()) => self.edit(&info, kind).await,
                Err(Trouble::Conflict) => Ok(self.locked(&info, None)),
                Err(trouble) => Err(trouble),
            },
            What::Save => self.save(&info, kind, &lock, text).await,
            What::Close => {
                // Who waited too long has no lock any more, which is what they want.
                match self.session.unlock(&lock).await {
                    Ok(()) | Err(Trouble::Conflict) => self.view(&info, kind, None).await,
                    Err(trouble) => Err(trouble),
                }
            }
        }
    }

    async fn view(
        &mut self,
        info: &Info,
        kind: Kind,
        saved: Option<&str>,
    ) -> Result<Response<Body>, Trouble> {
        let content = self.session.content().await?;
        // The semaphore is never closed.
        let _room = self.site.room.acquire().await;
        let read = tokio::task::spawn_blocking(move || document::read(kind, &content)).await;
        Ok(match read {
            Ok(Ok(pages)) => pages::view(info, kind, &pages, &self.carried(), saved),
            Ok(Err(why)) => unreadable(&why),
            Err(error) => return Err(Trouble::Host(format!("it could not be read: {error}"))),
        })
    }

    async fn edit(&mut self, info: &Info, kind: Kind) -> Result<Response<Body>, Trouble> {
        let content = self.session.content().await?;
        Ok(match document::plain(&content) {
            Ok(text) => pages::edit(info, kind, &text, &self.carried()),
            Err(why) => unreadable(&why),
        })
    }

    async fn save(
        &mut self,
        info: &Info,
        kind: Kind,
        lock: &str,
        text: String,
    ) -> Result<Response<Body>, Trouble> {
        let before = self.session.content().await?;
        let put = self
            .session
            .put(lock, document::edited(&before, &text))
            .await;
        let version = match put {
            Ok(version) => version,
            Err(Trouble::Conflict) => return Ok(self.locked(info, Some(&text))),
            Err(trouble) => return Err(trouble),
        };
        if let Err(trouble) = self.session.unlock(lock).await {
            // It was saved; the lock ends by itself.
            tracing::warn!("a lock stays on {}: {trouble:?}", self.source.text());
        }
        self.view(info, kind, Some(version.as_deref().unwrap_or("new")))
            .await
    }

    fn locked(&self, info: &Info, text: Option<&str>) -> Response<Body> {
        let name = &info.base_file_name;
        match text {
            None => pages::conflict(
                "Locked",
                &format!("Somebody else is editing {name}. Try again when they are done."),
                &self.carried(),
                None,
            ),
            Some(text) => pages::conflict(
                "Not saved",
                &format!(
                    "You do not hold the lock on {name} any more: it ended, or somebody else has \
                     it. Copy your text, and edit the document again."
                ),
                &self.carried(),
                Some(text),
            ),
        }
    }

    fn carried(&self) -> Carried<'_> {
        Carried {
            source: self.source.text(),
            token: self.token,
        }
    }
}

impl Farm {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            keys: OnceCell::new(),
        }
    }

    async fn keys(&self, secret: &Secret) -> Option<Arc<Keys>> {
        let make = async || {
            let (secret, number) = (secret.clone(), self.settings.proof_key);
            let derived = tokio::task::spawn_blocking(move || {
                let current = ProofKey::derive(&secret, number)?;
                let old = match number.checked_sub(1) {
                    Some(before) => Some(ProofKey::derive(&secret, before)?),
                    None => None,
                };
                Some(Arc::new(Keys { current, old }))
            });
            derived.await.ok().flatten()
        };
        self.keys.get_or_init(make).await.clone()
    }
}

fn no_keys() -> Response<Body> {
    pages::refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Not now",
        "The farm has no proof keys: its log says more.",
    )
}

fn unreadable(why: &Unreadable) -> Response<Body> {
    let status = match why {
        Unreadable::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Unreadable::Kind | Unreadable::Damaged(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    let mut sentence = why.to_string();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    pages::refusal(
        status,
        "Not shown",
        &format!("{sentence}. Download it to open it."),
    )
}

fn trouble(why: &Trouble, source: &Source) -> Response<Body> {
    let host = &source.host;
    match why {
        Trouble::Token => pages::refusal(
            StatusCode::UNAUTHORIZED,
            "Open it again",
            &format!(
                "{host} does not honour this visit any more. Open the document in its library again."
            ),
        ),
        Trouble::Missing => pages::refusal(
            StatusCode::NOT_FOUND,
            "No such document",
            &format!("{host} has no such document for you."),
        ),
        Trouble::Conflict => pages::refusal(
            StatusCode::CONFLICT,
            "Locked",
            "Somebody else is editing this document.",
        ),
        Trouble::TooLarge => unreadable(&Unreadable::TooLarge("it has more than 16 MB".into())),
        Trouble::Host(reason) => {
            tracing::warn!("{} was not had: {reason}", source.text());
            pages::refusal(
                StatusCode::BAD_GATEWAY,
                "No answer",
                &format!("{host} does not give this document now. Try again in a while."),
            )
        }
    }
}
