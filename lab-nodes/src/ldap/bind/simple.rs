//! Simple binds ([MS-ADTS] §5.1.1.1.1).

use lab_core::observe::Deed;

use super::super::name::Name;
use super::super::server::Server;
use super::super::wire::Outcome;
use super::super::{Caller, Code};
use super::{data_of, refusal};
use crate::directory::Person;
use crate::domain_controller::Refusal;

/// Who a simple bind makes of a client.
pub enum Simple {
    /// Nobody: it has neither name nor password.
    Anonymous,
    /// Somebody.
    Known(Person),
    /// It does not hold.
    Refused(Outcome),
}

/// A simple bind by this name and password.
pub fn simple(name: &str, password: &[u8], caller: &Caller, server: &Server) -> Simple {
    if password.is_empty() && name.is_empty() {
        return Simple::Anonymous;
    }
    if password.is_empty() {
        // RFC 4513 §5.1.2: programs that check passwords by a bind forget to look for empty ones.
        let message = "00000057: LdapErr: a bind with a name has a password";
        return Simple::Refused(Outcome::new(Code::UNWILLING_TO_PERFORM, message));
    }
    if !caller.secure && !server.plain_passwords {
        return Simple::Refused(Outcome::new(
            Code::STRONGER_AUTH_REQUIRED,
            "00002028: LdapErr: DSID-0C090256, comment: The server requires binds to turn on \
             integrity checking if SSL\\TLS are not already active on the connection, data 0, v3839",
        ));
    }
    let password = String::from_utf8_lossy(password);
    let verified = match account(name, server) {
        Some(account) => server.accounts.verify(&account, &password),
        None => Err(Refusal::Unknown),
    };
    caller.conversation.tell(|| Deed::Login {
        method: "ldap simple".into(),
        principal: match &verified {
            Ok(person) => person.account.clone(),
            Err(_) => name.to_owned(),
        },
        verified: verified.is_ok(),
        proof: match &verified {
            Ok(_) if caller.secure => "password inside TLS".into(),
            Ok(_) => "password in the clear".into(),
            Err(refusal) => refusal.to_string(),
        },
    });
    match verified {
        Ok(person) => Simple::Known(person),
        Err(refused) => {
            tracing::info!(
                "{}: bind as `{}`: {refused}",
                caller.address,
                name.escape_debug()
            );
            Simple::Refused(refusal(data_of(refused)))
        }
    }
}

/// The account that a client means: by distinguished name, user principal name, NetBIOS name with
/// account, or display name. An account's name alone is none of these.
fn account(name: &str, server: &Server) -> Option<String> {
    let directory = server.directory();
    if let Ok(parsed) = Name::parse(name)
        && let Some(entry) = directory.tree.find(&parsed)
    {
        return entry.account.clone();
    }
    if name.contains(['\\', '@', '/']) {
        let found = server.accounts.find(name)?;
        return Some(found.person().account.clone());
    }
    let mut entries = directory.tree.entries().iter();
    let is_it = |value: &Vec<u8>| {
        std::str::from_utf8(value).is_ok_and(|own| own.to_lowercase() == name.to_lowercase())
    };
    entries
        .find(|entry| entry.get("displayName").iter().any(is_it))
        .and_then(|entry| entry.account.clone())
}
