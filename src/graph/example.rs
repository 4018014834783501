//! A small lab for tests: a home, the Internet, a perimeter with a balancer, two tiers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lab_core::check::Limits;
use lab_core::model::Place;
use lab_core::plan::{LinkPlan, NodePlan, Plan, Ruleset, SegmentPlan, VipPlan};

fn segment(prefix: &str, zone: &str, tier: Option<&str>) -> SegmentPlan {
    SegmentPlan {
        bridge: String::new(),
        prefixes: vec![prefix.parse().expect("a prefix")],
        mtu: 1500,
        zone: Some(zone.into()),
        tier: tier.map(Into::into),
    }
}

fn node(name: &str, router: bool, on: &[(&str, &[&str])]) -> (String, NodePlan) {
    let link = |(segment, addresses): &(&str, &[&str])| LinkPlan {
        segment: (*segment).into(),
        interface: (*segment).into(),
        port: String::new(),
        mac: String::new(),
        addresses: addresses
            .iter()
            .map(|address| format!("{address}/24").parse().expect("an address"))
            .collect(),
        mtu: 1500,
        rate: None,
        delay: None,
        loss_ppm: None,
        up: true,
        neighbours: Vec::new(),
    };
    let plan = NodePlan {
        name: name.into(),
        group: name.trim_end_matches(char::is_numeric).into(),
        fqdn: format!("{name}.example"),
        router,
        running: true,
        links: on.iter().map(link).collect(),
        routes: Vec::new(),
        sysctls: BTreeMap::new(),
        rules: Ruleset::default(),
        files: Vec::new(),
        certificates: Vec::new(),
        user_certificates: Vec::new(),
        revoked: std::collections::BTreeSet::new(),
        authority: false,
        secrets: Vec::new(),
        store: 0,
        processes: Vec::new(),
        env: BTreeMap::new(),
        limits: Limits::default(),
        place: Place::default(),
    };
    (name.into(), plan)
}

/// The lab.
pub fn plan() -> Plan {
    Plan {
        lab: "shop".into(),
        title: Some("A shop & its <customers>".into()),
        hints: Vec::new(),
        published: None,
        segments: BTreeMap::from([
            ("home".into(), segment("192.168.1.0/24", "home", None)),
            (
                "internet".into(),
                segment("198.51.100.0/24", "internet", None),
            ),
            (
                "perimeter".into(),
                segment("203.0.113.0/24", "perimeter", None),
            ),
            (
                "frontend".into(),
                segment("10.0.20.0/24", "intranet", Some("front end")),
            ),
            (
                "database".into(),
                segment("10.0.40.0/24", "intranet", Some("database")),
            ),
        ]),
        nodes: BTreeMap::from([
            node("customer", false, &[("home", &["192.168.1.20"])]),
            node(
                "home-router",
                true,
                &[("home", &["192.168.1.1"]), ("internet", &["198.51.100.77"])],
            ),
            node("www", false, &[("internet", &["198.51.100.80"])]),
            node(
                "gateway",
                true,
                &[
                    ("internet", &["198.51.100.2"]),
                    ("perimeter", &["203.0.113.1"]),
                ],
            ),
            node(
                "lb",
                false,
                &[
                    ("perimeter", &["203.0.113.70", "203.0.113.71"]),
                    ("frontend", &["10.0.20.10"]),
                ],
            ),
            node(
                "core",
                true,
                &[
                    ("perimeter", &["203.0.113.66"]),
                    ("frontend", &["10.0.20.1"]),
                    ("database", &["10.0.40.1"]),
                ],
            ),
            node("web1", false, &[("frontend", &["10.0.20.31"])]),
            node("web2", false, &[("frontend", &["10.0.20.32"])]),
            node("db", false, &[("database", &["10.0.40.11"])]),
        ]),
        notes: BTreeMap::new(),
        vips: BTreeMap::from([(
            "shop".into(),
            VipPlan {
                node: "lb".into(),
                addresses: vec![IpAddr::from([203, 0, 113, 71])],
                layer: 7,
                ports: vec!["tcp/443".into()],
                members: vec!["web1".into(), "web2".into()],
                hosts: vec!["shop.example".into()],
            },
        )]),
    }
}
