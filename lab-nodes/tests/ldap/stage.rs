//! A domain controller on loopback, and what a stock client needs to find it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use lab_core::observe::Deed;
use lab_core::service::{Context, Item, Listener, Report, Secret, Spans, Told, Watched};
use lab_nodes::CATALOGUE;
use lab_nodes::directory::{Account, Domain, Kind, Membership, Person, State};
use lab_nodes::domain_controller::settings::Settings;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::authority::Authority;

/// How long a test waits for what must happen.
pub const LIMIT: Duration = Duration::from_secs(20);
pub const PASSWORD: &str = "Passw0rd!";
/// Wrong passwords that lock an account.
pub const LOCKS: u32 = 3;
pub const BASE: &str = "DC=corp,DC=example,DC=com";
/// Its address is its name: libldap takes `localhost` for the name of the machine it runs on.
const HOST: &str = "127.0.0.1";
const FQDN: &str = "dc1.corp.example.com";

pub struct Stage {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    pub authority: Authority,
    pub settings: watch::Sender<Value>,
    told: Told,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    kerberos: SocketAddr,
    _watched: watch::Sender<Watched>,
    folder: PathBuf,
}

pub fn settings() -> Settings {
    let user = |account: &str, name: &str, rid, groups: &[&str], state| Account {
        person: Person {
            account: account.into(),
            name: name.into(),
            rid,
            mail: Some(format!("{account}@example.com")),
            sip: Some(format!("{account}@example.com")),
            mailbox: Some("mbx1".into()),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        },
        kind: Kind::User {
            password: PASSWORD.into(),
        },
        state,
    };
    let directory = Account {
        person: Person {
            account: "svc-directory".into(),
            name: "svc-directory".into(),
            rid: 1010,
            ..Person::default()
        },
        kind: Kind::Service {
            principals: vec![format!("ldap/{HOST}")],
        },
        state: State::Active,
    };
    let accounts = vec![
        user("alice", "Alice Adams", 1000, &["employees"], State::Active),
        user(
            "bob",
            "Bob, the \"Baker\"",
            1001,
            &["employees", "bakers"],
            State::Active,
        ),
        user("dora", "Dora Disabled", 1002, &[], State::Disabled),
        user("ed", "Ed Expired", 1003, &[], State::Expired),
        user("pia", "Pia Password", 1004, &[], State::PasswordExpired),
        directory,
    ];
    let domain = Domain {
        netbios: "EXAMPLE".into(),
        realm: "CORP.EXAMPLE.COM".into(),
    };
    Settings {
        membership: Membership {
            domain: domain.clone(),
            controllers: vec![HOST.into()],
            accounts: [("svc-directory".into(), vec![format!("ldap/{HOST}")])].into(),
        },
        domain,
        accounts,
        lockout_after: LOCKS,
        lockout_within: 600,
        lockout_for: 600,
        computers: vec!["web1.corp.example.com".into()],
        ..Settings::default()
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(settings()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let authority = Authority::new();
        let folder = authority.root_file().parent().unwrap().to_owned();
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = [
            ("kerberos", listen()),
            ("ldap", listen()),
            ("ldaps", listen()),
        ];
        let [kerberos, plain, secure] =
            [0, 1, 2].map(|at: usize| sockets[at].1.local_addr().unwrap());
        let listeners = sockets.map(|(name, socket)| {
            socket.set_nonblocking(true).unwrap();
            (name.to_owned(), Listener::Tcp(socket))
        });
        let (stop, shutdown) = watch::channel(false);
        let (watching, watched) = watch::channel(Watched::Deeds);
        let (spans, told) = Spans::channel(watched);
        let (report, mut reports) = mpsc::unbounded_channel();
        let secret = |account: &str, byte| (Domain::secret_of(account), Secret::new([byte; 32]));
        let (changes, receiver) = watch::channel(serde_json::to_value(&settings).unwrap());
        let context = Context {
            lab: "test".into(),
            node: "dc1".into(),
            fqdn: FQDN.into(),
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            settings: receiver,
            listeners: listeners.into(),
            credentials: [("node".into(), authority.credential(&[FQDN, HOST]))].into(),
            trust: vec![authority.root.clone()],
            secrets: [secret("krbtgt", 7), secret("svc-directory", 9)].into(),
            store: None,
            authority: None,
            peers: BTreeMap::new(),
            shutdown,
            network: mpsc::unbounded_channel().0,
            report,
            spans,
        };
        let service = CATALOGUE.get("domain-controller").unwrap();
        let running = service.run(context);
        let task = tokio::spawn(async move {
            running.await.unwrap();
        });
        assert_eq!(reports.recv().await, Some(Report::Ready));
        let stage = Self {
            plain,
            secure,
            authority,
            settings: changes,
            told,
            stop,
            task,
            kerberos,
            _watched: watching,
            folder,
        };
        stage.configure();
        stage
    }

    /// What a member of the domain has in /etc.
    fn configure(&self) {
        let krb5 = format!(
            "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n dns_lookup_kdc = false\n \
             dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n \
             default_ccache_name = FILE:{}/tickets\n\
             [realms]\n CORP.EXAMPLE.COM = {{\n  kdc = {}\n }}\n\
",
            self.folder.display(),
            self.kerberos,
        );
        std::fs::write(self.folder.join("krb5.conf"), krb5).unwrap();
        let ldap = format!(
            "TLS_CACERT {}\nTLS_CRLCHECK none\nSASL_NOCANON on\n",
            self.authority.root_file().display()
        );
        std::fs::write(self.folder.join("ldap.conf"), ldap).unwrap();
    }

    /// A certificate that clients show from here on.
    pub fn shows(&self, certificate: &str, key: &str) {
        let path = self.folder.join("ldap.conf");
        let before = std::fs::read_to_string(&path).unwrap();
        // These are options of users, whose file it is in the place of.
        let own = before
            .lines()
            .filter(|line| !line.contains("_CERT ") && !line.contains("_KEY "));
        let mut lines: Vec<String> = own.map(str::to_owned).collect();
        lines.push(format!("TLS_CERT {certificate}"));
        lines.push(format!("TLS_KEY {key}"));
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }

    /// Who logs in by NTLM from here on, as far as there is no ticket.
    pub fn ntlm_user(&self, account: &str, password: &str) {
        let line = format!("EXAMPLE:{account}:{password}\n");
        std::fs::write(self.folder.join("ntlm"), line).unwrap();
    }

    pub fn url(&self) -> String {
        format!("ldap://{HOST}:{}", self.plain.port())
    }

    pub fn secure_url(&self) -> String {
        format!("ldaps://{HOST}:{}", self.secure.port())
    }

    pub async fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(program)
            .args(arguments)
            .env("KRB5_CONFIG", self.folder.join("krb5.conf"))
            .env("KRB5_TRACE", self.folder.join("trace"))
            .env("LDAPRC", self.folder.join("ldap.conf"))
            .env("LDAPCONF", self.folder.join("ldap.conf"))
            .env("NTLM_USER_FILE", self.folder.join("ntlm"))
            .env("ROOT", self.authority.root_file())
            .env("PLAIN", self.plain.port().to_string())
            .env("SECURE", self.secure.port().to_string())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes())
            .await
            .unwrap();
        drop(stdin);
        tokio::time::timeout(LIMIT, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("{program} {arguments:?} does not end"))
            .unwrap()
    }

    /// What a client prints that must succeed.
    pub async fn good(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments, "").await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {complaint}"
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Exit code and complaint of a client that must fail.
    pub async fn bad(&self, program: &str, arguments: &[&str]) -> (i32, String) {
        let output = self.run(program, arguments, "").await;
        assert!(!output.status.success(), "{program} {arguments:?} succeeds");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap_or(-1), complaint)
    }

    /// A ticket for alice.
    pub async fn kinit(&self) {
        let output = self
            .run("kinit", &["alice"], &format!("{PASSWORD}\n"))
            .await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
    }

    /// What ldapsearch finds, bound as alice by her password.
    pub async fn search(&self, arguments: &[&str]) -> String {
        let url = self.url();
        let own = ["-LLL", "-o", "ldif-wrap=no", "-x", "-H", &url];
        let who = ["-D", "alice@corp.example.com", "-w", PASSWORD, "-b", BASE];
        self.good("ldapsearch", &[&own[..], &who, arguments].concat())
            .await
    }

    /// The next login that the server tells of: method, principal, whether it held, proof.
    pub async fn login(&mut self) -> (String, String, bool, String) {
        let wait = async {
            loop {
                if let Some(Item::Span(span)) = self.told.next().await
                    && let Deed::Login {
                        method,
                        principal,
                        verified,
                        proof,
                    } = span.deed
                    // The key distribution center tells of its own.
                    && method != "kerberos"
                {
                    return (method, principal, verified, proof);
                }
            }
        };
        tokio::time::timeout(LIMIT, wait)
            .await
            .expect("a login is told")
    }

    /// The next search that the server tells of: what was asked and answered.
    pub async fn served(&mut self) -> (String, String) {
        let wait = async {
            loop {
                if let Some(Item::Span(span)) = self.told.next().await
                    && let Deed::Served { asked, answer, .. } = span.deed
                {
                    return (asked, answer);
                }
            }
        };
        tokio::time::timeout(LIMIT, wait)
            .await
            .expect("a search is told")
    }

    pub fn end(&self) {
        self.stop.send_replace(true);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}
