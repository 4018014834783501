//! Files of a node: what stock programs read about its name, its name servers, its realm and its
//! directory.

use std::fmt::Write;

use super::{FileContent, FilePlan};
use crate::check::{Lab, Node, RecordData};

/// Debian's bundle of certificate authorities; in a node it holds the lab's.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Every node has these; the lab file's own come after and win.
pub(super) fn of(lab: &Lab, node: &Node) -> Vec<FilePlan> {
    let mut files = vec![
        text("/etc/hostname", format!("{}\n", node.name)),
        text("/etc/hosts", hosts(node)),
        text("/etc/resolv.conf", resolv_conf(node)),
        text("/etc/nsswitch.conf", NSSWITCH.to_owned()),
    ];
    if let Some(text_of_realm) = krb5_conf(lab) {
        files.push(text("/etc/krb5.conf", text_of_realm));
    }
    if let Some(text_of_directory) = ldap_conf(lab) {
        files.push(text("/etc/ldap/ldap.conf", text_of_directory));
    }
    for file in &node.files {
        files.retain(|known| known.path != file.path);
        let content = match String::from_utf8(file.content.clone()) {
            Ok(text) => FileContent::Text(text),
            Err(error) => FileContent::Bytes(error.into_bytes()),
        };
        files.push(FilePlan {
            path: file.path.clone(),
            mode: file.mode,
            content,
        });
    }
    files
}

fn text(path: &str, content: String) -> FilePlan {
    FilePlan {
        path: path.into(),
        mode: 0o644,
        content: FileContent::Text(content),
    }
}

/// Names come from DNS: the file knows the node itself and nobody else.
fn hosts(node: &Node) -> String {
    let mut hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    if let Some(address) = node
        .attachments
        .iter()
        .flat_map(|leg| &leg.addresses)
        .next()
    {
        let names = if node.fqdn == node.name {
            node.name.clone()
        } else {
            format!("{} {}", node.fqdn, node.name)
        };
        let _ = writeln!(hosts, "{} {names}", address.addr());
    }
    hosts
}

fn resolv_conf(node: &Node) -> String {
    let mut conf = String::new();
    if let Some(search) = &node.search {
        let _ = writeln!(conf, "search {search}");
    }
    for resolver in &node.resolvers {
        let _ = writeln!(conf, "nameserver {resolver}");
    }
    if node.resolvers.is_empty() {
        conf.push_str("# This node has no name server.\n");
    } else {
        conf.push_str("options timeout:2 attempts:2\n");
    }
    conf
}

const NSSWITCH: &str = "\
passwd:    files
group:     files
shadow:    files
hosts:     files dns
networks:  files
protocols: files
services:  files
";

/// Who offers a service of the domain (`host:port`), by these names of SRV records.
fn servers(lab: &Lab, owners: &[String]) -> Vec<String> {
    let records = lab.zones.iter().flat_map(|zone| &zone.records);
    let mut servers: Vec<String> = records
        .filter(|record| owners.contains(&record.name))
        .filter_map(|record| match &record.data {
            RecordData::Srv { target, port, .. } => Some(format!("{target}:{port}")),
            _ => None,
        })
        .collect();
    servers.sort();
    servers.dedup();
    servers
}

/// The directory as a member of its domain finds it, whose certificate leads to the lab's CA
/// (ldap.conf(5)); its SRV record is read here as the KDC's is. Tickets are for the name that was
/// asked for, not for what an address is called backwards.
fn ldap_conf(lab: &Lab) -> Option<String> {
    let domain = lab.directory.as_ref()?.realm.to_lowercase();
    let servers = servers(lab, &[format!("_ldap._tcp.{domain}")]);
    if servers.is_empty() {
        return None;
    }
    let urls: Vec<String> = servers
        .iter()
        .map(|server| format!("ldap://{}", server.trim_end_matches(":389")))
        .collect();
    let base: Vec<String> = domain
        .split('.')
        .map(|label| format!("dc={label}"))
        .collect();
    Some(format!(
        "URI {}\nBASE {}\nTLS_CACERT {}\nSASL_NOCANON on\n",
        urls.join(" "),
        base.join(","),
        AUTHORITIES,
    ))
}

/// The realm's KDC is found by its SRV record (RFC 4120 §7.2.3.2), read here so that programs need
/// not: a lab without one has no Kerberos.
fn krb5_conf(lab: &Lab) -> Option<String> {
    let directory = lab.directory.as_ref()?;
    let realm = &directory.realm;
    let domain = realm.to_lowercase();
    let servers = servers(
        lab,
        &[
            format!("_kerberos._udp.{domain}"),
            format!("_kerberos._tcp.{domain}"),
        ],
    );
    if servers.is_empty() {
        return None;
    }
    let mut conf = format!(
        "[libdefaults]\n    default_realm = {realm}\n    dns_lookup_kdc = false\n    dns_lookup_realm = false\n    \
         dns_canonicalize_hostname = false\n    rdns = false\n    default_ccache_name = FILE:/tmp/krb5cc_%{{uid}}\n\n\
         [realms]\n    {realm} = {{\n"
    );
    for server in &servers {
        let _ = writeln!(conf, "        kdc = {server}");
    }
    let parent = domain
        .split_once('.')
        .map_or(domain.as_str(), |(_, parent)| parent);
    let _ = write!(
        conf,
        "    }}\n\n[domain_realm]\n    {domain} = {realm}\n    .{domain} = {realm}\n    .{parent} = {realm}\n"
    );
    Some(conf)
}
