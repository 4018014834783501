//! The farm and a host on loopback: what a browser gets, and what becomes of the document.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Request, Response, StatusCode};
use lab_core::service::{Context, Conversation, Credential, Listener, Secret, Service, Spans};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{mpsc, watch};

use super::OfficeWebApps;
use super::settings::Settings;
use crate::http::accept;
use crate::http::body::{self, full};
use crate::tls;
use crate::wopi::{
    Farm, Host, Lock, Memory, Permission, ProofKey, Reach, Storage, Tokens, User, prove,
};

const FARM: &str = "wac.contoso.com";
const HOST_NAME: &str = "teams.contoso.com";
const BASE: &str = "/_vti_bin/wopi.ashx/files";
const SECRET: [u8; 32] = [5; 32];

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root");
        Self { issuer }
    }

    fn root(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    fn credential(&self, name: &str) -> Credential {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        Credential {
            chain: vec![leaf.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        }
    }
}

/// A farm and a host that run, and the host's storage.
struct World {
    storage: Arc<Memory>,
    tokens: Arc<Tokens>,
    farm: Arc<Farm>,
    reach: Reach,
    stop: watch::Sender<bool>,
}

fn conversation() -> Conversation {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    Conversation::tcp(nowhere, nowhere, &Spans::unwatched())
}

fn listener() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

impl World {
    fn start() -> Self {
        let authority = Authority::new();
        let trust = vec![authority.root()];
        let ((farm_door, farm_at), (host_door, host_at)) = (listener(), listener());
        let places = BTreeMap::from([(FARM.to_owned(), farm_at), (HOST_NAME.to_owned(), host_at)]);
        let client = tls::client_config(&trust, None).expect("a client");
        let reach = Reach::new(client, places.clone());
        let settings = Settings {
            name: FARM.into(),
            port: farm_at.port(),
            served: vec![FARM.into()],
            hosts: vec![HOST_NAME.into()],
            places,
            secret: "farm".into(),
            proof_key: 0,
        };
        let (stop, stopped) = watch::channel(false);
        let settings = serde_json::to_value(settings).expect("settings");
        let context = Context {
            store: None,
            authority: None,

            lab: "test".into(),
            node: "wac1".into(),
            fqdn: "wac1.corp.contoso.com".into(),
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            settings: watch::channel(settings).1,
            listeners: vec![("https".into(), Listener::Tcp(farm_door))],
            credentials: BTreeMap::from([("web".into(), Arc::new(authority.credential(FARM)))]),
            trust: trust.clone(),
            secrets: BTreeMap::from([("farm".into(), Secret::new(SECRET))]),
            peers: BTreeMap::new(),
            shutdown: stopped.clone(),
            network: mpsc::unbounded_channel().0,
            report: mpsc::unbounded_channel().0,
            spans: Spans::unwatched(),
        };
        tokio::spawn(OfficeWebApps.run(context));
        let storage = Arc::new(Memory::default());
        let tokens = Arc::new(Tokens::new(&Secret::new([6; 32])));
        let farm = Arc::new(Farm::new(FARM, reach.clone()));
        let host = Arc::new(Host::new(
            storage.clone(),
            tokens.clone(),
            farm.clone(),
            BASE,
        ));
        let server = tls::server_config(
            &authority.credential(HOST_NAME),
            &trust,
            tls::ClientCertificate::NotAsked,
        );
        let door = tokio::net::TcpListener::from_std(host_door).expect("a door");
        tokio::spawn(accept::accept(
            door,
            Some(server.expect("a server")),
            Spans::unwatched(),
            stopped,
            move |visitor| {
                let host = host.clone();
                hyper::service::service_fn(move |request: Request<_>| {
                    let (host, conversation) = (host.clone(), visitor.conversation.clone());
                    async move {
                        let (head, incoming) = request.into_parts();
                        let content = body::read(incoming, 1 << 20).await.unwrap_or_default();
                        let request = Request::from_parts(head, content);
                        let answer = host.answer(&request, &conversation).await;
                        Ok::<_, std::convert::Infallible>(answer)
                    }
                })
            },
        ));
        Self {
            storage,
            tokens,
            farm,
            reach,
            stop,
        }
    }

    fn token(&self, who: &str, file: &str, permission: Permission) -> String {
        let user = User {
            id: who.into(),
            name: format!("{who} of Contoso"),
            claims: Vec::new(),
        };
        let token = self
            .tokens
            .issue(&user, file, permission, SystemTime::now());
        token.expect("a token").text
    }

    /// What a browser gets.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let request = Request::post(path)
            .header(HOST, FARM)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(full(form.join("&")));
        let answer = self.ask(FARM, request.expect("a request")).await;
        let page = String::from_utf8(answer.body().to_vec()).expect("text");
        (answer.status(), page)
    }

    async fn ask(&self, host: &str, request: Request<body::Body>) -> Response<Bytes> {
        let mut reached = self.reach.connect(host).await.expect("a connection");
        let answer = reached.ask(request, 1 << 24, &conversation()).await;
        answer.expect("an answer")
    }

    /// A request to the host, signed by this key.
    async fn signed(
        &self,
        key: &ProofKey,
        target: &str,
        token: &str,
        fields: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        let url = format!("https://{HOST_NAME}{target}");
        prove(&mut headers, token, &url, SystemTime::now(), (key, key)).expect("a proof");
        let mut request = match fields {
            [] => Request::get(target),
            _ => Request::post(target),
        };
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request
            .header(HOST, HOST_NAME)
            .body(full("new"))
            .expect("a request");
        request.headers_mut().extend(headers);
        self.ask(HOST_NAME, request).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn source(file: &str) -> String {
    format!("https://{HOST_NAME}{BASE}/{file}")
}

#[tokio::test]
async fn a_text_is_shown_edited_and_saved_as_a_new_version() {
    let world = World::start();
    let markup = "Minutes\n<script>alert(1)</script> & more";
    world.storage.put("7", "notes.txt", &["alice"], markup);
    let token = world.token("alice", "7", Permission::Edit);
    let source = source("7");
    let carried = [("WOPISrc", source.as_str()), ("access_token", &token)];

    let (status, page) = world.post("/wv/view", &carried).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"));
    assert!(!page.contains("<script") && page.contains("alice of Contoso"));

    let (status, page) = world.post("/we/edit", &carried).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("<textarea"));
    let held = world.storage.lock("7").await.expect("it is there");
    assert!(held.is_some_and(|lock| lock.holds(SystemTime::now())));

    let fields = [carried[0], carried[1], ("text", "Minutes\r\nas agreed")];
    let (status, page) = world.post("/we/save", &fields).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("Saved as version 2"), "{page}");
    assert_eq!(world.storage.versions("7"), [markup, "Minutes\nas agreed"]);
    assert_eq!(world.storage.lock("7").await, Ok(None));
}

#[tokio::test]
async fn who_finds_a_lock_is_told_so_and_changes_nothing() {
    let world = World::start();
    world
        .storage
        .put("7", "notes.txt", &["alice", "bob"], "one");
    let source = source("7");
    let (alice, bob) = (
        world.token("alice", "7", Permission::Edit),
        world.token("bob", "7", Permission::Edit),
    );
    let as_alice = [("WOPISrc", source.as_str()), ("access_token", &alice)];
    let as_bob = [("WOPISrc", source.as_str()), ("access_token", &bob)];
    assert_eq!(world.post("/we/edit", &as_alice).await.0, StatusCode::OK);

    let (status, page) = world.post("/we/edit", &as_bob).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        page.contains("Somebody else is editing notes.txt"),
        "{page}"
    );
    let fields = [as_bob[0], as_bob[1], ("text", "two")];
    let (status, page) = world.post("/we/save", &fields).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("two"), "the text is lost: {page}");
    assert_eq!(world.storage.versions("7"), ["one"]);

    // A lock that nobody refreshed for half an hour is none.
    let held = world.storage.lock("7").await.expect("it is there");
    let over = held.clone().map(|lock| Lock {
        until: SystemTime::now(),
        ..lock
    });
    let swapped = world.storage.swap_lock("7", held.as_ref(), over.as_ref());
    assert_eq!(swapped.await, Ok(true));
    assert_eq!(world.post("/we/edit", &as_bob).await.0, StatusCode::OK);
    let fields = [as_alice[0], as_alice[1], ("text", "late")];
    assert_eq!(
        world.post("/we/save", &fields).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(world.post("/we/close", &as_bob).await.0, StatusCode::OK);
    assert_eq!(world.storage.lock("7").await, Ok(None));
}

#[tokio::test]
async fn tokens_and_hosts_are_not_taken_on_trust() {
    let world = World::start();
    world.storage.put("7", "notes.txt", &["alice"], "one");
    world
        .storage
        .put("8", "plan.docx", &["alice"], "no archive");
    let source = source("7");
    let view = world.token("alice", "7", Permission::View);
    let other = world.token("alice", "8", Permission::Edit);
    let ask = async |path: &str, source: &str, token: &str| {
        let fields = [("WOPISrc", source), ("access_token", token), ("text", "x")];
        world.post(path, &fields).await.0
    };
    assert_eq!(ask("/wv/view", &source, &view).await, StatusCode::OK);
    for (token, expected) in [
        ("", StatusCode::UNAUTHORIZED),
        ("x", StatusCode::UNAUTHORIZED),
        (other.as_str(), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(ask("/wv/view", &source, token).await, expected, "{token}");
    }
    for path in ["/we/edit", "/we/save"] {
        assert_eq!(ask(path, &source, &view).await, StatusCode::FORBIDDEN);
    }
    for elsewhere in [
        "https://localhost/wopi/files/7",
        "https://wac.contoso.com/wopi/files/7",
    ] {
        assert_eq!(
            ask("/wv/view", elsewhere, &view).await,
            StatusCode::BAD_REQUEST
        );
    }
    let damaged = super::tests::source("8");
    assert_eq!(
        ask("/wv/view", &damaged, &other).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(world.storage.versions("7"), ["one"]);
}

#[tokio::test]
async fn a_host_answers_only_the_farm_whose_keys_it_was_told() {
    let world = World::start();
    world.storage.put("7", "notes.txt", &["alice"], "one");
    let farm = ProofKey::derive(&Secret::new(SECRET), 0).expect("a key");
    let stranger = ProofKey::derive(&Secret::new([9; 32]), 0).expect("a key");
    let token = world.token("alice", "7", Permission::Edit);
    let file = format!("{BASE}/7?access_token={token}");
    let contents = format!("{BASE}/7/contents?access_token={token}");
    let info = world.signed(&farm, &file, &token, &[]).await;
    assert_eq!(info.status(), StatusCode::OK);
    let info: serde_json::Value = serde_json::from_slice(info.body()).expect("JSON");
    assert_eq!(info["BaseFileName"], "notes.txt");
    assert_eq!(
        (&info["Size"], &info["UserCanWrite"]),
        (&3.into(), &true.into())
    );
    let refused = world.signed(&stranger, &file, &token, &[]).await;
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);

    // Without a lock nothing is put, whoever asks.
    let put = world
        .signed(&farm, &contents, &token, &[("X-WOPI-Override", "PUT")])
        .await;
    assert_eq!(
        (put.status(), &put.headers()["x-wopi-lock"]),
        (StatusCode::CONFLICT, &"".parse().expect("a value"))
    );
    let lock = [("X-WOPI-Override", "LOCK"), ("X-WOPI-Lock", "a")];
    let locked = world.signed(&farm, &file, &token, &lock).await;
    assert_eq!(locked.status(), StatusCode::OK);
    let other = [("X-WOPI-Override", "UNLOCK"), ("X-WOPI-Lock", "b")];
    let refused = world.signed(&farm, &file, &token, &other).await;
    assert_eq!(
        (refused.status(), &refused.headers()["x-wopi-lock"]),
        (StatusCode::CONFLICT, &"a".parse().expect("a value"))
    );
    let put = [("X-WOPI-Override", "PUT"), ("X-WOPI-Lock", "a")];
    let put = world.signed(&farm, &contents, &token, &put).await;
    assert_eq!(
        (put.status(), &put.headers()["x-wopi-itemversion"]),
        (StatusCode::OK, &"2".parse().expect("a value"))
    );
    let relative = [
        ("X-WOPI-Override", "PUT_RELATIVE"),
        ("X-WOPI-SuggestedTarget", ".md"),
    ];
    let made = world.signed(&farm, &file, &token, &relative).await;
    let made: serde_json::Value = serde_json::from_slice(made.body()).expect("JSON");
    assert_eq!(made["Name"], "notes.md");
    assert_eq!(world.storage.versions("7"), ["one", "new"]);
}

#[tokio::test]
async fn a_host_learns_where_documents_are_shown() {
    let world = World::start();
    let discovery = world
        .farm
        .discovery(&conversation())
        .await
        .expect("discovery");
    for extension in ["docx", "xlsx", "pptx", "txt"] {
        let address = discovery.address("view", extension, &source("7"));
        let address = address.expect("an address");
        assert!(address.starts_with("https://wac.contoso.com/wv/view?WOPISrc=https%3A"));
    }
    assert!(discovery.address("edit", "txt", "x").is_some());
    assert_eq!(discovery.address("edit", "exe", "x"), None);
}
