use std::sync::Arc;

use lab_core::service::{Context, Conversation, Credential, ServiceError};

use crate::directory::Person;
use crate::http::accept::Visitor;
use crate::tls;

use super::setup::CONTROLLERS;
use super::{Controllers, Denied, Door, Identity, Login, Method, Unavailable};

/// Logs people in to a service. It is cheap to clone.
#[derive(Clone)]
pub struct Guard(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub login: Login,
    pub controllers: Controllers,
}

impl Guard {
    /// Of a service, from its settings and its context, in which [`Login::add_to`] asked for what is
    /// needed. `certificate`: the one that clients see, when nothing before this server ends TLS;
    /// a login that is bound to another one is refused then (RFC 5929 §4).
    ///
    /// # Errors
    /// The node has no certificate to show to a controller.
    pub fn new(
        login: Login,
        context: &Context,
        certificate: Option<&Credential>,
    ) -> Result<Self, ServiceError> {
        let _ = certificate;
        let own = context.credentials.get("node").map(Arc::as_ref);
        let config = tls::client_config(&context.trust, own).map_err(ServiceError::new)?;
        let peers = context.peers.get(CONTROLLERS).cloned().unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            login,
            controllers: Controllers::new(peers, config),
        })))
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
        let _ = (method, account, password, conversation);
        Err(Unavailable("not yet".into()).into())
    }

    /// Who an account is: `alice`, `CONTOSO\alice` or `alice@contoso.com`. None: nobody.
    ///
    /// # Errors
    /// No controller answers.
    pub async fn person(&self, account: &str) -> Result<Option<Person>, Unavailable> {
        let _ = account;
        Err(Unavailable("not yet".into()))
    }
}
