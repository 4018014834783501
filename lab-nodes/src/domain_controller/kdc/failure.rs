//! What goes wrong, as a KRB-ERROR (RFC 4120 §5.9.1).

use std::fmt;

use super::super::accounts::{KRBTGT, Refusal};
use super::Now;
use crate::kerberos::Principal;
use crate::kerberos::messages::{ErrorCode, KdcReqBody, KrbError};

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Failure {
    /// What a client is told.
    pub code: ErrorCode,
    /// What it means here.
    pub text: String,
    /// More, depending on the code.
    pub data: Option<Vec<u8>>,
}

impl Failure {
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            data: None,
        }
    }

    /// Whether it says of the client that it is not who it says, or may not be.
    pub fn is_about_the_client(&self) -> bool {
        [
            ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN,
            ErrorCode::KDC_ERR_CLIENT_REVOKED,
            ErrorCode::KDC_ERR_KEY_EXPIRED,
            ErrorCode::KDC_ERR_PREAUTH_FAILED,
            ErrorCode::KRB_AP_ERR_BAD_INTEGRITY,
            ErrorCode::KRB_AP_ERR_BADMATCH,
            ErrorCode::KRB_AP_ERR_MODIFIED,
            ErrorCode::KRB_AP_ERR_REPEAT,
            ErrorCode::KRB_AP_ERR_SKEW,
            ErrorCode::KRB_AP_ERR_TKT_EXPIRED,
        ]
        .contains(&self.code)
    }

    /// The message, with the names of the request as far as there are any; its realm is this one's.
    pub fn write(&self, request: Option<&KdcReqBody>, realm: &str, now: Now) -> Vec<u8> {
        let service = request.and_then(|body| body.service.clone());
        let service = service.unwrap_or_else(|| Principal::service(KRBTGT, realm));
        KrbError {
            client_time: None,
            time: (now.time, now.micros),
            code: self.code,
            client: request.and_then(|body| body.client.clone()),
            service,
            text: Some(self.text.clone()),
            data: self.data.clone(),
        }
        .write()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
