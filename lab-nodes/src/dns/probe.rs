//! Health: a zone's SOA, asked over UDP and TCP.

use std::net::SocketAddr;
use std::str::FromStr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use lab_core::service::{Probe, ProbeError};

use super::forward::{over_tcp, over_udp, question};
use super::settings::{PORT, Settings};

/// Succeeds if the server is authoritative for a zone of some view: which view it has for us is its
/// own decision.
pub(super) async fn run(probe: Probe) -> Result<(), ProbeError> {
    let settings: Settings =
        serde_json::from_value(probe.settings.clone()).map_err(ProbeError::new)?;
    let to = SocketAddr::new(probe.address, PORT);
    let zones = settings.views.iter().filter_map(|view| view.zones.first());
    let mut origins: Vec<Name> = zones
        .filter_map(|zone| Name::from_str(&format!("{}.", zone.origin)).ok())
        .collect();
    origins.dedup();
    if origins.is_empty() {
        origins.push(Name::root());
    }
    let mut last = String::new();
    for origin in &origins {
        let query = question(origin, RecordType::SOA);
        let socket = probe
            .connect
            .udp(to)
            .await
            .map_err(|error| ProbeError(format!("UDP {to}: {error}")))?;
        let answer = over_udp(&socket, &query)
            .await
            .map_err(|error| ProbeError(format!("UDP {to}: {error}")))?;
        if !is_good(&answer, origin) {
            last = format!(
                "{to} answers {} for {origin}",
                answer.metadata.response_code
            );
            continue;
        }
        let stream = probe
            .connect
            .tcp(to)
            .await
            .map_err(|error| ProbeError(format!("TCP {to}: {error}")))?;
        let answer = over_tcp(stream, &query)
            .await
            .map_err(|error| ProbeError(format!("TCP {to}: {error}")))?;
        if is_good(&answer, origin) {
            return Ok(());
        }
        last = format!(
            "{to} answers {} for {origin} over TCP",
            answer.metadata.response_code
        );
    }
    Err(ProbeError(last))
}

/// A server without zones says that there is nothing, which is an answer, too.
fn is_good(answer: &Message, origin: &Name) -> bool {
    let code = answer.metadata.response_code;
    (code == ResponseCode::NoError && answer.metadata.authoritative)
        || (origin.is_root() && matches!(code, ResponseCode::NoError | ResponseCode::NXDomain))
}
