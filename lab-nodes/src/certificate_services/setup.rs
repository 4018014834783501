//! From the lab to what the service needs. Pure.

use hyper::Uri;
use lab_core::plan::{Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};
use serde::{Deserialize, Serialize};

/// Its listener.
pub(super) const HTTP: &str = "http";

/// What the running service needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    /// The path below which everything is published, without a final slash; empty for the root.
    pub base: String,
    /// Hosts it answers for, in lower case.
    pub hosts: Vec<String>,
    /// The port.
    pub port: u16,
}

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let (lab, node) = (request.lab, request.node);
    if let Some(options) = request.options.as_object()
        && !options.is_empty()
    {
        let mistake = |key: &String| OptionError {
            pointer: format!("/{key}"),
            message: format!("certificate-services has no option `{key}`"),
            help: Some("where it publishes stands under `certificates` of the lab".to_owned()),
        };
        return Err(options.keys().map(mistake).collect());
    }
    let published = lab.published.as_deref().and_then(|url| url.parse().ok());
    let Some(published): Option<Uri> = published else {
        return Err(vec![OptionError {
            pointer: String::new(),
            message: "no certificate says where revocation is published".to_owned(),
            help: Some(format!(
                "write `certificates: {{ published: http://{}/pki }}` for the lab",
                node.fqdn
            )),
        }]);
    };
    let names = published
        .host()
        .into_iter()
        .chain([node.fqdn.as_str(), node.name.as_str()])
        .chain(node.aliases.iter().map(String::as_str))
        .map(str::to_ascii_lowercase);
    let addresses = node.attachments.iter().flat_map(|leg| &leg.addresses);
    let port = published.port_u16().unwrap_or(80);
    let settings = Settings {
        base: published.path().trim_end_matches('/').to_owned(),
        hosts: names
            .chain(addresses.map(|prefix| prefix.addr().to_string()))
            .collect(),
        port,
    };
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: vec![Listen {
            name: HTTP.to_owned(),
            protocol: Transport::Tcp,
            address: None,
            port,
        }],
        authority: true,
        ..Setup::default()
    })
}
