use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab_core::observe::Deed;
use lab_core::service::{Context, Conversation, Credential, ServiceError};

use super::attempt::Server;
use super::question::{Password, Question, Verdict};
use super::setup::CONTROLLERS;
use super::{Controllers, Denied, Door, Identity, Login, Method, Methods, Unavailable};
use crate::directory::Person;
use crate::http::accept::Visitor;
use crate::kerberos::{Acceptor, Keytab};
use crate::ntlm::{Target, binding};
use crate::revocation::Revocation;
use crate::tls;

/// How long it is known who an account is; a real ticket says so for hours.
const KNOWN: Duration = Duration::from_secs(60);
/// Most accounts that are known at a time.
const MOST_KNOWN: usize = 1024;

/// Logs people in to a service. It is cheap to clone.
#[derive(Clone)]
pub struct Guard(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub methods: Methods,
    pub server: Server,
    /// Name of what is logged in to, for people: the domain.
    pub realm: String,
    controllers: Controllers,
    known: Mutex<BTreeMap<String, (Instant, Person)>>,
}

impl Guard {
    /// Of a service, from its settings and its context, in which [`Login::add_to`] asked for what is
    /// needed. `certificate`: the one that this server shows. A login that is bound to another one is
    /// refused (RFC 5929 §4), unless a proxy ends TLS before this server.
    ///
    /// # Errors
    /// The node has no certificate to show to a controller.
    pub fn new(
        login: Login,
        context: &Context,
        certificate: Option<&Credential>,
    ) -> Result<Self, ServiceError> {
        let own = context.credentials.get("node").map(Arc::as_ref);
        let config = Revocation::of(context)
            .client_config(&context.trust, own)
            .map_err(ServiceError::new)?;
        let config = tls::client_telling_keys(&config, &context.spans);
        let peers = context.peers.get(CONTROLLERS).cloned().unwrap_or_default();
        let controllers = Controllers::new(peers, config);
        Ok(Self::asking(controllers, login, context, certificate))
    }

    /// The same, with controllers of the caller's choice.
    pub fn asking(
        controllers: Controllers,
        login: Login,
        context: &Context,
        certificate: Option<&Credential>,
    ) -> Self {
        let keytab = Keytab::new(&login.membership, &context.secrets);
        let server = Server {
            target: target(&login, &context.node, &context.fqdn),
            kerberos: (!keytab.is_empty()).then(|| Acceptor::new(keytab)),
            binding: certificate
                .filter(|_| login.direct)
                .and_then(|credential| credential.chain.first())
                .map(|leaf| binding::to_certificate(leaf)),
        };
        Self(Arc::new(Inner {
            methods: login.methods,
            server,
            realm: login.membership.domain.dns_name(),
            controllers,
            known: Mutex::default(),
        }))
    }

    /// The door of a connection.
    pub fn door(&self, visitor: &Visitor) -> Door {
        Door::new(self.clone(), visitor)
    }

    /// Checks a name and a password that came by a form, or as Basic does, and tells of it.
    ///
    /// # Errors
    /// They are wrong, or nobody can say.
    pub async fn password(
        &self,
        method: Method,
        account: &str,
        password: &str,
        conversation: &Conversation,
    ) -> Result<Identity, Denied> {
        let question = Question::Password {
            account: account.to_owned(),
            password: Password(password.to_owned()),
        };
        match self.ask(&question, conversation).await? {
            Verdict::Good { person, .. } => {
                let proof = "the password, verified by a domain controller".to_owned();
                let identity = Identity {
                    person,
                    method,
                    proof,
                };
                welcome(&identity, conversation);
                Ok(identity)
            }
            Verdict::Refused { reason } => {
                turn_away(method, account, &reason, conversation);
                Err(Denied::Refused(reason))
            }
        }
    }

    /// Who an account is: `alice`, `CONTOSO\alice` or `alice@contoso.com`. None: nobody, or an
    /// account that may not log in.
    ///
    /// # Errors
    /// No controller answers.
    pub async fn person(
        &self,
        account: &str,
        conversation: &Conversation,
    ) -> Result<Option<Person>, Unavailable> {
        let key = account.to_lowercase();
        if let Some((since, person)) = self.known().get(&key)
            && since.elapsed() < KNOWN
        {
            return Ok(Some(person.clone()));
        }
        let question = Question::Person {
            account: account.to_owned(),
        };
        match self.ask(&question, conversation).await? {
            Verdict::Good { person, .. } => {
                let mut known = self.known();
                if known.len() >= MOST_KNOWN {
                    known.retain(|_, (since, _)| since.elapsed() < KNOWN);
                }
                if known.len() < MOST_KNOWN {
                    known.insert(key, (Instant::now(), person.clone()));
                }
                Ok(Some(person))
            }
            Verdict::Refused { reason } => {
                tracing::warn!("{account}: {reason}");
                Ok(None)
            }
        }
    }

    pub(super) async fn ask(
        &self,
        question: &Question,
        conversation: &Conversation,
    ) -> Result<Verdict, Unavailable> {
        let asked = self.0.controllers.ask(question, conversation).await;
        if let Err(unavailable) = &asked {
            tracing::error!("{question} could not be verified: {unavailable}");
        }
        asked
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Person)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of a login that held.
pub(super) fn welcome(identity: &Identity, conversation: &Conversation) {
    conversation.tell(|| Deed::Login {
        method: identity.method.to_string(),
        principal: identity.person.account.clone(),
        verified: true,
        proof: identity.proof.clone(),
    });
}

/// Tells of one that did not, and logs why: the client is not told.
pub(super) fn turn_away(
    method: Method,
    principal: &str,
    reason: &str,
    conversation: &Conversation,
) {
    let client = conversation.tuple.source;
    let principal = principal.replace(char::is_control, "?");
    tracing::warn!(
        "login of `{}` from {client} by {method} refused: {reason}",
        principal
    );
    conversation.tell(|| Deed::Login {
        method: method.to_string(),
        principal: principal.to_owned(),
        verified: false,
        proof: reason.to_owned(),
    });
}

fn target(login: &Login, node: &str, fqdn: &str) -> Target {
    let domain = &login.membership.domain;
    Target {
        netbios_domain: domain.netbios.clone(),
        // As long as NetBIOS allows.
        netbios_computer: node.to_ascii_uppercase().chars().take(15).collect(),
        dns_domain: domain.dns_name(),
        dns_computer: fqdn.to_owned(),
    }
}
