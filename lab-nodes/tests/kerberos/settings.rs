//! From a lab file to what a domain controller knows.

use lab_core::check::{load_text, render};
use lab_core::plan::{ProcessKind, plan};
use lab_nodes::CATALOGUE;
use lab_nodes::directory::State;
use lab_nodes::domain_controller::settings::Settings;

const LAB: &str = "
lab: small
domain: example
segments:
  s: { prefix: 10.0.0.0/24 }
nodes:
  dc: { on: { s: .10 }, service: OPTIONS }
  web: { on: { s: .20 } }
";

const DIRECTORY: &str = "
directory:
  domain: EXAMPLE
  realm: EXAMPLE.COM
  users:
    ann: { password: secret }
    old: { password: secret, expired: true }
    off: { password: secret, disabled: true }
    new: { password: secret, password-expired: true }
  services:
    svc-web: { principals: HTTP/web.example.com, on: web }
";

fn reports(options: &str, directory: &str) -> String {
    let text = LAB.replace("OPTIONS", options) + directory;
    render(&load_text("lab.yaml", &text, CATALOGUE), false)
}

fn settings(options: &str) -> (Settings, Vec<String>) {
    let text = LAB.replace("OPTIONS", options) + DIRECTORY;
    let checked = load_text("lab.yaml", &text, CATALOGUE);
    let lab = checked.lab.as_ref().expect("it is good");
    let plan = plan(lab, CATALOGUE);
    let node = &plan.nodes["dc"];
    let ProcessKind::Service { settings, .. } = &node.processes[0].kind else {
        panic!("no service: {node:?}");
    };
    let settings = serde_json::from_value(settings.clone()).unwrap();
    (settings, node.secrets.clone())
}

#[test]
fn accounts_and_secrets_are_those_of_the_lab() {
    let (settings, secrets) = settings("domain-controller");
    assert_eq!(settings.domain.realm, "EXAMPLE.COM");
    let states: Vec<_> = settings
        .accounts
        .iter()
        .map(|account| (account.person.account.as_str(), account.state))
        .collect();
    assert_eq!(
        states,
        [
            ("ann", State::Active),
            ("new", State::PasswordExpired),
            ("off", State::Disabled),
            ("old", State::Expired),
            ("svc-web", State::Active),
        ]
    );
    assert_eq!(secrets, ["account krbtgt", "account svc-web"]);
    let limits = (
        settings.lockout_after,
        settings.lockout_within,
        settings.lockout_for,
    );
    assert_eq!(limits, (10, 600, 600));
}

#[test]
fn when_accounts_are_locked_is_the_lab_s_to_say() {
    let (settings, _) =
        settings("{ domain-controller: { lockout: { after: 3, within: 30s, for: 1h } } }");
    let limits = (
        settings.lockout_after,
        settings.lockout_within,
        settings.lockout_for,
    );
    assert_eq!(limits, (3, 30, 3600));
}

#[test]
fn mistakes_are_found_where_they_stand() {
    let report = reports("domain-controller", "");
    assert!(
        report.contains("there is no directory to control"),
        "{report}"
    );
    let report = reports(
        "{ domain-controller: { lockout: { within: soon, for: 0s } } }",
        DIRECTORY,
    );
    for text in ["`soon` is no span of time", "`0s` is no span of time"] {
        assert!(report.contains(text), "{report}");
    }
    let report = reports("{ domain-controller: { lock: 3 } }", DIRECTORY);
    assert!(report.contains("unknown field `lock`"), "{report}");
}
