//! The labs that are part of the program: `lab up router` needs no file.

use lab_core::check::Source;

/// A lab that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name, as in `lab up NAME`.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// Its files with their content; `lab.yaml`, the root, comes first.
    pub files: &'static [(&'static str, &'static str)],
    /// Its scenarios: files below its folder, with their content.
    pub scenarios: &'static [(&'static str, &'static str)],
}

macro_rules! lab {
    ($name:literal, $about:literal, [$($file:literal),+], [$($scenario:literal),* $(,)?]) => {
        Embedded {
            name: $name,
            about: $about,
            files: &[$(($file, include_str!(concat!("../scenarios/", $name, "/", $file)))),+],
            scenarios: &[$((
                $scenario,
                include_str!(concat!("../scenarios/", $name, "/", $scenario)),
            )),*],
        }
    };
}

/// All of them, the flagship first.
pub static LABS: &[Embedded] = &[
    lab!(
        "contoso",
        "an enterprise with mail, web, conferencing, a perimeter and partners",
        ["lab.yaml", "acl.yaml", "dns.yaml", "directory.yaml"],
        [
            "flows/b01-session-outlives-its-front-end.yaml",
            "flows/balance-exchange.yaml",
            "flows/balance-lync-new.yaml",
            "flows/balance-lync.yaml",
            "flows/balance-sharepoint.yaml",
            "flows/core-lets-pass-names.yaml",
            "flows/core-lets-pass-refused.yaml",
            "flows/core-lets-pass.yaml",
            "flows/core-lets-pass-udp.yaml",
            "flows/dns-backwards.yaml",
            "flows/dns-inside.yaml",
            "flows/dns-lync.yaml",
            "flows/dns-mail.yaml",
            "flows/dns-of-servers.yaml",
            "flows/dns-outside.yaml",
            "flows/dns-stopped.yaml",
            "flows/every-tier.yaml",
            "flows/f01-federation-of-companies.yaml",
            "flows/f02-partner-company-sharepoint.yaml",
            "flows/f02-partner-signs-in.yaml",
            "flows/f03-partner-company-exchange.yaml",
            "flows/f04-partner-company-mail.yaml",
            "flows/f05-anonymous-joins-by-the-edge.yaml",
            "flows/f06-web-conference.yaml",
            "flows/f07-individual-partner-sharepoint.yaml",
            "flows/f09-roaming-lync.yaml",
            "flows/f10-roaming-lync-web.yaml",
            "flows/f11-roaming-sharepoint-by-tunnel.yaml",
            "flows/f12-roaming-exchange.yaml",
            "flows/f13-inside-lync.yaml",
            "flows/f14-inside-lync-web.yaml",
            "flows/f15-inside-sharepoint-forms.yaml",
            "flows/f15-inside-sharepoint.yaml",
            "flows/f16-inside-exchange.yaml",
            "flows/f17-cloud-mail.yaml",
            "flows/f18-batch.yaml",
            "flows/f18-edit-in-a-browser.yaml",
            "flows/f18-databases.yaml",
            "flows/f18-inside-the-farm.yaml",
            "flows/f18-office-web-apps.yaml",
            "flows/f18-search.yaml",
            "flows/gateway-lets-in-ipsec.yaml",
            "flows/gateway-lets-in-tcp.yaml",
            "flows/gateway-lets-in-udp.yaml",
            "flows/gateway-lets-in.yaml",
            "flows/gateway-lets-out-refused.yaml",
            "flows/gateway-lets-out-udp.yaml",
            "flows/gateway-lets-out.yaml",
            "flows/internet-side.yaml",
            "flows/kerberos-by-tcp-and-aes128.yaml",
            "flows/kerberos.yaml",
            "flows/ldap.yaml",
            "flows/mail-folders.yaml",
            "flows/member-dies.yaml",
            "flows/member-drained.yaml",
            "flows/names-of-users.yaml",
            "flows/names-of-users-signed-in.yaml",
            "flows/revocation-published.yaml",
            "flows/tier-missing.yaml",
            "flows/trust.yaml",
            "flows/user-certificates.yaml",
            "refused/admin-outside.yaml",
            "refused/application-tier.yaml",
            "refused/core-drops-beside.yaml",
            "refused/core-drops.yaml",
            "refused/crl-other-paths.yaml",
            "refused/database-tier-open.yaml",
            "refused/database-tier.yaml",
            "refused/f07-wrong-password.yaml",
            "refused/f08-individual-partner-exchange.yaml",
            "refused/gateway-drops.yaml",
            "refused/gateway-drops-beside.yaml",
            "refused/gateway-drops-beside-udp.yaml",
            "refused/host.yaml",
            "refused/icmp.yaml",
            "refused/kerberos-locked.yaml",
            "refused/kerberos-outside.yaml",
            "refused/kerberos-services.yaml",
            "refused/kerberos.yaml",
            "refused/ldap-outside.yaml",
            "refused/ldap.yaml",
            "refused/mail-not-by-eop.yaml",
            "refused/names-inside.yaml",
            "refused/office-web-apps.yaml",
            "refused/partner-names.yaml",
            "refused/port-open.yaml",
            "refused/ports-closed.yaml",
            "refused/revoked-client.yaml",
            "refused/revoked-ldap-client.yaml",
            "refused/revoked-server.yaml",
            "refused/revoked-tiers.yaml",
            "refused/sharepoint-not-yours.yaml",
            "refused/x08-partner-tokens.yaml",
        ]
    ),
    lab!(
        "router",
        "two segments and a router between them",
        ["lab.yaml"],
        ["flows/works.yaml",]
    ),
    lab!(
        "nat",
        "a home network behind address translation",
        ["lab.yaml"],
        ["flows/names.yaml", "flows/works.yaml",]
    ),
    lab!(
        "perimeter",
        "a server in a perimeter between two packet filters",
        ["lab.yaml"],
        ["flows/names.yaml", "flows/rules.yaml", "flows/works.yaml",]
    ),
    lab!(
        "balancer",
        "a VIP that spreads over several servers",
        ["lab.yaml"],
        ["flows/members.yaml", "flows/names.yaml", "flows/works.yaml",]
    ),
    lab!(
        "login",
        "a domain whose servers find out who is asking, by NTLM and Kerberos",
        ["lab.yaml"],
        [
            "flows/methods.yaml",
            "flows/stock.yaml",
            "refused/no-controller.yaml",
            "refused/wrong.yaml",
        ]
    ),
    lab!(
        "nginx",
        "a stock web server among the lab's own",
        ["lab.yaml", "nginx.conf"],
        ["flows/works.yaml",]
    ),
];

/// The lab of that name.
pub fn find(name: &str) -> Option<&'static Embedded> {
    LABS.iter().find(|lab| lab.name == name)
}

/// Their names, for people.
pub fn names() -> String {
    LABS.iter()
        .map(|lab| lab.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A line for each, for people.
pub fn described() -> String {
    LABS.iter()
        .map(|lab| format!("{}: {}\n", lab.name, lab.about))
        .collect()
}

impl Embedded {
    /// For the check.
    pub fn source(&self) -> Source {
        Source::Embedded {
            name: self.name,
            files: self.files,
        }
    }
}

#[cfg(test)]
mod tests {
    use lab_core::check::{load, render};

    /// Files below a folder, relative to it.
    fn files(folder: &std::path::Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            match path.is_dir() {
                true => found.extend(files(&path).iter().map(|below| format!("{name}/{below}"))),
                false => found.push(name),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn every_file_of_a_lab_is_part_of_the_program() {
        for lab in super::LABS {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
            let there = files(&std::path::Path::new(root).join(lab.name));
            let mut known: Vec<String> = lab
                .files
                .iter()
                .chain(lab.scenarios)
                .map(|(file, _)| (*file).to_owned())
                .collect();
            known.sort();
            assert_eq!(known, there, "{}", lab.name);
        }
    }

    #[test]
    fn embedded_labs_are_in_order() {
        for lab in super::LABS {
            let checked = load(&lab.source(), lab_nodes::CATALOGUE);
            assert!(
                checked.diagnostics.is_empty(),
                "{}: {}",
                lab.name,
                render(&checked, false)
            );
            assert_eq!(
                checked.lab.map(|checked| checked.name).as_deref(),
                Some(lab.name)
            );
        }
    }
}
