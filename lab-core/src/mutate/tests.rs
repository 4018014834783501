use std::collections::BTreeSet;

use super::{Fate, Mutated, Mutation, Report, explanation, mutations};
use crate::check::{Lab, load_text};
use crate::coverage::Subject;
use crate::plan::plan;
use crate::predict::Model;
use crate::service::Catalogue;

const LAB: &str = "
lab: small
domain: example
resolvers: [gateway]
segments:
  west: { prefix: 10.1.0.0/24 }
  east: { prefix: 10.2.0.0/24 }
nodes:
  gateway:
    router: true
    on: { west: .1, east: .1 }
    acl: gateway
    masquerade: { from: west, out: east }
  client: { on: { west: .10 } }
  web: { count: 2, on: { east: .11 } }
acls:
  gateway:
    - { id: W1, permit: [tcp/80, tcp/443], from: client, to: web }
    - { id: W2, permit: tcp/443, from: west, to: web1 }
    - { id: W9, drop: any }
balancers:
  four: { on: gateway, vip: 10.1.0.99, layer: 4, ports: [tcp/443], members: web, health: { port: 443 } }
dns:
  views: { all: { server: gateway, clients: any } }
  zones: [{ zone: example, view: all, records: { web1: web1, web2: web2, mail: { mx: [[10, web1.example.], [20, web2.example.]] } } }]
";

fn lab() -> Lab {
    let checked = load_text("lab.yaml", LAB, Catalogue::new(&[]));
    checked
        .lab
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

#[track_caller]
fn find(all: &[Mutation], beginning: &str, end: &str) -> Mutation {
    let mut found = all
        .iter()
        .filter(|one| one.id.starts_with(beginning) && one.id.ends_with(end));
    let ids: Vec<&str> = all.iter().map(|one| one.id.as_str()).collect();
    let one = found.next();
    one.unwrap_or_else(|| panic!("no {beginning}…{end} among {ids:#?}"))
        .clone()
}

#[track_caller]
fn explained(beginning: &str, end: &str) -> Option<String> {
    let lab = lab();
    let mutation = find(&mutations(&lab), beginning, end);
    let changed = mutation.apply(&lab);
    let catalogue = Catalogue::new(&[]);
    let (old, new) = (plan(&lab, catalogue), plan(&changed, catalogue));
    explanation(
        &mutation,
        &Model::new(&lab, &old),
        &Model::new(&changed, &new),
        catalogue,
    )
}

#[test]
fn each_changes_the_lab_and_has_an_id_of_its_own() {
    let lab = lab();
    let all = mutations(&lab);
    let ids: BTreeSet<&str> = all.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids.len(), all.len());
    for mutation in &all {
        assert_ne!(mutation.apply(&lab), lab, "{}", mutation.id);
    }
    assert_eq!(all, mutations(&lab));
    for beginning in [
        "acl/gateway/W1@",
        "nat/gateway/masquerade@",
        "member/four/web1/",
    ] {
        for end in ["/remove", "/reorder"] {
            if !(beginning.starts_with("nat") && end == "/reorder") {
                find(&all, beginning, end);
            }
        }
    }
}

#[test]
fn a_rule_is_widened_and_narrowed_in_each_of_its_conditions() {
    let lab = lab();
    let all = mutations(&lab);
    let rules = |id: &str| {
        let changed = find(&all, "acl/gateway/W1@", id).apply(&lab);
        changed.nodes["gateway"].acl.clone().expect("its ACL").rules
    };
    assert!(rules("/widen-traffic")[0].traffic.is_empty());
    assert!(rules("/widen-from")[0].from.is_empty());
    assert!(rules("/widen-to")[0].to.is_empty());
    assert_eq!(rules("/narrow-tcp/80")[0].traffic.len(), 1);
    assert_eq!(rules("/remove").len(), 1);
    assert_eq!(rules("/reorder")[1].id, "W1");
}

#[test]
fn what_another_rule_does_as_well_is_explained_by_it() {
    let why = explained("acl/gateway/W2@", "/remove").expect("W1 permits the same");
    // No other node than the client stands in the west.
    assert!(why.contains("W1") || why.contains("no node"), "{why}");
    let why = explained("acl/gateway/W1@", "/reorder").expect("both permit");
    assert!(why.contains("W2"), "{why}");
    let why = explained("acl/gateway/W1@", "/narrow-tcp/443");
    assert_eq!(why, None, "web2 is permitted by W1 alone");
}

#[test]
fn what_opens_or_closes_something_is_not_explained() {
    assert_eq!(explained("acl/gateway/W1@", "/remove"), None);
    assert_eq!(explained("acl/gateway/W1@", "/widen-traffic"), None);
    assert_eq!(explained("acl/gateway/W9@", "/widen"), None);
    assert_eq!(explained("nat/gateway/masquerade@", "/remove"), None);
    assert_eq!(explained("dns/all/web1.example/A/", "/remove"), None);
    assert_eq!(explained("member/four/web1", "/remove"), None);
}

#[test]
fn a_better_mail_exchanger_becomes_the_last_choice() {
    let lab = lab();
    let all = mutations(&lab);
    let changed = find(&all, "dns/all/mail.example/MX/10 ", "/reorder").apply(&lab);
    let zones = changed.zones.iter().flat_map(|zone| &zone.records);
    let ranks: Vec<String> = zones
        .filter(|one| one.name == "mail.example")
        .map(|one| crate::coverage::written(&one.data).1)
        .collect();
    assert_eq!(ranks, ["20 web2.example.", "30 web1.example."]);
}

#[test]
fn scenarios_that_use_what_is_changed_come_first_and_those_that_break_something_last() {
    let lab = lab();
    let mutation = find(&mutations(&lab), "member/four/web1", "/remove");
    let uses = BTreeSet::from([Subject::Member {
        pool: "four".into(),
        member: "web2".into(),
    }]);
    let mut report = Report::default();
    for (id, micros, used) in [
        ("quick", 1, BTreeSet::new()),
        ("uses", 9, uses.clone()),
        ("breaks", 2, uses),
        ("slow", 5, BTreeSet::new()),
    ] {
        report.scenarios.insert(id.into(), (micros, used));
    }
    let order = report.order(&mutation, &BTreeSet::from(["breaks".to_owned()]));
    assert_eq!(order, ["uses", "breaks", "quick", "slow"]);
    assert_eq!(report.count(Fate::Survived.word()), 0);
    // What noticed another change of the same thing likely notices this one.
    let known = Mutated {
        family: mutation.family,
        how: mutation.how,
        said: mutation.said.clone(),
        place: mutation.place.clone(),
        fate: Fate::Caught {
            by: "slow".into(),
            why: String::new(),
            after: 3,
        },
        micros: 1,
    };
    report.mutations.insert("another".into(), known);
    let order = report.order(&mutation, &BTreeSet::from(["breaks".to_owned()]));
    assert_eq!(order, ["uses", "breaks", "slow", "quick"]);
}
