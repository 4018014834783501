//! `sharepoint-front-end`: web applications with sites, lists and libraries of documents, for people
//! (pages), programs (REST of [MS-CSOMREST] as clients of SharePoint 2013 use it) and file managers
//! (WebDAV, RFC 4918, class 1 and 2).
//!
//! - `options`, `setup`, `settings`: what a lab file says, and what a running front end knows;
//! - `site`: a request and its answer; `farm`: what answering takes;
//! - `sign_in`, `session`, `principal`: who asks. Claims decide what somebody sees;
//! - [`library`]: what there is, in the content database; `path`: where;
//! - `rest`, `dav`, `pages`: the three ways to it; `office`: documents in a browser;
//! - `digest`: proof that a change was asked for by a page of ours.
//!
//! Front ends keep nothing: content is in the database, sessions are in the distributed cache.

mod answer;
mod clock;
mod dav;
mod digest;
mod farm;
mod library;
mod office;
mod options;
mod pages;
mod password;
mod path;
mod principal;
mod rest;
mod session;
mod settings;
mod setup;
mod sign_in;
mod site;
pub mod syntax;
mod tried;

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

use crate::application_tier::Tier;
use crate::distributed_cache::TokenCache;
use crate::http::standing::{self, Line, Standing};
use crate::http::{accept, body, dial};
use crate::login::Guard;
use crate::revocation::Revocation;
use crate::sql_client::Pool;
use crate::tls;
use crate::ws_federation::RelyingParty;
use digest::Digests;
use farm::Farm;
use library::Library;
use session::Sessions;
use settings::Settings;

/// How long a health check may take.
const PROBE: Duration = Duration::from_secs(2);

/// The service `sharepoint-front-end`.
pub struct SharePointFrontEnd;

impl Service for SharePointFrontEnd {
    fn name(&self) -> &'static str {
        "sharepoint-front-end"
    }

    fn about(&self) -> &'static str {
        "A front end of SharePoint: sites, lists and documents by pages, REST and WebDAV"
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
    let settings: Settings =
        serde_json::from_value(context.settings.borrow().clone()).map_err(ServiceError::new)?;
    let credential = context
        .credentials
        .get(setup::CERTIFICATE)
        .cloned()
        .ok_or_else(|| ServiceError::new("the certificate `web` is missing"))?;
    let server = tls::server_config(
        &credential,
        &context.trust,
        tls::ClientCertificate::NotAsked,
    )
    .map_err(ServiceError::new)?;
    let server = tls::server_telling_keys(&server, &context.spans);
    // Before anything is asked: the others may ask this member at once.
    let (cache, _upkeep) = TokenCache::start(&mut context).await?;
    let farm = Arc::new(farm(&context, settings, cache, &credential)?);

    let preparing = farm.clone();
    let mut doors = JoinSet::new();
    doors.spawn(async move {
        // Who asks first does it, if the database is not there yet.
        if let Err(reason) = preparing.library.prepare().await {
            tracing::info!("the content database is not ready: {reason}");
        }
    });
    for listener in context.take_tcp(setup::HTTPS).map_err(ServiceError::new)? {
        let farm = farm.clone();
        doors.spawn(accept::accept(
            listener,
            Some(server.clone()),
            context.spans.clone(),
            context.shutdown.clone(),
            move |visitor| {
                let farm = farm.clone();
                let seat = Arc::new(site::Seat::new(&farm, visitor));
                hyper::service::service_fn(move |request| {
                    let (farm, seat): (site::Shared, _) = (farm.clone(), seat.clone());
                    async move {
                        Ok::<_, std::convert::Infallible>(site::reply(&farm, &seat, request).await)
                    }
                })
            },
        ));
    }
    // The engine may be gone already; then nobody wants to know.
    let _ = context.report.send(Report::Ready);
    context.stopped().await;
    doors.abort_all();
    while doors.join_next().await.is_some() {}
    Ok(())
}

fn farm(
    context: &Context,
    settings: Settings,
    cache: TokenCache,
    credential: &lab_core::service::Credential,
) -> Result<Farm, ServiceError> {
    let own = context.credentials.get("node").map(Arc::as_ref);
    let client = Revocation::of(context)
        .client_config(&context.trust, own)
        .map_err(ServiceError::new)?;
    let client = tls::client_telling_keys(&client, &context.spans);
    let secret = |name: &str| {
        let secret = context.secrets.get(name);
        secret.ok_or_else(|| ServiceError::new(format!("the secret `{name}` is missing")))
    };
    let content = &settings.content;
    let pool = Pool::new(
        content.clone(),
        secret(&content.secret())?,
        client.clone(),
        &context.node,
    );
    let login = settings.login.clone();
    let guard = login
        .map(|login| Guard::new(login, context, Some(credential)))
        .transpose()?;
    let applications = settings.applications.values();
    let relying_parties = applications
        .clone()
        .filter_map(|application| {
            let party = application.relying_party.clone()?;
            let party = RelyingParty::new(party, &context.trust);
            Some((application.host.clone(), party))
        })
        .collect();
    let search = settings.search.then(|| {
        let peers = context.peers.get(setup::SEARCH);
        let peers = peers.map(Vec::as_slice).unwrap_or_default();
        Arc::new(Tier::new("SharePoint search", peers, 443, client.clone()))
    });
    let library = Arc::new(Library::new(pool, applications.cloned().collect()));
    let office = match &settings.office_web_apps {
        Some(name) => {
            let secret = secret(setup::WOPI)?;
            Some(office::Office::new(
                name,
                secret,
                client.clone(),
                library.clone(),
            ))
        }
        None => None,
    };
    Ok(Farm {
        node: context.node.clone(),
        library,
        office,
        sessions: Sessions::new(cache, Duration::from_secs(settings.session_lifetime)),
        digests: Digests::new(secret(setup::SECRET)?),
        guard,
        relying_parties,
        search,
        tried: tried::Tried::default(),
        settings,
    })
}

async fn ask_health(probe: Probe) -> Result<(), ProbeError> {
    let to = SocketAddr::new(probe.address, setup::PORT);
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
        let request = Request::get(site::HEALTH).header(hyper::header::HOST, &probe.fqdn);
        request.body(body::empty())
    };
    let status = standing.ask(open, request).await?.status();
    probe.kept.keep(standing);
    match status {
        StatusCode::OK => Ok(()),
        other => Err(ProbeError(format!(
            "GET {} was answered with {other}",
            site::HEALTH
        ))),
    }
}
