//! A connection to a server of HTTP, over which one request after the other goes: a login by NTLM
//! is one of the connection.

use std::fmt::Write;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use lab_core::scenario::client::{Answer, LONGEST_TEXT, SeenCertificate};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::connect::{self, Trouble};
use super::url::Url;
use crate::http::body::Body;
use crate::kerberos::ChannelBinding;
use crate::ntlm::binding;

/// Most bytes of an answer that are read; what is beyond [`LONGEST_TEXT`] is not kept.
const LONGEST_READ: usize = 64 << 20;

/// A connection.
pub struct Line {
    sender: SendRequest<Body>,
    /// Ends the connection's task with the line.
    _tasks: JoinSet<hyper::Result<()>>,
    certificate: Option<SeenCertificate>,
    /// What ties a login to it, where it speaks TLS.
    pub channel: Option<ChannelBinding>,
}

impl Line {
    /// To where a URL leads, or to what is given in its place.
    pub async fn open(url: &Url, instead: Option<&str>) -> Result<Self, Trouble> {
        let stream = connect::to(&url.place(instead)).await?;
        if !url.tls {
            return Self::over(stream).await;
        }
        let (stream, certificate) = connect::tls(stream, &url.host).await?;
        let leaf = stream.get_ref().1.peer_certificates();
        let leaf = leaf.and_then(|chain| chain.first());
        let channel = leaf.map(|leaf| binding::to_certificate(leaf));
        Ok(Self {
            certificate,
            channel,
            ..Self::over(stream).await?
        })
    }

    async fn over<S>(stream: S) -> Result<Self, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Trouble::protocol(reasons(&error)))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        Ok(Self {
            sender,
            _tasks: tasks,
            certificate: None,
            channel: None,
        })
    }

    /// Asks, and reads the whole answer.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Answer, Trouble> {
        let broken = |error: hyper::Error| Trouble::protocol(reasons(&error));
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let mut answer = head(&response);
        answer.certificate.clone_from(&self.certificate);
        (answer.text, answer.cut) = read(response.into_body()).await?;
        Ok(answer)
    }
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
