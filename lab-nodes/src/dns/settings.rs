//! What a server needs of the lab: its views with their zones.

use std::net::IpAddr;

use ipnet::IpNet;
use lab_core::check::Record;
use lab_core::plan::{Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of both kinds of listeners.
pub(super) const LISTENER: &str = "dns";
/// RFC 1035 §4.2.
pub(super) const PORT: u16 = 53;

/// All that a server serves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Its fully qualified name, for SOA records.
    pub server: String,
    /// Its views.
    pub views: Vec<View>,
}

/// What some clients may know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct View {
    /// Its name.
    pub name: String,
    /// Whose view it is; empty is everybody's.
    pub clients: Vec<IpNet>,
    /// Who is asked for names of no zone.
    pub forward: Vec<IpAddr>,
    /// Its zones.
    pub zones: Vec<Zone>,
}

/// A zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Zone {
    /// Origin, no final dot; empty is the root.
    pub origin: String,
    /// Records.
    pub records: Vec<Record>,
}

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    if let Value::Object(options) = request.options
        && let Some(unknown) = options.keys().next()
    {
        return Err(vec![OptionError {
            pointer: format!("/{unknown}"),
            message: format!("dns has no option `{unknown}`"),
            help: Some("what it serves is written under `dns:` of the lab".into()),
        }]);
    }
    let node = &request.node.name;
    let views: Vec<View> = request
        .lab
        .views
        .values()
        .filter(|view| view.server == *node)
        .map(|view| View {
            name: view.name.clone(),
            clients: view.clients.clone(),
            forward: view.forward.clone(),
            zones: request
                .lab
                .zones
                .iter()
                .filter(|zone| zone.view == view.name)
                .map(|zone| Zone {
                    origin: zone.origin.clone(),
                    records: zone.records.clone(),
                })
                .collect(),
        })
        .collect();
    if views.is_empty() {
        return Err(vec![OptionError {
            pointer: String::new(),
            message: format!("no view is served by {node}"),
            help: Some(format!(
                "write `dns: {{ views: {{ all: {{ server: {node} }} }} }}`"
            )),
        }]);
    }
    let addresses = request
        .node
        .attachments
        .iter()
        .flat_map(|leg| &leg.addresses);
    // A socket an address: an answer over UDP must come from the address that was asked.
    let listens = addresses.flat_map(|net| {
        [Transport::Udp, Transport::Tcp].map(|protocol| Listen {
            name: LISTENER.into(),
            protocol,
            address: Some(net.addr()),
            port: PORT,
        })
    });
    let listens = listens.collect();
    let settings = Settings {
        server: request.node.fqdn.clone(),
        views,
    };
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens,
        ..Setup::default()
    })
}
