//! `office-web-apps`: shows documents of WOPI hosts in a browser, and edits text (C9, F18). A server
//! of the farm keeps nothing between two requests: which document, whose, and with which lock
//! stands in the forms of its pages, so any server of the farm goes on where another began.
//!
//! - `options`: what a lab file says; `setup`: from that and the lab to `settings`;
//! - `source`: which documents it asks for: those of its hosts, nothing else;
//! - `session`: asking the host;
//! - `document`: bytes to text, headings, lists and tables;
//! - `site`: a request and its answer; `pages`: what people see.

pub mod document;
mod options;
mod pages;
mod session;
mod settings;
mod setup;
mod site;
mod source;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::{Request, StatusCode};
use lab_core::service::{
    Context, OptionError, Probe, ProbeError, Report, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::http::standing::{self, Line, Standing};
use crate::http::{accept, body, dial};
use crate::revocation::Revocation;
use crate::tls;
use crate::wopi::Reach;
use settings::Settings;

/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);
/// Answered by the node itself.
const HEALTH: &str = "/health";

/// The service `office-web-apps`.
pub struct OfficeWebApps;

impl Service for OfficeWebApps {
    fn name(&self) -> &'static str {
        "office-web-apps"
    }

    fn about(&self) -> &'static str {
        "Shows Word, Excel, PowerPoint and text documents of WOPI hosts in a browser, and edits text"
    }

    fn options_schema(&self) -> Value {
        options::schema()
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        setup::setup(request)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        async move {
            tokio::time::timeout(PROBE, ask_health(probe))
                .await
                .map_err(|_| ProbeError::new("no answer within 2 s"))?
        }
        .boxed()
    }
}

async fn run(mut context: Context) -> Result<(), ServiceError> {
    let settings: Settings = serde_json::from_value(context.settings.borrow_and_update().clone())
        .map_err(ServiceError::new)?;
    let credential = context
        .credentials
        .get(setup::CERTIFICATE)
        .ok_or_else(|| ServiceError::new("the certificate `web` is missing"))?;
    let secret = context
        .secrets
        .get(&settings.secret)
        .cloned()
        .ok_or_else(|| ServiceError::new("the secret of the farm is missing"))?;
    let clients = tls::ClientCertificate::NotAsked;
    let server =
        tls::server_config(credential, &context.trust, clients).map_err(ServiceError::new)?;
    let server = tls::server_telling_keys(&server, &context.spans);
    let own = context.credentials.get("node").map(Arc::as_ref);
    let client = Revocation::of(&context)
        .client_config(&context.trust, own)
        .map_err(ServiceError::new)?;
    let client = tls::client_telling_keys(&client, &context.spans);
    let reach = Reach::new(client, settings.places.clone());
    let site = Arc::new(site::Site::new(&context.node, settings, secret, reach));

    let mut doors = JoinSet::new();
    for listener in context.take_tcp(setup::HTTPS).map_err(ServiceError::new)? {
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
                        Ok::<_, std::convert::Infallible>(site.answer(&visitor, request).await)
                    }
                })
            },
        ));
    }
    // The engine may be gone already; then nobody wants to know.
    let _ = context.report.send(Report::Ready);

    let mut shutdown = context.shutdown.clone();
    loop {
        tokio::select! {
            changed = context.settings.changed() => {
                if changed.is_err() { break }
                match serde_json::from_value(context.settings.borrow_and_update().clone()) {
                    Ok(settings) => site.change(settings),
                    Err(error) => tracing::error!("settings not understood, the old ones stay: {error}"),
                }
            }
            () = async { let _ = shutdown.wait_for(|stop| *stop).await; } => break,
        }
    }
    context.stopped().await;
    while doors.join_next().await.is_some() {}
    Ok(())
}

async fn ask_health(probe: Probe) -> Result<(), ProbeError> {
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
