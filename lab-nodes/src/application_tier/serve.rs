//! Requests over mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use lab_core::service::{Context, Conversation, Probe, ProbeError, Report, ServiceError};
use serde::Serialize;
use tokio::task::JoinSet;

use super::options::{LISTENER, Settings};
use crate::http::accept::{self, Visitor};
use crate::http::body::{self, Body};
use crate::http::standing::{self, Line, Standing};
use crate::http::tier_path::{TIERLAB_MISSING, TierPath};
use crate::http::{asked, dial, page};
use crate::revocation::Revocation;
use crate::sql_client::Pool;
use crate::tls;

/// Answered by the node itself, without asking anybody.
const HEALTH: &str = "/health";
/// Longest body of a request, in bytes.
const LONGEST_BODY: usize = 16 << 20;

/// A request that was admitted.
pub(crate) struct Asked<'a> {
    /// What for.
    pub method: &'a Method,
    /// The path without its query.
    pub path: &'a str,
    /// The body, whole.
    pub body: &'a Bytes,
    /// On whose behalf databases are asked.
    pub conversation: &'a Conversation,
}

/// What a service of this tier does.
pub(crate) trait Work: Send + Sync + 'static {
    /// Answers; none: there is nothing of that path here.
    fn answer(&self, asked: Asked<'_>) -> impl Future<Output = Option<Response<Body>>> + Send;

    /// The databases that must be there for it to work.
    fn databases(&self) -> Vec<&Pool>;
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(content).unwrap_or_default();
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Serves until it shall stop.
///
/// # Errors
/// No certificate, no listener.
pub(crate) async fn serve<W: Work>(
    mut context: Context,
    settings: Settings,
    work: Arc<W>,
) -> Result<(), ServiceError> {
    let credential = context
        .credentials
        .get("node")
        .ok_or_else(|| ServiceError::new("the node's certificate is missing"))?;
    let clients = tls::ClientCertificate::Asked;
    let server = Revocation::of(&context)
        .server_config(credential, &context.trust, clients)
        .map_err(ServiceError::new)?;
    let server = tls::server_telling_keys(&server, &context.spans);
    let site = Arc::new(Site {
        node: context.node.clone(),
        asked_by: settings.asked_by,
        work,
    });
    let mut doors = JoinSet::new();
    for listener in context.take_tcp(LISTENER).map_err(ServiceError::new)? {
        let site = site.clone();
        doors.spawn(accept::accept(
            listener,
            Some(server.clone()),
            context.spans.clone(),
            context.shutdown.clone(),
            move |visitor| {
                let site = site.clone();
                hyper::service::service_fn(move |request| {
                    let (site, visitor) = (site.clone(), visitor.clone());
                    async move {
                        Ok::<_, std::convert::Infallible>(site.reply(&visitor, request).await)
                    }
                })
            },
        ));
    }
    // The engine may be gone already; then nobody wants to know.
    let _ = context.report.send(Report::Ready);
    context.stopped().await;
    while doors.join_next().await.is_some() {}
    Ok(())
}

struct Site<W> {
    node: String,
    asked_by: Vec<String>,
    work: Arc<W>,
}

impl<W: Work> Site<W> {
    async fn reply(&self, visitor: &Visitor, request: Request<Incoming>) -> Response<Body> {
        let asked = asked::Asked::new(&request);
        let (head, incoming) = request.into_parts();
        let mut response = match body::read(incoming, LONGEST_BODY).await {
            Ok(body) => {
                self.answer(visitor, &head.method, head.uri.path(), &body)
                    .await
            }
            Err(trouble) => {
                let status = match trouble {
                    body::BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    body::BodyError::Broken(_) => StatusCode::BAD_REQUEST,
                };
                let mut response = page::line(status, &format!("{trouble}."));
                // The rest of the body stands in the way of the next request.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
                response
            }
        };
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        (visitor.conversation).tell(|| asked.served(response.status()));
        response
    }

    async fn answer(
        &self,
        visitor: &Visitor,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Response<Body> {
        if path == HEALTH {
            let mut response = page::line(StatusCode::OK, &format!("{} is well.", self.node));
            TierPath::of(&self.node).write(response.headers_mut());
            return response;
        }
        let admitted = visitor.certificate.as_ref().is_some_and(|certificate| {
            let names = self.asked_by.iter().map(String::as_str);
            self.asked_by.is_empty() || tls::is_for(certificate, names)
        });
        if !admitted {
            let text = format!(
                "{} answers only nodes that may ask it, by certificate.",
                self.node
            );
            return page::line(StatusCode::FORBIDDEN, &text);
        }
        let asked = Asked {
            method,
            path,
            body,
            conversation: &visitor.conversation,
        };
        match self.work.answer(asked).await {
            Some(mut response) => {
                TierPath::of(&self.node).write(response.headers_mut());
                response
            }
            None if matches!(*method, Method::GET | Method::HEAD) => {
                self.who_took_part(&visitor.conversation).await
            }
            None => page::line(StatusCode::NOT_FOUND, "There is nothing of that name here."),
        }
    }

    /// A page that names the databases that answered.
    async fn who_took_part(&self, conversation: &Conversation) -> Response<Body> {
        let mut path = TierPath::of(&self.node);
        for pool in self.work.databases() {
            if let Err(error) = pool.query(Some(conversation), "SELECT 1", &[]).await {
                tracing::warn!("{error}");
                let text = format!("{error}.");
                let mut response = page::line(StatusCode::SERVICE_UNAVAILABLE, &text);
                TierPath::of(&self.node).write(response.headers_mut());
                let missing = HeaderValue::from_static("SharePoint database");
                response.headers_mut().insert(TIERLAB_MISSING, missing);
                return response;
            }
            path.append(TierPath::of(&pool.source().server.node));
        }
        let took_part = path.to_string();
        let rows = [
            ("Node", self.node.as_str()),
            ("Took part", took_part.as_str()),
        ];
        let mut response = page::page(StatusCode::OK, &self.node, &rows);
        path.write(response.headers_mut());
        response
    }
}

/// Asks for the health of a service of this tier.
///
/// # Errors
/// It does not answer as it should.
pub(crate) async fn probe(probe: Probe) -> Result<(), ProbeError> {
    let settings: Settings =
        serde_json::from_value(probe.settings.clone()).map_err(ProbeError::new)?;
    let to = SocketAddr::new(probe.address, settings.port);
    let mut standing = probe
        .kept
        .take()
        .unwrap_or_else(|| Standing::new(standing::OF_PROBE));
    let open = async || {
        let config = tls::client_config(&probe.trust, None).map_err(ProbeError::new)?;
        let stream = probe
            .connect
            .tcp(to)
            .await
            .map_err(|error| ProbeError(format!("no connection to {to}: {error}")))?;
        let stream = dial::tls(stream, &config, &probe.fqdn).await?;
        Ok::<_, ProbeError>(Line::over(stream).await?)
    };
    let request = || {
        let request = Request::get(HEALTH).header(hyper::header::HOST, &probe.fqdn);
        request.body(body::empty())
    };
    let status = standing.ask(open, request).await?.status();
    probe.kept.keep(standing);
    match status {
        StatusCode::OK => Ok(()),
        other => Err(ProbeError(format!(
            "GET {HEALTH} was answered with {other}"
        ))),
    }
}
