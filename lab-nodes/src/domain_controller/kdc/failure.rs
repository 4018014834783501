//! What goes wrong, as a KRB-ERROR (RFC 4120 §5.9.1).

use std::fmt;

use super::super::accounts::{KRBTGT, Refusal};
use super::Now;
use crate::kerberos::Principal;
use crate::kerberos::messages::{ErrorCode, KdcReq, KrbError};

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Failure {
    /// What a client is told.
    pub code: ErrorCode,
    /// What it means here.
    pub text: String,
    /// More, depending on the code.
    pub data: Option<Vec<u8>>,
    client: Option<Principal>,
    service: Option<Principal>,
}

impl Failure {
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            data: None,
            client: None,
            service: None,
        }
    }

    /// With the names of the request.
    pub fn about(mut self, request: &KdcReq) -> Self {
        self.client = request.body.client.clone();
        self.service = request.body.service.clone();
        self
    }

    /// The message; its realm is this one's.
    pub fn write(&self, realm: &str, now: Now) -> Vec<u8> {
        let service = self.service.clone();
        let service = service.unwrap_or_else(|| Principal::service(KRBTGT, realm));
        KrbError {
            client_time: None,
            time: (now.time, now.micros),
            code: self.code,
            client: self.client.clone(),
            service,
            text: Some(self.text.clone()),
            data: self.data.clone(),
        }
        .write()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = &self.client {
            write!(f, "{client}: ")?;
        }
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl From<Refusal> for Failure {
    /// [MS-KILE] §3.3.5.7: the account's state comes as "revoked", whatever it is.
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Unknown => ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN,
            Refusal::WrongPassword => ErrorCode::KDC_ERR_PREAUTH_FAILED,
            Refusal::Locked | Refusal::Disabled | Refusal::Expired => {
                ErrorCode::KDC_ERR_CLIENT_REVOKED
            }
            Refusal::PasswordExpired => ErrorCode::KDC_ERR_KEY_EXPIRED,
        };
        Self::new(code, refusal.to_string())
    }
}
