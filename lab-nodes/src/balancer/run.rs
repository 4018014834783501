//! The running service.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::service::service_fn;
use lab_core::service::{Context, Credential, Report, ServiceError, Spans};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::affinity::Secret;
use super::announce::Announcer;
use super::device::{Device, Table};
use super::settings::{Mode, Settings};
use super::visit::Visit;
use super::{health, setup};
use crate::http::accept;
use crate::revocation::Revocation;
use crate::tls;

pub(super) async fn run(mut context: Context) -> Result<(), ServiceError> {
    let settings: Settings = serde_json::from_value(context.settings.borrow_and_update().clone())
        .map_err(ServiceError::new)?;
    let own = context
        .credentials
        .get("node")
        .ok_or_else(|| ServiceError::new("the node's own certificate is missing"))?
        .clone();
    let revocation = Revocation::of(&context);
    let client = revocation
        .client_config(&context.trust, Some(&own))
        .map_err(ServiceError::new)?;
    let client = tls::client_telling_keys(&client, &context.spans);
    let changed = Arc::new(Notify::new());
    let table = Table::new(settings.clone(), None, &changed);
    let secret = Secret::derive(own.key.secret_der());
    let device = Arc::new(Device::new(
        &context.node,
        client.clone(),
        revocation.version(),
        secret,
        table,
    ));
    let mut checks = start_checks(&device, &context.spans);
    let mut doors = JoinSet::new();
    for vip in &settings.vips {
        if let Mode::Layer7 { tls, .. } = vip.mode {
            open_doors(&mut doors, &mut context, &device, &vip.name, tls)?;
        }
    }
    // The engine may be gone already; then nobody wants to know.
    let _ = context.report.send(Report::Ready);

    let mut announcer = Announcer::new(context.network.clone(), context.report.clone());
    let mut shutdown = context.shutdown.clone();
    loop {
        tokio::select! {
            () = changed.notified() => announcer.announce(&device.table()),
            told = context.settings.changed() => {
                if told.is_err() { break }
                let told = context.settings.borrow_and_update().clone();
                match serde_json::from_value::<Settings>(told) {
                    Ok(settings) if device.table().fits(&settings) => {
                        device.table().drain(&settings.drained);
                    }
                    Ok(settings) => {
                        device.change(Table::new(settings, Some(&device.table()), &changed));
                        checks = start_checks(&device, &context.spans);
                        changed.notify_one();
                    }
                    Err(error) => {
                        tracing::error!("settings not understood, the old ones stay: {error}");
                    }
                }
            }
            () = async { let _ = shutdown.wait_for(|stop| *stop).await; } => break,
        }
    }
    context.stopped().await;
    checks.abort_all();
    while doors.join_next().await.is_some() {}
    Ok(())
}

/// Checks all members until the set is dropped.
fn start_checks(device: &Device, spans: &Spans) -> JoinSet<()> {
    let table = device.table();
    let mut checks = JoinSet::new();
    let start = Instant::now();
    for pool in table.pools() {
        for member in &pool.members {
            let watch = health::watch(
                pool.clone(),
                member.clone(),
                device.client.clone(),
                device.revoked.clone(),
                spans.clone(),
                start,
            );
            checks.spawn(watch);
        }
    }
    checks
}

fn open_doors(
    doors: &mut JoinSet<()>,
    context: &mut Context,
    device: &Arc<Device>,
    vip: &str,
    tls: bool,
) -> Result<(), ServiceError> {
    let secure = match tls {
        true => Some(server_config(context, vip)?),
        false => None,
    };
    let main = context
        .take_tcp(&setup::listener(vip))
        .map_err(ServiceError::new)?;
    let plain = context
        .take_tcp(&setup::plain_listener(vip))
        .map_err(ServiceError::new)?;
    let listeners: Vec<(TcpListener, Option<_>)> = main
        .into_iter()
        .map(|listener| (listener, secure.clone()))
        .chain(plain.into_iter().map(|listener| (listener, None)))
        .collect();
    let name: Arc<str> = vip.into();
    for (listener, config) in listeners {
        let plain_only = tls && config.is_none();
        let (device, name) = (device.clone(), name.clone());
        doors.spawn(accept::accept(
            listener,
            config,
            context.spans.clone(),
            context.shutdown.clone(),
            move |visitor| {
                let visit = Arc::new(Visit::new(
                    device.clone(),
                    name.clone(),
                    plain_only,
                    visitor,
                ));
                service_fn(move |request| {
                    let visit = visit.clone();
                    async move { Ok::<_, Infallible>(visit.answer(request).await) }
                })
            },
        ));
    }
    Ok(())
}

fn server_config(context: &Context, vip: &str) -> Result<Arc<rustls::ServerConfig>, ServiceError> {
    let credential: &Arc<Credential> = context
        .credentials
        .get(vip)
        .ok_or_else(|| ServiceError::new(format!("the certificate `{vip}` is missing")))?;
    let config = tls::server_config(credential, &context.trust, tls::ClientCertificate::NotAsked)
        .map_err(ServiceError::new)?;
    Ok(tls::server_telling_keys(&config, &context.spans))
}
