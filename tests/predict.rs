//! What is predicted from a lab file is what its lab does: explained, as a matrix, and against an older
//! file. Where the two disagree, one of them is wrong.

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Host, Outcome, scenario};

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn contoso() -> String {
    scenario("contoso").to_string_lossy().into_owned()
}

/// `lab explain` of contoso.
fn explain(host: &Host, from: &str, to: &str) -> Outcome {
    host.lab(&["explain", &contoso(), "--from", from, "--to", to])
}

#[test]
fn explain_says_what_drops_it_and_what_would_have_let_it_pass() {
    let host = Host::new();
    let port = explain(&host, "spammer", "203.0.113.70:25").fails_with(1);
    let port = port.says("dropped at gateway by P12 \"everything else\", the default (");
    let port = port.says("nearest rule: P7 (").says("which needs port 443");
    // The line is that of the rule.
    let acl = std::fs::read_to_string(scenario("contoso").with_file_name("acl.yaml")).expect("ACL");
    let line = 1 + acl
        .lines()
        .position(|line| line.contains("id: P12,"))
        .expect("P12");
    port.says(&format!("acl.yaml:{line}); nearest"));
    let tunnel = explain(&host, "spammer", "203.0.113.70:ip/47").fails_with(1);
    tunnel
        .says("nearest rule: P7")
        .says("protocol TCP port 443");
    let tier = explain(&host, "lb", "sp-sql1:1433").fails_with(1);
    tier.says("dropped at core by T-drop").says("T6");
}

#[test]
fn explain_follows_names_translation_rules_members_and_proxies() {
    let host = Host::new();
    explain(&host, "roaming", "mail.contoso.com:443")
        .ok()
        .says("mail.contoso.com → 203.0.113.70")
        .says("internet view for 198.51.100.77: zone contoso.com")
        .says("source becomes 198.51.100.77 (masquerade)")
        .says("permitted by P7 \"Exchange clients\"")
        .says("lb > gateway > isp > home-router > roaming")
        .says("published-exchange goes on to exchange")
        .says("one of 2 members of exchange, one after the other")
        .says("permitted by T1 \"balancer to front ends\"")
        .says("tier-web answers on cas2");
    // The same name, another answer.
    explain(&host, "pc1", "mail.contoso.com:443")
        .ok()
        .says("mail.contoso.com → 10.0.10.103")
        .says("intranet view for 10.0.60.10");
    // A name that only the inside knows is none outside, and its site is not published there.
    explain(&host, "individual", "admin.contoso.com:443")
        .fails_with(1)
        .says("there is no admin.contoso.com in the zone contoso.com of the view internet");
    // Asked in turn: what the inside server does not know.
    explain(&host, "pc1", "www.example:443")
        .ok()
        .says("asks dns-internet")
        .says("internet view for 203.0.113.2");
}

#[test]
fn explain_answers_with_json_and_exit_codes() {
    let host = Host::new();
    let contoso = contoso();
    let shown = host.lab(&[
        "explain",
        &contoso,
        "--from",
        "pc1",
        "--to",
        "dc1:udp/53",
        "--json",
    ]);
    let shown = json(&shown.ok());
    assert_eq!(
        (&shown["version"], &shown["reachable"]),
        (&1.into(), &true.into())
    );
    let hops = shown["ways"][0]["way"]["hops"].as_array().expect("hops");
    let nodes: Vec<&str> = hops.iter().map(|hop| text(&hop["node"])).collect();
    assert_eq!(nodes, ["pc1", "core", "dc1"]);
    let near = host.lab(&["explain", &contoso, "--from", "spamer", "--to", "dc1:53"]);
    near.fails_with(2).complains("did you mean `spammer`?");
    for wrong in ["dc1", "dc1:0", "dc1:http", ":53", "2001:db8::1"] {
        host.lab(&["explain", &contoso, "--from", "pc1", "--to", wrong])
            .fails_with(2);
    }
}

#[test]
fn explain_draws_a_sequence_diagram() {
    let host = Host::new();
    let contoso = contoso();
    let arguments = [
        "explain",
        &contoso,
        "--from",
        "pc1",
        "--to",
        "mail.contoso.com:443",
    ];
    let drawn = host.lab(&[&arguments[..], &["--format", "mermaid"]].concat());
    let drawn = drawn
        .ok()
        .says("alt cas1 of exchange")
        .says("else cas2 of exchange");
    assert!(drawn.stdout.starts_with("sequenceDiagram\n"));
    // Nobody speaks or is spoken to who is no participant.
    let parts: BTreeSet<&str> = drawn
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("participant ")?.split(' ').next())
        .collect();
    let arrows = drawn
        .stdout
        .lines()
        .filter_map(|line| line.trim().split_once("->>"));
    let mut count = 0;
    for (from, to) in arrows {
        let to = to.split(':').next().expect("a name");
        for one in [from.trim_end_matches('-'), to] {
            assert!(parts.contains(one), "{one} is missing in {parts:?}");
        }
        count += 1;
    }
    assert!(count >= 5, "{}", drawn.stdout);
}

/// Client, name and what was asked, of each cell that a running lab disagrees in.
fn disagreements(shown: &Value) -> BTreeSet<(String, String, String)> {
    let found = shown["disagreements"].as_array().expect("a list");
    let cell = |one: &Value| {
        let of = |key: &str| text(&one[key]).to_owned();
        (of("client"), of("name"), of("what"))
    };
    found.iter().map(cell).collect()
}

/// Cells of a matrix that go by this rule.
fn cells_by(shown: &Value, node: &str, rule: &str) -> BTreeSet<(String, String, String)> {
    let mut cells = BTreeSet::new();
    for row in shown["rows"].as_array().expect("rows") {
        for cell in row["cells"].as_array().expect("cells") {
            let deciders = cell["deciders"].as_array().expect("deciders");
            if deciders
                .iter()
                .any(|decider| decider["node"] == node && decider["rule"] == rule)
            {
                let (address, kind) = (text(&row["address"]), text(&cell["kind"]));
                let of = |key: &str| text(&row[key]).to_owned();
                cells.insert((of("client"), of("name"), format!("{address} {kind}")));
            }
        }
    }
    cells
}

#[test]
fn contoso_does_what_is_predicted_in_every_cell_until_a_rule_is_changed_behind_its_back() {
    let host = Host::new();
    host.up(&scenario("contoso"));
    let contoso = contoso();
    let live = ["matrix", &contoso, "--live", "--json"];
    let shown = json(&host.lab(&live).ok());
    let kinds: BTreeSet<&str> = shown["kinds"]
        .as_array()
        .expect("kinds")
        .iter()
        .map(text)
        .collect();
    // Table P and its additions, and a sample of what nobody names.
    for port in [
        "tcp/443",
        "udp/3478",
        "tcp/50000",
        "tcp/59999",
        "tcp/5061",
        "tcp/5269",
        "tcp/110",
        "tcp/995",
        "tcp/143",
        "tcp/993",
        "tcp/587",
        "tcp/25",
        "udp/500",
        "udp/51820",
        "udp/53",
        "tcp/53",
        "tcp/80",
        "udp/4500",
        "tcp/22",
        "udp/161",
    ] {
        assert!(kinds.contains(port), "{port} is not asked about");
    }
    let rows = shown["rows"].as_array().expect("rows");
    let clients: BTreeSet<&str> = rows.iter().map(|row| text(&row["client"])).collect();
    assert_eq!(
        Vec::from_iter(clients),
        ["admin-pc", "individual", "partner-pc", "pc1", "roaming"]
    );
    assert!(rows.len() > 300, "{} rows", rows.len());
    assert_eq!(disagreements(&shown), BTreeSet::new());

    // The tries themselves, held against another program's: open, refused, and silence.
    let seen = |port: &str| {
        let line = format!("nc -zv -w 2 203.0.113.70 {port} 2>&1");
        host.sh("individual", &line).stdout
    };
    assert!(seen("443").contains("succeeded"), "{}", seen("443"));
    assert!(seen("995").contains("refused"), "{}", seen("995"));
    assert!(seen("25").contains("timed out"), "{}", seen("25"));

    let line = "for handle in $(nft -a list chain inet tierlab forward | grep 'comment \"P7' | \
                sed 's/.*# handle //'); do nft delete rule inet tierlab forward handle $handle; done";
    host.sh("gateway", line).ok();
    let shown = json(&host.lab(&live).fails_with(1));
    let by_rule = cells_by(&shown, "gateway", "P7");
    assert!(by_rule.len() > 5, "{by_rule:?}");
    assert_eq!(disagreements(&shown), by_rule);
    let told = host
        .lab(&["matrix", &contoso, "--live", "--from", "roaming"])
        .fails_with(1);
    told.says("P7 at gateway").says("silence");
}

#[test]
fn small_labs_do_what_is_predicted_from_every_node() {
    for name in ["nat", "balancer", "perimeter", "router"] {
        let host = Host::new();
        host.up(&scenario(name));
        // The built-in lab of that name is the same file under another name.
        every_node_agrees(&host, name);
    }
}

/// All nodes ask, servers and routers, too.
#[track_caller]
fn every_node_agrees(host: &Host, file: &str) {
    let status = host.status();
    let nodes = status["nodes"].as_object().expect("nodes");
    let running = nodes.iter().filter(|(_, node)| node["running"] == true);
    let mut arguments = vec!["matrix", file, "--live"];
    for (node, _) in running {
        arguments.extend(["--from", node]);
    }
    host.lab(&arguments).ok().says("does what its file says");
}

#[test]
fn a_route_changed_behind_the_labs_back_is_reported_where_it_matters() {
    let host = Host::new();
    let file = scenario("router");
    host.up(&file);
    host.exec(
        "router",
        &["ip", "route", "add", "blackhole", "10.2.0.10/32"],
    )
    .ok();
    let file = file.to_string_lossy();
    let shown = host
        .lab(&["matrix", &file, "--live", "--json"])
        .fails_with(1);
    let shown = json(&shown);
    let kinds = shown["kinds"].as_array().expect("kinds").len();
    let found = disagreements(&shown);
    assert_eq!(found.len(), kinds, "{found:?}");
    let to_right = |(client, name, what): &(String, String, String)| {
        client == "left" && name == "right.example" && what.starts_with("10.2.0.10 ")
    };
    assert!(found.iter().all(to_right), "{found:?}");
}

#[test]
fn what_is_broken_on_purpose_is_predicted_too() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", BROKEN);
    let path = file.to_string_lossy().into_owned();
    host.up(&file);
    every_node_agrees(&host, &path);
    for fault in [
        &["kill", "app1"][..],
        &["kill", "app2"],
        &["link", "door", "inside"],
        &["stop", "ns"],
    ] {
        host.lab(&[&["fault"], fault].concat()).ok();
        if fault[0] == "kill" {
            // A dead member leaves the pool when its check fails, not before.
            let member = fault[1];
            support::until(
                "the member is out",
                std::time::Duration::from_secs(10),
                || host.status()["pools"]["four"][member] != "healthy",
            );
        }
        every_node_agrees(&host, &path);
    }
    // Another file than that of the running lab proves nothing.
    let other = host
        .folder
        .write("other.yaml", &BROKEN.replace("tcp/443, to", "tcp/444, to"));
    host.lab(&["matrix", &other.to_string_lossy(), "--live"])
        .fails_with(2)
        .complains("is not what this file says");
}

/// IPv4 and IPv6, an ACL, translation, a VIP whose members may die.
const BROKEN: &str = "\
lab: broken
domain: example
resolvers: [ns]
segments:
  outside: { prefix: [198.51.100.0/24, 'fd00:1::/64'] }
  inside: { prefix: [10.0.0.0/24, 'fd00:2::/64'] }
acls:
  door:
    - { id: D1, permit: tcp/443, to: [lb, four] }
    - { id: D2, permit: [udp/53, tcp/53], to: ns }
    - { id: D3, drop: tcp/8080, from: inside }
    - { id: D4, permit: any, from: inside, out: outside }
nodes:
  door: { router: true, on: { outside: .1, inside: .1 }, acl: door, masquerade: { from: inside, out: outside } }
  ns: { on: { outside: .53 }, routes: { default: door }, service: dns }
  visitor: { on: { outside: .60 }, routes: { default: door } }
  pc: { on: { inside: .60 } }
  lb: { on: { inside: .10 }, service: balancer }
  app: { count: 2, on: { inside: .21 }, service: tier-web }
balancers:
  four: { on: lb, vip: 10.0.0.100, layer: 4, ports: [tcp/443], members: app, health: { port: 443 } }
dns:
  views: { all: { server: ns, clients: any } }
  zones: [{ zone: example, view: all, nodes: true, records: { four: four } }]
";

#[test]
fn a_matrix_is_a_table_a_page_and_json() {
    let host = Host::new();
    let contoso = contoso();
    let table = host.lab(&[
        "matrix", &contoso, "--from", "spammer", "--port", "25", "--port", "443",
    ]);
    let table = table.ok().says("spammer").says("P12 at gateway (1)");
    let mail = table
        .stdout
        .lines()
        .find(|line| line.contains("203.0.113.70"))
        .expect("the mail server's line");
    assert!(
        mail.contains("tcp 443") && mail.contains("P12 at gateway"),
        "{mail}"
    );
    let page = host.folder.0.join("page.html");
    let path = page.to_string_lossy().into_owned();
    host.lab(&["matrix", &contoso, "--html", &path]).ok();
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.starts_with("<!doctype html>"));
    for foreign in ["<script", "src=", "http://", "https://", "@import", "url("] {
        assert!(
            !page.contains(foreign),
            "the page needs {foreign} from elsewhere"
        );
    }
    assert!(page.contains("prefers-color-scheme:dark"));
    for part in [
        "id=\"roaming\"",
        "mail.contoso.com",
        "P12 &quot;everything else&quot; at gateway",
        "tcp<br>5061",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    let shown = json(
        &host
            .lab(&["matrix", &contoso, "--json", "--port", "udp/53"])
            .ok(),
    );
    assert_eq!(shown["version"], 1);
    assert!(shown["disagreements"].is_null());
    host.lab(&["matrix", &contoso, "--from", "nobdy"])
        .fails_with(2);
    host.lab(&["matrix", &contoso, "--port", "icmp"])
        .fails_with(2);
    host.lab(&["matrix", &contoso, "--live"])
        .fails_with(2)
        .complains("no lab is up");
}

#[test]
fn check_tells_what_a_change_opens_and_closes() {
    let host = Host::new();
    let old = std::fs::read_to_string(scenario("perimeter")).expect("the lab file");
    let new = old
        .replace(
            "permit: tcp/443, in: internet, to: web",
            "permit: [tcp/443, tcp/22], in: internet, to: web",
        )
        .replace("{ id: W2, permit: tcp/1433", "{ id: W2, permit: tcp/1434");
    assert_ne!(old, new);
    host.folder.write("old.yaml", &old);
    host.folder.write("new.yaml", &new);
    let line = |text: &str, id: &str| {
        let at = text.lines().position(|line| line.contains(id));
        1 + at.expect("the rule")
    };
    host.lab(&["check", "new.yaml", "--against", "old.yaml"])
        .ok()
        .says("opens   visitor → web (203.0.113.10) tcp/22, where nobody listens")
        .says(&format!(
            "was dropped at gateway by W9 \"everything else\" (old.yaml:{})",
            line(&old, "id: W9")
        ))
        .says(&format!(
            "is  permitted at gateway by W1 \"the world to the web server\" (new.yaml:{})",
            line(&new, "id: W1")
        ))
        .says("closes  web → db (10.0.0.20) tcp/1433\n")
        .says("it opens 2 ways and closes one way");
    host.lab(&["check", "new.yaml", "--against", "new.yaml"])
        .ok()
        .says("it opens nothing and closes nothing");
    let shown = json(
        &host
            .lab(&["check", "new.yaml", "--against", "old.yaml", "--json"])
            .ok(),
    );
    let changes = shown["changes"].as_array().expect("changes");
    let closed = changes
        .iter()
        .find(|change| change["is"] == "blocked")
        .expect("one closes");
    assert_eq!(closed["from"][0], "web");
    assert_eq!(closed["kinds"][0], "tcp/1433");
    assert_eq!(closed["before"][0]["rule"], "W2");
    host.lab(&["check", "new.yaml", "--against", "missing.yaml"])
        .fails_with(2);
}
