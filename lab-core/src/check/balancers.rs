//! Balancers with their members.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lab::{Affinity, Balancer, BalancerMode, HealthCheck, Pool, Site, Spread, Traffic};
use super::labels::{check_dns_name, check_label};
use super::members::{Fqdn, members};
use super::names::Names;
use super::nodes::{check_path, check_port};
use super::traffic::traffic;
use crate::model::file::File;
use crate::model::units::Time;
use crate::model::{Diagnostic, Place, Spanned, balancer};

/// Reads all balancers.
pub(super) fn balancers(
    file: &File,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Balancer> {
    let mut balancers = BTreeMap::new();
    for (name, written) in file.balancers.iter() {
        check_label("balancer", name, 32, diagnostics);
        let node = names.node(&written.node, diagnostics);
        let sites = !written.sites.is_empty();
        let layer = match &written.layer {
            None if sites => 7,
            None => 4,
            Some(layer) => layer.value,
        };
        let mode = match layer {
            4 => layer4(file, name, written, names, diagnostics),
            7 => Some(layer7(file, name, written, names, diagnostics)),
            _ => {
                let place = written
                    .layer
                    .as_ref()
                    .map_or(&name.place, |layer| &layer.place);
                diagnostics.push(Diagnostic::error(
                    "lab::out-of-range",
                    format!("A balancer works at layer 4 or 7, not {layer}."),
                    place,
                    "4 or 7",
                ));
                None
            }
        };
        let (Some(node), Some(mode)) = (node, mode) else {
            continue;
        };
        let vips = names.vips.get(&name.value).cloned().unwrap_or_default();
        let node = node.name.clone();
        let place = name.place.clone();
        balancers.insert(
            name.value.clone(),
            Balancer {
                name: name.value.clone(),
                node,
                vips,
                mode,
                place,
            },
        );
    }
    super::vips::same_vip(&balancers, diagnostics);
    super::circles::circles(&balancers, diagnostics);
    balancers
}

fn layer4(
    file: &File,
    name: &Spanned<String>,
    written: &balancer::Balancer,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<BalancerMode> {
    for (there, key) in [
        (written.port.is_some(), "port"),
        (written.tls.is_some(), "tls"),
        (!written.sites.is_empty(), "sites"),
    ] {
        if there {
            diagnostics.push(wrong_layer(name, key, 4));
        }
    }
    for (empty, key) in [
        (written.ports.is_empty(), "ports"),
        (written.members.is_empty(), "members"),
    ] {
        if empty {
            diagnostics.push(
                Diagnostic::error(
                    "lab::missing-key",
                    format!("`{key}` is missing in the balancer `{}`.", name.value),
                    &name.place,
                    format!("no `{key}`"),
                )
                .help("a layer-4 balancer has `ports: [tcp/443]` and `members`"),
            );
        }
    }
    let ports = traffic(&written.ports, diagnostics)?;
    let one_port = |traffic: &Traffic| match traffic {
        Traffic::Tcp(range) | Traffic::Udp(range) if range.start() == range.end() => {
            Some(*range.start())
        }
        _ => None,
    };
    for (word, traffic) in written.ports.iter().zip(&ports) {
        if one_port(traffic).is_none() {
            diagnostics.push(
                Diagnostic::error(
                    "lab::bad-traffic",
                    format!("`{}` can't be balanced.", word.value),
                    &word.place,
                    "one TCP or UDP port is",
                )
                .help("write single ports: `[tcp/443, tcp/25]`"),
            );
        }
    }
    if ports.is_empty() && !written.ports.is_empty() {
        diagnostics.push(Diagnostic::error(
            "lab::bad-traffic",
            "`any` can't be balanced.",
            &written.place,
            "name the ports",
        ));
    }
    // A TCP port is asked by default: UDP gives no sign of life.
    let tcp = ports
        .iter()
        .find(|traffic| matches!(traffic, Traffic::Tcp(_)));
    let first = tcp.or(ports.first()).and_then(one_port).unwrap_or(0);
    let health = health(written.health.as_ref(), first, diagnostics);
    let members = members(
        file,
        name,
        &written.members,
        health.port,
        None,
        names,
        diagnostics,
    );
    let spread = spread(written.spread);
    Some(BalancerMode::Layer4 {
        ports,
        pool: Pool {
            members,
            spread,
            health,
        },
    })
}

fn layer7(
    file: &File,
    name: &Spanned<String>,
    written: &balancer::Balancer,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BalancerMode {
    for (there, key) in [
        (!written.ports.is_empty(), "ports"),
        (!written.members.is_empty(), "members"),
        (written.spread.is_some(), "spread"),
        (written.health.is_some(), "health"),
    ] {
        if there {
            diagnostics.push(wrong_layer(name, key, 7));
        }
    }
    if written.sites.is_empty() {
        diagnostics.push(
            Diagnostic::error(
                "lab::missing-key",
                format!("The layer-7 balancer `{}` has no sites.", name.value),
                &name.place,
                "no `sites`",
            )
            .help("write `sites: [{ hosts: [www.example.com], members: web }]`"),
        );
    }
    let tls = written.tls.unwrap_or(true);
    let port = match &written.port {
        Some(port) => check_port(port, diagnostics),
        None if tls => 443,
        None => 80,
    };
    let mut seen: Vec<(String, Vec<String>, Place)> = Vec::new();
    let sites = written
        .sites
        .iter()
        .map(|written| {
            let site = site(file, name, written, port, names, diagnostics);
            for (host, at) in site.hosts.iter().zip(written.hosts.iter()) {
                let first = seen
                    .iter()
                    .find(|(other, paths, _)| other == host && *paths == site.paths);
                if let Some((.., first)) = first {
                    diagnostics.push(
                        Diagnostic::error(
                            "lab::duplicate-host",
                            format!("`{host}` is published twice with the same paths."),
                            &at.place,
                            "again here",
                        )
                        .also(first, "first here")
                        .help("give the two different `paths`, or put their members together"),
                    );
                } else {
                    seen.push((host.clone(), site.paths.clone(), at.place.clone()));
                }
            }
            site
        })
        .collect();
    BalancerMode::Layer7 { port, tls, sites }
}

fn site(
    file: &File,
    balancer: &Spanned<String>,
    written: &balancer::Site,
    port: u16,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Site {
    let hosts: Vec<String> = written
        .hosts
        .iter()
        .filter_map(|host| check_dns_name(host, diagnostics))
        .collect();
    let member_port = match &written.member_port {
        Some(port) => check_port(port, diagnostics),
        None => port,
    };
    let fqdn = written
        .member_fqdn
        .as_ref()
        .and_then(|name| check_dns_name(name, diagnostics));
    let fqdns = Fqdn {
        given: fqdn.as_deref(),
        host: hosts.first().map(String::as_str),
    };
    let members = members(
        file,
        balancer,
        &written.members,
        member_port,
        Some(fqdns),
        names,
        diagnostics,
    );
    Site {
        paths: written
            .paths
            .iter()
            .map(|path| check_path(path, diagnostics))
            .collect(),
        plain: written
            .plain
            .as_ref()
            .map(|port| check_port(port, diagnostics)),
        pool: Pool {
            members,
            spread: spread(written.spread),
            health: health(written.health.as_ref(), member_port, diagnostics),
        },
        affinity: match &written.affinity {
            None => Affinity::None,
            Some(balancer::Affinity::Cookie(name)) => {
                Affinity::Cookie(check_token(name, diagnostics))
            }
            Some(balancer::Affinity::Header(name)) => {
                Affinity::Header(check_token(name, diagnostics))
            }
        },
        hosts,
        place: written.place.clone(),
    }
}

/// The name of a cookie or a header is a token (RFC 9110 §5.6.2).
fn check_token(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> String {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-name",
                format!(
                    "`{}` can't be the name of a cookie or a header.",
                    name.escape_debug()
                ),
                &name.place,
                "this name",
            )
            .help("take letters, digits, `-` and `_`"),
        );
    }
    name.value.clone()
}

fn wrong_layer(name: &Spanned<String>, key: &str, layer: u8) -> Diagnostic {
    let help = match layer {
        4 => {
            "at layer 4 there are `ports`, `members`, `spread` and `health`; sites need `layer: 7`"
        }
        _ => "at layer 7 these stand in each entry of `sites`, the port in `port`",
    };
    Diagnostic::error(
        "lab::wrong-layer",
        format!(
            "`{key}` means nothing at layer {layer}, at which `{}` works.",
            name.value
        ),
        &name.place,
        format!("`{key}` at layer {layer}"),
    )
    .help(help)
}

fn spread(written: Option<balancer::Spread>) -> Spread {
    match written {
        Some(balancer::Spread::Random) => Spread::Random,
        Some(balancer::Spread::RoundRobin) | None => Spread::RoundRobin,
    }
}

fn health(
    written: Option<&balancer::Health>,
    port: u16,
    diagnostics: &mut Vec<Diagnostic>,
) -> HealthCheck {
    let mut time = |time: Option<&Spanned<Time>>, default: u64, least: u64| {
        let Some(time) = time else {
            return Duration::from_millis(default);
        };
        let least = Duration::from_millis(least);
        if time.value.0 < least || time.value.0 > Duration::from_secs(60) {
            diagnostics.push(Diagnostic::error(
                "lab::out-of-range",
                "This time is out of range for a health check.",
                &time.place,
                format!("{} ms to 60 s", least.as_millis()),
            ));
        }
        time.value.0
    };
    let every = time(written.and_then(|health| health.every.as_ref()), 400, 50);
    let timeout = time(written.and_then(|health| health.timeout.as_ref()), 500, 10);
    HealthCheck {
        port: match written.and_then(|health| health.port.as_ref()) {
            Some(port) => check_port(port, diagnostics),
            None => port,
        },
        path: written
            .and_then(|health| health.path.as_ref())
            .map(|path| check_path(path, diagnostics)),
        every,
        timeout,
    }
}
