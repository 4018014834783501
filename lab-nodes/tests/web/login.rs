//! A back end that authenticates connections, as NTLM does: two clients whose requests
//! alternate must never meet on one of its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lab_nodes::{http::dial, tls};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::device::{HOST, balance, health, layer7, pool, site};
use crate::stage::{fqdn, listen, listen_alike};

/// Challenges on the first message, believes the name in the third, remembers it for as long as
/// the connection lives. `X-Identity` says whose connection answered.
struct Backend {
    node: &'static str,
    connections: AtomicUsize,
}

impl Backend {
    fn answer(
        &self,
        identity: &Mutex<Option<String>>,
        request: &Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let mut identity = identity.lock().unwrap();
        let login = request
            .headers()
            .get("authorization")
            .map(|value| value.to_str().unwrap());
        let mut response = Response::new(Full::new(Bytes::from_static(b"body")));
        let ask = match login.and_then(|login| login.strip_prefix("NTLM ")) {
            Some("first") => Some("NTLM challenge"),
            Some(name) => {
                *identity = Some(name.to_owned());
                None
            }
            None if identity.is_none() => Some("NTLM"),
            None => None,
        };
        if let Some(ask) = ask {
            *identity = None;
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response
                .headers_mut()
                .insert("www-authenticate", ask.parse().unwrap());
        }
        let name = identity.as_deref().unwrap_or("nobody").to_owned();
        response
            .headers_mut()
            .insert("x-identity", name.parse().unwrap());
        response
            .headers_mut()
            .insert("tierlab-path", self.node.parse().unwrap());
        response
    }

    /// Serves until the task is dropped, with all its connections.
    async fn serve(self: Arc<Self>, authority: Arc<Authority>, listener: TcpListener) {
        let credential = authority.credential(&[&fqdn(self.node)]);
        let config =
            tls::server_config(&credential, &[], tls::ClientCertificate::NotAsked).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, this) = (acceptor.clone(), self.clone());
            connections.spawn(async move {
                // A health check of the balancer only connects.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                this.connections.fetch_add(1, Ordering::Relaxed);
                let identity = Mutex::new(None);
                let service = hyper::service::service_fn(|request| {
                    let response = this.answer(&identity, &request);
                    let dies = request
                        .headers()
                        .get("authorization")
                        .is_some_and(|it| it == "NTLM die");
                    async move { if dies { Err("it dies") } else { Ok(response) } }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }
}

/// A client connection to the VIP.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    _task: JoinSet<()>,
}

impl Client {
    async fn connect(authority: &Authority, at: SocketAddr) -> Self {
        let config = tls::client_config(std::slice::from_ref(&authority.root), None).unwrap();
        let stream = dial::tls(dial::tcp(at).await.unwrap(), &config, HOST)
            .await
            .unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _ = connection.await;
        });
        Self {
            sender,
            _task: task,
        }
    }

    /// Status, whose connection answered, and on which node.
    async fn ask(&mut self, login: Option<&str>) -> hyper::Result<(u16, String, String)> {
        self.sender.ready().await?;
        let mut request = Request::get("/").header("host", HOST);
        if let Some(login) = login {
            request = request.header("authorization", format!("NTLM {login}"));
        }
        let request = request.body(Full::default()).unwrap();
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        body.collect().await?;
        let field = |name: &str| {
            head.headers
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        Ok((
            head.status.as_u16(),
            field("x-identity"),
            field("tierlab-path"),
        ))
    }
}

#[tokio::test]
async fn a_login_stays_with_the_connection_that_made_it() {
    let authority = Arc::new(Authority::new());
    let mut tasks = Tasks::default();
    let mut members = vec![];
    for (node, (listener, at)) in ["fe1", "fe2"].into_iter().zip(listen_alike(2)) {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let backend = Arc::new(Backend {
            node,
            connections: AtomicUsize::new(0),
        });
        tasks.start(node, backend.serve(authority.clone(), listener));
        members.push((node, at));
    }
    let pool = pool(&members, health(members[0].1.port(), None));
    let door = listen("127.0.0.1:0");
    let settings = layer7(json!([site("vip", pool, json!("none"))]), door.1.port());
    let mut device = balance(&authority, settings, door);
    device
        .running
        .reported("vip", &[("fe1", "healthy"), ("fe2", "healthy")])
        .await;

    let mut alice = Client::connect(&authority, device.at).await;
    let mut bob = Client::connect(&authority, device.at).await;
    let mut eve = Client::connect(&authority, device.at).await;
    assert_eq!(alice.ask(None).await.unwrap().0, 401);
    assert_eq!(bob.ask(Some("first")).await.unwrap().0, 401);
    assert_eq!(alice.ask(Some("first")).await.unwrap().0, 401);
    assert_eq!(bob.ask(Some("bob")).await.unwrap().1, "bob");
    let (status, name, home) = alice.ask(Some("alice")).await.unwrap();
    assert_eq!((status, name.as_str()), (200, "alice"));
    for _ in 0..10 {
        assert_eq!(
            alice.ask(None).await.unwrap(),
            (200, "alice".to_owned(), home.clone())
        );
        assert_eq!(bob.ask(None).await.unwrap().1, "bob");
        assert_eq!(
            eve.ask(None).await.unwrap().1,
            "nobody",
            "nobody logged this one in"
        );
    }

    // A connection that dies of a request: he is told, and has to begin anew.
    assert_eq!(bob.ask(Some("die")).await.unwrap().0, 502);
    assert!(bob.ask(None).await.is_err(), "his connection has ended");

    // Her connection dies with the member: she is told, or her own connection ends. Never does
    // she speak with another's name, nor as nobody on a connection she thinks is hers.
    let node = home.rsplit(' ').next().unwrap();
    tasks.kill(node).await;
    if let Ok((status, ..)) = alice.ask(None).await {
        assert_eq!(status, 502);
    }
    assert!(alice.ask(None).await.is_err(), "her connection has ended");
    let mut again = Client::connect(&authority, device.at).await;
    assert_eq!(
        again.ask(Some("first")).await.unwrap().0,
        401,
        "a new one finds the other member"
    );
}

#[derive(Default)]
struct Tasks(std::collections::BTreeMap<&'static str, JoinSet<()>>);

impl Tasks {
    fn start(&mut self, node: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.entry(node).or_default().spawn(task);
    }

    async fn kill(&mut self, node: &str) {
        self.0.get_mut(node).expect("it runs").shutdown().await;
    }
}
