//! `certificate-services`: the lab's certificate authority as its clients see it. Over plain HTTP,
//! below the path of `certificates: published` in the lab file:
//!
//! | path | what |
//! | --- | --- |
//! | `issuing.crl`, `root.crl` | revocation lists (RFC 5280 §5), DER |
//! | `issuing.crt`, `root.crt` | the certificates of both authorities, DER |
//! | `ocsp` | OCSP (RFC 6960), by POST, and by GET of `ocsp/REQUEST` in base64 |
//!
//! - `setup`: from the lab to what the service needs;
//! - `question`: an OCSP request, read (wire);
//! - `office`: what the authority knows, and signs: lists, and answers by a responder of its own
//!   to which it delegates;
//! - `site`: a request and its answer;
//! - `probe`: the health check from another node.

mod office;
mod probe;
mod question;
mod setup;
mod site;

pub use office::{Office, OfficeError};
pub use question::{Malformed, Question};

use std::convert::Infallible;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::service::service_fn;
use lab_core::service::{
    Context, OptionError, Probe, ProbeError, Report, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::accept;
use setup::Settings;
use site::Site;

/// The service `certificate-services`.
pub struct CertificateServices;

impl Service for CertificateServices {
    fn name(&self) -> &'static str {
        "certificate-services"
    }

    fn about(&self) -> &'static str {
        "The lab's certificate authority: its certificates, revocation lists and OCSP over HTTP"
    }

    fn options_schema(&self) -> Value {
        json!({ "type": "object", "properties": {}, "additionalProperties": false })
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        setup::setup(request)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        probe::probe(probe).boxed()
    }
}

async fn run(mut context: Context) -> Result<(), ServiceError> {
    let settings: Settings = serde_json::from_value(context.settings.borrow_and_update().clone())
        .map_err(ServiceError::new)?;
    let mut authority = context
        .authority
        .take()
        .ok_or_else(|| ServiceError::new("the lab's authority is not in its hands"))?;
    let root = context
        .trust
        .first()
        .ok_or_else(|| ServiceError::new("the lab's root certificate is missing"))?
        .clone();
    // Before it knows what was issued it would call every certificate unknown.
    let mut shutdown = context.shutdown.clone();
    tokio::select! {
        told = authority.issued.changed() => told.map_err(ServiceError::new)?,
        _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
    }
    let office = Office::open(&context.lab, root, authority).map_err(ServiceError::new)?;
    let site = Arc::new(Site::new(&context.node, settings, office));
    let mut doors = JoinSet::new();
    for listener in context.take_tcp(setup::HTTP).map_err(ServiceError::new)? {
        let site = site.clone();
        doors.spawn(accept::accept(
            listener,
            None,
            context.spans.clone(),
            context.shutdown.clone(),
            move |visitor| {
                let site = site.clone();
                service_fn(move |request| {
                    let (site, visitor) = (site.clone(), visitor.clone());
                    async move { Ok::<_, Infallible>(site.answer(&visitor, request).await) }
                })
            },
        ));
    }
    // The engine may be gone already; then nobody wants to know.
    let _ = context.report.send(Report::Ready);
    loop {
        tokio::select! {
            changed = context.settings.changed() => {
                if changed.is_err() { break }
                match serde_json::from_value(context.settings.borrow_and_update().clone()) {
                    Ok(settings) => site.change(settings),
                    Err(error) => tracing::error!("settings not understood, the old ones stay: {error}"),
                }
            }
            _ = shutdown.wait_for(|stop| *stop) => break,
        }
    }
    while doors.join_next().await.is_some() {}
    Ok(())
}
