//! From a name to a connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use lab_core::scenario::Fails;
use lab_core::scenario::client::{Answer, SeenCertificate};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::http::dial;
use crate::tls;

/// Where stock programs of a node look for trusted roots.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why there is no connection, or no answer on it.
#[derive(Debug)]
pub struct Trouble {
    why: Fails,
    sentence: String,
}

impl Trouble {
    /// A reason and a sentence.
    pub fn new(why: Fails, sentence: impl Into<String>) -> Self {
        Self {
            why,
            sentence: sentence.into(),
        }
    }

    /// What the peer sent is not of the protocol.
    pub fn protocol(sentence: impl std::fmt::Display) -> Self {
        Self::new(Fails::Protocol, sentence.to_string())
    }

    /// What the kernel said.
    pub fn of(error: &io::Error, what: &str) -> Self {
        let why = match error.kind() {
            ErrorKind::ConnectionRefused => Fails::Refused,
            ErrorKind::TimedOut => Fails::Timeout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Fails::Unreachable,
            _ => Fails::Protocol,
        };
        Self::new(why, format!("{what}: {error}"))
    }
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        Answer::failed(trouble.why, trouble.sentence)
    }
}

/// A connection to `HOST:PORT`: the first of its addresses that accepts.
pub async fn to(place: &str) -> Result<TcpStream, Trouble> {
    let mut last = Trouble::new(Fails::Name, format!("{place} has no address"));
    for address in addresses(place).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Trouble::of(&error, &format!("no connection to {address}")),
        }
    }
    Err(last)
}

/// The addresses of `HOST:PORT`, as the node's resolver has them.
pub async fn addresses(place: &str) -> Result<Vec<SocketAddr>, Trouble> {
    match tokio::net::lookup_host(place).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(Trouble::new(
            Fails::Name,
            format!("{place} leads nowhere: {error}"),
        )),
    }
}

/// TLS on a connection, verified for this name, and what the server's certificate says.
pub async fn tls(
    stream: TcpStream,
    name: &str,
) -> Result<(TlsStream<TcpStream>, Option<SeenCertificate>), Trouble> {
    let config = trusting_roots().map_err(|reason| Trouble::new(Fails::Tls, reason))?;
    let stream = dial::tls(stream, &config, name)
        .await
        .map_err(|error| Trouble::new(Fails::Tls, error.to_string()))?;
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let seen = leaf.and_then(seen);
    Ok((stream, seen))
}

fn trusting_roots() -> Result<Arc<ClientConfig>, String> {
    let path = std::env::var_os("SSL_CERT_FILE").unwrap_or_else(|| ROOTS.into());
    let shown = Path::new(&path).display().to_string();
    let roots: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&path)
        .and_then(Iterator::collect)
        .map_err(|error| format!("can't read the trusted roots in {shown}: {error}"))?;
    tls::client_config(&roots, None).map_err(|error| error.to_string())
}

fn seen(certificate: &CertificateDer<'_>) -> Option<SeenCertificate> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            let names = extension.value.general_names.iter();
            names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    GeneralName::IPAddress(bytes) => address(bytes),
                    _ => None,
                })
                .collect()
        })
        .unwrap_or_default();
    Some(SeenCertificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names,
    })
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}
