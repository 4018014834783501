//! Where a database is.

use lab_core::check::Lab;
use lab_core::plan::Peer;
use lab_core::service::Secret;
use serde::{Deserialize, Serialize};

use crate::sql_server::SqlServer;

/// A database of the lab, with the login under which it is asked. It is computed while the lab is
/// planned and travels in the settings of the service that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The database.
    pub database: String,
    /// The node that has it.
    pub server: Peer,
    /// Its port.
    pub port: u16,
    /// Who asks.
    pub login: String,
}

impl Source {
    /// The database of that name, wherever a `sql-server` of the lab has it. The service that asks
    /// needs the secret [`Source::secret`].
    pub fn find(lab: &Lab, database: &str, login: &str) -> Option<Self> {
        let (name, port) = SqlServer::with_database(lab, database)?;
        let node = lab.nodes.get(&name)?;
        let address = (node.attachments.iter())
            .flat_map(|attachment| &attachment.addresses)
            .next()?;
        Some(Self {
            database: database.to_owned(),
            server: Peer {
                node: name,
                fqdn: node.fqdn.clone(),
                address: address.addr(),
            },
            port,
            login: login.to_owned(),
        })
    }

    /// The secret that its password is made of ([`lab_core::service::Setup::secrets`]).
    pub fn secret(&self) -> String {
        secret_of(&self.login)
    }
}

/// The secret of a login that has no password in the lab file.
pub fn secret_of(login: &str) -> String {
    format!("sql login {}", login.to_lowercase())
}

/// The password that a secret stands for.
pub fn password_of(secret: &Secret) -> String {
    data_encoding::BASE32_NOPAD.encode(secret.bytes())
}
