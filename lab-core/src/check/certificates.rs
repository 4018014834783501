//! Where revocation is published, and the certificates that the lab file asks for.

use super::lab::{Certified, NodeCertificate};
use super::labels::{check_dns_name, check_label, dns_name};
use super::seats::Seat;
use crate::model::certificates::Certificate;
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned, nearest};

/// The node's own certificate.
const OWN: &str = "node";
/// The root certificate stands beside the others under this name.
const ROOT: &str = "ca";

/// The URL under which revocation lists and OCSP are found, without a final slash.
pub(super) fn published(file: &File, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let written = file.certificates.as_ref()?.published.as_ref()?;
    if !is_published_url(written) {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-url",
                format!(
                    "Nothing can be published under `{}`.",
                    written.escape_debug()
                ),
                &written.place,
                "this URL",
            )
            .help(
                "it looks like `http://crl.example.com/pki`: lists are fetched without TLS, \
                 whose certificates they are about",
            ),
        );
        return None;
    }
    Some(written.trim_end_matches('/').to_owned())
}

fn is_published_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://") else {
        return false;
    };
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    };
    let port_is_one = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let is_host = dns_name(host).is_ok() || host.parse::<std::net::Ipv4Addr>().is_ok();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    is_host && port_is_one && text.len() <= 100 && path.chars().all(plain)
}

/// `certificates:` of a node.
pub(super) fn of_node(
    seat: &Seat<'_>,
    file: &File,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<NodeCertificate> {
    let mut certificates = Vec::new();
    for (id, written) in seat.entry.certificates.iter() {
        check_label("certificate", id, 32, diagnostics);
        if let Some(certified) = certified(id, written, file, diagnostics) {
            certificates.push(NodeCertificate {
                id: id.value.clone(),
                certified,
                revoked: written.revoked.unwrap_or(false),
            });
        }
    }
    certificates
}

fn certified(
    id: &Spanned<String>,
    written: &Certificate,
    file: &File,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Certified> {
    let mut wrong = |message: String, help: &str| {
        diagnostics.push(
            Diagnostic::error(
                "lab::bad-certificate",
                message,
                &id.place,
                "this certificate",
            )
            .help(help),
        );
        None
    };
    let own = id.value == OWN;
    match (&written.user, written.names.is_empty()) {
        _ if id.value == ROOT => wrong(
            "`ca` is the name of the lab's root certificate.".into(),
            "give this one another name",
        ),
        (None, true) if own => Some(Certified::Own),
        _ if own => wrong(
            "The node's own certificate is made from its names and addresses.".into(),
            "only `revoked` can be said of it; `aliases` of the node gives it further names",
        ),
        (None, true) => wrong(
            format!("Nobody is named in the certificate `{}`.", id.value),
            "write `{ user: alice }` for a client's or `{ names: www.example.com }` for a server's",
        ),
        (Some(_), false) => wrong(
            format!("The certificate `{}` is a user's and a server's.", id.value),
            "make two of it",
        ),
        (Some(user), true) => known_user(user, file, diagnostics).map(Certified::User),
        (None, false) => {
            let names = written.names.iter();
            Some(Certified::Names(
                names
                    .filter_map(|name| check_dns_name(name, diagnostics))
                    .collect(),
            ))
        }
    }
}

fn known_user(
    user: &Spanned<String>,
    file: &File,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let directory = file.directory.as_ref();
    let users: Vec<&str> = directory
        .iter()
        .flat_map(|directory| directory.users.iter())
        .map(|(name, _)| name.value.as_str())
        .collect();
    if users.contains(&user.as_str()) {
        return Some(user.value.clone());
    }
    let mut diagnostic = Diagnostic::error(
        "lab::unknown-name",
        format!("The directory has no user `{}`.", user.escape_debug()),
        &user.place,
        "this user",
    );
    diagnostic = match nearest(user, users.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("users stand under `directory: { users: … }`"),
    };
    diagnostics.push(diagnostic);
    None
}
