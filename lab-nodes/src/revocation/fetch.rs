//! Gets a revocation list from where certificates say it is published.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use hyper::header::{CACHE_CONTROL, ETAG, HOST, HeaderMap, HeaderValue, IF_NONE_MATCH};
use hyper::{Request, StatusCode, Uri};
use lab_core::observe::{Deed, Tuple};
use lab_core::service::{Credential, Spans};
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::list::List;
use crate::dns::resolver;
use crate::http::{body, dial};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A list is not asked for more often than this, and not less often than that.
const KEPT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Where an authority publishes its list, and what is remembered of the last one.
#[derive(Debug)]
pub(super) struct Source {
    url: String,
    host: String,
    port: u16,
    path: String,
    /// The authority's certificate, DER.
    authority: Vec<u8>,
    /// The last list, with its ETag.
    last: Option<(List, Option<HeaderValue>)>,
}

/// What came of asking.
pub(super) struct Fetched {
    /// None: the last one still holds.
    pub list: Option<List>,
    /// How long it is not asked for again.
    pub fresh: Duration,
}

impl Source {
    /// As a certificate says it, which its issuer's follows in the chain. None where it says
    /// nothing that could be fetched by HTTP.
    pub fn of(own: &Credential) -> Option<Self> {
        let (leaf, authority) = (own.chain.first()?, own.chain.get(1)?);
        let url = distribution_point(leaf)?;
        let uri: Uri = url.parse().ok()?;
        if uri.scheme_str() != Some("http") {
            return None;
        }
        Some(Self {
            host: uri.host()?.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri.path().to_owned(),
            url,
            authority: authority.to_vec(),
            last: None,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for the list.
    pub async fn fetch(&mut self, spans: Option<&Spans>) -> Result<Fetched, String> {
        tokio::time::timeout(PATIENCE, self.ask(spans))
            .await
            .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
    }

    async fn ask(&mut self, spans: Option<&Spans>) -> Result<Fetched, String> {
        let address: IpAddr = match self.host.parse() {
            Ok(address) => address,
            Err(_) => resolver::address(&self.host)
                .await
                .map_err(|error| error.to_string())?,
        };
        let text = |error: dial::DialError| error.to_string();
        let to = SocketAddr::new(address, self.port);
        // It is nobody's request: those who watch are told so before its first packet.
        let announce = |from| {
            if let Some(spans) = spans {
                let of = self.url.clone();
                spans.tell(Tuple::tcp(from, to), || Deed::Check { of });
            }
        };
        let stream = dial::tcp_announced(to, announce).await.map_err(text)?;
        let mut request = Request::get(&self.path).header(HOST, &self.host);
        if let Some((_, Some(tag))) = &self.last {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request
            .body(body::empty())
            .map_err(|error| error.to_string())?;
        let answer = dial::ask(stream, request).await.map_err(text)?;
        let fresh = max_age(answer.headers()).clamp(KEPT.0, KEPT.1);
        match (answer.status(), &self.last) {
            (StatusCode::NOT_MODIFIED, Some(_)) => Ok(Fetched { list: None, fresh }),
            (StatusCode::OK, last) => {
                let list = List::read(answer.body(), &self.authority);
                let list = list.map_err(|error| error.to_string())?;
                if !list.is_current_at(SystemTime::now()) {
                    return Err("it is out of date".to_owned());
                }
                if last
                    .as_ref()
                    .is_some_and(|(last, _)| list.is_older_than(last))
                {
                    return Err("it is older than the last one".to_owned());
                }
                let tag = answer.headers().get(ETAG).cloned();
                self.last = Some((list.clone(), tag));
                Ok(Fetched {
                    list: Some(list),
                    fresh,
                })
            }
            (other, _) => Err(format!("it was answered with {other}")),
        }
    }
}

/// How long an answer is to be kept (RFC 9111 §5.2.2.1).
fn max_age(headers: &HeaderMap) -> Duration {
    let value = headers.get(CACHE_CONTROL);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut directives = value.split(',').map(str::trim);
    let seconds = directives.find_map(|one| one.strip_prefix("max-age=")?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

/// The first URL of the CRL distribution points (RFC 5280 §4.2.1.13).
fn distribution_point(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| {
        let ParsedExtension::CRLDistributionPoints(points) = extension.parsed_extension() else {
            return None;
        };
        let names = points.points.iter().filter_map(|point| {
            let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
                return None;
            };
            Some(names)
        });
        let mut names = names.flatten();
        names.find_map(|name| match name {
            GeneralName::URI(url) => Some((*url).to_owned()),
            _ => None,
        })
    })
}
