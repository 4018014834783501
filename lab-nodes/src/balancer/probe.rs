//! The health check of a balancer, from another node: its VIPs answer there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HOST;
use hyper::{Request, StatusCode};
use lab_core::service::{Probe, ProbeError};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use super::HEALTH;
use super::settings::{Mode, Settings, Vip, VipAddress};
use crate::http::standing::{self, Line, Standing};
use crate::http::{body, dial};
use crate::tls;

/// How long the whole check may take.
const PROBE: Duration = Duration::from_secs(2);

pub(super) async fn probe(probe: Probe) -> Result<(), ProbeError> {
    let settings: Settings =
        serde_json::from_value(probe.settings.clone()).map_err(ProbeError::new)?;
    let config = tls::client_config(&probe.trust, None).map_err(ProbeError::new)?;
    // Of each VIP, by the place at which it answers.
    let mut lines: BTreeMap<SocketAddr, Standing> = probe.kept.take().unwrap_or_default();
    let all = async {
        for (vip, address) in asked(&settings, &probe) {
            ask(&probe, &config, vip, address, &mut lines)
                .await
                .map_err(|ProbeError(trouble)| {
                    ProbeError(format!(
                        "VIP {} at {}: {trouble}",
                        vip.name, address.address
                    ))
                })?;
        }
        Ok(())
    };
    let outcome = tokio::time::timeout(PROBE, all).await;
    probe.kept.keep(lines);
    outcome.map_err(|_| ProbeError::new("the VIPs did not all answer within 2 s"))?
}

/// The VIPs on the segment from which it is asked: the way to another leg may pass an ACL that
/// has nothing to do with the balancer's health. All of them where none stands there. What any
/// layer-7 VIP answers speaks for the pools of all.
fn asked<'s>(settings: &'s Settings, probe: &Probe) -> Vec<(&'s Vip, VipAddress)> {
    let all: Vec<(&Vip, VipAddress)> = settings
        .vips
        .iter()
        .flat_map(|vip| vip.addresses.iter().map(move |address| (vip, *address)))
        .collect();
    let near: Vec<(&Vip, VipAddress)> = all
        .iter()
        .filter(|(_, at)| at.leg.contains(&probe.address))
        .copied()
        .collect();
    if near.is_empty() { all } else { near }
}

async fn ask(
    probe: &Probe,
    config: &Arc<ClientConfig>,
    vip: &Vip,
    at: VipAddress,
    lines: &mut BTreeMap<SocketAddr, Standing>,
) -> Result<(), ProbeError> {
    match &vip.mode {
        // Accepted by a member: while there is none the kernel refuses.
        Mode::Layer4 {
            port: Some(port), ..
        } => connect(probe, at, *port).await.map(drop),
        Mode::Layer4 { port: None, .. } => Ok(()),
        Mode::Layer7 { port, tls, sites } => {
            let to = SocketAddr::new(at.address, *port);
            let host = sites.iter().flat_map(|site| &site.hosts).next();
            let host = host.map_or(probe.fqdn.as_str(), String::as_str);
            let open = async || {
                let stream = connect(probe, at, *port).await?;
                let line = if *tls {
                    Line::over(dial::tls(stream, config, host).await?).await
                } else {
                    Line::over(stream).await
                };
                Ok::<_, ProbeError>(line?)
            };
            let request = || {
                let request = Request::get(HEALTH).header(HOST, host);
                request.body(body::empty())
            };
            let standing = lines
                .entry(to)
                .or_insert_with(|| Standing::new(standing::OF_PROBE));
            let response = standing.ask(open, request).await?;
            if response.status() == StatusCode::OK {
                return Ok(());
            }
            let said = String::from_utf8_lossy(response.body()).trim().to_owned();
            Err(ProbeError(format!(
                "it answered {}: {said}",
                response.status()
            )))
        }
    }
}

async fn connect(probe: &Probe, at: VipAddress, port: u16) -> Result<TcpStream, ProbeError> {
    let to = SocketAddr::new(at.address, port);
    probe
        .connect
        .tcp(to)
        .await
        .map_err(|error| ProbeError(format!("no connection to {to}: {error}")))
}
