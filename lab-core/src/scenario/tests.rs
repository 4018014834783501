//! The runner, on a lab that is only played.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::checked::{Action, Scenario, Step};
use super::expectation::Expectation;
use super::*;
use crate::model::Place;
use crate::observe::{Journey, Unreached};
use crate::plan::Fault;
use crate::run::control::{LogLine, Refusal, Status};

/// A lab in which `true` succeeds, `false` fails, `flaky` succeeds at the third time and `interrupt`
/// is where the user loses patience.
#[derive(Default)]
struct Played {
    did: Mutex<Vec<String>>,
    tries: AtomicUsize,
}

impl Played {
    fn note(&self, what: String) {
        self.did.lock().expect("no panic").push(what);
    }

    fn did(&self) -> Vec<String> {
        self.did.lock().expect("no panic").clone()
    }
}

impl World for Played {
    fn run(&self, program: &Program, _: Duration, stop: &Interrupt) -> Result<Ran, Refusal> {
        let word = program.argv.join(" ");
        self.note(word.clone());
        if word == "interrupt" {
            stop.set();
        }
        let good = match word.as_str() {
            "flaky" => self.tries.fetch_add(1, Ordering::SeqCst) >= 2,
            word => word != "false",
        };
        Ok(Ran {
            status: i32::from(!good),
            ..Ran::default()
        })
    }

    fn fault(&self, fault: &Fault) -> Result<(), Refusal> {
        self.note(format!("break {fault:?}"));
        Ok(())
    }

    fn heal(&self, fault: &Fault) -> Result<(), Refusal> {
        self.note(format!("heal {fault:?}"));
        Ok(())
    }

    fn status(&self) -> Result<Status, Refusal> {
        Ok(Status {
            lab: "played".into(),
            title: None,
            since: 0,
            faults: Vec::new(),
            clock: None,
            full_of_connections: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pools: BTreeMap::new(),
            rules: BTreeMap::new(),
        })
    }

    fn logs(&self, _: &str) -> Vec<LogLine> {
        Vec::new()
    }
}

/// Sees nothing.
struct Blind;

impl Observer for Blind {
    fn mark(&self) -> u64 {
        0
    }
    fn journey(&self, from: &str, _: u64, _: &str) -> Journey {
        Journey {
            from: from.into(),
            unreached: vec![Unreached {
                node: from.into(),
                segment: "s".into(),
                address: std::net::Ipv4Addr::LOCALHOST.into(),
            }],
            ..Journey::default()
        }
    }
}

fn step(action: Action) -> Step {
    Step {
        place: Place::default(),
        said: "a step".into(),
        from: Some("pc".into()),
        action,
        expectations: vec![(Expectation::Succeeds, Place::default())],
        times: 1,
        wait: None,
        limit: Duration::from_secs(5),
        meanwhile: Vec::new(),
        outage: Duration::ZERO,
    }
}

fn run(word: &str) -> Step {
    step(Action::Run(vec![word.into()]))
}

fn kill() -> Step {
    Step {
        expectations: Vec::new(),
        ..step(Action::Fault(Fault::Kill { node: "web".into() }))
    }
}

fn scenario(setup: Vec<Step>, steps: Vec<Step>, teardown: Vec<Step>) -> Scenario {
    Scenario {
        id: "s".into(),
        place: Place::default(),
        title: "s".into(),
        case: None,
        covers: Vec::new(),
        about: None,
        tags: Vec::new(),
        alone: false,
        setup,
        steps,
        teardown,
    }
}

fn title() -> Title {
    Title {
        id: "s".into(),
        lab: "played".into(),
        title: "s".into(),
        case: None,
        covers: vec!["F12".into()],
        tags: Vec::new(),
        about: None,
        place: "s.yaml:1".into(),
        repeat: "lab test s.yaml".into(),
    }
}

fn perform_in(world: &Played, scenario: &Scenario, choice: Choice) -> Results {
    let interrupt = Interrupt::default();
    let stage = Stage {
        world,
        observer: Some(&Blind),
        routers: Default::default(),
        interrupt: &interrupt,
    };
    let results = Mutex::new(Results::default());
    let emit = |event: Event| results.lock().expect("no panic").take(&event);
    perform(scenario, title(), choice, &stage, &emit);
    results.into_inner().expect("no panic")
}

const BREAK: &str = "break Kill { node: \"web\" }";
const HEAL: &str = "heal Kill { node: \"web\" }";

#[test]
fn the_first_failure_ends_the_steps_and_teardown_still_heals() {
    let world = Played::default();
    let one = scenario(
        vec![run("before")],
        vec![kill(), run("false"), run("never")],
        vec![run("after")],
    );
    let results = perform_in(&world, &one, Choice::default());
    assert_eq!(world.did(), ["before", BREAK, "false", "after", HEAL]);
    assert_eq!(results.count(Outcome::Failed), 1);
    let failures: Vec<&StepReport> = results.scenarios[0].failures().collect();
    assert_eq!(failures.len(), 1);
    assert_eq!(
        (failures[0].section, failures[0].number),
        (Section::Steps, 2)
    );
}

#[test]
fn a_failed_set_up_leaves_out_the_steps() {
    let world = Played::default();
    let one = scenario(vec![run("false")], vec![run("never")], vec![run("after")]);
    perform_in(&world, &one, Choice::default());
    assert_eq!(world.did(), ["false", "after"]);
}

#[test]
fn who_is_interrupted_heals_and_says_so() {
    let world = Played::default();
    let one = scenario(vec![], vec![kill(), run("interrupt"), run("never")], vec![]);
    let results = perform_in(&world, &one, Choice::default());
    assert_eq!(world.did(), [BREAK, "interrupt", HEAL]);
    assert_eq!(results.count(Outcome::Interrupted), 1);
}

#[test]
fn a_step_that_waits_asks_again_until_its_limit() {
    let world = Played::default();
    let waits = |word: &str, limit| Step {
        wait: Some(Duration::from_millis(limit)),
        ..run(word)
    };
    let results = perform_in(
        &world,
        &scenario(vec![], vec![waits("flaky", 60_000)], vec![]),
        Choice::default(),
    );
    assert_eq!(results.count(Outcome::Passed), 1);
    assert_eq!(results.scenarios[0].steps[0].tries, 3);
    let began = Instant::now();
    let results = perform_in(
        &world,
        &scenario(vec![], vec![waits("false", 200)], vec![]),
        Choice::default(),
    );
    assert!(began.elapsed() >= Duration::from_millis(200));
    let step = &results.scenarios[0].steps[0];
    let failure = step.failure.as_ref().expect("it fails");
    assert!(failure.expected.ends_with("within 200 ms"), "{failure:?}");
    assert!(step.tries >= 2, "{step:?}");
}

#[test]
fn patience_gives_every_limit_so_many_times_as_long() {
    let waits = Step {
        wait: Some(Duration::from_millis(30)),
        ..run("flaky")
    };
    let takes = Step {
        expectations: vec![(
            Expectation::Within(Duration::from_micros(1)),
            Place::default(),
        )],
        ..run("before")
    };
    let interrupted = |outage| Step {
        meanwhile: vec![Step {
            outage,
            limit: Duration::from_millis(7),
            ..run("flaky")
        }],
        ..kill()
    };
    let one = scenario(
        vec![waits.clone()],
        vec![interrupted(Duration::from_millis(40)), takes],
        vec![waits],
    )
    .with_patience(10);
    let (setup, teardown) = (&one.setup[0], &one.teardown[0]);
    for step in [setup, teardown] {
        assert_eq!(step.wait, Some(Duration::from_millis(300)));
        assert_eq!(step.limit, Duration::from_secs(50));
    }
    let meanwhile = &one.steps[0].meanwhile[0];
    assert_eq!(meanwhile.outage, Duration::from_millis(400));
    assert_eq!(meanwhile.limit, Duration::from_millis(70));
    let takes = &one.steps[1].expectations[0].0;
    assert!(matches!(takes, Expectation::Within(limit) if limit.as_micros() == 10));

    let fails = Step {
        wait: Some(Duration::from_millis(20)),
        ..run("false")
    };
    let patient = Choice {
        patience: 10,
        ..Choice::default()
    };
    let results = perform_in(
        &Played::default(),
        &scenario(vec![], vec![fails], vec![]),
        patient,
    );
    let failure = results.scenarios[0].steps[0].failure.as_ref();
    let failure = failure.expect("it fails");
    assert!(failure.expected.ends_with("within 200 ms"), "{failure:?}");
}

#[test]
fn what_must_go_on_is_looked_at_before_during_and_after() {
    let world = Played::default();
    let fault = Step {
        meanwhile: vec![run("goes-on")],
        ..kill()
    };
    let one = scenario(vec![], vec![fault, run("then")], vec![]);
    let results = perform_in(&world, &one, Choice::default());
    assert_eq!(results.count(Outcome::Passed), 1);
    let did = world.did();
    let at = |word: &str| did.iter().position(|one| one == word).expect("done");
    assert!(at("goes-on") < at(BREAK), "{did:?}");
    assert!(
        did.iter().rposition(|one| one == "goes-on") > Some(at("then")),
        "{did:?}"
    );

    let fault = |outage| Step {
        meanwhile: vec![Step {
            outage: Duration::from_millis(outage),
            ..run("flaky")
        }],
        ..kill()
    };
    for (outage, outcome) in [(0, Outcome::Failed), (60_000, Outcome::Passed)] {
        let pause = Step {
            wait: Some(Duration::from_millis(300)),
            ..run("flaky")
        };
        let world = Played::default();
        let one = scenario(vec![], vec![fault(outage), pause], vec![]);
        let results = perform_in(&world, &one, Choice::default());
        assert_eq!(results.count(outcome), 1, "{outage}: {results:?}");
    }
}

#[test]
fn one_step_alone_has_set_up_and_teardown() {
    let world = Played::default();
    let one = scenario(
        vec![run("before")],
        vec![run("one"), run("two"), run("three")],
        vec![run("after")],
    );
    perform_in(
        &world,
        &one,
        Choice {
            step: Some(2),
            ..Choice::default()
        },
    );
    assert_eq!(world.did(), ["before", "two", "after"]);
}

#[test]
fn reports_hold_what_was_seen_and_nothing_breaks_out_of_them() {
    let world = Played::default();
    let hostile = Step {
        said: "</pre><script>alert(1)</script>]]>\u{1b}[31m".into(),
        ..run("false")
    };
    let results = perform_in(
        &world,
        &scenario(vec![], vec![hostile], vec![]),
        Choice::default(),
    );
    let tell = |_: &Journey| "the <way>".to_owned();
    let xml = report::junit(&results, &tell);
    assert!(
        xml.contains("<testsuite name=\"played\" tests=\"1\" failures=\"1\""),
        "{xml}"
    );
    assert!(
        xml.contains("value=\"F12\"") && xml.contains("the &lt;way&gt;"),
        "{xml}"
    );
    let html = report::html(&results, &tell);
    for text in [&xml, &html] {
        assert!(
            !text.contains("<script") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
    let lines = report::github(&results);
    assert!(lines.starts_with("::error file="), "{lines}");
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let json = serde_json::to_string(&results).expect("JSON");
    let again: Results = serde_json::from_str(&json).expect("the same");
    assert_eq!(again, results);
}
