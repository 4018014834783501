//! From options and lab to what the service needs. Pure.

use std::collections::BTreeMap;

use lab_core::check::{Lab, Node};
use lab_core::plan::{CertificatePlan, Listen, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};

use super::options::{self, Options, mistake};
use super::settings::{RelyingParty, Settings, User};
use crate::saml::{SignedBy, claim_types};
use crate::ws_federation::TrustedProvider;

/// The service's name in lab files.
pub(super) const SERVICE: &str = "identity-provider";
/// The certificate it shows.
pub(super) const CERTIFICATE: &str = "web";
/// The certificate it signs with.
pub(super) const SIGNING: &str = "token-signing";
/// Its listener.
pub(super) const HTTPS: &str = "https";
const PORT: u16 = 443;

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let node = request.node;
    let options = Options::read(request.options)?;
    let mistakes = mistakes(&options);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let addresses: Vec<_> = node
        .attachments
        .iter()
        .flat_map(|attachment| &attachment.addresses)
        .map(|prefix| prefix.addr())
        .collect();
    let mut certified: Vec<String> = Vec::new();
    let own = std::iter::once(&node.fqdn).chain(&node.aliases);
    for name in options.names.iter().chain(own) {
        let name = name.to_ascii_lowercase();
        if !certified.contains(&name) {
            certified.push(name);
        }
    }
    let hosts = certified
        .iter()
        .cloned()
        .chain(addresses.iter().map(ToString::to_string));
    let domain = node.fqdn.split_once('.').map_or("", |(_, domain)| domain);
    let settings = Settings {
        port: PORT,
        hosts: hosts.collect(),
        title: options.title.clone().unwrap_or_else(|| domain.to_owned()),
        issuer: issuer(node, &options),
        sign_in: sign_in(node, &options),
        relying_parties: options.relying_parties.iter().map(relying_party).collect(),
        users: options
            .users
            .iter()
            .map(|(mail, user)| (mail.to_lowercase(), self::user(mail, user)))
            .collect(),
        token_lifetime: options.token_lifetime.unwrap_or(3600),
        session_lifetime: options.session_lifetime.unwrap_or(28_800),
        clock_error: options.clock_error,
    };
    let signing = signing_name(node, &options);
    Ok(Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: vec![Listen {
            name: HTTPS.to_owned(),
            protocol: Transport::Tcp,
            address: None,
            port: PORT,
        }],
        certificates: vec![
            CertificatePlan {
                id: CERTIFICATE.to_owned(),
                subject: certified.first().cloned().unwrap_or_default(),
                names: certified,
                addresses,
            },
            CertificatePlan {
                id: SIGNING.to_owned(),
                subject: signing.clone(),
                names: vec![signing],
                addresses: Vec::new(),
            },
        ],
        ..Setup::default()
    })
}

/// What a relying party knows of the provider of a node.
///
/// # Errors
/// There is no such node, or it runs none: a sentence.
pub fn trusted(lab: &Lab, node: &str) -> Result<TrustedProvider, String> {
    let found = lab
        .nodes
        .get(node)
        .ok_or_else(|| format!("there is no node `{node}`"))?;
    let mut services = found.services.iter();
    let service = services
        .find(|used| used.service == SERVICE)
        .ok_or_else(|| format!("node `{node}` runs no {SERVICE}"))?;
    // Mistakes in its options are reported where they stand.
    let options = Options::read(&service.options).unwrap_or_default();
    Ok(TrustedProvider {
        name: options.title.clone().unwrap_or_else(|| node.to_owned()),
        issuer: issuer(found, &options),
        sign_in: sign_in(found, &options),
        signed_by: SignedBy::Named(signing_name(found, &options)),
    })
}

fn name(node: &Node, options: &Options) -> String {
    let name = options.names.first().unwrap_or(&node.fqdn);
    name.to_ascii_lowercase()
}

fn signing_name(node: &Node, options: &Options) -> String {
    format!("token-signing.{}", name(node, options))
}

fn issuer(node: &Node, options: &Options) -> String {
    options
        .issuer
        .clone()
        .unwrap_or_else(|| format!("http://{}/adfs/services/trust", name(node, options)))
}

fn sign_in(node: &Node, options: &Options) -> String {
    format!("https://{}/adfs/ls/", name(node, options))
}

fn relying_party(party: &options::RelyingParty) -> RelyingParty {
    RelyingParty {
        realm: party.realm.clone(),
        replies: party.replies.clone(),
        name: party.name.clone().unwrap_or_else(|| party.realm.clone()),
    }
}

fn user(mail: &str, user: &options::User) -> User {
    let upn = user.upn.clone().unwrap_or_else(|| mail.to_owned());
    let mut claims = BTreeMap::from([
        (claim_types::EMAIL.to_owned(), vec![mail.to_owned()]),
        (claim_types::UPN.to_owned(), vec![upn]),
        (claim_types::NAME.to_owned(), vec![user.name.clone()]),
    ]);
    if !user.roles.is_empty() {
        claims.insert(claim_types::ROLE.to_owned(), user.roles.clone());
    }
    User {
        password: user.password.clone(),
        claims,
    }
}

fn mistakes(options: &Options) -> Vec<OptionError> {
    let mut mistakes = Vec::new();
    for (at, name) in options.names.iter().enumerate() {
        let fits = rustls::pki_types::DnsName::try_from(name.as_str()).is_ok();
        if !fits || name.starts_with("*.") {
            let message = format!("`{name}` is no host name");
            mistakes.push(mistake(&format!("/names/{at}"), &message));
        }
    }
    for (at, party) in options.relying_parties.iter().enumerate() {
        let pointer = format!("/relying-parties/{at}");
        if options.relying_parties[..at]
            .iter()
            .any(|other| other.realm == party.realm)
        {
            let message = format!("there are two relying parties `{}`", party.realm);
            mistakes.push(mistake(&pointer, &message));
        }
        if party.replies.is_empty() {
            let message = format!("`{}` has no place to send tokens to", party.realm);
            mistakes.push(mistake(&pointer, &message));
        }
        for reply in party
            .replies
            .iter()
            .filter(|reply| !reply.starts_with("https://"))
        {
            mistakes.push(OptionError {
                help: Some("write an address that begins with https://".to_owned()),
                ..mistake(
                    &pointer,
                    &format!("a token sent to `{reply}` could be read on its way"),
                )
            });
        }
    }
    for mail in options.users.keys() {
        let fits = mail.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !mail.chars().any(char::is_whitespace)
        });
        if !fits {
            mistakes.push(OptionError {
                help: Some("people log in with their mail address".to_owned()),
                ..mistake("/users", &format!("`{mail}` is no mail address"))
            });
        }
    }
    if options.clock_error.unsigned_abs() > 86_400 {
        let message = "`clock-error` is a day at most, 86400 seconds";
        mistakes.push(mistake("/clock-error", message));
    }
    for (key, value, longest) in [
        ("token-lifetime", options.token_lifetime, 86_400),
        ("session-lifetime", options.session_lifetime, 604_800),
    ] {
        if value.is_some_and(|value| value == 0 || value > longest) {
            let message = format!("`{key}` is between 1 and {longest} seconds");
            mistakes.push(mistake(&format!("/{key}"), &message));
        }
    }
    mistakes
}
