//! The health check from another node: the list of the day, signed by an authority below the root.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hyper::header::HOST;
use hyper::{Request, StatusCode};
use lab_core::service::{Probe, ProbeError};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::setup::Settings;
use crate::http::body;
use crate::http::standing::{self, Line, Standing};
use crate::revocation::List;

/// How long it may take.
const PROBE: Duration = Duration::from_secs(2);

pub(super) async fn probe(probe: Probe) -> Result<(), ProbeError> {
    tokio::time::timeout(PROBE, ask(probe))
        .await
        .map_err(|_| ProbeError::new("no answer within 2 s"))?
}

async fn ask(probe: Probe) -> Result<(), ProbeError> {
    let settings: Settings =
        serde_json::from_value(probe.settings.clone()).map_err(ProbeError::new)?;
    let to = SocketAddr::new(probe.address, settings.port);
    let mut standing = probe
        .kept
        .take()
        .unwrap_or_else(|| Standing::new(standing::OF_PROBE));
    let authority = get(&probe, &settings, to, "issuing.crt", &mut standing).await?;
    let list = get(&probe, &settings, to, "issuing.crl", &mut standing).await?;
    probe.kept.keep(standing);
    let (_, issuing) = X509Certificate::from_der(&authority).map_err(ProbeError::new)?;
    let below_the_root = probe.trust.iter().any(|root| {
        X509Certificate::from_der(root)
            .is_ok_and(|(_, root)| issuing.verify_signature(Some(root.public_key())).is_ok())
    });
    if !below_the_root {
        return Err(ProbeError::new(
            "issuing.crt is no certificate that the lab's root signed",
        ));
    }
    let list = List::read(&list, &authority)
        .map_err(|error| ProbeError(format!("issuing.crl is not usable: {error}")))?;
    if !list.is_current_at(SystemTime::now()) {
        return Err(ProbeError::new("issuing.crl is out of date"));
    }
    Ok(())
}

async fn get(
    probe: &Probe,
    settings: &Settings,
    to: SocketAddr,
    name: &str,
    standing: &mut Standing,
) -> Result<Vec<u8>, ProbeError> {
    let open = async || {
        let stream = probe
            .connect
            .tcp(to)
            .await
            .map_err(|error| ProbeError(format!("no connection to {to}: {error}")))?;
        Ok::<_, ProbeError>(Line::over(stream).await?)
    };
    let path = format!("{}/{name}", settings.base);
    let request = || {
        let request = Request::get(path.as_str()).header(HOST, &probe.fqdn);
        request.body(body::empty())
    };
    let answer = standing.ask(open, request).await?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body().to_vec()),
        other => Err(ProbeError(format!("GET {path} was answered with {other}"))),
    }
}
