//! Health: the root entry, asked over TLS.

use std::net::SocketAddr;
use std::time::Duration;

use lab_core::service::{Probe, ProbeError};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::wire::ber::{
    BOOLEAN, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, put, put_number, put_with,
};
use super::wire::length;
use crate::tls;

/// LDAP inside TLS.
pub const SECURE_PORT: u16 = 636;
/// Longest answer that is taken.
const LONGEST: usize = 64 << 10;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for the root entry's name of the server, which must be the node's.
///
/// # Errors
/// What went wrong, a sentence.
pub async fn probe(probe: &Probe) -> Result<(), ProbeError> {
    let to = SocketAddr::new(probe.address, SECURE_PORT);
    let asked = tokio::time::timeout(PATIENCE, ask(probe, to)).await;
    let failed = |reason: String| ProbeError(format!("LDAP inside TLS, {to}: {reason}"));
    match asked {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(failed(reason)),
        Err(_) => Err(failed("no answer within 5 s".into())),
    }
}

async fn ask(probe: &Probe, to: SocketAddr) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let config = tls::client_config(&probe.trust, None).map_err(|error| words(&error))?;
    let name = ServerName::try_from(probe.fqdn.clone()).map_err(|error| words(&error))?;
    let stream = probe.connect.tcp(to).await.map_err(|error| words(&error))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let mut stream = stream.map_err(|error| words(&error))?;
    stream
        .write_all(&question())
        .await
        .map_err(|error| words(&error))?;
    let mut answer = Vec::new();
    loop {
        let message = length(&answer, LONGEST).map_err(|error| words(&error))?;
        let message = message.map_err(|error| words(&error))?;
        if message.is_some_and(|length| answer.len() >= length) {
            break;
        }
        let read = stream
            .read_buf(&mut answer)
            .await
            .map_err(|error| words(&error))?;
        if read == 0 {
            return Err("the connection was closed".into());
        }
    }
    // The client says that it goes, so that the server need not find out.
    let _ = stream.write_all(&[0x30, 5, 2, 1, 2, 0x42, 0]).await;
    let _ = stream.shutdown().await;
    check(&answer, &probe.fqdn)
}

/// A search for `dnsHostName` of the root entry.
fn question() -> Vec<u8> {
    let mut message = Vec::new();
    put_with(&mut message, SEQUENCE, |out| {
        put_number(out, INTEGER, 1);
        put_with(out, 0x63, |out| {
            put(out, OCTETS, b"");
            put_number(out, ENUMERATED, 0);
            put_number(out, ENUMERATED, 0);
            put_number(out, INTEGER, 0);
            put_number(out, INTEGER, 0);
            put(out, BOOLEAN, &[0]);
            put(out, 0x87, b"objectClass");
            put_with(out, SEQUENCE, |out| put(out, OCTETS, b"dnsHostName"));
        });
    });
    message
}

fn check(answer: &[u8], fqdn: &str) -> Result<(), String> {
    let wrong = |_| "the answer is no entry".to_owned();
    let mut outer = Reader::new(answer);
    let mut message = Reader::new(outer.expect(SEQUENCE).map_err(wrong)?);
    message.number(INTEGER).map_err(wrong)?;
    let entry = message.expect(0x64).map_err(wrong)?;
    let found = entry
        .windows(fqdn.len())
        .any(|own| own.eq_ignore_ascii_case(fqdn.as_bytes()));
    if found {
        Ok(())
    } else {
        Err(format!("the directory is not that of {fqdn}"))
    }
}
