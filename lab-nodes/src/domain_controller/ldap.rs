//! The directory's tree, and the logins that lead to it.

use std::sync::Arc;

use lab_core::service::{Context, ServiceError};
use serde_json::Value;
use tokio::task::JoinSet;

use super::controller::Controller;
use super::settings::{LDAP, LDAPS, Settings};
use crate::kerberos::Acceptor;
use crate::ldap::{Contents, Directory, Logins, Server, listen};
use crate::login::Verification;
use crate::login::attempt;
use crate::ntlm::{Target, binding};
use crate::revocation::Revocation;
use crate::tls::{self, ClientCertificate};

/// The directory, whose contents change with the settings.
pub(super) struct Running {
    server: Arc<Server>,
    fqdn: String,
}

/// Starts the servers of both ports.
pub(super) fn start(
    context: &mut Context,
    controller: &Controller,
    tasks: &mut JoinSet<String>,
) -> Result<Running, ServiceError> {
    let settings = read(&context.settings.borrow())?;
    let own = context.credentials.get("node").cloned();
    let own = own.ok_or_else(|| ServiceError::new("the node has no certificate"))?;
    let revocation = Revocation::of(context);
    let config = revocation.server_config(&own, &context.trust, ClientCertificate::Asked);
    let mut config = config.map_err(ServiceError::new)?.as_ref().clone();
    // RFC 4511 names no protocol for ALPN: a client that offers one is served all the same.
    config.alpn_protocols.clear();
    let config = tls::server_telling_keys(&config, &context.spans);
    let accounts = Arc::clone(&controller.accounts);
    let verification = Arc::new(Verification::new(Arc::clone(&accounts)));
    let logins = Logins {
        server: attempt::Server {
            target: target(&settings, &context.node, &context.fqdn),
            kerberos: (!controller.keytab.is_empty())
                .then(|| Acceptor::new(controller.keytab.clone())),
            binding: own.chain.first().map(|leaf| binding::to_certificate(leaf)),
        },
        verification: Arc::clone(&verification),
        accounts: Arc::clone(&accounts),
    };
    let directory = directory(settings, &context.fqdn);
    let plain_passwords = !read(&context.settings.borrow())?.refuses_plain_passwords;
    let mut server = Server::new(directory, accounts).with_extension(verification);
    server.plain_passwords = plain_passwords;
    let server = Arc::new(Logins::add_to(Arc::new(logins), server));
    for (name, at_once) in [(LDAP, false), (LDAPS, true)] {
        for listener in context.take_tcp(name).map_err(ServiceError::new)? {
            let serving = listen(
                listener,
                Arc::clone(&server),
                Arc::clone(&config),
                at_once,
                context.spans.clone(),
                context.shutdown.clone(),
            );
            let why = format!("{name} ended");
            tasks.spawn(async move {
                serving.await;
                why
            });
        }
    }
    Ok(Running {
        server,
        fqdn: context.fqdn.clone(),
    })
}

impl Running {
    /// Takes other settings, such as further users.
    pub(super) fn replace(&self, settings: &Value) -> Result<(), ServiceError> {
        self.server.replace(directory(read(settings)?, &self.fqdn));
        Ok(())
    }
}

fn read(settings: &Value) -> Result<Settings, ServiceError> {
    serde_json::from_value(settings.clone()).map_err(ServiceError::new)
}

fn directory(settings: Settings, fqdn: &str) -> Directory {
    let Settings {
        domain,
        accounts,
        computers,
        ..
    } = settings;
    Directory::new(Contents::new(domain, fqdn.to_owned(), computers, &accounts))
}

fn target(settings: &Settings, node: &str, fqdn: &str) -> Target {
    Target {
        netbios_domain: settings.domain.netbios.clone(),
        netbios_computer: node.to_uppercase(),
        dns_domain: settings.domain.dns_name(),
        dns_computer: fqdn.to_owned(),
    }
}
