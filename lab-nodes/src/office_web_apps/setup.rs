//! From options and lab to what the service needs. Pure.

use std::collections::BTreeMap;

use lab_core::plan::{CertificatePlan, Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};

use super::options::{Options, mistake};
use super::settings::Settings;

/// The certificate it shows.
pub(super) const CERTIFICATE: &str = "web";
/// Its listener.
pub(super) const HTTPS: &str = "https";

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let node = request.node;
    let options = Options::read(request.options)?;
    let lower = |name: &String| name.to_ascii_lowercase();
    let name = options
        .farm
        .as_ref()
        .map_or_else(|| lower(&node.fqdn), lower);
    let hosts: Vec<String> = options.hosts.iter().map(lower).collect();
    let mut mistakes = Vec::new();
    if !is_name(&name) {
        mistakes.push(mistake("/farm", &format!("`{name}` is no host name")));
    }
    for (at, host) in hosts.iter().enumerate() {
        if !is_name(host) {
            mistakes.push(OptionError {
                pointer: format!("/hosts/{at}"),
                message: format!("`{host}` is no host name"),
                help: Some(
                    "write the name in the addresses of documents, such as teams.contoso.com"
                        .into(),
                ),
            });
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let addresses: Vec<_> = node
        .attachments
        .iter()
        .flat_map(|attachment| &attachment.addresses)
        .map(|prefix| prefix.addr())
        .collect();
    let mut certified = vec![name.clone()];
    for own in std::iter::once(&node.fqdn).chain(&node.aliases).map(lower) {
        if !certified.contains(&own) {
            certified.push(own);
        }
    }
    let port = options.port.unwrap_or(443);
    let secret = format!("office-web-apps/{name}");
    let settings = Settings {
        port,
        served: certified
            .iter()
            .cloned()
            .chain(addresses.iter().map(ToString::to_string))
            .collect(),
        hosts,
        places: BTreeMap::new(),
        secret: secret.clone(),
        proof_key: options.proof_key,
        name: name.clone(),
    };
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: vec![Listen {
            name: HTTPS.to_owned(),
            protocol: Transport::Tcp,
            address: None,
            port,
        }],
        certificates: vec![CertificatePlan {
            id: CERTIFICATE.to_owned(),
            subject: name,
            names: certified,
            addresses,
        }],
        secrets: vec![secret],
        peers: BTreeMap::new(),
        ..Setup::default()
    })
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // An address in the place of a name would lead around the certificates.
    name.len() <= 253 && name.split('.').all(label) && name.parse::<std::net::IpAddr>().is_err()
}
