//! `dns`: authoritative for the lab's zones, with views, forwarding what is in none of them
//! (RFC 1034, RFC 1035). On 53, UDP and TCP.
//!
//! `settings` is computed from the lab, `zone` answers for one zone, `view` for what one client may
//! know, `forward` asks another server, `serve` has the sockets.

mod forward;
mod probe;
mod serve;
mod settings;
mod view;
mod zone;

use futures::FutureExt;
use futures::future::BoxFuture;
use lab_core::service::{
    Context, OptionError, Probe, ProbeError, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::{Value, json};

/// The service.
pub struct Dns;

impl Dns {
    /// The answer to one UDP datagram from a client, by a server with these settings (what
    /// [`Service::setup`] made); none where there is to be none.
    pub async fn answer(
        settings: &Value,
        bytes: &[u8],
        from: std::net::SocketAddr,
    ) -> Option<Vec<u8>> {
        serve::answer(settings, bytes, from).await
    }
}

impl Service for Dns {
    fn name(&self) -> &'static str {
        "dns"
    }

    fn about(&self) -> &'static str {
        "a name server for the zones and views that name this node"
    }

    fn options_schema(&self) -> Value {
        json!({ "type": "object", "additionalProperties": false })
    }

    fn setup(&self, request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
        settings::setup(request)
    }

    fn run(&self, context: Context) -> BoxFuture<'static, Result<(), ServiceError>> {
        serve::run(context).boxed()
    }

    fn probe(&self, probe: Probe) -> BoxFuture<'static, Result<(), ProbeError>> {
        probe::run(probe).boxed()
    }
}
