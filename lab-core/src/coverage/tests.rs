use std::collections::BTreeSet;

use super::{Coverage, Kind, Subject};
use crate::check::load_text;
use crate::observe::{
    Decision, Deed, End, Flow, Handling, Hop, Journey, Translation, Tuple, Verdict,
};
use crate::plan::plan;
use crate::service::Catalogue;

const LAB: &str = "
lab: small
domain: example
segments:
  west: { prefix: 10.1.0.0/24 }
  east: { prefix: 10.2.0.0/24 }
nodes:
  gateway: { router: true, on: { west: .1, east: .1 }, acl: gateway }
  client: { on: { west: .10 } }
  web: { count: 2, on: { east: .11 } }
acls:
  gateway:
    - { id: W1, permit: tcp/443, from: client, to: web }
    - { id: W9, drop: any }
balancers:
  four: { on: gateway, vip: 10.1.0.99, layer: 4, ports: [tcp/443], members: web, health: { port: 443 } }
dns:
  views: { all: { server: gateway, clients: any } }
  zones: [{ zone: example, view: all, records: { www: { cname: web1 }, web1: web1 } }]
";

fn tuple(from: &str, to: &str) -> Tuple {
    let parse = |text: &str| text.parse().expect("an address and a port");
    Tuple::new(6, parse(from), parse(to))
}

fn whole() -> Coverage {
    let checked = load_text("lab.yaml", LAB, Catalogue::new(&[]));
    let lab = checked
        .lab
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let covers = BTreeSet::from(["X1".to_owned(), "X2".to_owned()]);
    Coverage::of(&lab, &plan(&lab, Catalogue::new(&[])), &covers)
}

fn place_of(coverage: &Coverage, wanted: &str) -> String {
    let mut places = coverage
        .subjects
        .iter()
        .filter_map(|one| match &one.subject {
            Subject::Rule { id, place, .. } if id == wanted => Some(place.clone()),
            _ => None,
        });
    places.next().expect("the rule")
}

fn journey(coverage: &Coverage) -> Journey {
    let came = tuple("10.1.0.10:999", "10.1.0.99:443");
    let on = tuple("10.2.0.1:999", "10.2.0.11:443");
    let hop = |node: &str, segment: &str, tuple, handling| Hop {
        node: node.into(),
        segment: segment.into(),
        tuple,
        handling,
    };
    let passed = Handling {
        verdicts: vec![Verdict {
            chain: "forward".into(),
            rule: "W1".into(),
            note: None,
            place: Some(place_of(coverage, "W1")),
            decision: Decision::Accept,
        }],
        translated: Some(Translation {
            to: on,
            rule: Some("vip four".into()),
            place: None,
            member: Some("web1".into()),
            reason: None,
        }),
    };
    let flow = |hops: Vec<Hop>| Flow {
        from: "client".into(),
        tuple: came,
        began: 0,
        micros: 0,
        closed: true,
        kept: false,
        origin: Handling::default(),
        hops,
        end: End::Answered,
        deeds: Vec::new(),
    };
    Journey {
        flows: vec![
            flow(vec![hop("gateway", "west", came, Handling::default())]),
            flow(vec![
                hop("gateway", "west", came, passed),
                hop("web1", "east", on, Handling::default()),
            ]),
        ],
        gaps: vec!["something was lost".into()],
        ..Journey::default()
    }
}

fn answer() -> Deed {
    Deed::Answered {
        name: "WWW.example".into(),
        kind: "A".into(),
        view: None,
        code: "NOERROR".into(),
        answers: vec!["web1.example.".into(), "10.2.0.11".into()],
    }
}

fn never(coverage: &Coverage, kind: Kind) -> Vec<String> {
    let never = coverage.never(kind);
    never.map(|one| one.subject.to_string()).collect()
}

#[test]
fn nothing_is_exercised_before_anything_is_seen() {
    let coverage = whole();
    assert_eq!(coverage.exercised().count(), 0);
    assert_eq!(coverage.count(Kind::Rules), (0, 2));
    assert_eq!(coverage.count(Kind::Links), (0, 5));
    assert_eq!(coverage.count(Kind::Members), (0, 2));
    assert_eq!(coverage.count(Kind::Requirements), (0, 2));
}

#[test]
fn a_way_exercises_what_stands_on_it_and_nothing_else() {
    let mut coverage = whole();
    let seen = journey(&coverage);
    coverage.saw(&seen);
    coverage.did("gateway", &answer());
    coverage.proved(&["X2".into()]);
    assert_eq!(never(&coverage, Kind::Requirements), ["X1"]);
    let rule = format!("W9 at gateway ({})", place_of(&coverage, "W9"));
    assert_eq!(never(&coverage, Kind::Rules), [rule]);
    assert_eq!(never(&coverage, Kind::Links), ["web2 on east"]);
    assert_eq!(never(&coverage, Kind::Members), ["web2 of four"]);
    let records = never(&coverage, Kind::Records);
    assert!(
        records
            .iter()
            .any(|one| one.starts_with("gateway.example A "))
    );
    for answered in ["www.example CNAME ", "web1.example A "] {
        assert!(
            !records.iter().any(|one| one.starts_with(answered)),
            "{answered}: {records:?}"
        );
    }
    assert_eq!(coverage.gaps, ["something was lost"]);
}

#[test]
fn a_star_stands_for_what_is_below_it() {
    assert!(super::exercise::owns("*.example", "a.example"));
    assert!(super::exercise::owns("*.example", "a.b.example"));
    assert!(!super::exercise::owns("*.example", "example"));
    assert!(!super::exercise::owns("www.example", "a.example"));
}
