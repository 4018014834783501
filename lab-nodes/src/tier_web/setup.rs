//! From options and lab to what the service needs. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use lab_core::check::{BalancerMode, Lab, Node};
use lab_core::plan::{CertificatePlan, Listen, Peer, Transport};
use lab_core::service::{OptionError, Setup, SetupRequest};

use super::options::{Options, Tier};
use super::settings::{Ask, Settings, SignIn};
use crate::distributed_cache::{PEERS, Part};
use crate::login::Login;
use crate::ws_federation::{RelyingPartySettings, TRUST, TrustedProvider};

/// The certificate it shows.
pub(super) const CERTIFICATE: &str = "web";
/// Its listener for TLS.
pub(super) const HTTPS: &str = "https";
/// Its listener without.
pub(super) const HTTP: &str = "http";
/// Services that answer a front end as a tier-web does, with who took part.
const APPLICATION_TIER: [&str; 2] = ["sharepoint-search", "sharepoint-batch"];
/// How long a member of a tier that asks nobody may take.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn setup(request: &SetupRequest<'_>) -> Result<Setup, Vec<OptionError>> {
    let (lab, node) = (request.lab, request.node);
    let options = Options::read(request.options)?;
    let mut mistakes = Vec::new();
    let names: Vec<String> = options
        .names
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    for (at, name) in names.iter().enumerate() {
        if !is_host_name(name) {
            mistakes.push(OptionError {
                pointer: format!("/names/{at}"),
                message: format!("`{name}` is no host name"),
                help: Some("write a name such as intranet.contoso.com".to_owned()),
            });
        }
    }
    if options.plain.is_some() && options.only_from_peers() {
        mistakes.push(OptionError {
            pointer: "/plain".to_owned(),
            message: "without TLS no client can show that it is a peer".to_owned(),
            help: Some("leave `plain` out, or set `only-from-peers: false`".to_owned()),
        });
    }
    if options.plain == Some(options.port()) {
        mistakes.push(OptionError {
            pointer: "/plain".to_owned(),
            message: format!("port {} is the one for TLS", options.port()),
            help: None,
        });
    }
    let mut asks = Vec::new();
    let mut peers = BTreeMap::new();
    for (at, tier) in options.asks.iter().enumerate() {
        match ask(lab, node, tier) {
            Ok((ask, members)) => {
                peers.insert(tier.name(), members);
                asks.push(ask);
            }
            Err((message, help)) => {
                mistakes.push(OptionError {
                    pointer: format!("/asks/{at}"),
                    message,
                    help,
                });
            }
        }
    }
    let login = options.login.clone().and_then(|methods| {
        if methods.0.is_empty() {
            mistakes.push(OptionError {
                pointer: "/login".to_owned(),
                message: "there is no way to log in".to_owned(),
                help: Some("name some: `[negotiate, ntlm, basic]`".to_owned()),
            });
            return None;
        }
        let login = Login::of(lab, node, methods);
        if login.is_none() {
            mistakes.push(OptionError {
                pointer: "/login".to_owned(),
                message: "there is nobody who could verify a login".to_owned(),
                help: Some(
                    "give the lab a `directory:`, and a node the service domain-controller"
                        .to_owned(),
                ),
            });
        }
        login
    });
    let sign_in = sign_in(lab, &options, &names, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let cache = sign_in.as_ref().map(|_| Part::of(lab, node));

    let addresses: Vec<_> = node
        .attachments
        .iter()
        .flat_map(|attachment| &attachment.addresses)
        .map(|prefix| prefix.addr())
        .collect();
    let mut certified = names;
    for name in std::iter::once(&node.fqdn).chain(&node.aliases) {
        let name = name.to_ascii_lowercase();
        if !certified.contains(&name) {
            certified.push(name);
        }
    }
    let hosts = certified
        .iter()
        .cloned()
        .chain(addresses.iter().map(ToString::to_string));
    let settings = Settings {
        tier: tier_of(lab, node, &options),
        port: options.port(),
        hosts: hosts.collect(),
        asks,
        only_from: options.only_from_peers().then(|| askers(lab, node)),
        login: login.clone(),
        sign_in,
    };
    let listen = |name: &str, port| Listen {
        name: name.to_owned(),
        protocol: Transport::Tcp,
        address: None,
        port,
    };
    if let Some(cache) = &cache {
        peers.insert(PEERS.to_owned(), cache.peers.clone());
    }
    let mut setup = Setup {
        settings: serde_json::to_value(settings).unwrap_or_default(),
        listens: std::iter::once(listen(HTTPS, options.port()))
            .chain(options.plain.map(|port| listen(HTTP, port)))
            .chain(cache.map(|cache| cache.listen))
            .collect(),
        certificates: vec![CertificatePlan {
            id: CERTIFICATE.to_owned(),
            subject: certified.first().cloned().unwrap_or_default(),
            names: certified,
            addresses,
        }],
        peers,
        ..Setup::default()
    };
    if let Some(login) = login {
        login.add_to(lab, &mut setup);
    }
    Ok(setup)
}

fn sign_in(
    lab: &Lab,
    options: &Options,
    names: &[String],
    mistakes: &mut Vec<OptionError>,
) -> Option<SignIn> {
    let asked = options.sign_in.as_ref()?;
    let host = asked.host.to_ascii_lowercase();
    let mut mistake = |key: &str, message: String| {
        mistakes.push(OptionError {
            pointer: format!("/sign-in{key}"),
            message,
            help: None,
        });
    };
    if !names.contains(&host) {
        mistake("/host", format!("`{host}` is none of its names"));
    }
    if asked
        .below
        .as_ref()
        .is_some_and(|below| !below.starts_with('/'))
    {
        mistake("/below", "a path begins with `/`".to_owned());
    }
    if asked.trusts.is_empty() {
        mistake("/trusts", "nobody could sign in".to_owned());
    }
    let mut providers = Vec::new();
    for (at, node) in asked.trusts.iter().enumerate() {
        match TrustedProvider::of(lab, node) {
            Ok(provider) => providers.push(provider),
            Err(message) => mistake(&format!("/trusts/{at}"), message),
        }
    }
    let reply = format!("https://{host}{TRUST}");
    let party = RelyingPartySettings::new(&asked.realm, &reply, providers);
    let below = asked.below.as_deref().unwrap_or_default();
    Some(SignIn {
        host,
        below: below.trim_end_matches('/').to_owned(),
        party,
    })
}

/// A tier and its members, or a mistake and what to do.
fn ask(lab: &Lab, node: &Node, tier: &Tier) -> Result<(Ask, Vec<Peer>), (String, Option<String>)> {
    let name = tier.name();
    let known = || {
        let known: Vec<&str> = lab.groups.keys().map(String::as_str).collect();
        Some(format!("nodes of this lab: {}", known.join(", ")))
    };
    if let Some(unknown) = tier
        .parts()
        .iter()
        .find(|part| members(lab, part).is_empty())
    {
        return Err((format!("there is no node or group `{unknown}`"), known()));
    }
    let members = members_of(lab, tier);
    let Some(first) = members.first() else {
        return Err(("a tier has at least one member".to_owned(), known()));
    };
    if let Some(other) = members.iter().find(|member| options_of(member).is_none()) {
        return Err((
            format!("node `{}` runs no tier-web that could be asked", other.name),
            Some(format!("give `{name}` the service tier-web")),
        ));
    }
    let mut way = vec![node.name.as_str()];
    let depth = depth(lab, first, &mut way).ok_or_else(|| {
        (
            format!("`{name}` asks, directly or through others, a tier that asks it"),
            Some("a tier may only ask those below it".to_owned()),
        )
    })?;
    let options = options_of(first).unwrap_or_default();
    let mut labels: Vec<String> = Vec::new();
    for member in &members {
        let its = options_of(member).unwrap_or_default();
        if its.port() != options.port() {
            return Err((
                format!(
                    "`{}` listens on port {}, `{}` on {}",
                    first.name,
                    options.port(),
                    member.name,
                    its.port()
                ),
                Some("members of one tier have one port".to_owned()),
            ));
        }
        let label = tier_of(lab, member, &its);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let ask = Ask {
        name,
        tier: labels.join(" or "),
        port: options.port(),
        patience: PATIENCE * depth,
    };
    let peers = members
        .iter()
        .filter_map(|member| {
            let address = member.attachments.first()?.addresses.first()?.addr();
            Some(Peer {
                node: member.name.clone(),
                fqdn: member.fqdn.clone(),
                address,
            })
        })
        .collect();
    Ok((ask, peers))
}

/// How many tiers stand one below the other from this node on; none: they form a circle.
fn depth<'l>(lab: &'l Lab, node: &'l Node, way: &mut Vec<&'l str>) -> Option<u32> {
    if way.contains(&node.name.as_str()) {
        return None;
    }
    way.push(&node.name);
    let mut deepest = 0;
    for tier in options_of(node).unwrap_or_default().asks {
        for member in members_of(lab, &tier) {
            deepest = deepest.max(depth(lab, member, way)?);
        }
    }
    way.pop();
    Some(deepest + 1)
}

/// The nodes of a tier.
fn members_of<'l>(lab: &'l Lab, tier: &Tier) -> Vec<&'l Node> {
    tier.parts()
        .iter()
        .flat_map(|part| members(lab, part))
        .collect()
}

/// The nodes of a group, or the node of that name.
fn members<'l>(lab: &'l Lab, name: &str) -> Vec<&'l Node> {
    match lab.groups.get(name) {
        Some(group) => group
            .iter()
            .filter_map(|node| lab.nodes.get(node))
            .collect(),
        None => lab.nodes.get(name).into_iter().collect(),
    }
}

/// The options of a node's tier-web; mistakes in them are reported where they stand. Services of the
/// application tier answer as one without options does.
fn options_of(node: &Node) -> Option<Options> {
    let services = || node.services.iter();
    match services().find(|service| service.service == "tier-web") {
        Some(service) => Some(Options::read(&service.options).unwrap_or_default()),
        None => services()
            .any(|service| APPLICATION_TIER.contains(&service.service.as_str()))
            .then(Options::default),
    }
}

/// What people call the tier of a node.
fn tier_of(lab: &Lab, node: &Node, options: &Options) -> String {
    options.tier.clone().unwrap_or_else(|| {
        node.attachments
            .iter()
            .find_map(|attachment| lab.segments.get(&attachment.segment)?.tier.clone())
            .unwrap_or_else(|| node.group.clone())
    })
}

/// Names of the nodes that ask this one: other tiers, and balancers it stands behind.
fn askers(lab: &Lab, node: &Node) -> Vec<String> {
    let asks = |other: &&Node| {
        options_of(other).is_some_and(|options| {
            options.asks.iter().any(|tier| {
                members_of(lab, tier)
                    .iter()
                    .any(|member| member.name == node.name)
            })
        })
    };
    let balances = |other: &&Node| {
        lab.balancers
            .values()
            .filter(|balancer| balancer.node == other.name)
            .any(|balancer| match &balancer.mode {
                BalancerMode::Layer7 { sites, .. } => sites
                    .iter()
                    .flat_map(|site| &site.pool.members)
                    .any(|member| member.name == node.name),
                BalancerMode::Layer4 { .. } => false,
            })
    };
    lab.nodes
        .values()
        .filter(|other| asks(other) || balances(other))
        .map(|other| other.fqdn.clone())
        .collect()
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && name
            .strip_prefix("*.")
            .unwrap_or(name)
            .split('.')
            .all(label)
        && name.parse::<std::net::IpAddr>().is_err()
}
