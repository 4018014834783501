//! Nodes with what concerns them alone: name, domain, labels, programs, files, limits.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::lab::{Attachment, Limits, Node, Program, ProgramHealth, Restart, ServiceUse};
use super::labels::{check_dns_name, check_label};
use super::seats::Seat;
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned, program, service};

/// The node of a seat; what needs the rest of the lab is filled in later.
pub(super) fn node(
    seat: &Seat<'_>,
    file: &File,
    attachments: Vec<Attachment>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Node {
    let entry = seat.entry;
    let domain = entry.domain.as_ref().or(file.domain.as_ref());
    let domain = domain.and_then(|domain| match entry.domain.is_some() {
        true => check_dns_name(domain, diagnostics),
        // The lab's own domain is checked once, with the lab's name.
        false => check_dns_name(domain, &mut Vec::new()),
    });
    let fqdn = match domain {
        Some(domain) => format!("{}.{domain}", seat.name),
        None => seat.name.clone(),
    };
    let aliases = entry
        .aliases
        .iter()
        .filter_map(|name| check_dns_name(name, diagnostics))
        .collect();
    let search = entry
        .search
        .as_ref()
        .and_then(|name| check_dns_name(name, diagnostics));
    Node {
        name: seat.name.clone(),
        group: seat.group.value.clone(),
        router: entry.router.unwrap_or(false),
        fqdn,
        aliases,
        names: labels(seat, &attachments, diagnostics),
        attachments,
        routes: Vec::new(),
        acl: None,
        nat: Vec::new(),
        resolvers: Vec::new(),
        search,
        services: services(seat, diagnostics),
        programs: programs(seat, diagnostics),
        files: Vec::new(),
        certificates: super::certificates::of_node(seat, file, diagnostics),
        env: env(&entry.env, diagnostics),
        limits: limits(entry.limits.as_ref(), diagnostics),
        place: seat.group.place.clone(),
    }
}

/// `names:` → addresses that the node has.
fn labels(
    seat: &Seat<'_>,
    attachments: &[Attachment],
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, IpAddr> {
    let mut labels = BTreeMap::new();
    if let (Some(_), Some((first, _))) = (&seat.entry.count, seat.entry.names.first()) {
        diagnostics.push(
            Diagnostic::error(
                "lab::count-names",
                format!(
                    "`{}` stands for several nodes, which can't share a named address.",
                    seat.group.value
                ),
                &first.place,
                "names one address",
            )
            .help("write the nodes one by one, or use their own names"),
        );
        return labels;
    }
    for (label, text) in seat.entry.names.iter() {
        check_label("named address", label, 63, diagnostics);
        let found = attachments
            .iter()
            .flat_map(|leg| &leg.addresses)
            .find(|address| {
                super::literal::address(text, &[address.trunc()])
                    .is_ok_and(|meant| meant.addr() == address.addr())
            });
        match found {
            Some(address) => {
                labels.insert(label.value.clone(), address.addr());
            }
            None => {
                let has: Vec<String> = attachments
                    .iter()
                    .flat_map(|leg| {
                        leg.addresses
                            .iter()
                            .map(|address| address.addr().to_string())
                    })
                    .collect();
                diagnostics.push(
                    Diagnostic::error(
                        "lab::unknown-address",
                        format!(
                            "`{}` has no address `{}` to name.",
                            seat.name,
                            text.escape_debug()
                        ),
                        &text.place,
                        "not its address",
                    )
                    .help(format!(
                        "add it to `on`; `{}` has {}",
                        seat.name,
                        has.join(", ")
                    )),
                );
            }
        }
    }
    labels
}

fn services(seat: &Seat<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<ServiceUse> {
    let mut names: BTreeMap<String, Spanned<String>> = BTreeMap::new();
    let mut services = Vec::new();
    for used in seat.entry.service.iter().chain(seat.entry.services.iter()) {
        let name = used.name.as_ref().unwrap_or(&used.service);
        if used.name.is_some() {
            check_label("service", name, 63, diagnostics);
        }
        unique(name, &mut names, diagnostics);
        services.push(ServiceUse {
            name: name.value.clone(),
            service: used.service.value.clone(),
            options: used.options.clone(),
            restart: restart(used.restart),
            place: used.service.place.clone(),
            option_places: used.option_places.clone(),
        });
    }
    services
}

fn programs(seat: &Seat<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Program> {
    let mut names: BTreeMap<String, Spanned<String>> = BTreeMap::new();
    for used in seat.entry.service.iter().chain(seat.entry.services.iter()) {
        let name = used.name.as_ref().unwrap_or(&used.service);
        names
            .entry(name.value.clone())
            .or_insert_with(|| name.clone());
    }
    let mut programs = Vec::new();
    for written in &seat.entry.programs.0 {
        let Some(first) = written.argv.first() else {
            diagnostics.push(
                Diagnostic::error(
                    "lab::missing-key",
                    "The program's argument list is empty.",
                    &written.place,
                    "no program",
                )
                .help("write `run: [program, argument, …]`"),
            );
            continue;
        };
        let base = first.rsplit('/').next().unwrap_or(first).to_owned();
        let name = match &written.name {
            Some(name) => {
                check_label("program", name, 63, diagnostics);
                name.clone()
            }
            None => Spanned {
                value: base,
                place: first.place.clone(),
            },
        };
        unique(&name, &mut names, diagnostics);
        programs.push(Program {
            name: name.value,
            argv: written.argv.iter().map(|word| word.value.clone()).collect(),
            env: env(&written.env, diagnostics),
            user: written.user.as_ref().map(|user| user.value.clone()),
            health: written
                .health
                .as_ref()
                .map(|health| check_health(health, diagnostics)),
            restart: restart(written.restart),
            place: written.place.clone(),
        });
    }
    programs
}

fn unique(
    name: &Spanned<String>,
    names: &mut BTreeMap<String, Spanned<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if let Some(first) = names.get(&name.value) {
        diagnostics.push(
            Diagnostic::error(
                "lab::duplicate-service",
                format!("Two things on this node are called `{}`.", name.value),
                &name.place,
                "again here",
            )
            .also(&first.place, "first here")
            .help("give one of them a `name:` of its own"),
        );
    } else {
        names.insert(name.value.clone(), name.clone());
    }
}

fn check_health(
    health: &program::ProgramHealth,
    diagnostics: &mut Vec<Diagnostic>,
) -> ProgramHealth {
    match health {
        program::ProgramHealth::Tcp(port) => ProgramHealth::Tcp(check_port(port, diagnostics)),
        program::ProgramHealth::Http(http) => {
            let path = http
                .path
                .as_ref()
                .map_or("/".into(), |path| check_path(path, diagnostics));
            let port = http
                .port
                .as_ref()
                .map_or(80, |port| check_port(port, diagnostics));
            ProgramHealth::Http { port, path }
        }
    }
}

/// A port that can be listened on.
pub(super) fn check_port(port: &Spanned<u16>, diagnostics: &mut Vec<Diagnostic>) -> u16 {
    if port.value == 0 {
        diagnostics.push(Diagnostic::error(
            "lab::out-of-range",
            "Port 0 can't be used.",
            &port.place,
            "1 to 65535",
        ));
    }
    port.value
}

/// A path of an URL.
pub(super) fn check_path(path: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> String {
    if !path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-path",
                format!("`{}` is no path of a URL.", path.escape_debug()),
                &path.place,
                "not a path",
            )
            .help("it starts with `/` and has no spaces"),
        );
    }
    path.value.clone()
}

fn restart(written: Option<service::Restart>) -> Restart {
    match written {
        Some(service::Restart::Always) | None => Restart::Always,
        Some(service::Restart::OnFailure) => Restart::OnFailure,
        Some(service::Restart::Never) => Restart::Never,
    }
}

fn env(
    written: &crate::model::Map<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    for (key, _) in written.iter() {
        if key.is_empty() || key.contains(['=', '\0']) {
            diagnostics.push(Diagnostic::error(
                "lab::bad-name",
                format!(
                    "`{}` can't be the name of an environment variable.",
                    key.escape_debug()
                ),
                &key.place,
                "this name",
            ));
        }
    }
    written
        .iter()
        .map(|(key, value)| (key.value.clone(), value.clone()))
        .collect()
}

fn limits(written: Option<&program::Limits>, diagnostics: &mut Vec<Diagnostic>) -> Limits {
    let Some(written) = written else {
        return Limits::default();
    };
    let mut within = |value: u64, place, low: u64, high: u64, range: &str| {
        if !(low..=high).contains(&value) {
            diagnostics.push(Diagnostic::error(
                "lab::out-of-range",
                "This limit is out of range.",
                place,
                range,
            ));
        }
        value
    };
    Limits {
        memory: written.memory.as_ref().map(|size| {
            within(
                size.value.0,
                &size.place,
                16 << 20,
                1 << 40,
                "16 MiB to 1 TiB",
            )
        }),
        processes: written
            .processes
            .as_ref()
            .map(|n| within(n.value, &n.place, 1, 1_000_000, "1 to 1000000")),
        open_files: written
            .open_files
            .as_ref()
            .map(|n| within(n.value, &n.place, 16, 1 << 20, "16 to 1048576")),
    }
}
