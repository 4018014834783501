//! Every `explain/*.yaml` is a lab with questions (`# ask: NODE HOST:PORT`, `# fault: kill NODE`), and
//! the `.txt` beside it what is predicted. `UPDATE=1 cargo test -p lab-core --test explain` writes the
//! latter; read what changed.

mod fake;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use lab_core::check::{Source, load};
use lab_core::plan::{Fault, Plan, plan, with_faults};
use lab_core::predict::{
    Change, Destination, End, Explanation, Model, Step, Then, Way, changes, clients, explain,
    kinds, matrix,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/explain")
}

fn lab_of(path: &Path) -> (lab_core::check::Lab, Plan) {
    let source = Source::File {
        path: path.to_owned(),
        overlays: Vec::new(),
    };
    let checked = load(&source, fake::CATALOGUE);
    let lab = checked.lab.clone().unwrap_or_else(|| {
        panic!("{}", lab_core::check::render(&checked, false));
    });
    let plan = plan(&lab, fake::CATALOGUE);
    (lab, plan)
}

/// What stands after a word in the comments of a file.
fn asked<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = Vec<&'t str>> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix("# ")?.strip_prefix(word)?;
        Some(rest.split_whitespace().collect())
    })
}

fn faults(text: &str) -> BTreeSet<Fault> {
    asked(text, "fault:")
        .map(|words| match words[..] {
            ["kill", node] => Fault::Kill { node: node.into() },
            ["stop", node] => Fault::Stop {
                node: node.into(),
                process: None,
            },
            ["link", node, segment] => Fault::Link {
                node: node.into(),
                segment: segment.into(),
            },
            _ => panic!("no fault: {words:?}"),
        })
        .collect()
}

#[test]
fn every_lab_gets_the_answers_beside_it() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(files.len() >= 8, "the files are gone");
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a lab file");
        let (lab, plan) = lab_of(&path);
        let plan = with_faults(&plan, &faults(&text));
        let model = Model::new(&lab, &plan);
        let mut said = String::new();
        for words in asked(&text, "ask:") {
            let [from, to] = words[..] else {
                panic!("no question: {words:?}")
            };
            let to: Destination = to.parse().expect("a destination");
            let explanation = explain(&model, from, &to).expect("an answer");
            told(&explanation, &mut said);
        }
        let prefix = format!("{}/", folder().display());
        let said = said.replace(&prefix, "");
        let beside = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, &said).expect("written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!(
                "{}:\n{said}\ninstead of\n{expected}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn told(explanation: &Explanation, said: &mut String) {
    let reachable = match explanation.reachable {
        true => "reachable",
        false => "not reachable",
    };
    let _ = writeln!(
        said,
        "{} → {}: {reachable}",
        explanation.from, explanation.to
    );
    if let Some(lookup) = &explanation.lookup {
        for question in &lookup.asked {
            let mut all = vec![question];
            while let Some(question) = all.pop() {
                let _ = writeln!(
                    said,
                    "  {} asks {} as {}: view {}, zone {}, {:?}{}{}",
                    question.from,
                    question.node.as_deref().unwrap_or("nobody"),
                    question
                        .client
                        .map_or_else(|| "-".into(), |client| client.to_string()),
                    question.view.as_deref().unwrap_or("-"),
                    question.zone.as_deref().unwrap_or("-"),
                    question.addresses,
                    question
                        .aliases
                        .iter()
                        .fold(String::new(), |all, one| all + " alias of " + one),
                    question
                        .trouble
                        .as_ref()
                        .map_or_else(String::new, |why| format!(" ({why})")),
                );
                all.extend(&question.forwarded);
            }
        }
        if lookup.asked.is_empty() {
            let _ = writeln!(said, "  nobody was asked: {:?}", lookup.addresses);
        }
    }
    for aim in &explanation.ways {
        way_told(&aim.way, "  ", said);
    }
    said.push('\n');
}

fn way_told(way: &Way, indent: &str, said: &mut String) {
    for hop in &way.hops {
        let packet = &hop.packet;
        let _ = write!(
            said,
            "{indent}{} {} > {} {}",
            hop.node, packet.source, packet.destination, packet.kind
        );
        for step in &hop.steps {
            let _ = match step {
                Step::Route {
                    node, interface, ..
                } => write!(
                    said,
                    ", by {interface} to {}",
                    node.as_deref().unwrap_or("it")
                ),
                Step::Source { becomes, rule, .. } => write!(said, ", from {becomes} ({rule})"),
                Step::Destination {
                    becomes,
                    port,
                    rule,
                    ..
                } => {
                    write!(said, ", to {becomes} port {port:?} ({rule})")
                }
                Step::NoMember { vip, out } => write!(said, ", no member of {vip}: {out:?}"),
                Step::Verdict(verdict) => write!(
                    said,
                    ", {} {} by {} {:?} {}",
                    verdict.chain,
                    if verdict.passes { "passes" } else { "stops" },
                    verdict.rule.as_deref().unwrap_or("no rule"),
                    verdict.note,
                    verdict.place.as_deref().unwrap_or("-"),
                ),
            };
            if let Step::Verdict(verdict) = step
                && let Some(nearest) = &verdict.nearest
            {
                let _ = write!(said, "; nearest {}", nearest.rule);
                for need in &nearest.needs {
                    let _ = write!(said, ", {} {}", need.what, need.wanted);
                }
            }
        }
        said.push('\n');
    }
    let deeper = format!("{indent}  ");
    match &way.then {
        Then::End {
            end,
            back,
            outcome,
            onward,
            unpublished,
        } => {
            let how = match end {
                End::Listens { process } => format!("listens {process:?}"),
                End::Nobody { address } => format!("nobody has {address}"),
                other => format!("{other:?}").to_lowercase(),
            };
            let _ = writeln!(said, "{indent}= {} ({how})", outcome.word());
            if let Some(back) = back {
                let nodes: Vec<&str> = back.hops.iter().map(|hop| hop.node.as_str()).collect();
                let trouble = back.trouble.as_deref().unwrap_or("arrives");
                let _ = writeln!(said, "{indent}  back {}: {trouble}", nodes.join(" > "));
            }
            if let Some(vip) = unpublished {
                let _ = writeln!(said, "{indent}  {vip} has no such site");
            }
            for onward in onward {
                let _ = writeln!(
                    said,
                    "{indent}  {} goes on to {}",
                    onward.vip, onward.member
                );
                way_told(&onward.way, &format!("{deeper}  "), said);
            }
        }
        Then::Choice {
            vip, branches, out, ..
        } => {
            for branch in branches {
                let _ = writeln!(said, "{indent}  {vip}: {}", branch.member);
                way_told(&branch.way, &format!("{deeper}  "), said);
            }
            if !out.is_empty() {
                let _ = writeln!(said, "{indent}  out of {vip}: {out:?}");
            }
        }
    }
}

#[test]
fn a_matrix_has_a_row_for_each_client_and_address_and_a_cell_for_each_port() {
    let (lab, plan) = lab_of(&folder().join("names.yaml"));
    let model = Model::new(&lab, &plan);
    let clients = clients(&model);
    assert_eq!(clients, ["deaf", "inner", "outer", "tunnel"]);
    let kinds = kinds(&lab, &plan);
    let words: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "tcp/7", "tcp/22", "tcp/445", "tcp/3389", "udp/53", "udp/161"
        ]
    );
    let matrix = matrix(&model, &clients, &kinds).expect("a matrix");
    assert!(matrix.rows.iter().all(|row| row.cells.len() == kinds.len()));
    let of = |client: &str, name: &str| {
        let rows = matrix.rows.iter();
        rows.filter(|row| row.client == client && row.name == name)
            .map(|row| (row.address.to_string(), row.by_name))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("outer", "www.corp.example"),
        [("203.0.113.80".to_owned(), true)]
    );
    assert_eq!(
        of("inner", "www.corp.example"),
        [("10.0.0.80".to_owned(), true)]
    );
    // Known inside only: what would its address do?
    assert_eq!(
        of("outer", "secret.corp.example"),
        [("10.0.0.80".to_owned(), false)]
    );
    assert!(matrix_of_nobody(&model).is_err());
}

fn matrix_of_nobody(model: &Model<'_>) -> Result<(), lab_core::predict::Unasked> {
    matrix(model, &["outr".into()], &[]).map(drop)
}

#[test]
fn a_changed_rule_is_what_opens_and_closes() {
    let (old, old_plan) = lab_of(&folder().join("acl.yaml"));
    let text = std::fs::read_to_string(folder().join("acl.yaml")).expect("a lab file");
    let changed = text
        .replace("permit: tcp/7, in: out", "permit: tcp/9, in: out")
        .replace("drop: tcp/7070", "permit: tcp/7070");
    assert_ne!(text, changed);
    let checked = lab_core::check::load_text("new.yaml", &changed, fake::CATALOGUE);
    let lab = checked.lab.expect("in order");
    let plan = plan(&lab, fake::CATALOGUE);
    let (before, after) = (Model::new(&old, &old_plan), Model::new(&lab, &plan));
    let found = changes(&before, &after);
    let lines: Vec<String> = found.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "far > srv tcp/9: Blocked to Passes by A1 new.yaml:20",
            "far, near > srv tcp/7070: Blocked to Passes by A3 new.yaml:22",
            "far > srv tcp/7: Open to Blocked by A9 new.yaml:26",
        ]
    );
    assert_eq!(changes(&before, &before), []);
}

fn line(change: &Change) -> String {
    let to: Vec<String> = change
        .to
        .iter()
        .filter_map(|place| place.name.clone())
        .collect();
    let rules: Vec<String> = change
        .after
        .iter()
        .map(|decider| {
            format!(
                "{} {}",
                decider.rule,
                decider.place.as_deref().unwrap_or("-")
            )
        })
        .collect();
    format!(
        "{} > {} {}: {:?} to {:?} by {}",
        change.from.join(", "),
        to.join(", "),
        change.kinds.join(", "),
        change.was,
        change.is,
        rules.join(", ")
    )
}

/// `check` refuses such a lab; a running one may become it.
#[test]
fn an_answer_by_a_stateful_hop_that_did_not_see_the_question_is_lost() {
    let (lab, mut plan) = lab_of(&folder().join("back.yaml"));
    let asked = |plan: &Plan, to: &str| {
        let to: Destination = to.parse().expect("a destination");
        let explanation = explain(&Model::new(&lab, plan), "left", &to).expect("an answer");
        let mut said = String::new();
        told(&explanation, &mut said);
        said
    };
    assert!(asked(&plan, "10.2.0.10:7").contains("back right > back > left: arrives"));
    // The router of the way back gets the rules of one that filters, and lets everything new pass.
    let (_, filtering) = lab_of(&folder().join("acl.yaml"));
    let mut rules = filtering.nodes["door"].rules.clone();
    for chain in &mut rules.chains {
        chain.rules.retain(|rule| rule.mark.is_none());
    }
    plan.nodes.get_mut("back").expect("a router").rules = rules;
    let lost = asked(&plan, "10.2.0.10:7");
    assert!(lost.contains("= dropped (listens"), "{lost}");
    assert!(lost.contains("back drops the answer by invalid"), "{lost}");
    // An error about what it did not see is no beginning either.
    let error = asked(&plan, "10.2.0.10:udp/7");
    assert!(error.contains("= dropped (closed"), "{error}");
    // A datagram may be one.
    for listen in &mut plan.nodes.get_mut("right").expect("a node").processes[0].listens {
        listen.protocol = lab_core::plan::Transport::Udp;
    }
    let datagram = asked(&plan, "10.2.0.10:udp/7");
    assert!(datagram.contains("= open (listens"), "{datagram}");
}

#[test]
fn who_is_not_there_or_switched_off_asks_nothing() {
    let (lab, plan) = lab_of(&folder().join("plain.yaml"));
    let to: Destination = "10.2.0.10:7".parse().expect("a destination");
    let refusal = explain(&Model::new(&lab, &plan), "lefd", &to).expect_err("no node");
    assert!(format!("{refusal:?}").contains("left"), "{refusal:?}");
    let off = with_faults(
        &plan,
        &BTreeSet::from([Fault::Kill {
            node: "left".into(),
        }]),
    );
    let refusal = explain(&Model::new(&lab, &off), "left", &to).expect_err("switched off");
    assert!(refusal.to_string().contains("switched off"), "{refusal}");
}
