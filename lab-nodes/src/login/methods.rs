use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to log in by HTTP.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Kerberos, or NTLM where the client has no ticket (RFC 4559, SPNEGO of RFC 4178).
    Negotiate,
    /// NTLM alone ([MS-NTHT]).
    Ntlm,
    /// Name and password in each request (RFC 7617); only over TLS.
    Basic,
}

/// The ways that a service offers, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Methods(pub Vec<Way>);

impl Default for Methods {
    /// As Windows authentication has it: Negotiate and NTLM.
    fn default() -> Self {
        Self(vec![Way::Negotiate, Way::Ntlm])
    }
}

impl Methods {
    /// Whether this way is offered.
    pub fn offer(&self, way: Way) -> bool {
        self.0.contains(&way)
    }
}
