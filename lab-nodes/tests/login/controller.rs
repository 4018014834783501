//! A domain controller: the accounts, and an LDAP server that knows one operation. Messages are
//! read and written by a library that is not ours.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{SinkExt, StreamExt};
use lab_core::plan::Peer;
use lab_core::service::{Conversation, Secret, Spans};
use lab_nodes::directory::{Account, Domain, Kind, Person};
use lab_nodes::domain_controller::Accounts;
use lab_nodes::domain_controller::settings::Settings;
use lab_nodes::ldap::{Asked, Caller, Extension};
use lab_nodes::login::Verification;
use lab_nodes::tls;
use ldap3_proto::proto::{LdapExtendedResponse, LdapMsg, LdapOp, LdapResult, LdapResultCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;

use crate::authority::Authority;

pub const PASSWORD: &str = "Passw0rd!";

pub fn domain() -> Domain {
    Domain {
        netbios: "CONTOSO".into(),
        realm: "CORP.CONTOSO.COM".into(),
    }
}

/// Wrong passwords that lock an account.
pub const LOCKS: u32 = 3;

pub fn accounts() -> Arc<Accounts> {
    let user = |account: &str, groups: &[&str]| Account {
        person: Person {
            account: account.into(),
            name: account.to_uppercase(),
            mail: Some(format!("{account}@contoso.com")),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            ..Person::default()
        },
        kind: Kind::User {
            password: PASSWORD.into(),
        },
        state: Default::default(),
    };
    let settings = Settings {
        domain: domain(),
        accounts: vec![user("alice", &["employees"]), user("bob", &[])],
        lockout_after: LOCKS,
        lockout_within: 600,
        lockout_for: 600,
        ..Settings::default()
    };
    let secrets = BTreeMap::from([(Domain::secret_of("krbtgt"), Secret::new([7; 32]))]);
    Arc::new(Accounts::new(&settings, &secrets).unwrap())
}

/// It serves until it is dropped.
pub struct Controller {
    pub peer: Peer,
    pub port: u16,
    pub asked: Arc<AtomicUsize>,
    pub connections: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Controller {
    pub async fn start(authority: &Authority, accounts: Arc<Accounts>, at: SocketAddr) -> Self {
        let fqdn = "dc1.corp.contoso.com";
        let credential = authority.credential(&[fqdn]);
        let trust = [authority.root.clone()];
        let config = tls::server_config(&credential, &trust, tls::ClientCertificate::Asked);
        let acceptor = TlsAcceptor::from(config.unwrap());
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let verification = Arc::new(Verification::new(accounts));
        let (asked, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        let counts = (asked.clone(), connections.clone());
        tasks.spawn(async move {
            let (asked, connections) = counts;
            let mut served = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(
                    stream,
                    acceptor.clone(),
                    verification.clone(),
                    asked.clone(),
                ));
            }
        });
        Self {
            peer: Peer {
                node: "dc1".into(),
                fqdn: fqdn.into(),
                address: IpAddr::from([127, 0, 0, 1]),
            },
            port: at.port(),
            asked,
            connections,
            tasks,
        }
    }

    pub async fn kill(&mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    verification: Arc<Verification>,
    asked: Arc<AtomicUsize>,
) {
    let address = stream.peer_addr().unwrap();
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let certificate = stream.get_ref().1.peer_certificates();
    let caller = Caller {
        address,
        secure: true,
        certificate: certificate.map(|chain| chain[0].clone().into_owned()),
        conversation: Conversation::tcp(address, address, &Spans::unwatched()),
    };
    let mut messages = Framed::new(stream, ldap3_proto::LdapCodec::new(Some(128 << 10), None));
    while let Some(Ok(message)) = messages.next().await {
        let LdapOp::ExtendedRequest(request) = message.op else {
            return;
        };
        assert_eq!(request.name, verification.oid());
        asked.fetch_add(1, Ordering::SeqCst);
        let answer = verification.answer(&Asked {
            value: request.value.as_deref(),
            caller: &caller,
        });
        let code = match answer.code.0 {
            0 => LdapResultCode::Success,
            2 => LdapResultCode::ProtocolError,
            _ => LdapResultCode::InsufficentAccessRights,
        };
        let response = LdapExtendedResponse {
            res: LdapResult {
                code,
                matcheddn: String::new(),
                message: answer.message,
                referral: vec![],
            },
            name: None,
            value: answer.value,
        };
        let message = LdapMsg {
            msgid: message.msgid,
            op: LdapOp::ExtendedResponse(response),
            ctrl: vec![],
        };
        if messages.send(message).await.is_err() {
            return;
        }
    }
}
