//! `lab test`: scenarios that hold, that fail and that make no sense; labs that come up for them;
//! reports; interruption.

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Host, Outcome, source, until};

fn files() -> PathBuf {
    source().join("tests/files/scenarios")
}

/// `lab test …` in the folder of the files.
fn lab_test(host: &Host, arguments: &[&str]) -> Outcome {
    let all = [&["test"], arguments].concat();
    let output = host
        .command(&all)
        .current_dir(files())
        .output()
        .expect("the binary under test runs");
    Outcome::of(format!("lab {}", all.join(" ")), output)
}

/// The `.yaml` files of a folder, without their endings.
fn all_in(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(files().join(folder))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} is empty");
    names
}

/// No lab is up, and none left a file behind but for an empty folder.
#[track_caller]
fn nothing_is_left(host: &Host) {
    let found = |folder: &str| -> Vec<PathBuf> {
        let folder = host.folder.0.join(folder).join("tierlab");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let left: Vec<PathBuf> = [found("run"), found("state")].concat();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn what_makes_no_sense_is_all_said_at_once() {
    let host = Host::new();
    let mut wrong = Vec::new();
    for name in all_in("wrong") {
        let outcome = lab_test(&host, &[&format!("wrong/{name}.yaml")]).fails_with(2);
        assert!(outcome.stdout.is_empty(), "{outcome}");
        let beside = files().join(format!("wrong/{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&beside, &outcome.stderr).expect("written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if outcome.stderr != expected {
            wrong.push(format!("{outcome}\ninstead of\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    nothing_is_left(&host);
}

#[test]
fn what_does_not_hold_is_shown_with_what_was_seen_instead() {
    let host = Host::new();
    host.up(&files().join("lab.yaml"));
    let mut wrong = Vec::new();
    for name in all_in("failing") {
        let outcome = lab_test(&host, &[&format!("failing/{name}.yaml")]);
        let expected = std::fs::read_to_string(files().join(format!("failing/{name}.txt")))
            .expect("what is said stands beside the scenario");
        let missing: Vec<&str> = expected
            .lines()
            .filter(|line| !outcome.stdout.contains(line))
            .collect();
        if outcome.status != 1 || !missing.is_empty() {
            wrong.push(format!("not said: {missing:?}\n{outcome}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // What they broke is mended.
    assert_eq!(host.status()["faults"], serde_json::json!([]));
}

#[test]
fn a_lab_comes_up_for_the_run_and_goes_with_it() {
    let host = Host::new();
    let outcome = lab_test(&host, &["passing"]).ok().says("3 passed");
    assert!(
        outcome.stderr.contains("small came up for this run"),
        "{outcome}"
    );
    nothing_is_left(&host);
}

#[test]
fn a_lab_that_is_up_is_used_and_stays() {
    let host = Host::new();
    host.up(&files().join("lab.yaml"));
    let since = host.status()["since"].clone();
    let outcome = lab_test(&host, &["passing"]).ok().says("3 passed");
    assert!(
        outcome.stderr.contains("small is up and is used"),
        "{outcome}"
    );
    let status = host.status();
    assert_eq!(status["since"], since);
    assert_eq!(status["faults"], serde_json::json!([]));
    assert_eq!(status["pools"]["www"]["web1"], "healthy");
}

#[test]
fn each_scenario_may_have_a_lab_of_its_own() {
    let host = Host::new();
    // The same lab is up besides, and is not met.
    host.up(&files().join("lab.yaml"));
    lab_test(&host, &["passing", "--isolate", "--jobs", "2"])
        .ok()
        .says("3 passed");
    let labs = host.lab(&["status"]).ok();
    assert!(labs.stdout.contains("client"), "{labs}");
    host.lab(&["down"]).ok();
}

#[test]
fn scenarios_are_chosen_by_id_requirement_tag_and_title() {
    let host = Host::new();
    let listed = |arguments: &[&str]| {
        let outcome = lab_test(&host, &[&["passing", "--list"], arguments].concat()).ok();
        outcome.stdout.lines().count()
    };
    assert_eq!(listed(&[]), 3);
    assert_eq!(listed(&["--filter", "S1"]), 2);
    assert_eq!(listed(&["--filter", "quick"]), 2);
    assert_eq!(listed(&["--filter", "dies, and"]), 1);
    assert_eq!(listed(&["--filter", "passing/works[deep]"]), 1);
    assert_eq!(listed(&["--filter", "works", "--filter", "root"]), 1);
    lab_test(&host, &["passing", "--filter", "nonsense"])
        .fails_with(2)
        .complains("no scenario is meant by `nonsense`");
    lab_test(&host, &["nowhere"])
        .fails_with(2)
        .complains("can't read nowhere");
}

#[test]
fn reports_are_read_by_others() {
    let host = Host::new();
    let (junit, html) = (
        host.folder.0.join("out.xml"),
        host.folder.0.join("out.html"),
    );
    let outcome = lab_test(
        &host,
        &[
            "passing/works.yaml",
            "failing/bytes.yaml",
            "failing/way.yaml",
            "--json",
            "--junit",
            &junit.to_string_lossy(),
            "--html",
            &html.to_string_lossy(),
        ],
    )
    .fails_with(1);
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(json["version"], 1);
    let scenarios = json["scenarios"].as_array().expect("scenarios");
    assert_eq!(scenarios.len(), 4);
    let failed: Vec<&serde_json::Value> = scenarios
        .iter()
        .filter(|scenario| scenario["outcome"] == "failed")
        .collect();
    assert_eq!(failed.len(), 2);
    // The way of the step that asked for it is in it.
    let ways = scenarios
        .iter()
        .flat_map(|scenario| scenario["steps"].as_array().expect("steps"))
        .filter(|step| !step["journey"].is_null())
        .count();
    assert!(ways >= 3, "{json:#}");

    let read = "import sys, xml.etree.ElementTree as e; r = e.parse(sys.argv[1]).getroot(); \
                print(r.attrib['tests'], r.attrib['failures'], len(r.findall('.//failure')), \
                len(r.findall('.//property')))";
    let line = format!("/usr/bin/python3 -c \"{read}\" {}", junit.display());
    assert_eq!(host.shell(&line).ok().stdout.trim(), "4 2 2 2");

    let page = std::fs::read_to_string(html).expect("the page");
    assert!(page.contains("2 passed, 2 failed"), "{page}");
    assert!(
        page.contains("<p class=\"way\"><b>client</b><s></s><b>filter</b>"),
        "{page}"
    );
    for foreign in ["http-equiv", "<script", "src=", "@import"] {
        assert!(!page.contains(foreign), "the page asks for more: {foreign}");
    }

    let outcome = lab_test(&host, &["failing/open.yaml", "--github"]).fails_with(1);
    assert!(
        outcome
            .stdout
            .starts_with("::error file=failing/open.yaml,line=5,title="),
        "{outcome}"
    );
    nothing_is_left(&host);
}

#[test]
fn a_slow_machine_is_given_so_many_times_as_long() {
    let host = Host::new();
    lab_test(&host, &["failing/hangs.yaml", "--patience", "2"])
        .fails_with(1)
        .says("it ends within 2.0 s");
    lab_test(&host, &["failing/hangs.yaml", "--patience", "0"])
        .fails_with(2)
        .complains("--patience");
}

/// A `lab test` that is in the middle of a step.
fn in_the_middle(host: &Host) -> Child {
    let folder = &host.folder;
    folder.write(
        "long/lab.yaml",
        &std::fs::read_to_string(files().join("lab.yaml")).expect("the lab"),
    );
    folder.write(
        "long/flows/long.yaml",
        "title: It takes long\nfrom: client\nsteps:\n  - fault: kill web1\n  - run: sleep 600\n    timeout: 10m\n",
    );
    folder.write(
        "long/flows/next.yaml",
        "title: It comes next\nfrom: client\nsteps:\n  - run: \"true\"\n",
    );
    let mut child = host
        .command(&["test", "long", "--jobs", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let up = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("came up")));
    assert!(up.is_some(), "it does not come up");
    std::thread::spawn(move || lines.for_each(drop));
    until("web1 is killed", Duration::from_secs(20), || {
        let status = host.lab(&["status", "--json"]);
        status.status == 0 && status.stdout.contains("\"kill\"")
    });
    child
}

#[test]
fn who_is_interrupted_says_what_ran_and_leaves_nothing() {
    let host = Host::new();
    let child = in_the_middle(&host);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("a signal");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("1 passed") && said.contains("1 not done"),
        "{said}"
    );
    nothing_is_left(&host);
}

#[test]
fn a_lab_dies_with_the_run_it_came_up_for() {
    let host = Host::new();
    let mut child = in_the_middle(&host);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).expect("a signal");
    child.wait().expect("it ends");
    until("the lab is gone", Duration::from_secs(10), || {
        host.lab(&["status"]).stderr.contains("no lab is up")
    });
}

#[test]
fn an_attached_lab_ends_with_its_standard_input() {
    let host = Host::new();
    let mut child = host
        .command(&[
            "up",
            &files().join("lab.yaml").to_string_lossy(),
            "--attached",
            "--name",
            "mine",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary under test runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("mine is up"))));
    assert_eq!(host.status()["lab"], "mine");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    host.lab(&["status"])
        .fails_with(2)
        .complains("no lab is up");
    host.lab(&["up", "router", "--name", "No Name"])
        .fails_with(2)
        .complains("can't be the name of a lab");
}

#[test]
fn the_schema_fits_the_scenarios_and_check_reads_them() {
    let host = Host::new();
    let schema = host.lab(&["schema", "--scenario"]).ok().stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut checked = 0;
    let fits = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a scenario");
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        validator
            .validate(&value)
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    for folder in ["passing", "failing"] {
        for name in all_in(folder) {
            let path = files().join(folder).join(format!("{name}.yaml"));
            assert_eq!(fits(&path).err(), None);
            checked += 1;
        }
    }
    assert!(checked > 10);
    assert!(fits(&files().join("wrong/keys.yaml")).is_err());
    let lab = files().join("lab.yaml").to_string_lossy().into_owned();
    let folder = files().join("passing").to_string_lossy().into_owned();
    host.lab(&["check", &lab, "--scenario", &folder])
        .ok()
        .says("3 scenarios");
    let wrong = files()
        .join("wrong/names.yaml")
        .to_string_lossy()
        .into_owned();
    host.lab(&["check", &lab, "--scenario", &wrong])
        .fails_with(2)
        .complains("did you mean `client`?");
}

#[test]
fn the_small_labs_hold() {
    let host = Host::new();
    let labs = ["router", "nat", "perimeter", "balancer", "login", "nginx"];
    lab_test(&host, &labs).ok().says("17 passed");
    nothing_is_left(&host);
}

#[test]
fn contoso_holds_and_its_scenarios_cover_what_they_should() {
    let host = Host::new();
    let listed = lab_test(&host, &["contoso", "--list"]).ok().stdout;
    let covered: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.rsplit_once('[')?.1.strip_suffix(']'))
        .flat_map(str::split_whitespace)
        .collect();
    let wanted = [
        "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "B1", "B2", "B3", "B4",
        "B5", "A1", "A2", "A3", "D0", "D1", "D2", "D3", "D4", "D5", "D6", "N1", "N2", "N3", "N4",
        "N5", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12", "F13",
        "F14", "F15", "F16", "F17", "F18", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9",
        "P10", "P11", "P12", "E1", "E2", "E3", "E4", "E5", "T1", "T2", "T3", "T4", "T5", "T6",
        "T7", "T8", "T9", "T10", "X1", "X2", "X3", "X6", "X9", "X10", "X11",
    ];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|wanted| !covered.contains(wanted))
        .collect();
    assert!(missing.is_empty(), "covered by no scenario: {missing:?}");
    lab_test(&host, &["contoso"]).ok();
    nothing_is_left(&host);
}

#[test]
fn who_watches_files_sees_each_change_also_of_a_file_that_made_no_sense() {
    let host = Host::new();
    let folder = &host.folder;
    folder.write(
        "lab.yaml",
        &std::fs::read_to_string(files().join("lab.yaml")).expect("the lab"),
    );
    let is = |line: &str| {
        folder.write(
            "scenarios/it.yaml",
            &format!("title: It\nfrom: client\nsteps:\n  - {line}\n"),
        );
    };
    is("run: \"true\"");
    let mut child = host
        .command(&["test", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let mut lines = lines.map_while(Result::ok);
    let mut said = |text: &str| assert!(lines.any(|line| line.contains(text)), "{text}");
    said("ok     It");
    is("run: \"false\"");
    said("FAILED It");
    is("rum: \"true\"");
    said("did you mean `run`?");
    is("run: \"true\"");
    said("ok     It");
    folder.write(
        "scenarios/other.yaml",
        "title: Other\nfrom: client\nsteps:\n  - run: \"true\"\n",
    );
    said("ok     Other");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("a signal");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    nothing_is_left(&host);
}
