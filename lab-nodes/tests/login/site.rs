//! A site behind a guard: it says who asks, how, and what they sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::{Response, StatusCode};
use lab_core::observe::Deed;
use lab_core::service::{Context, Item, Spans, Told, Watched};
use lab_nodes::directory::Membership;
use lab_nodes::http::{accept, body, page};
use lab_nodes::login::{Controllers, Guard, Login, Methods, Way};
use lab_nodes::tls;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::controller::{Controller, accounts, domain};

pub const HOST: &str = "sp-fe1.corp.contoso.com";

pub struct Stage {
    pub authority: Authority,
    pub controller: Controller,
    /// With TLS, and without.
    pub secure: SocketAddr,
    pub plain: SocketAddr,
    pub told: Told,
    _watch: watch::Sender<Watched>,
    _stop: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::offering(&[Way::Negotiate, Way::Ntlm, Way::Basic]).await
    }

    pub async fn offering(ways: &[Way]) -> Self {
        let authority = Authority::new();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let controller = Controller::start(&authority, accounts(), anywhere).await;
        let (watch, watched) = watch::channel(Watched::Deeds);
        let (spans, told) = Spans::channel(watched);
        let (stop, stopped) = watch::channel(false);
        let credential = authority.credential(&[HOST]);
        let context = Context {
            lab: "test".into(),
            node: "sp-fe1".into(),
            fqdn: HOST.into(),
            addresses: vec![],
            settings: watch::channel(Value::Null).1,
            listeners: vec![],
            credentials: BTreeMap::from([("node".into(), credential.clone())]),
            trust: vec![authority.root.clone()],
            secrets: BTreeMap::new(),
            store: None,
            authority: None,
            peers: BTreeMap::new(),
            shutdown: stopped.clone(),
            network: mpsc::unbounded_channel().0,
            report: mpsc::unbounded_channel().0,
            spans: spans.clone(),
        };
        let login = Login {
            methods: Methods(ways.to_vec()),
            membership: Membership {
                domain: domain(),
                ..Membership::default()
            },
            direct: true,
        };
        // The first of them is not there: it is asked in vain.
        let mut dead = controller.peer.clone();
        dead.node = "dc0".into();
        dead.address = [127, 0, 0, 9].into();
        let config = tls::client_config(&context.trust, Some(&*credential)).unwrap();
        let peers = vec![dead, controller.peer.clone()];
        let controllers = Controllers::new(peers, config).on_port(controller.port);
        let guard = Guard::asking(controllers, login, &context, Some(&credential));
        let config = tls::server_config(&credential, &[], tls::ClientCertificate::NotAsked);
        let config = config.unwrap();
        let mut tasks = JoinSet::new();
        let mut places = vec![];
        for tls in [Some(config), None] {
            let listener = TcpListener::bind(anywhere).await.unwrap();
            places.push(listener.local_addr().unwrap());
            let (spans, stopped, guard) = (spans.clone(), stopped.clone(), guard.clone());
            tasks.spawn(accept::accept(
                listener,
                tls,
                spans,
                stopped,
                move |visitor| {
                    let door = guard.door(&visitor);
                    hyper::service::service_fn(move |request| {
                        let door = door.clone();
                        async move {
                            let admitted = match door.admit(request).await {
                                Ok(admitted) => admitted,
                                Err(answer) => return Ok::<_, Infallible>(answer),
                            };
                            let sent = body::read(admitted.request.into_body(), 1 << 20).await;
                            let identity = &admitted.identity;
                            let text = format!(
                                "{} by {}, {}, in {:?}, sent {}",
                                identity.person.account,
                                identity.method,
                                identity.proof,
                                identity.person.groups,
                                sent.unwrap().len()
                            );
                            let mut response: Response<body::Body> =
                                page::line(StatusCode::OK, &text);
                            admitted.answer.apply(&mut response);
                            Ok(response)
                        }
                    })
                },
            ));
        }
        Self {
            authority,
            controller,
            secure: places[0],
            plain: places[1],
            told,
            _watch: watch,
            _stop: stop,
            _tasks: tasks,
        }
    }

    /// The logins told until now.
    pub async fn logins(&mut self) -> Vec<(String, String, bool)> {
        let mut logins = vec![];
        while let Some(item) = futures::FutureExt::now_or_never(self.told.next()).flatten() {
            let Item::Span(span) = item else {
                continue;
            };
            if let Deed::Login {
                method,
                principal,
                verified,
                ..
            } = span.deed
            {
                logins.push((method, principal, verified));
            }
        }
        logins
    }
}

/// The arguments that bring a program to the site.
pub fn curl(stage: &Stage) -> Vec<String> {
    let at = stage.secure;
    vec![
        "-sS".into(),
        "--max-time".into(),
        "20".into(),
        "--noproxy".into(),
        "*".into(),
        "--cacert".into(),
        stage.authority.root_file().display().to_string(),
        "--resolve".into(),
        format!("{HOST}:{}:{}", at.port(), at.ip()),
        "-w".into(),
        " [%{http_code}]".into(),
    ]
}

pub fn url(stage: &Stage) -> String {
    format!("https://{HOST}:{}/", stage.secure.port())
}
