//! A root, an issuing CA, and its certificate services on a port of their own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lab_core::service::{
    Authority, Context, Credential, Issued, Listener, Report, Secret, Service, Spans,
};
use lab_nodes::certificate_services::CertificateServices;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

static FOLDERS: AtomicU32 = AtomicU32::new(0);
/// How long a condition is waited for.
pub const LIMIT: Duration = Duration::from_secs(10);

pub struct Ca {
    pub root: CertificateDer<'static>,
    pub folder: PathBuf,
    /// Where its services listen.
    pub at: SocketAddr,
    listener: Option<TcpListener>,
    root_list: Vec<u8>,
    issuing: CertificateDer<'static>,
    issuing_key: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    issued: watch::Sender<Vec<Issued>>,
}

pub struct Running(JoinHandle<()>, watch::Sender<bool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

impl Ca {
    pub fn new() -> Self {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root_params = ca_params("test root");
        let root = root_params.self_signed(&root_key).unwrap();
        let above = Issuer::new(root_params, root_key);
        let params = ca_params("test issuing");
        let issuing = params.signed_by(&key, &above).unwrap();
        let now = time::OffsetDateTime::now_utc();
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: now + time::Duration::days(1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("certificates-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let ca = Self {
            root: root.der().clone(),
            folder,
            at: listener.local_addr().unwrap(),
            listener: Some(listener),
            root_list: list.signed_by(&above).unwrap().der().to_vec(),
            issuing: issuing.der().clone(),
            issuing_key: key.serialize_der(),
            issuer: Issuer::new(params, key),
            issued: watch::Sender::new(Vec::new()),
        };
        ca.write("root.pem", root.pem().as_bytes());
        ca.write("issuing.pem", issuing.pem().as_bytes());
        ca
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/pki/{name}", self.at)
    }

    pub fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// A certificate that says where its revocation is published; its files are `NAME.pem` and
    /// `NAME.key`.
    pub fn issue(&self, name: &str) -> Arc<Credential> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let serial: [u8; 4] = (0x5000 + self.issued.borrow().len() as u32).to_be_bytes();
        let serial = serial[2..].to_vec();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.use_authority_key_identifier_extension = true;
        params.crl_distribution_points = vec![CrlDistributionPoint {
            uris: vec![self.url("issuing.crl")],
        }];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{name}.pem"), certificate.pem().as_bytes());
        self.write(&format!("{name}.key"), key.serialize_pem().as_bytes());
        self.issued.send_modify(|issued| {
            issued.push(Issued {
                serial,
                node: name.to_owned(),
                id: "node".to_owned(),
                revoked: None,
            });
        });
        Arc::new(Credential {
            chain: vec![certificate.der().clone(), self.issuing.clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        })
    }

    /// Revokes what was issued under that name, or takes that back.
    pub fn revoke(&self, name: &str, since: Option<i64>) {
        self.issued.send_modify(|issued| {
            for one in issued.iter_mut().filter(|one| one.node == name) {
                one.revoked = since;
            }
        });
    }

    /// Starts the services.
    pub async fn serve(&mut self) -> Running {
        let issuing = Credential {
            chain: vec![self.issuing.clone()],
            key: PrivateKeyDer::try_from(self.issuing_key.clone()).unwrap(),
        };
        let mut issued = self.issued.subscribe();
        issued.mark_changed();
        let (_settings, settings) = watch::channel(json!({
            "base": "/pki", "hosts": ["127.0.0.1", "crl.example"], "port": self.at.port(),
        }));
        let (stop, shutdown) = watch::channel(false);
        let (report, mut reports) = mpsc::unbounded_channel();
        let context = Context {
            store: None,

            lab: "test".into(),
            node: "ca1".into(),
            fqdn: "ca1.corp.example".into(),
            addresses: Vec::new(),
            settings,
            listeners: vec![("http".into(), Listener::Tcp(self.listener.take().unwrap()))],
            credentials: BTreeMap::new(),
            trust: vec![self.root.clone()],
            secrets: BTreeMap::<String, Secret>::new(),
            authority: Some(Authority {
                issuing: Arc::new(issuing),
                root_list: self.root_list.clone(),
                issued,
            }),
            peers: BTreeMap::new(),
            shutdown,
            network: mpsc::unbounded_channel().0,
            report,
            spans: Spans::unwatched(),
        };
        let running = CertificateServices.run(context);
        let task = tokio::spawn(async move {
            let _settings = _settings;
            running.await.unwrap();
        });
        let ready = tokio::time::timeout(LIMIT, reports.recv()).await.unwrap();
        assert!(matches!(ready, Some(Report::Ready)));
        Running(task, stop)
    }
}

impl Drop for Ca {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a program; its output, and whether it ended well.
pub async fn ran(program: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output());
    let Output {
        status,
        stdout,
        stderr,
    } = output.await.unwrap().expect("the program is installed");
    let text = [stdout, stderr].concat();
    (
        status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[track_caller]
pub fn well((well, text): (bool, String)) -> String {
    assert!(well, "{text}");
    text
}
