use std::sync::Arc;

use lab_core::plan::Peer;
use rustls::ClientConfig;

use super::question::{Question, Verdict};

/// No domain controller answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no domain controller answered: {0}")]
pub struct Unavailable(pub String);

/// The domain controllers, as a member server asks them.
pub struct Controllers {
    peers: Vec<Peer>,
    tls: Arc<ClientConfig>,
}

impl Controllers {
    /// These; `tls` shows the node's own certificate.
    pub fn new(peers: Vec<Peer>, tls: Arc<ClientConfig>) -> Self {
        Self { peers, tls }
    }

    /// Asks the first that answers.
    ///
    /// # Errors
    /// None did.
    pub async fn ask(&self, question: &Question) -> Result<Verdict, Unavailable> {
        let _ = (question, &self.tls);
        Err(Unavailable(format!(
            "{} are known, and there is no way to ask them yet",
            self.peers.len()
        )))
    }
}
