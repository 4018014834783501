//! What the servers of all protocols of a domain controller share.

use std::sync::Arc;

use lab_core::service::{Context, ServiceError, Spans};

use super::accounts::Accounts;
use super::settings::Settings;
use crate::kerberos::Keytab;

/// What the servers of all protocols of a domain controller share.
pub struct Controller {
    /// The accounts; all logins are verified with them.
    pub accounts: Arc<Accounts>,
    /// Keys of the accounts that this node's own services run under (`ldap/…`).
    pub keytab: Keytab,
    /// The node's fully qualified name.
    pub fqdn: String,
    /// Where deeds are told.
    pub spans: Spans,
}

impl Controller {
    /// From what the service was given.
    ///
    /// # Errors
    /// Settings that are none, a secret that is missing.
    pub fn new(context: &Context) -> Result<Self, ServiceError> {
        let settings: Settings =
            serde_json::from_value(context.settings.borrow().clone()).map_err(ServiceError::new)?;
        let accounts = Accounts::new(&settings, &context.secrets).map_err(|account| {
            ServiceError::new(format!("the secret of the account {account} is missing"))
        })?;
        Ok(Self {
            accounts: Arc::new(accounts),
            keytab: Keytab::new(&settings.membership, &context.secrets),
            fqdn: context.fqdn.clone(),
            spans: context.spans.clone(),
        })
    }
}
