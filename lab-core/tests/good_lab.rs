//! A lab file without mistakes becomes the lab it describes.

mod fake;

use std::path::PathBuf;
use std::time::Duration;

use lab_core::check::{
    BalancerMode, Lab, Nat, ProgramHealth, RecordData, Restart, Source, Traffic, load,
};

fn labs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/labs")
}

fn good() -> Lab {
    let source = Source::File {
        path: labs().join("good.yaml"),
        overlays: Vec::new(),
    };
    let checked = load(&source, fake::CATALOGUE);
    assert_eq!(
        checked.diagnostics,
        [],
        "a good lab has nothing to complain about"
    );
    checked.lab.expect("a lab")
}

fn addresses(lab: &Lab, node: &str) -> Vec<String> {
    let legs = lab.nodes[node].attachments.iter();
    legs.flat_map(|leg| leg.addresses.iter().map(ToString::to_string))
        .collect()
}

#[test]
fn addresses_are_those_written_then_those_free() {
    let lab = good();
    assert_eq!(
        addresses(&lab, "gateway"),
        ["203.0.113.2/30", "203.0.113.65/26"]
    );
    assert_eq!(addresses(&lab, "web2"), ["10.0.20.32/24"]);
    assert_eq!(addresses(&lab, "db2"), ["10.0.20.51/24"]);
    // Two families on the segment: derived nodes get both.
    assert_eq!(addresses(&lab, "dns"), ["10.0.20.11/24", "fd00:20::11/64"]);
    assert_eq!(addresses(&lab, "pc"), ["10.0.20.12/24", "fd00:20::12/64"]);
    // The VIP that the node did not have yet comes last.
    let lb = ["203.0.113.70/26", "203.0.113.71/26", "203.0.113.80/26"];
    assert_eq!(addresses(&lab, "lb"), lb);
    assert_eq!(lab.nodes["lb"].names["www"].to_string(), "203.0.113.71");
    assert_eq!(lab.groups["web"], ["web1", "web2"]);
    assert_eq!(lab.groups["pc"], ["pc"]);
    assert_eq!(lab.segments["perimeter"].mtu, 9000);
    assert_eq!(
        lab.segments["inside"].prefixes[0].to_string(),
        "10.0.20.0/24"
    );
}

#[test]
fn routes_are_resolved_and_the_default_derived() {
    let lab = good();
    let routes = |node: &str| -> Vec<String> {
        let routes = lab.nodes[node].routes.iter();
        routes
            .map(|r| format!("{} {} {} {}", r.to, r.via, r.via_node, r.derived))
            .collect()
    };
    assert_eq!(
        routes("gateway"),
        [
            "0.0.0.0/0 203.0.113.1 isp false",
            "10.0.20.0/24 203.0.113.66 core false",
            "10.0.200.0/24 203.0.113.66 core false",
        ]
    );
    assert_eq!(routes("core"), ["0.0.0.0/0 203.0.113.65 gateway false"]);
    assert_eq!(
        routes("pc"),
        ["0.0.0.0/0 10.0.20.1 core true", "::/0 fd00:20::1 core true"]
    );
    assert_eq!(routes("web1"), ["0.0.0.0/0 10.0.20.1 core true"]);
}

#[test]
fn rules_and_translations_carry_prefixes() {
    let lab = good();
    let gateway = &lab.nodes["gateway"];
    let acl = gateway.acl.as_ref().expect("an ACL");
    assert_eq!(acl.rules.len(), 2);
    assert_eq!(
        (acl.default.id.as_str(), acl.default.permit),
        ("P12", false)
    );
    let p1 = &acl.rules[0];
    let to: Vec<_> = p1.to.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["203.0.113.71/32", "10.0.20.31/32", "10.0.20.32/32"]);
    assert_eq!(p1.traffic[2], Traffic::Tcp(50000..=59999));
    assert_eq!(p1.place.line, 52);
    assert!(
        p1.place.file.ends_with("tests/labs/good.yaml"),
        "{}",
        p1.place.file
    );
    assert_eq!(acl.rules[1].traffic, [Traffic::IcmpErrors]);
    let Nat::Masquerade { from, outbound, .. } = &gateway.nat[0] else {
        panic!("masquerade")
    };
    assert_eq!((from.len(), outbound.as_str()), (3, "wan"));
    let Nat::Forward {
        traffic, to, port, ..
    } = &gateway.nat[1]
    else {
        panic!("forward")
    };
    assert_eq!((traffic, port), (&Traffic::Tcp(8080..=8080), &Some(80)));
    assert_eq!(to.to_string(), "203.0.113.71");
}

#[test]
fn what_runs_on_a_node_is_read() {
    let lab = good();
    let pc = &lab.nodes["pc"];
    assert_eq!(pc.fqdn, "pc.corp.example.com");
    assert_eq!(pc.env["ANSWER"], ".10");
    assert_eq!(pc.env["SWITCH"], "on");
    assert_eq!(pc.programs[0].name, "nginx");
    assert_eq!(
        pc.programs[0].argv,
        ["/usr/sbin/nginx", "-g", "daemon off;"]
    );
    let health = ProgramHealth::Http {
        port: 80,
        path: "/".into(),
    };
    assert_eq!(pc.programs[0].health, Some(health));
    let files: Vec<_> = pc
        .files
        .iter()
        .map(|f| (&*f.path, &*f.content, f.mode))
        .collect();
    let note: (&str, &[u8], u32) = ("/run/home/note", b"a note\n", 0o600);
    assert!(lab.zones[0].place.file.ends_with("tests/labs/names.yaml"));
    assert_eq!(files, [("/etc/motd", b"Hello".as_slice(), 0o644), note]);
    let link = &pc.attachments[0].link;
    assert_eq!(
        (link.mtu, link.rate, link.loss_ppm),
        (Some(1400), Some(10_000_000), Some(1000))
    );
    assert_eq!(link.delay, Some(Duration::from_millis(20)));
    let resolvers: Vec<_> = pc.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(resolvers, ["10.0.20.11"]);
    let second = &lab.nodes["web1"].services[1];
    assert_eq!((&*second.name, &*second.service), ("second", "echo"));
    assert_eq!(second.restart, Restart::OnFailure);
    assert_eq!(
        second.options,
        serde_json::json!({ "port": 8007, "asks": ["dns"] })
    );
    assert_eq!(
        lab.nodes["dns"].services[0].options,
        serde_json::json!({ "port": 53 })
    );
    assert_eq!(lab.nodes["web1"].limits.memory, Some(256 << 20));
    let directory = lab.directory.expect("a directory");
    assert_eq!(directory.realm, "CORP.EXAMPLE.COM");
    assert_eq!(directory.users["alice"].mailbox.as_deref(), Some("db1"));
}

#[test]
fn balancers_know_their_members() {
    let lab = good();
    let BalancerMode::Layer7 { port, tls, sites } = &lab.balancers["site"].mode else {
        panic!("layer 7")
    };
    assert_eq!((*port, *tls, sites[0].plain), (443, true, Some(80)));
    let members: Vec<_> = sites[0]
        .pool
        .members
        .iter()
        .map(|m| (&*m.fqdn, m.port))
        .collect();
    assert_eq!(
        members,
        [
            ("web1.corp.example.com", 8443),
            ("web2.corp.example.com", 8443)
        ]
    );
    assert_eq!(sites[0].pool.health.port, 8443);
    assert_eq!(sites[0].pool.health.timeout, Duration::from_millis(500));
    let BalancerMode::Layer4 { pool, .. } = &lab.balancers["mail"].mode else {
        panic!("layer 4")
    };
    assert_eq!(pool.members[1].name, "site");
    assert_eq!(pool.members[1].address.to_string(), "203.0.113.80");
    assert_eq!(pool.members[1].fqdn, "www.example.com");
    assert_eq!(
        (pool.health.port, pool.health.every),
        (25, Duration::from_secs(1))
    );
}

#[test]
fn zones_differ_by_view_and_reverse_zones_follow() {
    let lab = good();
    let find = |view: &str, origin: &str, name: &str| -> Vec<RecordData> {
        let zone = lab
            .zones
            .iter()
            .find(|z| z.view == view && z.origin == origin);
        let zone = zone.unwrap_or_else(|| panic!("no {origin} in {view}"));
        zone.records
            .iter()
            .filter(|r| r.name == name)
            .map(|r| r.data.clone())
            .collect()
    };
    let address = |text: &str| RecordData::Address(text.parse().expect("address"));
    assert_eq!(
        find("public", "example.com", "www.example.com"),
        [address("203.0.113.80")]
    );
    assert_eq!(
        find("intranet", "example.com", "www.example.com"),
        [address("10.0.20.31"), address("10.0.20.32")]
    );
    assert_eq!(find("intranet", "example.com", "old.example.com"), []);
    assert_eq!(
        find("public", "example.com", "old.example.com"),
        [RecordData::Cname("www.example.com".into())]
    );
    let apex = find("intranet", "example.com", "example.com");
    let mx = RecordData::Mx {
        preference: 10,
        exchange: "mail.example.com".into(),
    };
    assert!(apex.contains(&mx), "{apex:?}");
    assert!(
        apex.contains(&RecordData::Ns("dns.corp.example.com".into())),
        "{apex:?}"
    );
    assert_eq!(
        find("intranet", "corp.example.com", "dns.corp.example.com"),
        [address("10.0.20.11"), address("fd00:20::11")]
    );
    // A node's own name comes before the other names of its address.
    assert_eq!(
        find(
            "intranet",
            "20.0.10.in-addr.arpa",
            "31.20.0.10.in-addr.arpa"
        ),
        [RecordData::Ptr("web1.corp.example.com".into())]
    );
    assert_eq!(
        find(
            "public",
            "113.0.203.in-addr.arpa",
            "80.113.0.203.in-addr.arpa"
        ),
        [RecordData::Ptr("www.example.com".into())]
    );
    assert!(lab.views["public"].clients.is_empty());
    assert_eq!(lab.views["intranet"].clients.len(), 3);
}

#[test]
fn an_overlay_replaces_key_by_key_and_null_removes() {
    let path = labs().join("good.yaml");
    let overlays = vec![labs().join("overlay.yaml")];
    let checked = load(&Source::File { path, overlays }, fake::CATALOGUE);
    assert_eq!(checked.diagnostics, []);
    let lab = checked.lab.expect("a lab");
    assert_eq!(lab.name, "other");
    assert!(!lab.nodes.contains_key("db1"));
    assert_eq!(addresses(&lab, "web3"), ["10.0.20.33/24"]);
    assert_eq!(lab.nodes["web3"].limits.memory, None);
    assert_eq!(lab.nodes["web3"].limits.processes, Some(64));
}

#[test]
fn an_embedded_lab_reads_as_a_folder_does() {
    static FILES: &[(&str, &str)] = &[
        ("good.yaml", include_str!("labs/good.yaml")),
        ("names.yaml", include_str!("labs/names.yaml")),
        ("note.txt", include_str!("labs/note.txt")),
    ];
    let checked = load(
        &Source::Embedded {
            name: "good.yaml",
            files: FILES,
        },
        fake::CATALOGUE,
    );
    assert_eq!(checked.diagnostics, []);
    let mut lab = checked.lab.expect("a lab");
    // Only the name of the file differs: it is as the user wrote it.
    let mut folder = good();
    assert_eq!(
        lab.nodes.keys().collect::<Vec<_>>(),
        folder.nodes.keys().collect::<Vec<_>>()
    );
    let (lab, folder) = (lab.nodes.remove("pc"), folder.nodes.remove("pc"));
    let content =
        |node: Option<lab_core::check::Node>| node.map(|node| node.files[1].content.clone());
    assert_eq!(content(lab), content(folder));
}
