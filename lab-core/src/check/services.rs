//! Services: known to the catalogue, content with their options, out of each other's way.

use serde_json::Value;

use super::lab::{Lab, Node, ProgramHealth, ServiceUse};
use crate::model::{Diagnostic, Place, nearest};
use crate::plan::{Listen, Transport};
use crate::service::{Catalogue, OptionError, SetupRequest};

/// Reports services that the catalogue does not have.
pub(super) fn known(lab: &Lab, catalogue: Catalogue, diagnostics: &mut Vec<Diagnostic>) {
    for used in lab.nodes.values().flat_map(|node| &node.services) {
        if catalogue.get(&used.service).is_some() {
            continue;
        }
        let names: Vec<&str> = catalogue
            .iter()
            .map(crate::service::Service::name)
            .collect();
        diagnostics.push(
            Diagnostic::error(
                "lab::unknown-service",
                format!("No service is called `{}`.", used.service.escape_debug()),
                &used.place,
                "unknown service",
            )
            .help(match nearest(&used.service, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "the services are {}; a program of the host is started with `run:`",
                    names.join(", ")
                ),
            }),
        );
    }
}

/// Reports options that are none or of another type, in a lab that is not in order otherwise: what
/// they mean can't be looked at there.
pub(super) fn written(lab: &Lab, catalogue: Catalogue, diagnostics: &mut Vec<Diagnostic>) {
    for used in lab.nodes.values().flat_map(|node| &node.services) {
        if let Some(service) = catalogue.get(&used.service) {
            options(used, &service.options_schema(), diagnostics);
        }
    }
}

/// Holds options against the properties of the service's schema; gives the pointers of those that
/// were reported.
fn options(used: &ServiceUse, schema: &Value, diagnostics: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut reported = Vec::new();
    let (Value::Object(written), Some(properties)) =
        (&used.options, schema["properties"].as_object())
    else {
        return reported;
    };
    for (key, value) in written {
        let place = used.option_places.get(&format!("/{key}"));
        let place = place.unwrap_or(&used.place);
        let Some(property) = properties.get(key) else {
            let all = || properties.keys().map(String::as_str);
            let near = nearest(key, all());
            diagnostics.push(
                Diagnostic::error(
                    "lab::service-option",
                    format!("`{}` has no option `{}`.", used.service, key.escape_debug()),
                    place,
                    format!("no option of `{}`", used.service),
                )
                .help(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if properties.is_empty() => "it has none".into(),
                    None => format!("its options are {}", all().collect::<Vec<_>>().join(", ")),
                }),
            );
            reported.push(format!("/{key}"));
            continue;
        };
        if let Some(wanted) = wanted(property, value) {
            reported.push(format!("/{key}"));
            diagnostics.push(
                Diagnostic::error(
                    "lab::service-option",
                    format!("`{key}` of `{}` is {wanted}.", used.service),
                    place,
                    format!("not {wanted}"),
                )
                .help(format!("write {wanted}")),
            );
        }
    }
    reported
}

/// What a property wants in the place of this value, if it is of another JSON type or out of range.
fn wanted(property: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match &property["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let within = |number: f64| {
        property["minimum"]
            .as_f64()
            .is_none_or(|least| number >= least)
            && property["maximum"]
                .as_f64()
                .is_none_or(|most| number <= most)
    };
    let fits = types.iter().any(|kind| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => (value.is_i64() || value.is_u64()) && value.as_f64().is_some_and(within),
        "number" => value.as_f64().is_some_and(within),
        _ => true,
    });
    if fits {
        return None;
    }
    let kind = types.into_iter().find(|kind| *kind != "null")?;
    Some(match (kind, &property["minimum"], &property["maximum"]) {
        ("integer" | "number", Value::Number(least), Value::Number(most)) => {
            format!("a number from {least} to {most}")
        }
        ("integer" | "number", ..) => "a number".into(),
        ("boolean", ..) => "true or false".into(),
        ("string", ..) => "a text".into(),
        ("array", ..) => "a list".into(),
        _ => "a map".into(),
    })
}

/// Sets up every service of a lab that is otherwise in order.
pub(super) fn set_up(lab: &Lab, catalogue: Catalogue, diagnostics: &mut Vec<Diagnostic>) {
    for node in lab.nodes.values() {
        let mut listens: Vec<Listens<'_>> = Vec::new();
        for used in &node.services {
            let Some(service) = catalogue.get(&used.service) else {
                continue;
            };
            let request = SetupRequest {
                options: &used.options,
                node,
                lab,
            };
            let reported = options(used, &service.options_schema(), diagnostics);
            match service.setup(&request) {
                Ok(setup) => {
                    for listen in setup.listens {
                        let listens_too = Listens {
                            name: &used.name,
                            place: &used.place,
                            listen,
                        };
                        clash(node, &listens_too, &listens, diagnostics);
                        listens.push(listens_too);
                    }
                }
                Err(errors) => {
                    let is_new = |error: &OptionError| {
                        let key = error.pointer.split('/').nth(1).unwrap_or_default();
                        !reported.contains(&format!("/{key}"))
                    };
                    let new = errors.into_iter().filter(is_new);
                    diagnostics.extend(new.map(|error| wrong_option(used, error)));
                }
            }
        }
        for program in &node.programs {
            let (Some(ProgramHealth::Tcp(port)) | Some(ProgramHealth::Http { port, .. })) =
                &program.health
            else {
                continue;
            };
            // Where it listens is known by where it is asked, were it on one address only.
            let listens_too = Listens {
                name: &program.name,
                place: &program.place,
                listen: Listen {
                    name: program.name.clone(),
                    protocol: Transport::Tcp,
                    address: None,
                    port: *port,
                },
            };
            clash(node, &listens_too, &listens, diagnostics);
            listens.push(listens_too);
        }
    }
}

fn wrong_option(used: &ServiceUse, error: OptionError) -> Diagnostic {
    // An option that is missing has no place; what should hold it has.
    let mut pointer = error.pointer.as_str();
    let place = loop {
        if let Some(place) = used.option_places.get(pointer)
            && !pointer.is_empty()
        {
            break place;
        }
        match pointer.rfind('/') {
            Some(at) => pointer = pointer.get(..at).unwrap_or(""),
            None => break &used.place,
        }
    };
    let option = error.pointer.trim_start_matches('/');
    let label = match option.is_empty() {
        true => format!("option of `{}`", used.service),
        false => format!("option `{option}` of `{}`", used.service),
    };
    Diagnostic::error("lab::service-option", error.message, place, label).help_if(error.help)
}

/// A service or a program, and where it listens.
struct Listens<'a> {
    name: &'a str,
    place: &'a Place,
    listen: Listen,
}

fn clash(
    node: &Node,
    used: &Listens<'_>,
    earlier: &[Listens<'_>],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let listen = &used.listen;
    let other = earlier.iter().find(|other| {
        let other = &other.listen;
        let overlap = match (other.address, listen.address) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        overlap && other.protocol == listen.protocol && other.port == listen.port
    });
    let Some(first) = other else { return };
    let protocol = match listen.protocol {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    };
    let message = match first.name == used.name {
        true => format!(
            "`{}` on `{}` wants to listen on {protocol} port {} twice.",
            used.name, node.name, listen.port
        ),
        false => format!(
            "`{}` and `{}` on `{}` both want to listen on {protocol} port {}.",
            first.name, used.name, node.name, listen.port
        ),
    };
    let mut diagnostic = Diagnostic::error(
        "lab::port-clash",
        message,
        used.place,
        format!("listens on {protocol} {}", listen.port),
    )
    .help("give one of them another port or address, or a node of its own");
    if first.place != used.place {
        diagnostic = diagnostic.also(first.place, "and so does this");
    }
    diagnostics.push(diagnostic);
}
