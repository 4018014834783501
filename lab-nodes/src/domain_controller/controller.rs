//! What the servers of all protocols of a domain controller share.

use std::collections::BTreeMap;
use std::sync::Arc;

use lab_core::service::{Context, Secret, ServiceError, Spans};
use serde_json::Value;

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
        let accounts = Accounts::new(&settings, &context.secrets).map_err(missing)?;
        Ok(Self {
            accounts: Arc::new(accounts),
            keytab: Keytab::new(&settings.membership, &context.secrets),
            fqdn: context.fqdn.clone(),
            spans: context.spans.clone(),
        })
    }

    /// Takes other settings, such as further users.
    ///
    /// # Errors
    /// As [`Self::new`]; all stays as it was then.
    pub fn replace(
        &self,
        settings: &Value,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<(), ServiceError> {
        let settings = Self::settings(settings)?;
        self.accounts.replace(&settings, secrets).map_err(missing)
    }

    fn settings(settings: &Value) -> Result<Settings, ServiceError> {
        serde_json::from_value(settings.clone()).map_err(ServiceError::new)
    }
}

fn missing(account: String) -> ServiceError {
    ServiceError::new(format!("the secret of the account {account} is missing"))
}
