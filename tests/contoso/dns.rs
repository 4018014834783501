//! D0 to D6: public and private DNS, asked with dig.

use crate::Looks;
use crate::support::Host;

pub const LOOKS: &[Looks] = &[
    ("d0_each_name_is_known_where_it_should_be", d0),
    ("d1_the_internet_has_public_addresses", d1),
    ("d2_the_intranet_has_the_vips_for_the_same_names", d2),
    ("d3_exchange_has_its_records", d3),
    ("d4_mail_goes_to_the_cloud_filter", d4),
    ("d5_ownership_and_federation_are_proved", d5),
    ("d6_lync_has_its_service_records", d6),
    ("dns_works_over_tcp_and_backwards", tcp_and_ptr),
];

pub const BREAKS: &[Looks] = &[("with_its_dns_stopped_a_name_does_not_resolve", stopped)];

const PUBLIC: [&str; 10] = [
    "mail",
    "autodiscover",
    "partnerweb",
    "meet",
    "dial",
    "lyncdiscover",
    "sip",
    "webconf",
    "av",
    "vpn",
];

fn d0(host: &Host) {
    for name in PUBLIC {
        assert!(
            !host
                .dig("individual", &format!("{name}.contoso.com"))
                .is_empty(),
            "{name}"
        );
    }
    for name in ["da", "crl"] {
        assert!(
            !host
                .dig("individual", &format!("{name}.contoso.com"))
                .is_empty(),
            "{name}"
        );
    }
    for name in ["intranet", "teams", "my", "admin", "lyncdiscoverinternal"] {
        assert!(
            !host.dig("pc1", &format!("{name}.contoso.com")).is_empty(),
            "{name} inside"
        );
        assert!(
            host.dig("individual", &format!("{name}.contoso.com"))
                .is_empty(),
            "{name} outside"
        );
    }
    assert!(!host.dig("pc1", "dc1.corp.contoso.com").is_empty());
    // Whatever is Contoso's asks inside, also from the perimeter.
    for node in ["gateway", "vpn", "directaccess", "lb", "edge", "core"] {
        assert_eq!(
            host.dig(node, "mail.contoso.com"),
            ["10.0.10.103"],
            "{node}"
        );
    }
}

fn d1(host: &Host) {
    for (name, address) in [
        ("mail", "203.0.113.70"),
        ("autodiscover", "203.0.113.70"),
        ("partnerweb", "203.0.113.71"),
        ("meet", "203.0.113.72"),
        ("dial", "203.0.113.72"),
        ("lyncdiscover", "203.0.113.72"),
        ("sip", "203.0.113.80"),
        ("webconf", "203.0.113.81"),
        ("av", "203.0.113.82"),
        ("vpn", "203.0.113.90"),
        ("da", "203.0.113.91"),
    ] {
        assert_eq!(
            host.dig("individual", &format!("{name}.contoso.com")),
            [address],
            "{name}"
        );
    }
}

fn d2(host: &Host) {
    for (name, address) in [
        ("partnerweb", "10.0.10.102"),
        ("intranet", "10.0.10.102"),
        ("teams", "10.0.10.102"),
        ("my", "10.0.10.102"),
        ("mail", "10.0.10.103"),
        ("autodiscover", "10.0.10.103"),
        ("sip", "10.0.10.101"),
        ("meet", "10.0.10.101"),
    ] {
        assert_eq!(
            host.dig("pc1", &format!("{name}.contoso.com")),
            [address],
            "{name}"
        );
    }
}

fn d3(host: &Host) {
    for name in ["mail", "autodiscover"] {
        assert!(
            !host
                .dig("roaming", &format!("{name}.contoso.com"))
                .is_empty()
        );
        assert!(!host.dig("pc1", &format!("{name}.contoso.com")).is_empty());
    }
    assert_eq!(host.dig("mailhost", "contoso.com MX").len(), 1);
}

fn d4(host: &Host) {
    let [mx] = &host.dig("mailhost", "contoso.com MX")[..] else {
        panic!("one MX")
    };
    let exchange = mx.split_whitespace().nth(1).expect("preference and host");
    let address = host.dig("mailhost", exchange);
    let eop = host.sh("eop", "ip -4 -o addr show internet").ok().stdout;
    assert!(
        eop.contains(&format!("inet {}/", address[0])),
        "{mx} leads to {address:?}, not to eop: {eop}"
    );
}

fn d5(host: &Host) {
    let texts = host.dig("mailhost", "contoso.com TXT");
    assert!(
        texts.iter().any(|text| text.contains("MS=")),
        "no proof of ownership in {texts:?}"
    );
    let federation = host.dig("mailhost", "exchangedelegation.contoso.com TXT");
    assert!(
        !texts.is_empty() && !federation.is_empty(),
        "no federated organisation identifier"
    );
}

fn d6(host: &Host) {
    for (name, port, target) in [
        ("_sipfederationtls._tcp", 5061, "sip.contoso.com."),
        ("_sip._tls", 443, "sip.contoso.com."),
        ("_xmpp-server._tcp", 5269, ""),
    ] {
        let [answer] = &host.dig("individual", &format!("{name}.contoso.com SRV"))[..] else {
            panic!("one SRV for {name}")
        };
        assert!(
            answer.contains(&format!(" {port} {target}")),
            "{name}: {answer}"
        );
    }
    let inside = host.dig("pc1", "_sipinternaltls._tcp.contoso.com SRV");
    assert_eq!(inside.len(), 1, "{inside:?}");
    assert!(inside[0].contains(" 5061 "), "{inside:?}");
    assert!(
        host.dig("individual", "_sipinternaltls._tcp.contoso.com SRV")
            .is_empty()
    );
    assert!(
        !host
            .dig("pc1", "lyncdiscoverinternal.contoso.com")
            .is_empty()
    );
}

fn tcp_and_ptr(host: &Host) {
    assert_eq!(host.dig("pc1", "+tcp mail.contoso.com"), ["10.0.10.103"]);
    let address = host.dig("pc1", "dc1.corp.contoso.com");
    assert_eq!(
        host.dig("pc1", &format!("-x {}", address[0])),
        ["dc1.corp.contoso.com."]
    );
    // Names of the Internet, asked inside, are forwarded.
    assert!(!host.dig("pc1", "www.example").is_empty());
}

fn stopped(host: &Host) {
    host.exec("pc1", &["getent", "hosts", "intranet.contoso.com"])
        .ok();
    host.lab(&["fault", "stop", "dc1", "dns"]).ok();
    host.exec("pc1", &["getent", "hosts", "intranet.contoso.com"])
        .fails_with(2);
    for node in ["pc1", "lb", "sp-fe1"] {
        let hosts = host.exec(node, &["cat", "/etc/hosts"]).ok().stdout;
        let others = hosts
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
            .filter(|line| {
                !line.contains("localhost") && !line.contains("ip6-") && !line.contains(node)
            });
        assert_eq!(
            others.count(),
            0,
            "{node} knows others without DNS: {hosts}"
        );
    }
    host.lab(&["heal"]).ok();
    host.exec("pc1", &["getent", "hosts", "intranet.contoso.com"])
        .ok();
}
