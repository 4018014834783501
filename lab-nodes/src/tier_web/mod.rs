//! `tier-web`: a web server that stands for one tier of a farm. It answers only when the tiers
//! it asks do, over TLS that both sides verify, and says which nodes took part.
//!
//! - `options`: what a lab file says, and what is wrong with it;
//! - `setup`: from that and the lab to `settings`;
//! - `site`: a request and its answer; one of its hosts may be for people alone who signed in;
//! - `tier`: asking the members of another tier.

mod options;
mod settings;
mod setup;
mod site;
mod tier;

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

use crate::distributed_cache::TokenCache;
use crate::http::standing::{self, Line, Standing};
use crate::http::{accept, body, dial};
use crate::login::Guard;
use crate::revocation::Revocation;
use crate::tls;
use crate::ws_federation;
use settings::Settings;

/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);
/// Answered by the node itself, without asking any other tier.
const HEALTH: &str = "/health";

/// The service `tier-web`.
pub struct TierWeb;

impl Service for TierWeb {
    fn name(&self) -> &'static str {
        "tier-web"
    }

    fn about(&self) -> &'static str {
        "A web server of one tier: it asks the next tiers over mutual TLS and names who took part"
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
    let own = context.credentials.get("node").map(Arc::as_ref);
    let clients = if settings.only_from.is_some() {
        tls::ClientCertificate::Asked
    } else {
        tls::ClientCertificate::NotAsked
    };
    let revocation = Revocation::of(&context);
    let server = revocation
        .server_config(credential, &context.trust, clients)
        .map_err(ServiceError::new)?;
    let server = tls::server_telling_keys(&server, &context.spans);
    let client = revocation
        .client_config(&context.trust, own)
        .map_err(ServiceError::new)?;
    let client = tls::client_telling_keys(&client, &context.spans);
    let guard = guard_of(&context, &settings)?;
    let (guarded, _upkeep) = match settings.sign_in.clone() {
        Some(sign_in) => {
            let (cache, upkeep) = TokenCache::start(&mut context).await?;
            let door = ws_federation::Door::new(sign_in.party, &context.trust, cache);
            let guarded = site::Guarded {
                host: sign_in.host,
                below: sign_in.below,
                door,
            };
            (Some(guarded), Some(upkeep))
        }
        None => (None, None),
    };
    let site = Arc::new(site::Site::new(
        &context.node,
        &context.peers,
        settings,
        client,
        guard,
        guarded,
    ));

    let mut doors = JoinSet::new();
    let secure = context.take_tcp(setup::HTTPS).map_err(ServiceError::new)?;
    let plain = context.take_tcp(setup::HTTP).map_err(ServiceError::new)?;
    let listeners = secure
        .into_iter()
        .map(|listener| (listener, Some(server.clone())))
        .chain(plain.into_iter().map(|listener| (listener, None)));
    for (listener, tls) in listeners {
        let site = site.clone();
        doors.spawn(accept::accept(
            listener,
            tls,
            context.spans.clone(),
            context.shutdown.clone(),
            move |visitor| {
                let site = site.clone();
                let door = site.door(&visitor);
                hyper::service::service_fn(move |request| {
                    let (site, visitor, door) = (site.clone(), visitor.clone(), door.clone());
                    async move {
                        let answer = site.answer(&visitor, door.as_ref(), request).await;
                        Ok::<_, std::convert::Infallible>(answer)
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
                let changed = context.settings.borrow_and_update().clone();
                let changed = serde_json::from_value::<Settings>(changed)
                    .map_err(ServiceError::new)
                    .and_then(|settings| Ok((guard_of(&context, &settings)?, settings)));
                match changed {
                    Ok((guard, settings)) => site.change(settings, guard),
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

/// Who logs people in, if they must.
fn guard_of(context: &Context, settings: &Settings) -> Result<Option<Guard>, ServiceError> {
    let certificate = context.credentials.get(setup::CERTIFICATE);
    let guard = settings
        .login
        .clone()
        .map(|login| Guard::new(login, context, certificate.map(Arc::as_ref)));
    guard.transpose()
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
