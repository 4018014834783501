//! `identity-provider`: a company's own identity provider, as AD FS is one: its people log in with a
//! form, and it gives them tokens for the sites that it knows, by WS-Federation (SAML 1.1) and by
//! SAML 2.0's Web SSO profile.
//!
//! - `options`: what a lab file says; `setup`: from that and the lab to `settings`;
//! - `accounts`: who is who, and how often somebody may be wrong;
//! - `sessions`: who logged in;
//! - `ask`: what a relying party asks for, in either protocol;
//! - `site`: a request and its answer; `sign_in`: the tokens; `pages`: what people see;
//! - `metadata`: what relying parties import.
//!
//! Its tokens are signed with a certificate of the lab's CA that carries a name of its own,
//! `token-signing.` and the provider's name: that is what a relying party trusts
//! ([`crate::saml::SignedBy::Named`]), so a certificate of another provider, which the same CA signed,
//! is none.

mod accounts;
mod ask;
mod metadata;
mod options;
mod pages;
mod sessions;
mod settings;
mod setup;
mod sign_in;
mod site;

pub use setup::trusted;

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
use crate::saml::Signer;
use crate::tls;
use settings::Settings;

/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);
/// What a health check asks for: the metadata, which is signed.
const METADATA: &str = "/FederationMetadata/2007-06/FederationMetadata.xml";

/// The service `identity-provider`.
pub struct IdentityProvider;

impl Service for IdentityProvider {
    fn name(&self) -> &'static str {
        setup::SERVICE
    }

    fn about(&self) -> &'static str {
        "An identity provider: a login page, WS-Federation and SAML 2.0, metadata"
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
            tokio::time::timeout(PROBE, ask_metadata(probe))
                .await
                .map_err(|_| ProbeError::new("no answer within 2 s"))?
        }
        .boxed()
    }
}

async fn run(mut context: Context) -> Result<(), ServiceError> {
    let settings: Settings = serde_json::from_value(context.settings.borrow_and_update().clone())
        .map_err(ServiceError::new)?;
    let credential = |id: &str| {
        let found = context.credentials.get(id);
        found.ok_or_else(|| ServiceError::new(format!("the certificate `{id}` is missing")))
    };
    let signer = Signer::new(credential(setup::SIGNING)?).map_err(ServiceError::new)?;
    let server = tls::server_config(
        credential(setup::CERTIFICATE)?,
        &context.trust,
        tls::ClientCertificate::NotAsked,
    )
    .map_err(ServiceError::new)?;
    let server = tls::server_telling_keys(&server, &context.spans);
    let site = Arc::new(site::Site::new(&context.node, settings, signer));
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

async fn ask_metadata(probe: Probe) -> Result<(), ProbeError> {
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
        let request = Request::get(METADATA).header(hyper::header::HOST, &probe.fqdn);
        request.body(body::empty())
    };
    let answer = standing.ask(open, request).await?;
    probe.kept.keep(standing);
    match answer.status() {
        StatusCode::OK => Ok(()),
        other => Err(ProbeError(format!(
            "GET {METADATA} was answered with {other}"
        ))),
    }
}
