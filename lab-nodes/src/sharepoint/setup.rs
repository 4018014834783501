//! From options and lab to what a front end needs. Pure.

use std::collections::BTreeMap;

use lab_core::check::{Lab, Node};
use lab_core::plan::{CertificatePlan, Listen, Peer, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};

use super::options::{self, Options, SignIn, mistake};
use super::password::Hashed;
use super::settings::{Account, Application, Settings};
use crate::application_tier::{CONTENT, LOGIN};
use crate::distributed_cache;
use crate::login::{Login, Methods};
use crate::sql_client::Source;
use crate::ws_federation::{RelyingPartySettings, TrustedProvider};

/// The certificate it shows.
pub(super) const CERTIFICATE: &str = "web";
/// Its listener.
pub(super) const HTTPS: &str = "https";
/// Its port.
pub(super) const PORT: u16 = 443;
/// The search tier, among the peers.
pub(super) const SEARCH: &str = "search";
/// The tier that works jobs off, among the peers.
pub(super) const BATCH: &str = "batch";
/// The secret of the farm: form digests are made with it.
pub(super) const SECRET: &str = "sharepoint farm";
/// That of the access tokens for Office Web Apps.
pub(super) const TOKENS: &str = "sharepoint access tokens";

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let (lab, node) = (request.lab, request.node);
    let options = Options::read(request.options)?;
    let mut mistakes = Vec::new();
    let applications = applications(lab, &options, &mut mistakes);
    let login = Login::of(lab, node, Methods::default());
    let windows = applications
        .values()
        .find(|app| app.offers(SignIn::Windows));
    if let (None, Some(app)) = (&login, windows) {
        mistakes.push(mistake(
            &format!("/applications/{}", app.host),
            &format!("{} offers Windows logins, and no domain controller is there", app.host),
            "give the lab a `directory` and a node the service `domain-controller`, or set `sign-in: [forms]`",
        ));
    }
    let content = Source::find(lab, CONTENT, LOGIN);
    if content.is_none() {
        mistakes.push(mistake(
            "",
            &format!("no `sql-server` of the lab has the database `{CONTENT}`"),
            "name it in the option `databases` of a `sql-server`, whose `logins` have `sharepoint: {}`",
        ));
    }
    let mut peers = BTreeMap::new();
    for (key, name) in [(SEARCH, &options.search), (BATCH, &options.batch)] {
        let Some(name) = name else { continue };
        let members = members(lab, name);
        if members.is_empty() {
            let message = format!("there is no node or group `{name}`");
            mistakes.push(mistake(&format!("/{key}"), &message, ""));
        }
        peers.insert(key.to_owned(), members);
    }
    let upload_limit = options.upload_limit.unwrap_or(16);
    if !(1..=64).contains(&upload_limit) {
        mistakes.push(mistake("/upload-limit", "files may have 1 to 64 MiB", ""));
    }
    let session_lifetime = options.session_lifetime.unwrap_or(36_000);
    if !(1..=604_800).contains(&session_lifetime) {
        mistakes.push(mistake(
            "/session-lifetime",
            "a login lasts 1 to 604,800 s",
            "",
        ));
    }
    let (Some(content), true) = (content, mistakes.is_empty()) else {
        return Err(mistakes);
    };
    let secrets = vec![SECRET.to_owned(), TOKENS.to_owned(), content.secret()];
    let account = |(name, account): (&String, &options::FormsAccount)| {
        let name = name.to_lowercase();
        let password = Hashed::new(&format!("{} {name}", lab.name), &account.password);
        let account = Account {
            name: account.name.clone(),
            password,
            groups: account.groups.clone(),
        };
        (name, account)
    };
    let certificate = certificate(node, applications.keys());
    let cache = distributed_cache::Part::of(lab, node);
    peers.insert(distributed_cache::PEERS.to_owned(), cache.peers);
    let settings = Settings {
        content,
        login: login.clone(),
        accounts: options.accounts.iter().map(account).collect(),
        trusted: (options.trusted.iter())
            .map(|(name, trusted)| (name.clone(), trusted.groups.clone()))
            .collect(),
        search: options.search.is_some(),
        batch: options.batch.is_some(),
        office_web_apps: options.office_web_apps.clone(),
        upload_limit: usize::try_from(upload_limit << 20).unwrap_or(usize::MAX),
        session_lifetime,
        applications,
    };
    let mut setup = Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: vec![
            Listen {
                name: HTTPS.to_owned(),
                protocol: Transport::Tcp,
                address: None,
                port: PORT,
            },
            cache.listen,
        ],
        certificates: vec![certificate],
        secrets,
        peers,
        ..Setup::default()
    };
    if let Some(login) = login {
        login.add_to(lab, &mut setup);
    }
    Ok(setup)
}

fn applications(
    lab: &Lab,
    options: &Options,
    mistakes: &mut Vec<OptionError>,
) -> BTreeMap<String, Application> {
    let mut providers = Vec::new();
    for name in options.trusted.keys() {
        match TrustedProvider::of(lab, name) {
            Ok(provider) => providers.push(TrustedProvider {
                name: name.clone(),
                ..provider
            }),
            Err(reason) => mistakes.push(mistake(&format!("/trusted/{name}"), &reason, "")),
        }
    }
    if options.applications.is_empty() {
        mistakes.push(mistake(
            "/applications",
            "a front end without a web application serves nobody",
            "write `applications: { intranet.contoso.com: { title: Intranet, readers: [everyone] } }`",
        ));
    }
    let mut applications = BTreeMap::new();
    for (name, written) in &options.applications {
        let pointer = format!("/applications/{name}");
        let host = name.to_ascii_lowercase();
        if !is_host_name(&host) {
            let help = "write a name such as intranet.contoso.com";
            mistakes.push(mistake(
                &pointer,
                &format!("`{name}` is no host name"),
                help,
            ));
        }
        let sign_in = match written.sign_in.as_slice() {
            [] => vec![SignIn::Windows],
            ways => ways.to_vec(),
        };
        let trusting = sign_in.contains(&SignIn::Trusted);
        if trusting && providers.is_empty() {
            let message = "nobody is trusted whose tokens it could take";
            let help = "name the node of an identity provider in `trusted`";
            mistakes.push(mistake(&format!("{pointer}/sign-in"), message, help));
        }
        let label = host.split('.').next().unwrap_or_default();
        let relying_party = trusting.then(|| {
            RelyingPartySettings::new(
                &format!("urn:sharepoint:{label}"),
                &format!("https://{host}/_trust/"),
                providers.clone(),
            )
        });
        let application = Application {
            host: host.clone(),
            title: written.title.clone(),
            sign_in,
            readers: written.readers.clone(),
            writers: written.writers.clone(),
            personal: written.personal,
            relying_party,
        };
        if applications.insert(host, application).is_some() {
            mistakes.push(mistake(&pointer, &format!("`{name}` is there twice"), ""));
        }
    }
    applications
}

/// Carries the names of the web applications and of the node, and its addresses.
fn certificate<'n>(node: &Node, hosts: impl Iterator<Item = &'n String>) -> CertificatePlan {
    let mut names: Vec<String> = hosts.cloned().collect();
    for name in std::iter::once(&node.fqdn).chain(&node.aliases) {
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let attachments = node.attachments.iter();
    let addresses = attachments.flat_map(|attachment| &attachment.addresses);
    CertificatePlan {
        id: CERTIFICATE.to_owned(),
        subject: names.first().cloned().unwrap_or_default(),
        names,
        addresses: addresses.map(|prefix| prefix.addr()).collect(),
    }
}

/// The nodes of a group, or a node.
fn members(lab: &Lab, name: &str) -> Vec<Peer> {
    let alone = [name.to_owned()];
    let names = lab
        .groups
        .get(name)
        .map_or(&alone[..], |group| group.as_slice());
    let peer = |name: &String| {
        let node = lab.nodes.get(name)?;
        Some(Peer {
            node: node.name.clone(),
            fqdn: node.fqdn.clone(),
            address: node.attachments.first()?.addresses.first()?.addr(),
        })
    };
    names.iter().filter_map(peer).collect()
}

fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(letters)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}
