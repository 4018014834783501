//! From a lab to what the services need.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use lab_core::check::{
    Affinity, Attachment, Balancer, BalancerMode, HealthCheck, Lab, Limits, LinkProperties, Member,
    Node, Pool, Restart, Segment, ServiceUse, Site, Spread, Traffic,
};
use lab_core::model::Place;
use lab_core::service::{OptionError, Setup, SetupRequest};
use lab_nodes::CATALOGUE;
use serde_json::{Value, json};

/// fe1 → search1, search2 → sql1, with a balancer on lb.
fn lab() -> Lab {
    let mut lab = Lab {
        name: "test".into(),
        title: None,
        hints: vec![],
        segments: BTreeMap::new(),
        address_pools: BTreeMap::new(),
        nodes: BTreeMap::new(),
        groups: BTreeMap::new(),
        views: BTreeMap::new(),
        zones: vec![],
        balancers: BTreeMap::new(),
        directory: None,
        published: None,
    };
    let segment = Segment {
        name: "lan".into(),
        prefixes: vec!["10.0.0.0/24".parse().unwrap()],
        zone: None,
        tier: Some("database".into()),
        mtu: 1500,
        place: Place::default(),
    };
    lab.segments.insert("lan".into(), segment);
    add(
        &mut lab,
        "fe1",
        "fe",
        11,
        Some(json!({ "names": ["www.example"], "asks": ["search"] })),
    );
    let search = json!({ "asks": ["sql"], "tier": "SharePoint search", "port": 8443 });
    add(&mut lab, "search1", "search", 21, Some(search.clone()));
    add(&mut lab, "search2", "search", 22, Some(search));
    add(&mut lab, "sql1", "sql", 31, Some(json!({})));
    add(&mut lab, "lb", "lb", 41, None);
    lab
}

fn add(lab: &mut Lab, name: &str, group: &str, last: u8, web: Option<Value>) {
    let service = |options| ServiceUse {
        name: "tier-web".into(),
        service: "tier-web".into(),
        options,
        restart: Restart::Always,
        place: Place::default(),
        option_places: BTreeMap::new(),
    };
    let attachment = Attachment {
        segment: "lan".into(),
        addresses: vec![format!("10.0.0.{last}/24").parse().unwrap()],
        link: LinkProperties::default(),
        place: Place::default(),
    };
    let node = Node {
        name: name.into(),
        group: group.into(),
        router: false,
        fqdn: format!("{name}.corp.example"),
        names: BTreeMap::new(),
        aliases: vec![],
        attachments: vec![attachment],
        routes: vec![],
        acl: None,
        nat: vec![],
        resolvers: vec![],
        search: None,
        services: web.map(service).into_iter().collect(),
        programs: vec![],
        files: vec![],
        certificates: vec![],
        env: BTreeMap::new(),
        limits: Limits::default(),
        place: Place::default(),
    };
    lab.groups
        .entry(group.into())
        .or_default()
        .push(name.into());
    lab.nodes.insert(name.into(), node);
}

fn setup(lab: &Lab, service: &str, node: &str, options: &Value) -> Result<Setup, Vec<OptionError>> {
    let service = CATALOGUE.get(service).expect("a service of the catalogue");
    service.setup(&SetupRequest {
        options,
        node: &lab.nodes[node],
        lab,
    })
}

fn of(lab: &Lab, node: &str) -> Setup {
    setup(lab, "tier-web", node, &lab.nodes[node].services[0].options).unwrap()
}

fn pointers(result: Result<Setup, Vec<OptionError>>) -> Vec<String> {
    result
        .expect_err("mistakes")
        .into_iter()
        .map(|mistake| mistake.pointer)
        .collect()
}

#[test]
fn a_front_end_knows_the_tier_it_asks() {
    let setup = of(&lab(), "fe1");
    assert_eq!(
        setup.settings["only-from"],
        Value::Null,
        "it has names: everybody may come"
    );
    let ask = &setup.settings["asks"][0];
    assert_eq!(ask["tier"], "SharePoint search");
    assert_eq!(ask["port"], 8443);
    assert_eq!(ask["patience"]["secs"], 2, "a second for each tier below");
    let peers: Vec<&str> = setup.peers["search"]
        .iter()
        .map(|peer| peer.node.as_str())
        .collect();
    assert_eq!(peers, ["search1", "search2"]);
    assert_eq!(
        setup.certificates[0].names,
        ["www.example", "fe1.corp.example"]
    );
    assert_eq!(
        setup.certificates[0].addresses,
        ["10.0.0.11".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(
        (setup.listens[0].name.as_str(), setup.listens[0].port),
        ("https", 443)
    );
}

#[test]
fn a_back_end_knows_who_may_ask_it() {
    let setup = of(&lab(), "sql1");
    let askers = json!(["search1.corp.example", "search2.corp.example"]);
    assert_eq!(setup.settings["only-from"], askers);
    assert_eq!(setup.settings["tier"], "database", "that of its segment");
}

#[test]
fn every_mistake_in_the_options_is_found_where_it_stands() {
    let lab = lab();
    let tier = |options| pointers(setup(&lab, "tier-web", "fe1", &options));
    assert_eq!(tier(json!({ "port": "x", "prot": 1 })), ["/port", "/prot"]);
    assert_eq!(
        tier(json!({ "names": ["a.example", "no name"] })),
        ["/names/1"]
    );
    assert_eq!(
        tier(json!({ "asks": ["sql", "nobody", "lb"] })),
        ["/asks/1", "/asks/2"]
    );
    assert_eq!(
        tier(json!({ "plain": 80 })),
        ["/plain"],
        "peers cannot be told without TLS"
    );
    let circle = setup(&lab, "tier-web", "sql1", &json!({ "asks": ["search"] }));
    assert_eq!(pointers(circle), ["/asks/0"], "search asks sql");
    assert_eq!(
        pointers(setup(&lab, "balancer", "lb", &json!({}))),
        [""],
        "no VIP is on lb"
    );
}

#[test]
fn a_balancer_listens_on_its_layer_7_vips_only() {
    let mut lab = lab();
    let member = Member {
        name: "fe1".into(),
        fqdn: "fe1.corp.example".into(),
        address: "10.0.0.11".parse().unwrap(),
        port: 443,
    };
    let time = Duration::from_millis(200);
    let health = HealthCheck {
        port: 443,
        path: None,
        every: time,
        timeout: time,
    };
    let pool = Pool {
        members: vec![member],
        spread: Spread::RoundRobin,
        health,
    };
    let site = |host: &str, plain| Site {
        hosts: vec![host.into()],
        paths: vec![],
        plain,
        pool: pool.clone(),
        affinity: Affinity::None,
        place: Place::default(),
    };
    let sites = vec![site("Www.example", Some(80)), site("b.example", None)];
    let modes = [
        (
            "web",
            "10.0.0.101",
            BalancerMode::Layer7 {
                port: 443,
                tls: true,
                sites,
            },
        ),
        (
            "mail",
            "10.0.0.102",
            BalancerMode::Layer4 {
                ports: vec![Traffic::Tcp(25..=25)],
                pool: pool.clone(),
            },
        ),
    ];
    for (name, vip, mode) in modes {
        let vips = vec![vip.parse().unwrap()];
        let balancer = Balancer {
            name: name.into(),
            node: "lb".into(),
            vips,
            mode,
            place: Place::default(),
        };
        lab.balancers.insert(name.into(), balancer);
    }
    let setup = setup(&lab, "balancer", "lb", &json!({})).unwrap();
    let listens: Vec<(String, String, u16)> = setup
        .listens
        .iter()
        .map(|listen| {
            (
                listen.name.clone(),
                listen.address.unwrap().to_string(),
                listen.port,
            )
        })
        .collect();
    let at = |name: &str, port| (name.to_owned(), "10.0.0.101".to_owned(), port);
    assert_eq!(listens, [at("l7-web", 443), at("l7-web-plain", 80)]);
    assert_eq!(setup.certificates.len(), 1);
    assert_eq!(setup.certificates[0].id, "web");
    assert_eq!(setup.certificates[0].names, ["www.example", "b.example"]);
    // Members learn from it that the balancer may come.
    let askers = of(&lab, "sql1").settings["only-from"].clone();
    assert!(
        !askers
            .as_array()
            .unwrap()
            .contains(&json!("lb.corp.example"))
    );
    lab.nodes.get_mut("fe1").unwrap().services[0].options = json!({});
    assert_eq!(
        of(&lab, "fe1").settings["only-from"],
        json!(["lb.corp.example"])
    );
}
