//! X1, X2, X3 and X10: what must not work.

use crate::Looks;
use crate::support::Host;

pub const LOOKS: &[Looks] = &[
    ("x1_a_port_in_no_table_is_closed_from_the_internet", x1),
    ("x2_the_perimeter_does_not_reach_the_database_tier", x2),
    ("x3_admin_is_out_of_reach_by_name_and_by_address", x3),
    ("x10_inside_names_are_not_known_outside", x10),
];

fn closed(host: &Host, node: &str, address: &str, port: u16) -> bool {
    host.sh(node, &format!("nc -z -w 1 {address} {port}"))
        .status
        != 0
}

fn x1(host: &Host) {
    // What is open shows that the tool can tell.
    assert!(
        !closed(host, "individual", "203.0.113.70", 443),
        "P7 is closed"
    );
    for (address, port) in [
        ("203.0.113.70", 22),
        ("203.0.113.70", 80),
        ("203.0.113.70", 3389),
        ("203.0.113.70", 25),
        ("203.0.113.71", 445),
        ("203.0.113.72", 8080),
        ("203.0.113.80", 22),
        ("203.0.113.90", 22),
        ("203.0.113.2", 22),
        ("203.0.113.65", 443),
        ("203.0.113.66", 443),
    ] {
        assert!(
            closed(host, "individual", address, port),
            "{address}:{port} is open"
        );
    }
}

fn x2(host: &Host) {
    // Where it is let in, the port is open.
    assert!(
        !closed(host, "sp-search1", "sp-sql1.corp.contoso.com", 1433),
        "T6 is closed"
    );
    for node in ["edge", "lb", "vpn", "directaccess", "individual"] {
        let database = host.sh("sp-sql1", "hostname -I").ok().stdout;
        let address = database
            .split_whitespace()
            .next()
            .expect("an address")
            .to_owned();
        assert!(
            closed(host, node, &address, 1433),
            "{node} reaches {address}:1433"
        );
        assert!(
            closed(host, node, "10.0.40.11", 443),
            "{node} reaches the database tier on 443"
        );
    }
}

fn x3(host: &Host) {
    assert_eq!(
        host.http_status_as("adam", "pc1", "https://admin.contoso.com/"),
        "200"
    );
    for node in ["individual", "partner-pc", "roaming"] {
        assert!(
            host.dig(node, "admin.contoso.com").is_empty(),
            "{node} knows admin"
        );
        for address in [
            "203.0.113.70",
            "203.0.113.71",
            "203.0.113.72",
            "10.0.10.102",
        ] {
            let line = format!(
                "curl -s --max-time 3 -o /dev/null -w '%{{http_code}}' --connect-to admin.contoso.com:443:{address}:443 \
                 https://admin.contoso.com/ || true"
            );
            let status = host.sh(node, &line).stdout;
            assert_ne!(status, "200", "{node} reaches admin by {address}");
        }
    }
}

fn x10(host: &Host) {
    let server = host.sh("dns-internet", "hostname -I").ok().stdout;
    let server = server
        .split_whitespace()
        .next()
        .expect("an address")
        .to_owned();
    for name in [
        "intranet.contoso.com",
        "teams.contoso.com",
        "my.contoso.com",
        "admin.contoso.com",
        "lyncdiscoverinternal.contoso.com",
        "_sipinternaltls._tcp.contoso.com",
        "dc1.corp.contoso.com",
        "corp.contoso.com",
    ] {
        // Asked from outside and from inside: the Internet's server does not know.
        for node in ["individual", "dc1"] {
            host.sh(node, &format!("dig +noall +comments @{server} {name} ANY"))
                .ok()
                .says("NXDOMAIN");
        }
    }
}
