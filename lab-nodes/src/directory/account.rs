//! Accounts.

use lab_core::check::{self, Lab};
use serde::{Deserialize, Serialize};

/// What an account is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A person, who has a password.
    User {
        /// It.
        password: String,
    },
    /// A service, which has a secret of the lab (see [`super::Domain::secret_of`]).
    Service {
        /// Names that clients ask tickets for (`HTTP/intranet.example.com`).
        principals: Vec<String>,
    },
}

/// An account as the domain controller has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who it is.
    pub person: Person,
    /// What it is for, with what it proves itself by.
    pub kind: Kind,
    /// Why it may not be used, if so.
    #[serde(default)]
    pub state: State,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It may.
    #[default]
    Active,
    /// It was disabled.
    Disabled,
    /// Its last day is over.
    Expired,
    /// Its password must be changed first.
    PasswordExpired,
}

/// Who somebody is: what a server learns of a login that held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account's name (sAMAccountName), in small letters.
    pub account: String,
    /// Display name.
    pub name: String,
    /// Relative identifier (RID) below the domain's SID: the same in every run of the same lab.
    pub rid: u32,
    /// Mail address.
    pub mail: Option<String>,
    /// SIP address, without `sip:`.
    pub sip: Option<String>,
    /// The node that holds the mailbox.
    pub mailbox: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
}

/// The first RID of accounts that are not built in ([MS-SAMR] §3.1.1.9.2.1).
const FIRST_RID: u32 = 1000;

impl Account {
    /// All accounts of a lab, users first.
    pub fn all(lab: &Lab) -> Vec<Self> {
        let Some(directory) = &lab.directory else {
            return Vec::new();
        };
        let users = directory
            .users
            .iter()
            .map(|(name, user)| Self::user(name, user));
        let services = directory.services.iter().map(|(name, service)| Self {
            person: Person {
                account: name.clone(),
                name: name.clone(),
                ..Person::default()
            },
            kind: Kind::Service {
                principals: service.principals.clone(),
            },
            state: State::Active,
        });
        let mut accounts: Vec<Self> = users.chain(services).collect();
        for (account, rid) in accounts.iter_mut().zip(FIRST_RID..) {
            account.person.rid = rid;
        }
        accounts
    }

    fn user(name: &str, user: &check::User) -> Self {
        Self {
            person: Person {
                account: name.to_owned(),
                name: user.name.clone(),
                rid: 0,
                mail: user.mail.clone(),
                sip: user.sip.clone(),
                mailbox: user.mailbox.clone(),
                groups: user.groups.clone(),
            },
            kind: Kind::User {
                password: user.password.clone(),
            },
            state: match user {
                user if user.disabled => State::Disabled,
                user if user.expired => State::Expired,
                user if user.password_expired => State::PasswordExpired,
                _ => State::Active,
            },
        }
    }
}
