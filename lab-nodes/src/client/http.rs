//! HTTP/1.1, with TLS for `https`.

use std::fmt::Write;

use data_encoding::BASE64;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, LOCATION, SET_COOKIE, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lab_core::scenario::Fails;
use lab_core::scenario::client::{Answer, HttpAsk, LONGEST_TEXT, SeenCertificate};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::connect::{self, Trouble};
use super::cookies;
use super::url::Url;
use crate::http::body::{self, Body};

/// Most redirections followed.
const REDIRECTIONS: usize = 10;
/// Most bytes of an answer that are read; what is beyond [`LONGEST_TEXT`] is not kept.
const LONGEST_READ: usize = 64 << 20;

/// Asks, and follows where that leads.
pub async fn ask(ask: &HttpAsk) -> Answer {
    let mut jar = ask.cookies.clone();
    let Some(mut url) = Url::parse(&ask.url) else {
        return Answer::failed(Fails::Protocol, format!("`{}` is no URL", ask.url));
    };
    let mut method = ask.method.clone();
    let mut content = ask.body.clone();
    for step in 0..=REDIRECTIONS {
        let instead = ask.connect.as_deref().filter(|_| step == 0);
        let mut answer = match once(ask, &method, content.clone(), &url, instead, &jar).await {
            Ok(answer) => answer,
            Err(trouble) => return trouble.into(),
        };
        for value in answer.header(SET_COOKIE.as_str()) {
            cookies::take(&mut jar, value, &url);
        }
        let status = answer.status.unwrap_or_default();
        let location = answer.header(LOCATION.as_str()).next().map(str::to_owned);
        let next = location.filter(|_| ask.follow && matches!(status, 301 | 302 | 303 | 307 | 308));
        let Some(location) = next else {
            answer.cookies = jar;
            return answer;
        };
        url = match url.join(&location) {
            Some(url) => url,
            None => {
                return Answer::failed(
                    Fails::Protocol,
                    format!("it is redirected to `{location}`, which is no URL"),
                );
            }
        };
        // As browsers do; 307 and 308 keep both (RFC 9110 §15.4).
        if matches!(status, 301..=303) && method != "HEAD" {
            method = "GET".into();
            content = None;
        }
    }
    Answer::failed(
        Fails::Protocol,
        format!(
            "more than {REDIRECTIONS} redirections, the last one to {}",
            url.authority()
        ),
    )
}

async fn once(
    ask: &HttpAsk,
    method: &str,
    content: Option<String>,
    url: &Url,
    instead: Option<&str>,
    jar: &[lab_core::scenario::client::Cookie],
) -> Result<Answer, Trouble> {
    let request = request(ask, method, content, url, jar)?;
    let stream = connect::to(&url.place(instead)).await?;
    if url.tls {
        let (stream, certificate) = connect::tls(stream, &url.host).await?;
        exchange(stream, request, certificate).await
    } else {
        exchange(stream, request, None).await
    }
}

fn request(
    ask: &HttpAsk,
    method: &str,
    content: Option<String>,
    url: &Url,
    jar: &[lab_core::scenario::client::Cookie],
) -> Result<Request<Body>, Trouble> {
    let mut request = Request::builder().method(method).uri(&url.target);
    let given = |name: &str| {
        ask.headers
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    if !given(HOST.as_str()) {
        request = request.header(HOST, url.authority());
    }
    if !given(USER_AGENT.as_str()) {
        request = request.header(USER_AGENT, concat!("tierlab/", env!("CARGO_PKG_VERSION")));
    }
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    // A password is for the host that was meant, not for where it sends us.
    let asked = Url::parse(&ask.url);
    if let Some((user, password)) = &ask.basic
        && asked.is_some_and(|asked| asked.authority() == url.authority())
    {
        let credentials = BASE64.encode(format!("{user}:{password}").as_bytes());
        request = request.header(AUTHORIZATION, format!("Basic {credentials}"));
    }
    if let Some(field) = cookies::field(jar, url) {
        request = request.header(COOKIE, field);
    }
    let content = match content {
        Some(content) => {
            request = request.header(CONTENT_LENGTH, content.len());
            body::full(content)
        }
        None => body::empty(),
    };
    request
        .body(content)
        .map_err(|error| Trouble::protocol(format!("this can't be asked: {error}")))
}

async fn exchange<S>(
    stream: S,
    request: Request<Body>,
    certificate: Option<SeenCertificate>,
) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Trouble::protocol(reasons(&error)))?;
    // The set ends the connection's task when this function is left or dropped.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| Trouble::protocol(reasons(&error)))?;
    let mut answer = head(&response);
    answer.certificate = certificate;
    (answer.text, answer.cut) = read(response.into_body()).await?;
    Ok(answer)
}

fn head(response: &Response<Incoming>) -> Answer {
    Answer {
        status: Some(response.status().as_u16()),
        headers: response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        ..Answer::default()
    }
}

/// The beginning of a body, and whether there is more.
async fn read(mut body: Incoming) -> Result<(String, bool), Trouble> {
    let (mut kept, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Trouble::protocol(format!("the answer broke off: {}", reasons(&error)))
        })?;
        if let Some(data) = frame.data_ref() {
            let room = LONGEST_TEXT.saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(&data[..room]);
            seen += data.len();
            if seen > LONGEST_READ {
                break;
            }
        }
    }
    Ok((
        String::from_utf8_lossy(&kept).into_owned(),
        seen > kept.len(),
    ))
}

/// An error with what caused it.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        let _ = write!(text, ": {reason}");
        source = reason.source();
    }
    text
}
