//! Asking the other side, over TLS that is verified by the lab's CA.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, Response};
use lab_core::observe::Tuple;
use lab_core::service::Conversation;
use rustls::ClientConfig;

use crate::http::asked::Asked;
use crate::http::body::Body;
use crate::http::dial;
use crate::http::standing::Line;

/// How long a name, a connection and its handshake may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How the other side is reached.
#[derive(Clone)]
pub struct Reach {
    client: Arc<ClientConfig>,
    places: BTreeMap<String, SocketAddr>,
}

impl Reach {
    /// By this client side of TLS. `places` are addresses of hosts that no name server is asked
    /// for.
    pub fn new(client: Arc<ClientConfig>, places: BTreeMap<String, SocketAddr>) -> Self {
        Self { client, places }
    }

    /// A connection to port 443 of a host.
    ///
    /// # Errors
    /// A sentence: its name leads nowhere, it does not answer, its certificate is another's.
    pub async fn connect(&self, host: &str) -> Result<Reached, String> {
        let open = async {
            let mut trouble = format!("{host} has no address");
            for to in self.addresses(host).await? {
                match dial::tcp(to).await {
                    Ok(stream) => {
                        let own = stream.local_addr().unwrap_or(to);
                        let stream = dial::tls(stream, &self.client, host).await;
                        let line = Line::over(stream.map_err(|error| error.to_string())?).await;
                        return Ok(Reached {
                            line: line.map_err(|error| error.to_string())?,
                            host: host.to_owned(),
                            tuple: Tuple::tcp(own, to),
                            used: false,
                        });
                    }
                    Err(error) => trouble = error.to_string(),
                }
            }
            Err(trouble)
        };
        tokio::time::timeout(CONNECT, open)
            .await
            .unwrap_or_else(|_| Err(format!("no connection to {host} within 2 s")))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, String> {
        if let Some(place) = self.places.get(host) {
            return Ok(vec![*place]);
        }
        let found = tokio::net::lookup_host((host, 443)).await;
        let found = found.map_err(|error| format!("{host} leads nowhere: {error}"))?;
        Ok(found.collect())
    }
}

/// A connection to the other side, for one request after the other.
pub struct Reached {
    line: Line,
    host: String,
    tuple: Tuple,
    used: bool,
}

impl Reached {
    /// Asks, and reads an answer of at most `most` bytes. It is told of `conversation`.
    ///
    /// # Errors
    /// A sentence: it does not answer, or too much.
    pub async fn ask(
        &mut self,
        request: Request<Body>,
        most: usize,
        conversation: &Conversation,
    ) -> Result<Response<Bytes>, String> {
        let asked = Asked::new(&request);
        let answer = tokio::time::timeout(ANSWER, self.line.ask_at_most(request, most)).await;
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{} did not answer within 10 s", self.host)),
        };
        let kept = std::mem::replace(&mut self.used, true);
        conversation.tell(|| {
            let words = match &answer {
                Ok(answer) => answer.status().as_str().to_owned(),
                Err(trouble) => trouble.clone(),
            };
            asked.onward(self.tuple, &self.host, words, kept)
        });
        answer
    }
}
