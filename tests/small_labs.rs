//! The small labs do what their comments say.

mod support;

use std::time::Duration;

use support::{Host, scenario, until};

fn up(name: &str) -> Host {
    let host = Host::new();
    host.up(&scenario(name));
    host
}

/// Every hint that a lab prints works as it stands.
#[track_caller]
fn hints_work(host: &Host, name: &str) {
    let text = std::fs::read_to_string(scenario(name)).expect("the lab file");
    let hints: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("try:"))
        .skip(1)
        .take_while(|line| line.trim_start().starts_with('-'))
        .map(|line| line.trim_start().trim_start_matches('-').trim())
        .collect();
    assert!(!hints.is_empty(), "{name} has no hints");
    for hint in hints {
        let Some(rest) = hint.strip_prefix("lab ") else {
            panic!("{name}: `{hint}` is no lab command")
        };
        if ["shell", "logs -f"]
            .iter()
            .any(|verb| rest.starts_with(verb))
        {
            continue;
        }
        let line = format!("exec {} {rest}", support::binary().display());
        let mut command = std::process::Command::new("sh");
        for (key, value) in host.command(&[]).get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        let output = command.args(["-c", &line]).output().expect("sh");
        assert!(
            output.status.success(),
            "{name}: `{hint}`: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn router_carries_packets_between_two_segments() {
    let host = up("router");
    hints_work(&host, "router");
}

#[test]
fn nat_hides_the_inside() {
    let host = up("nat");
    hints_work(&host, "nat");
}

#[test]
fn perimeter_lets_in_what_its_acl_names() {
    let host = up("perimeter");
    hints_work(&host, "perimeter");
}

#[test]
fn balancer_spreads_over_three_members() {
    let host = up("balancer");
    hints_work(&host, "balancer");
}

#[test]
fn login_finds_out_who_is_asking() {
    let host = up("login");
    hints_work(&host, "login");
}

#[test]
fn nginx_of_the_host_serves_and_is_started_again() {
    let host = up("nginx");
    hints_work(&host, "nginx");
    let status = host.status();
    let (node, process) = status["nodes"]
        .as_object()
        .expect("nodes")
        .iter()
        .find_map(|(node, state)| {
            let processes = state["processes"].as_object()?;
            let name = processes
                .iter()
                .find(|(_, p)| {
                    p["what"]
                        .as_str()
                        .is_some_and(|what| what.contains("nginx"))
                })?
                .0;
            Some((node.clone(), name.clone()))
        })
        .expect("a node that runs nginx");
    host.sh(&node, "pkill -KILL -x nginx").ok();
    until("nginx is started again", Duration::from_secs(15), || {
        let state = &host.status()["nodes"][&node]["processes"][&process];
        state["restarts"].as_u64() >= Some(1) && state["state"] == "healthy"
    });
}

#[test]
fn up_says_what_every_stage_took() {
    let host = Host::new();
    let shown = host.lab(&["up", "perimeter", "--json"]).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let stages = shown["stages"].as_array().expect("stages");
    let names: Vec<&str> = stages
        .iter()
        .filter_map(|stage| stage["stage"].as_str())
        .collect();
    let all = [
        "parse",
        "check",
        "host",
        "plan",
        "launch",
        "certificates",
        "namespaces",
        "roots",
        "links",
        "rules",
        "processes",
        "health",
    ];
    assert_eq!(names, all);
    let nodes = shown["nodes"].as_object().expect("nodes").len();
    for stage in stages {
        let number = |key: &str| stage[key].as_u64().expect("a number");
        // A stage lasts no longer than the whole, and its parts took at least as long together.
        assert!(number("micros") <= number_of(&shown, "micros"), "{stage}");
        assert!(
            number("micros") <= number("summed_micros") || number("parts") > 1,
            "{stage}"
        );
        if ["namespaces", "roots", "links"].contains(&stage["stage"].as_str().unwrap_or_default()) {
            assert_eq!(number("parts"), nodes as u64, "{stage}");
        }
    }
}

fn number_of(value: &serde_json::Value, key: &str) -> u64 {
    value[key].as_u64().expect("a number")
}

/// A segment's bridge has 1,023 ports, and a process 1,024 descriptors where nobody raised that.
#[test]
fn three_hundred_nodes_fit_under_a_low_soft_limit_of_descriptors() {
    let host = Host::new();
    let text = "lab: crowd\nsegments:\n  lan: { prefix: 10.0.0.0/20 }\nnodes:\n  \
                hub: { on: { lan: 10.0.0.1 } }\n  node: { count: 300, on: lan }\n";
    let file = host.folder.write("lab.yaml", text);
    let mut command = std::process::Command::new("sh");
    let up = host.command(&["up"]);
    command
        .args(["-c", "ulimit -S -n 256 && exec \"$@\"", "sh"])
        .arg(up.get_program())
        .arg("up")
        .arg(file)
        .current_dir(&host.folder.0)
        .envs(
            up.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let output = command.output().expect("sh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // An answer, though not a welcome: nobody listens there.
    host.sh("node300", "nc -zv -w 5 10.0.0.1 9 2>&1 | grep refused")
        .ok();
}
