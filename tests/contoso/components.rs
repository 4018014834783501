//! C1 to C11: what the network consists of.

use crate::Looks;
use crate::support::Host;

pub const LOOKS: &[Looks] = &[
    ("c1_four_kinds_of_users_reach_what_is_theirs", c1),
    ("c2_the_internet_side_answers", c2),
    ("c3_the_gateway_drops_and_counts", c3),
    ("c4_the_perimeter_stands_on_its_segment", c4),
    ("c5_one_device_has_three_vips", c5),
    ("c6_to_c9_the_farms_have_their_sizes", c6_to_c9),
    ("c10_tiers_are_segments_of_their_own", c10),
    ("c11_the_enterprise_ca_is_trusted_by_stock_tools", c11),
];

fn addresses(host: &Host, node: &str) -> String {
    host.exec(node, &["ip", "-4", "-o", "addr"]).ok().stdout
}

#[track_caller]
fn stands_at(host: &Host, node: &str, address: &str) {
    let have = addresses(host, node);
    assert!(
        have.contains(&format!("inet {address}")),
        "{node} lacks {address}: {have}"
    );
}

fn c1(host: &Host) {
    for (node, url) in [
        ("individual", "https://meet.contoso.com/"),
        ("roaming", "https://mail.contoso.com/"),
    ] {
        assert_eq!(host.http_status(node, url), "200", "{url} from {node}");
    }
    let intranet = "https://intranet.contoso.com/";
    assert_eq!(host.http_status_as("alice", "pc1", intranet), "200");
    // Who has no account is asked to sign in (F2, F7).
    for node in ["partner-pc", "individual"] {
        let url = "https://partnerweb.contoso.com/";
        assert_eq!(host.http_status(node, url), "401", "{url} from {node}");
    }
}

fn c2(host: &Host) {
    let known = host.status()["nodes"].clone();
    for node in [
        "dns-internet",
        "eop",
        "mailhost",
        "spammer",
        "skype",
        "aol",
        "xmpp-partner",
        "rogue-idp",
        "www",
        "partner-mail",
        "partner-idp",
        "partner-edge",
    ] {
        assert_eq!(known[node]["running"], true, "{node}");
    }
    assert_eq!(
        host.http_status("individual", "https://www.example/"),
        "200"
    );
}

fn c3(host: &Host) {
    let before = host.status()["rules"]["gateway"]["P12"]["packets"]
        .as_u64()
        .expect("P12 is counted");
    host.sh("individual", "nc -z -w 1 203.0.113.80 22")
        .fails_with(1);
    let after = host.status()["rules"]["gateway"]["P12"]["packets"]
        .as_u64()
        .expect("P12 is counted");
    assert!(after > before, "P12 counted {before}, then {after}");
    let shown = host.lab(&["status"]).ok();
    assert!(
        shown
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with("P12 ") && line.contains("dropped")),
        "{shown}"
    );
}

fn c4(host: &Host) {
    for (node, address) in [
        ("edge", "203.0.113.80/26"),
        ("edge", "203.0.113.81/26"),
        ("edge", "203.0.113.82/26"),
        ("edge", "10.0.10.30/24"),
        ("vpn", "203.0.113.90/26"),
        ("directaccess", "203.0.113.91/26"),
        ("lb", "203.0.113.70/26"),
        ("gateway", "203.0.113.65/26"),
        ("core", "203.0.113.66/26"),
    ] {
        stands_at(host, node, address);
    }
}

fn c5(host: &Host) {
    for vip in ["10.0.10.101/24", "10.0.10.102/24", "10.0.10.103/24"] {
        stands_at(host, "lb", vip);
    }
}

fn c6_to_c9(host: &Host) {
    let nodes = host.status()["nodes"].clone();
    let nodes = nodes.as_object().expect("nodes");
    for (group, count) in [
        ("lync-fe", 2),
        ("lync-be", 3),
        ("sp-fe", 3),
        ("sp-search", 3),
        ("sp-batch", 3),
        ("sp-sql", 3),
        ("cas", 2),
        ("mbx", 2),
        ("wac", 2),
    ] {
        let found = nodes
            .keys()
            .filter(|name| {
                name.strip_prefix(group)
                    .is_some_and(|rest| rest.parse::<u8>().is_ok())
            })
            .count();
        assert_eq!(found, count, "{group}");
    }
}

fn c10(host: &Host) {
    for (node, prefix) in [
        ("sp-fe1", "10.0.20."),
        ("cas1", "10.0.20."),
        ("lync-fe1", "10.0.20."),
        ("wac1", "10.0.20."),
        ("sp-search1", "10.0.30."),
        ("sp-batch1", "10.0.30."),
        ("sp-sql1", "10.0.40."),
        ("lync-be1", "10.0.40."),
        ("mbx1", "10.0.40."),
        ("dc1", "10.0.50."),
        ("ca1", "10.0.50."),
        ("pc1", "10.0.60."),
        ("admin-pc", "10.0.60."),
    ] {
        let have = addresses(host, node);
        assert!(
            have.contains(&format!("inet {prefix}")),
            "{node} is not on {prefix}0/24: {have}"
        );
    }
}

fn c11(host: &Host) {
    // Three tools, three ways of looking for trusted roots.
    host.exec(
        "pc1",
        &[
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "https://intranet.contoso.com/",
        ],
    )
    .ok();
    let ask = "openssl s_client -brief -verify_return_error -verify_hostname mail.contoso.com \
               -connect mail.contoso.com:443 </dev/null";
    host.sh("roaming", ask).ok().complains("Verification: OK");
    let python = "import urllib.request as u; print(u.urlopen('https://meet.contoso.com/').status)";
    host.sh(
        "individual",
        &format!("unset SSL_CERT_FILE; /usr/bin/python3 -c \"{python}\""),
    )
    .ok()
    .says("200");
    // Taken away, verification fails: it is this root that is trusted.
    let blind = "env -u SSL_CERT_FILE -u CURL_CA_BUNDLE curl -s --cacert /dev/null -o /dev/null https://intranet.contoso.com/";
    let outcome = host.sh("pc1", blind);
    assert!(matches!(outcome.status, 60 | 77), "{outcome}");
}
