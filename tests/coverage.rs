//! `lab test --coverage`: what of a lab its scenarios exercised, and what never.

mod support;

use serde_json::Value;
use support::{Host, scenario};

/// How often what fits was exercised.
#[track_caller]
fn times(results: &Value, fits: &[(&str, &str)]) -> u64 {
    let subjects = results["coverage"][0]["subjects"].as_array();
    let found = subjects.into_iter().flatten().find(|one| {
        let mut keys = fits.iter();
        keys.all(|(key, value)| one[*key] == *value)
    });
    let found = found.unwrap_or_else(|| panic!("no {fits:?} in {}", results["coverage"]));
    found["times"].as_u64().expect("a number")
}

fn results(host: &Host, arguments: &[&str]) -> Value {
    let folder = scenario("perimeter");
    let folder = folder.parent().expect("its folder").to_string_lossy();
    let all = [&["test", &folder, "--coverage", "--json"], arguments].concat();
    serde_json::from_str(&host.lab(&all).ok().stdout).expect("JSON")
}

#[test]
fn what_was_seen_on_the_way_counts_and_nothing_else() {
    let host = Host::new();
    let seen = results(&host, &["--filter", "flows/works"]);
    let rule = |id| times(&seen, &[("kind", "rule"), ("id", id)]);
    assert!(rule("W1") > 0 && rule("W2") > 0 && rule("W9") > 0, "{seen}");
    // Nobody inside asked anything, though each service is asked after its health.
    assert_eq!((rule("W3"), rule("W4"), rule("W5")), (0, 0, 0), "{seen}");
    let link = |node| times(&seen, &[("kind", "link"), ("node", node)]);
    assert!(link("visitor") > 0 && link("db") > 0, "{seen}");
    assert_eq!(link("pc"), 0, "{seen}");
    let name = |name| times(&seen, &[("kind", "certificate"), ("name", name)]);
    assert!(name("www.example") > 0, "{seen}");
    // The visitor asks the name server that runs on itself: no packet shows it.
    let record = |data| times(&seen, &[("kind", "record"), ("data", data)]);
    assert!(record("203.0.113.10") > 0, "{seen}");
    assert_eq!(record("www.example."), 0, "{seen}");
}

#[test]
fn more_scenarios_exercise_more_in_labs_of_their_own_too() {
    let host = Host::new();
    let seen = results(&host, &["--isolate"]);
    for id in ["W1", "W2", "W3", "W4", "W5", "W9"] {
        assert!(times(&seen, &[("kind", "rule"), ("id", id)]) > 0, "{id}");
    }
    assert!(times(&seen, &[("kind", "record"), ("data", "www.example.")]) > 0);
}

#[test]
fn it_is_told_to_people_and_in_the_page() {
    let host = Host::new();
    let page = host.folder.0.join("page.html");
    let page_name = page.to_string_lossy();
    let arguments = [
        "--coverage",
        "--filter",
        "flows/works",
        "--html",
        &page_name,
    ];
    let told = host
        .lab(&[&["test", "perimeter"], &arguments[..]].concat())
        .ok()
        .says("rules never exercised")
        .says("W3 at gateway (lab.yaml:44), permits \"people inside to the world\"");
    assert!(!told.stdout.contains("W1 at gateway"), "{told}");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("Exercised of perimeter") && page.contains("W3 at gateway"));
}
