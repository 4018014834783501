//! A request and its answer.

use std::sync::{Arc, PoisonError, RwLock};

use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
};
use hyper::{Method, Request, Response, StatusCode};
use x509_cert::der::Encode;
use x509_ocsp::OcspResponse;

use super::office::{Office, OfficeError};
use super::question::{LONGEST, Malformed, Question};
use super::setup::Settings;
use crate::http::accept::Visitor;
use crate::http::asked::Asked;
use crate::http::body::{self, Body, BodyError};
use crate::http::{host, page};

/// How long answers about what may be revoked any time are to be kept: a lab shows quickly what
/// was done to it.
const SHORT: &str = "max-age=5";
/// How long what stays for this run of the lab is to be kept.
const LONG: &str = "max-age=3600";
/// The answer repeats a nonce: it is for one client.
const ONCE: &str = "no-store";

const LIST: &str = "application/pkix-crl";
const CERTIFICATE: &str = "application/pkix-cert";
const ANSWER: &str = "application/ocsp-response";

pub(super) struct Site {
    node: String,
    settings: RwLock<Arc<Settings>>,
    office: Office,
}

impl Site {
    pub fn new(node: &str, settings: Settings, office: Office) -> Self {
        Self {
            node: node.to_owned(),
            settings: RwLock::new(Arc::new(settings)),
            office,
        }
    }

    /// New settings, for requests from now on.
    pub fn change(&self, settings: Settings) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    pub async fn answer(&self, visitor: &Visitor, request: Request<Incoming>) -> Response<Body> {
        let asked = Asked::new(&request);
        let (head, incoming) = request.into_parts();
        let mut response = match body::read(incoming, LONGEST).await {
            Ok(content) => {
                let request = Request::from_parts(head, content);
                self.reply(&request).unwrap_or_else(|error| {
                    tracing::error!("{error}");
                    page::line(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "This can't be signed now.",
                    )
                })
            }
            Err(trouble) => {
                let status = match trouble {
                    BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::Broken(_) => StatusCode::BAD_REQUEST,
                };
                let mut response = page::line(status, &format!("{trouble}."));
                // The rest of the body stands in the way of the next request.
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        };
        if !response.headers().contains_key(CACHE_CONTROL) {
            keep(&mut response, ONCE);
        }
        visitor
            .conversation
            .tell(|| asked.served(response.status()));
        response
    }

    fn reply<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Result<Response<Body>, OfficeError> {
        let settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(host) = host::of(request) else {
            let text = "The request names no host, or several.";
            return Ok(page::line(StatusCode::BAD_REQUEST, text));
        };
        if !settings.hosts.contains(&host) {
            let text = format!("{} does not serve {host}.", self.node);
            return Ok(page::line(StatusCode::MISDIRECTED_REQUEST, &text));
        }
        let path = request.uri().path();
        let Some(path) = path
            .strip_prefix(&settings.base)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return Ok(not_found(path));
        };
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = *request.method() == Method::POST;
        let headers = request.headers();
        match path.trim_start_matches('/') {
            "ocsp" if post => self.answer_question(Question::read(request.body().as_ref())),
            "ocsp" => Ok(not_allowed("POST")),
            file if file.starts_with("ocsp/") && !get => Ok(not_allowed("GET, HEAD")),
            file => match file.strip_prefix("ocsp/") {
                Some(question) => self.answer_question(Question::read_path(question)),
                None if !get => Ok(not_allowed("GET, HEAD")),
                None => self.file(file, headers, &host, &settings.base),
            },
        }
    }

    fn file(
        &self,
        name: &str,
        headers: &HeaderMap,
        host: &str,
        base: &str,
    ) -> Result<Response<Body>, OfficeError> {
        let office = &self.office;
        Ok(match name {
            "" => self.welcome(host, base),
            "issuing.crl" => {
                let list = office.list()?;
                let tag = format!("\"{}\"", list.number);
                if headers
                    .get(IF_NONE_MATCH)
                    .is_some_and(|known| *known == tag)
                {
                    let mut response = Response::new(body::empty());
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                    keep(&mut response, SHORT);
                    return Ok(response);
                }
                let mut response = file(list.der, LIST, SHORT);
                if let Ok(tag) = HeaderValue::from_str(&tag) {
                    response.headers_mut().insert(ETAG, tag);
                }
                response
            }
            "root.crl" => file(office.root_list.clone(), LIST, LONG),
            "issuing.crt" => file(office.issuing.to_vec(), CERTIFICATE, LONG),
            "root.crt" => file(office.root.to_vec(), CERTIFICATE, LONG),
            other => not_found(other),
        })
    }

    fn answer_question(
        &self,
        question: Result<Question, Malformed>,
    ) -> Result<Response<Body>, OfficeError> {
        Ok(match question {
            Ok(question) => {
                let kept = if question.nonce.is_some() {
                    ONCE
                } else {
                    SHORT
                };
                file(self.office.answer(&question)?, ANSWER, kept)
            }
            Err(malformed) => {
                tracing::info!("{malformed}");
                file(OcspResponse::malformed_request().to_der()?, ANSWER, ONCE)
            }
        })
    }

    fn welcome(&self, host: &str, base: &str) -> Response<Body> {
        let url = |name: &str| format!("http://{host}{base}/{name}");
        let rows = [
            ("Root certificate", url("root.crt")),
            ("Issuing certificate", url("issuing.crt")),
            ("Revocation list of the root", url("root.crl")),
            ("Revocation list of the issuing CA", url("issuing.crl")),
            ("OCSP", url("ocsp")),
            ("Node", self.node.clone()),
        ];
        let rows: Vec<(&str, &str)> = rows.iter().map(|(a, b)| (*a, b.as_str())).collect();
        page::page(StatusCode::OK, "Certificate services", &rows)
    }
}

fn file(content: Vec<u8>, kind: &'static str, kept: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(content));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    keep(&mut response, kept);
    response
}

fn keep(response: &mut Response<Body>, how: &'static str) {
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static(how));
}

fn not_found(path: &str) -> Response<Body> {
    page::page(StatusCode::NOT_FOUND, "Not here", &[("Path", path)])
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let text = format!("Only {allowed} is served here.");
    let mut response = page::line(StatusCode::METHOD_NOT_ALLOWED, &text);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
