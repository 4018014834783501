//! Accounts of the lab.

use super::record::record;
use super::{Many, Map, Spanned};

record! {
    /// Accounts of the lab.
    Directory, "the directory" {
        /// NetBIOS name (`CONTOSO`).
        domain: Spanned<String>,
        /// Kerberos realm (`CORP.CONTOSO.COM`).
        realm: Spanned<String>,
        /// Accounts, by name.
        users: Map<User>,
        /// Accounts of services, by name.
        services: Map<ServiceAccount>,
    }
}

record! {
    /// An account that a service runs under: it owns names that clients ask tickets for.
    ServiceAccount, "a service account" {
        /// Service principal names (`HTTP/intranet.example.com`).
        principals: Many<Spanned<String>>,
        /// Nodes whose services run under it, alone or as groups.
        on: Many<Spanned<String>>,
    }
}

record! {
    /// An account.
    User, "a user" {
        /// Display name; the account's unless given.
        name: Option<String>,
        /// Password.
        password: Spanned<String>,
        /// Mail address.
        mail: Option<Spanned<String>>,
        /// SIP address, without `sip:`.
        sip: Option<Spanned<String>>,
        /// The node that holds the mailbox.
        mailbox: Option<Spanned<String>>,
        /// Groups.
        groups: Many<String>,
        /// The account may not be used.
        disabled: Option<bool>,
        /// The account's last day is over.
        expired: Option<bool>,
        /// The password's last day is over: it must be changed before the next login.
        password_expired: Option<bool>,
    }
}
