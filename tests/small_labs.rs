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
        .map(|line| {
            line.trim_start()
                .trim_start_matches('-')
                .trim()
                .trim_matches(|c| c == '"' || c == '\'')
        })
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
