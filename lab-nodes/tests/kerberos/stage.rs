//! A domain controller on loopback, and the stock clients that ask it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::authority::Authority;
use lab_core::observe::{Deed, Span};
use lab_core::service::{
    Context, Item, Listener, Report, Secret, ServiceError, Spans, Told, Watched,
};
use lab_nodes::CATALOGUE;
use lab_nodes::directory::{Account, Domain, Kind, Membership, Person, State};
use lab_nodes::domain_controller::settings::Settings;
use lab_nodes::kerberos::Keytab;
use lab_nodes::kerberos::center::Center;
use tokio::sync::{mpsc, watch};

use tokio::task::JoinHandle;

pub const REALM: &str = "CORP.CONTOSO.COM";
/// The accounts' password.
pub const PASSWORD: &str = "Passw0rd!";
/// Limits of this stage: so many wrong passwords lock an account.
pub const LOCKED_AFTER: u32 = 3;

/// A domain controller that runs. When it is dropped it is gone.
pub struct Running {
    pub at: SocketAddr,
    pub settings: watch::Sender<serde_json::Value>,
    told: Told,
    _watch: watch::Sender<Watched>,
    _shutdown: watch::Sender<bool>,
    task: JoinHandle<Result<(), ServiceError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn user(name: &str, state: State) -> Account {
    Account {
        person: Person {
            account: name.into(),
            name: name.into(),
            mail: Some(format!("{name}@contoso.com")),
            ..Person::default()
        },
        kind: Kind::User {
            password: PASSWORD.into(),
        },
        state,
    }
}

/// A host whose tickets have no room in a datagram.
pub fn long_host() -> String {
    "host.".repeat(120) + "contoso.com"
}

fn web_account() -> Account {
    Account {
        person: Person {
            account: "svc-web".into(),
            ..Person::default()
        },
        kind: Kind::Service {
            principals: vec!["HTTP/localhost".into(), format!("HTTP/{}", long_host())],
        },
        state: State::Active,
    }
}

pub fn settings() -> Settings {
    Settings {
        domain: Domain {
            netbios: "CONTOSO".into(),
            realm: REALM.into(),
        },
        accounts: vec![
            user("alice", State::Active),
            user("bob", State::Active),
            user("gone", State::Disabled),
            user("late", State::Expired),
            user("stale", State::PasswordExpired),
            web_account(),
        ],
        membership: Membership::default(),
        lockout_after: LOCKED_AFTER,
        lockout_within: 600,
        lockout_for: 600,
        ..Settings::default()
    }
}

fn secrets() -> BTreeMap<String, Secret> {
    ["svc-web", "krbtgt"]
        .into_iter()
        .map(|account| {
            let mut bytes = [0; 32];
            bytes[..account.len()].copy_from_slice(account.as_bytes());
            (Domain::secret_of(account), Secret::new(bytes))
        })
        .collect()
}

/// The keys of the web server's account.
pub fn keytab() -> Keytab {
    let Kind::Service { principals } = web_account().kind else {
        unreachable!("a service account");
    };
    let membership = Membership {
        domain: settings().domain,
        controllers: vec![],
        accounts: BTreeMap::from([("svc-web".to_owned(), principals)]),
    };
    Keytab::new(&membership, &secrets())
}

/// Starts one, on a port that is free for UDP and TCP.
pub async fn start() -> Running {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("an address")) {
            break (tcp, udp);
        }
    };
    let at = tcp.local_addr().expect("an address");
    tcp.set_nonblocking(true).expect("it is a socket");
    udp.set_nonblocking(true).expect("it is a socket");
    let settings = serde_json::to_value(settings()).expect("JSON");
    let (settings, settings_receiver) = watch::channel(settings);
    let (shutdown, shutdown_receiver) = watch::channel(false);
    let (report, mut reports) = mpsc::unbounded_channel();
    let (watch, watched) = watch::channel(Watched::Deeds);
    let (spans, told) = Spans::channel(watched);
    let authority = Authority::new();
    let context = Context {
        authority: None,
        store: None,

        lab: "test".into(),
        node: "dc1".into(),
        fqdn: "dc1.corp.contoso.com".into(),
        addresses: vec![at.ip()],
        settings: settings_receiver,
        listeners: vec![
            ("kerberos".into(), Listener::Tcp(tcp)),
            ("kerberos".into(), Listener::Udp(udp)),
        ],
        credentials: [(
            "node".into(),
            authority.credential(&["dc1.corp.contoso.com"]),
        )]
        .into(),
        trust: vec![authority.root.clone()],
        secrets: secrets(),
        peers: BTreeMap::new(),
        shutdown: shutdown_receiver,
        network: mpsc::unbounded_channel().0,
        report,
        spans,
    };
    let service = CATALOGUE.get(Domain::CONTROLLER).expect("the service");
    let task = tokio::spawn(service.run(context));
    assert_eq!(reports.recv().await, Some(Report::Ready));
    Running {
        at,
        settings,
        told,
        _watch: watch,
        _shutdown: shutdown,
        task,
    }
}

impl Running {
    /// The next login that was told: principal, whether it held, proof.
    pub async fn login(&mut self) -> (String, bool, String) {
        let limit = std::time::Duration::from_secs(10);
        let next = tokio::time::timeout(limit, self.told.next()).await;
        let Some(Item::Span(span)) = next.expect("it is told") else {
            panic!("no span");
        };
        let Span {
            deed:
                Deed::Login {
                    method,
                    principal,
                    verified,
                    proof,
                },
            ..
        } = *span
        else {
            panic!("another deed");
        };
        assert_eq!(method, "kerberos");
        (principal, verified, proof)
    }

    /// A connection to it.
    pub async fn center(&self) -> Center {
        let stream = tokio::net::TcpStream::connect(self.at)
            .await
            .expect("a connection");
        Center::new(stream, std::time::Duration::from_secs(10))
    }
}

/// What a stock client needs: a krb5.conf, and a place for its tickets.
pub struct Client {
    pub folder: PathBuf,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Came {
    pub good: bool,
    pub said: String,
}

impl Came {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.good, "{}", self.said);
        self
    }

    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(!self.good, "{}", self.said);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.said.contains(text), "no {text:?} in: {}", self.said);
        self
    }
}

impl Client {
    /// Of the realm with its center there; `more` goes into `[libdefaults]`.
    pub fn new(at: SocketAddr, more: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tierlab-kerberos-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let conf = format!(
            "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n \
             dns_canonicalize_hostname = false\n rdns = false\n {more}\n[realms]\n {REALM} = {{\n  \
             kdc = {at}\n }}\n[domain_realm]\n localhost = {REALM}\n .contoso.com = {REALM}\n"
        );
        std::fs::write(folder.join("krb5.conf"), conf).expect("a file");
        Self { folder }
    }

    /// Runs a command of the shell with this on its standard input.
    pub async fn sh(&self, command: &str, input: &str) -> Came {
        let mut run = Command::new("sh");
        run.args(["-c", &format!("{command} 2>&1")])
            .current_dir(&self.folder)
            .env("KRB5_CONFIG", self.folder.join("krb5.conf"))
            .env(
                "KRB5CCNAME",
                format!("FILE:{}", self.folder.join("cc").display()),
            )
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let input = input.to_owned();
        let came = tokio::task::spawn_blocking(move || {
            let mut child = run.spawn().expect("a shell");
            let mut stdin = child.stdin.take().expect("a pipe");
            // It may have ended without reading.
            let _ = stdin.write_all(input.as_bytes());
            drop(stdin);
            child.wait_with_output().expect("it ends")
        });
        let came = came.await.expect("it ran");
        Came {
            good: came.status.success(),
            said: String::from_utf8_lossy(&came.stdout).into_owned(),
        }
    }

    pub async fn kinit(&self, arguments: &str, password: &str) -> Came {
        self.sh(&format!("kinit {arguments}"), &format!("{password}\n"))
            .await
    }
}
