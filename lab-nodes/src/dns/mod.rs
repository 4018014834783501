//! `dns`: authoritative for the lab's zones, with views, forwarding what is in none of them
//! (RFC 1034, RFC 1035). On 53, UDP and TCP.
//!
//! `settings` is computed from the lab, `zone` answers for one zone, `view` for what one client may
//! know, `forward` asks another server, `serve` has the sockets; `resolver` asks for a
//! service of the node.

pub(crate) mod forward;
mod probe;
pub(crate) mod resolver;
mod serve;
mod settings;
mod view;
mod zone;

use std::net::IpAddr;

use futures::FutureExt;
use futures::future::BoxFuture;
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{Name, RData, RecordType};
use lab_core::service::{
    Context, OptionError, Probe, ProbeError, Service, ServiceError, Setup, SetupRequest,
};
use serde_json::{Value, json};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

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

    /// A question for the addresses of a name, as a datagram; none for what is no name.
    pub fn question(name: &str, family: Family) -> Option<Vec<u8>> {
        let name = Name::from_ascii(format!("{name}.")).ok()?;
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        forward::question(&name, kind).to_vec().ok()
    }

    /// The addresses in an answer; none for what is no answer.
    pub fn addresses(answer: &[u8]) -> Option<Vec<IpAddr>> {
        let answer = Message::from_vec(answer).ok()?;
        (answer.metadata.message_type == MessageType::Response).then(|| {
            let records = answer.answers.iter();
            records
                .filter_map(|record| match &record.data {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                    _ => None,
                })
                .collect()
        })
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
