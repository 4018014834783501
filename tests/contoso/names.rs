//! N1 to N5 and D0: who reaches which name.

use crate::Looks;
use crate::support::Host;

pub const LOOKS: &[Looks] = &[
    ("n1_partner_companies_reach_partnerweb", n1),
    ("n2_individual_partners_reach_partnerweb_and_meet", n2),
    (
        "n3_roaming_employees_reach_the_public_four_without_a_tunnel",
        n3,
    ),
    ("n4_internal_employees_reach_all_seven_and_admin", n4),
    ("n5_mail_has_its_virtual_directories", n5),
    ("the_way_of_a_partner_crosses_every_tier", every_tier),
];

/// Names of SharePoint are asked for by an employee, or by who must sign in first.
#[track_caller]
fn reaches(host: &Host, node: &str, names: &[&str]) {
    let stranger = ["partner-pc", "individual"].contains(&node);
    for name in names {
        let url = format!("https://{name}.contoso.com/");
        let (status, wanted) = match *name {
            "partnerweb" if stranger => (host.http_status(node, &url), "401"),
            "admin" => (host.http_status_as("adam", node, &url), "200"),
            "intranet" | "teams" | "my" | "partnerweb" => {
                (host.http_status_as("alice", node, &url), "200")
            }
            _ => (host.http_status(node, &url), "200"),
        };
        assert_eq!(status, wanted, "{url} from {node}");
    }
}

#[track_caller]
fn does_not_know(host: &Host, node: &str, names: &[&str]) {
    for name in names {
        host.sh(node, &format!("dig +noall +comments {name}.contoso.com"))
            .ok()
            .says("NXDOMAIN");
    }
}

fn n1(host: &Host) {
    reaches(host, "partner-pc", &["partnerweb"]);
    does_not_know(host, "partner-pc", &["intranet", "teams", "my", "admin"]);
}

fn n2(host: &Host) {
    reaches(host, "individual", &["partnerweb", "meet"]);
    does_not_know(host, "individual", &["intranet", "teams", "my", "admin"]);
}

fn n3(host: &Host) {
    reaches(host, "roaming", &["mail", "meet", "dial", "partnerweb"]);
    does_not_know(host, "roaming", &["intranet", "teams", "my", "admin"]);
}

fn n4(host: &Host) {
    let seven = [
        "intranet",
        "teams",
        "my",
        "partnerweb",
        "mail",
        "dial",
        "meet",
        "admin",
    ];
    reaches(host, "pc1", &seven);
    reaches(host, "admin-pc", &seven);
}

fn n5(host: &Host) {
    for folder in [
        "Autodiscover",
        "ecp",
        "EWS",
        "Microsoft-Server-ActiveSync",
        "OAB",
        "owa",
        "PowerShell",
    ] {
        let url = format!("https://mail.contoso.com/{folder}/");
        for node in ["pc1", "roaming"] {
            let path = host.header(node, &url, "tierlab-path");
            assert!(
                path.contains("cas") && path.contains("mbx"),
                "{url} from {node}: {path}"
            );
        }
    }
}

fn every_tier(host: &Host) {
    // A search goes from the front end through the application tier to a database.
    let url = "https://intranet.contoso.com/_api/search/query?querytext='plan'";
    let asked = format!("curl -sS --max-time 5 -o /dev/null --ntlm -u 'alice:Passw0rd!' \"{url}\"");
    let outcome = host.lab(&["trace", "--from", "pc1", "--json", "--", "sh", "-c", &asked]);
    let journey = outcome.ok().stdout;
    for tier in ["sp-fe", "sp-search", "sp-sql"] {
        assert!(
            journey.contains(&format!("\"node\": \"{tier}")),
            "{tier}: {journey}"
        );
    }
    let partner = host.http_status("partner-pc", "https://partnerweb.contoso.com/");
    assert_eq!(partner, "401", "who did not sign in");
    // Its packets crossed the routers: the rule that let them pass has counted.
    let counted = host.status()["rules"]["gateway"]["P6"]["packets"]
        .as_u64()
        .unwrap_or_default();
    assert!(counted > 0, "P6 at the gateway counted nothing");
}
