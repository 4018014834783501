//! Names of clients and services.

use std::fmt;

/// What kind of a name it is (RFC 4120 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameType(pub i32);

impl NameType {
    /// A user.
    pub const PRINCIPAL: Self = Self(1);
    /// A service and its instance: `krbtgt`.
    pub const SERVICE_INSTANCE: Self = Self(2);
    /// A service on a host.
    pub const SERVICE_HOST: Self = Self(3);
    /// A user as an address (RFC 6806 §5).
    pub const ENTERPRISE: Self = Self(10);
}

/// A name in a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its kind.
    pub kind: NameType,
    /// Its parts: `[alice]`, `[HTTP, intranet.example.com]`.
    pub parts: Vec<String>,
    /// Its realm.
    pub realm: String,
}

impl Principal {
    /// A user.
    pub fn user(name: &str, realm: &str) -> Self {
        Self {
            kind: NameType::PRINCIPAL,
            parts: vec![name.to_owned()],
            realm: realm.to_owned(),
        }
    }

    /// A service, from a name such as `HTTP/intranet.example.com`.
    pub fn service(name: &str, realm: &str) -> Self {
        Self {
            kind: NameType::SERVICE_INSTANCE,
            parts: name.split('/').map(str::to_owned).collect(),
            realm: realm.to_owned(),
        }
    }

    /// The name without its realm: `alice`, `HTTP/intranet.example.com`.
    pub fn name(&self) -> String {
        self.parts.join("/")
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name(), self.realm)
    }
}
