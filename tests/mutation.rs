//! `lab test --mutate`: changes of a lab that scenarios notice, that none notices, and that nobody
//! could notice.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Host, Outcome, scenario};

/// The mutations of the first rule of the gateway.
const FIRST: [&str; 5] = ["remove", "widen-traffic", "widen-to", "widen-in", "reorder"];

fn mutate(host: &Host, arguments: &[&str]) -> Outcome {
    let folder = scenario("perimeter");
    let folder = folder.parent().expect("its folder").to_string_lossy();
    let all = ["test", &folder, "--mutate", "--only", "acl", "--json"];
    host.lab(&[&all[..], arguments].concat())
}

/// What became of the mutations of W1, in the order of [`FIRST`].
#[track_caller]
fn fates(outcome: &Outcome) -> Vec<String> {
    let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let mutations = &report["labs"][0]["mutations"];
    let of = |word: &&str| {
        let fate = &mutations[format!("acl/gateway/W1@42/{word}")]["fate"];
        fate.as_str()
            .unwrap_or_else(|| panic!("no {word}: {outcome}"))
            .to_owned()
    };
    FIRST.iter().map(of).collect()
}

#[test]
fn what_a_scenario_notices_is_caught_and_what_another_rule_does_is_explained_by_it() {
    let host = Host::new();
    let outcome = mutate(&host, &["--limit", "5"]).ok();
    let caught = ["caught", "caught", "caught", "caught", "explained"];
    assert_eq!(fates(&outcome), caught, "{outcome}");
    assert!(
        outcome
            .stdout
            .contains("each of W2, W3, W4, W5 permits, too"),
        "{outcome}"
    );
    host.lab(&["status"]).complains("no lab is up");
}

#[test]
fn without_the_scenario_that_looks_a_change_survives() {
    let host = Host::new();
    let outcome = mutate(&host, &["--limit", "5", "--filter", "flows/works"]).fails_with(1);
    let fates = fates(&outcome);
    // Nobody tries the web's port at the database.
    assert_eq!(fates[0], "caught", "{outcome}");
    assert_eq!(fates[2], "survived", "{outcome}");
    // From inside, another rule lets the same through.
    assert_eq!(fates[3], "explained", "{outcome}");
    assert!(outcome.stdout.contains("W5 at gateway"), "{outcome}");
}

#[test]
fn it_goes_on_from_what_was_found() {
    let host = Host::new();
    let file = host.folder.0.join("found.json");
    let file = file.to_string_lossy();
    mutate(&host, &["--limit", "2", "--resume", &file]).ok();
    let outcome = mutate(&host, &["--limit", "3", "--resume", &file]).ok();
    let tried: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(tried.len(), 1, "only the third is tried: {outcome}");
    assert!(tried[0].contains("W1 takes any destination"), "{outcome}");
    // Other scenarios would have found something else.
    mutate(&host, &["--filter", "flows/works", "--resume", &file])
        .fails_with(2)
        .complains("was found of another version of perimeter or of its scenarios");
}

#[test]
fn a_change_can_be_looked_at() {
    let host = Host::new();
    host.lab(&["up", "perimeter", "--mutation", "acl/gateway/W2@43/remove"])
        .ok();
    assert_eq!(host.http_status("visitor", "https://www.example/"), "503");
    host.lab(&["down"]).ok();
    host.lab(&["up", "perimeter", "--mutation", "acl/gateway/W2/remove"])
        .fails_with(2)
        .complains("is no mutation of perimeter");
}

#[test]
fn who_is_interrupted_says_what_ran_and_leaves_nothing() {
    let host = Host::new();
    let mut child = host
        .command(&[
            "test",
            "perimeter",
            "--mutate",
            "--only",
            "dns",
            "--jobs",
            "1",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let complaints = BufReader::new(child.stderr.take().expect("a pipe"));
    let caught = complaints
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("caught"));
    assert!(caught.is_some(), "one is caught before it is interrupted");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("a signal");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("not tried"), "{said}");
    host.lab(&["status"]).complains("no lab is up");
}
