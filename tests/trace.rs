//! `lab trace`: requests that succeed and requests that fail in every way, each explained by the hop
//! where it happened and the line of the lab file behind it. The clients know nothing of the lab.

mod support;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use support::{Host, scenario};

/// A name, and a test in a contoso that all of them share.
type Test = (&'static str, fn(&Host));

fn main() {
    let mut arguments = Arguments::from_args();
    // They share a contoso, and some break it for a moment.
    arguments.test_threads = Some(1);
    let tests: &[Test] = &[
        ("a_request_is_followed_through_every_hop", followed),
        ("the_tree_and_the_diagram_say_the_same", forms),
        ("names_that_do_not_exist", no_such_name),
        ("dropped_at_the_gateway_by_its_default", dropped_at_gateway),
        ("the_rule_that_would_almost_have_let_it_pass", nearest_rule),
        ("dropped_at_the_core_by_its_default", dropped_at_core),
        ("a_rule_that_the_lab_did_not_write", foreign_rule),
        ("a_router_without_a_route", no_route),
        ("a_neighbour_that_does_not_answer", no_neighbour),
        ("a_port_that_nobody_listens_on", nobody_listens),
        (
            "a_port_that_nobody_listens_on_behind_nat",
            refused_behind_nat,
        ),
        ("a_port_that_nat_does_not_forward", not_forwarded),
        ("a_certificate_for_another_name", wrong_certificate),
        ("a_client_without_a_certificate", no_certificate),
        ("all_members_dead", dead_members),
        ("a_member_whose_link_is_down", link_down),
        ("what_the_engine_asks_is_not_the_nodes", no_probes),
        ("a_place_and_a_page_asked_by_a_built_in_client", built_in),
        ("keys_on_request_decrypt_a_capture", keys),
        ("what_passes_is_followed_until_interrupted", follow),
        ("a_ping_and_its_echo", ping),
        ("what_a_program_prints_and_its_status_are_kept", passed_on),
        ("nothing_stays_when_nobody_watches", nothing_stays),
        ("a_node_that_does_not_exist", unknown_node),
    ];
    let host = Arc::new(Host::new());
    if !arguments.list {
        host.up(&scenario("contoso"));
    }
    let trials = tests.iter().map(|&(name, test)| {
        let host = Arc::clone(&host);
        Trial::test(name, move || {
            test(&host);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // The lab goes down with its host.
    drop(host);
    conclusion.exit();
}

/// The journey of a shell line in a node. Nothing may have been lost of it.
#[track_caller]
fn trace(host: &Host, from: &str, line: &str) -> Value {
    let outcome = host.lab(&["trace", "--from", from, "--json", "--", "sh", "-c", line]);
    let journey: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("no journey ({error}): {outcome}"));
    assert_eq!(journey["gaps"], Value::Array(Vec::new()), "{journey:#}");
    journey
}

/// The conversations that ask no name.
fn flows(journey: &Value) -> Vec<&Value> {
    let all = journey["flows"].as_array().expect("flows");
    all.iter()
        .filter(|flow| {
            let to = flow["tuple"]["destination"].as_str();
            !to.is_some_and(|to| to.ends_with(":53"))
        })
        .collect()
}

/// The only conversation that asks no name.
#[track_caller]
fn flow(journey: &Value) -> &Value {
    let flows = flows(journey);
    assert_eq!(flows.len(), 1, "{journey:#}");
    flows[0]
}

fn nodes(flow: &Value) -> Vec<&str> {
    let hops = flow["hops"].as_array().expect("hops");
    hops.iter().filter_map(|hop| hop["node"].as_str()).collect()
}

/// Rules that decided at a node: decision, id and place.
fn verdicts(flow: &Value, node: &str) -> Vec<(String, String, String)> {
    let hops = flow["hops"].as_array().expect("hops");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hops.iter()
        .filter(|hop| hop["node"] == node)
        .flat_map(|hop| hop["verdicts"].as_array().expect("verdicts"))
        .map(|one| {
            (
                text(&one["decision"]),
                text(&one["rule"]),
                text(&one["place"]),
            )
        })
        .collect()
}

/// Deeds of a kind at the end of a conversation, with what they caused.
fn deeds<'a>(flow: &'a Value, kind: &str) -> Vec<(&'a Value, &'a Value)> {
    let deeds = flow["deeds"].as_array().expect("deeds");
    deeds
        .iter()
        .filter_map(|did| Some((did["deed"].get(kind)?, &did["flow"])))
        .collect()
}

/// The lines of contoso's rules that have an id.
fn lines_of(rule: &str) -> Vec<String> {
    let path = support::source().join("scenarios/contoso/acl.yaml");
    let content = std::fs::read_to_string(path).expect("contoso's rules");
    let id = format!("id: {rule},");
    let lines = content.lines().enumerate();
    lines
        .filter(|(_, line)| line.contains(&id))
        .map(|(index, _)| format!("acl.yaml:{}", index + 1))
        .collect()
}

#[track_caller]
fn one_verdict(flow: &Value, node: &str, decision: &str, rule: &str) {
    let verdicts = verdicts(flow, node);
    let [(decided, id, place)] = &verdicts[..] else {
        panic!("{node} decided {verdicts:?}");
    };
    assert_eq!((decided.as_str(), id.as_str()), (decision, rule));
    let lines = lines_of(rule);
    let known = lines.iter().any(|line| place.ends_with(line));
    assert!(known, "{place} is none of {lines:?}");
}

fn followed(host: &Host) {
    let line = "curl -sS -o /dev/null https://mail.contoso.com/owa/";
    let journey = trace(host, "roaming", line);
    assert_eq!(journey["status"], 0);
    // D1: the name, outside.
    let names = journey["flows"].as_array().expect("flows");
    let answered: Vec<&Value> = names
        .iter()
        .flat_map(|flow| deeds(flow, "answered"))
        .map(|(deed, _)| deed)
        .collect();
    assert!(
        answered
            .iter()
            .any(|deed| deed["name"] == "mail.contoso.com"
                && deed["answers"] == serde_json::json!(["203.0.113.70"])
                && deed["view"] == "internet"),
        "{answered:?}"
    );
    let outside = flow(&journey);
    assert_eq!(nodes(outside), ["home-router", "isp", "gateway", "lb"]);
    assert_eq!(outside["end"], "answered");
    // NAT at home: what goes on comes from the router's address.
    let home = &outside["hops"][0]["translated"];
    assert!(
        home["to"]["source"]
            .as_str()
            .is_some_and(|to| to.starts_with("198.51.100.77:")),
        "{home}"
    );
    assert_eq!(home["rule"], "masquerade");
    one_verdict(outside, "gateway", "accept", "P7");
    let (tls, _) = deeds(outside, "tls")[0];
    assert_eq!(
        (&tls["name"], &tls["version"]),
        (&"mail.contoso.com".into(), &"TLS 1.3".into())
    );
    assert_eq!(deeds(outside, "chose")[0].0["member"], "exchange");
    // B2: the proxy goes to the VIP, which spreads at layer 4.
    let (_, to_vip) = deeds(outside, "onward")[0];
    let spread = &to_vip["origin"]["translated"];
    let member = spread["member"].as_str().expect("a member");
    assert!(member.starts_with("cas"), "{spread}");
    assert_eq!(spread["rule"], "vip exchange");
    assert_eq!(spread["reason"], "round robin, 2 of 2 healthy");
    assert_eq!(nodes(to_vip), ["core", member]);
    one_verdict(to_vip, "core", "accept", "T1");
    // F18: the CAS asks a mailbox server, which verifies who asks.
    let (onward, to_mailbox) = deeds(to_vip, "onward")[0];
    let mailbox = onward["to"].as_str().expect("a name");
    assert!(mailbox.starts_with("mbx"), "{onward}");
    assert_eq!(nodes(to_mailbox), ["core", mailbox]);
    one_verdict(to_mailbox, "core", "accept", "T6");
    let (tls, _) = deeds(to_mailbox, "tls")[0];
    assert_eq!(tls["client"], format!("{member}.corp.contoso.com"));
    assert_eq!(deeds(outside, "served")[0].0["answer"], "200");
}

fn forms(host: &Host) {
    let line = [
        "--",
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "https://partnerweb.contoso.com/",
    ];
    let traced = |form: &str| {
        let arguments = [
            &["trace", "--from", "partner-pc", "--format", form][..],
            &line,
        ]
        .concat();
        host.lab(&arguments).ok()
    };
    let tree = traced("tree");
    for words in [
        "permitted by P6",
        "ends TLS 1.3 for partnerweb.contoso.com",
        "└ served lb",
    ] {
        assert!(tree.stdout.contains(words), "`{words}` is missing: {tree}");
    }
    let diagram = traced("mermaid");
    assert!(diagram.stdout.starts_with("sequenceDiagram\n"), "{diagram}");
    for words in [
        "as partner-pc",
        "as gateway",
        "accept by p6",
        "ends TLS 1.3",
    ] {
        assert!(
            diagram.stdout.contains(words),
            "`{words}` is missing: {diagram}"
        );
    }
}

fn no_such_name(host: &Host) {
    let journey = trace(host, "roaming", "curl -sS https://intranet.contoso.com/");
    assert_ne!(journey["status"], 0);
    assert!(flows(&journey).is_empty(), "X10: {journey:#}");
    let names = journey["flows"].as_array().expect("flows");
    let answered: Vec<_> = names
        .iter()
        .flat_map(|flow| deeds(flow, "answered"))
        .collect();
    assert!(!answered.is_empty(), "{journey:#}");
    for (deed, _) in answered {
        assert_eq!(
            (&deed["code"], &deed["view"]),
            (&"NXDOMAIN".into(), &"internet".into())
        );
    }
}

fn dropped_at_gateway(host: &Host) {
    let journey = trace(host, "spammer", "nc -z -w 1 203.0.113.70 25");
    let flow = flow(&journey);
    assert_eq!(
        (nodes(flow), &flow["end"]),
        (vec!["isp", "gateway"], &"dropped".into())
    );
    one_verdict(flow, "gateway", "drop", "P12");
    assert_eq!(flow["hops"][1]["verdicts"][0]["note"], "everything else");
}

/// Advice, which stands in the tree alone: the journey is what was seen.
fn nearest_rule(host: &Host) {
    let arguments = ["trace", "--from", "spammer", "--to", "203.0.113.71:22"];
    let tree = host.lab(&arguments).fails_with(1).stdout;
    let said = "dropped by P12 \"everything else\"; nearest rule: P6 (";
    assert!(tree.contains(said), "{tree}");
    assert!(
        tree.contains("acl.yaml:32), which needs port 443"),
        "{tree}"
    );
}

fn dropped_at_core(host: &Host) {
    let journey = trace(host, "pc1", "nc -z -w 1 10.0.40.31 444");
    let flow = flow(&journey);
    assert_eq!(
        (nodes(flow), &flow["end"]),
        (vec!["core"], &"dropped".into())
    );
    let decided = verdicts(flow, "core");
    let (decision, _, place) = decided.first().expect("a verdict");
    assert_eq!(decision, "drop");
    assert!(place.contains("acl.yaml:"), "{decided:?}");
}

/// What stands in the kernel counts, not what the lab file says.
fn foreign_rule(host: &Host) {
    let rules = "add table inet mine; add chain inet mine c { type filter hook forward priority -5; }; \
                 add rule inet mine c tcp dport 443 drop";
    host.exec("gateway", &["nft", rules]).ok();
    let journey = trace(host, "roaming", "curl -sS -m 1 https://mail.contoso.com/");
    host.exec("gateway", &["nft", "delete table inet mine"])
        .ok();
    let flow = flow(&journey);
    assert_eq!(flow["end"], "dropped", "{flow:#}");
    assert_eq!(nodes(flow).last(), Some(&"gateway"));
    let decided = verdicts(flow, "gateway");
    let (decision, rule, _) = decided.last().expect("a verdict");
    assert_eq!(decision, "drop");
    assert!(
        rule.contains("table mine, which the lab did not write"),
        "{rule}"
    );
}

fn no_route(host: &Host) {
    let journey = trace(host, "spammer", "nc -z -w 1 192.0.9.9 80");
    let flow = flow(&journey);
    let end = &flow["end"]["unreachable"];
    assert_eq!(
        (&end["by"], &end["why"]),
        (&"isp".into(), &"no route".into()),
        "{flow:#}"
    );
}

fn no_neighbour(host: &Host) {
    let journey = trace(host, "pc1", "nc -z -w 1 10.0.60.99 80");
    assert!(flows(&journey).is_empty(), "{journey:#}");
    let expected =
        serde_json::json!([{ "node": "pc1", "segment": "clients", "address": "10.0.60.99" }]);
    assert_eq!(journey["unreached"], expected);
}

fn nobody_listens(host: &Host) {
    let journey = trace(
        host,
        "roaming",
        "nc -z -w 1 home-router.lab 8080 || nc -z -w 1 192.168.1.1 8080",
    );
    let flow = flow(&journey);
    assert_eq!(
        (nodes(flow), &flow["end"]),
        (vec!["home-router"], &"refused".into())
    );
}

/// The kernel forgets a connection when its first answer is a reset.
fn refused_behind_nat(host: &Host) {
    let journey = trace(host, "roaming", "nc -z -w 1 198.51.100.80 8080");
    let asked = flow(&journey);
    assert_eq!(
        (nodes(asked), &asked["end"]),
        (vec!["home-router", "www"], &"refused".into())
    );
    let journey = trace(host, "pc1", "nc -z -w 1 10.0.10.101 5061");
    let asked = flow(&journey);
    let way = nodes(asked);
    let front_end = way.last().expect("a hop");
    assert!(front_end.starts_with("lync-fe"), "{journey:#}");
    assert_eq!(way[..3], ["core", "lb", "core"]);
    assert_eq!(asked["end"], "refused");
}

fn not_forwarded(host: &Host) {
    let journey = trace(host, "individual", "nc -z -w 1 198.51.100.77 443");
    let flow = flow(&journey);
    assert_eq!(
        (nodes(flow), &flow["end"]),
        (vec!["home-router"], &"refused".into())
    );
    assert_eq!(flow["hops"][0]["translated"], Value::Null);
}

fn wrong_certificate(host: &Host) {
    // A client that trusts another authority says so in the handshake.
    let own = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
               -subj /CN=other -keyout /tmp/key -out /tmp/other 2>/dev/null";
    host.sh("roaming", own).ok();
    let line = "curl -sS --cacert /tmp/other --capath /tmp/none https://mail.contoso.com/";
    let journey = trace(host, "roaming", line);
    // 60: the peer's certificate can't be verified.
    assert_eq!(journey["status"], 60);
    let refused = flow(&journey);
    assert_eq!(refused["end"], "answered");
    let failed = deeds(refused, "tls-failed");
    let (deed, _) = failed.first().unwrap_or_else(|| panic!("{refused:#}"));
    let reason = deed["reason"].as_str().expect("a reason");
    assert!(reason.contains("UnknownCA"), "{reason}");
    // One that wants another name ends the handshake first, and then asks for nothing.
    let line = "curl -sS --resolve wrong.contoso.com:443:203.0.113.70 https://wrong.contoso.com/";
    let journey = trace(host, "roaming", line);
    assert_eq!(journey["status"], 60);
    let unused = flow(&journey);
    assert_eq!(deeds(unused, "tls")[0].0["name"], "wrong.contoso.com");
    assert!(deeds(unused, "served").is_empty());
}

/// A login that is refused: the mailbox server lets in who proves to be a CAS.
fn no_certificate(host: &Host) {
    let journey = trace(
        host,
        "cas1",
        "curl -sS -o /dev/null https://mbx1.corp.contoso.com:444/",
    );
    let flow = flow(&journey);
    assert_eq!(nodes(flow), ["core", "mbx1"]);
    assert_eq!(deeds(flow, "tls")[0].0["client"], Value::Null);
    assert_eq!(deeds(flow, "served")[0].0["answer"], "403");
}

fn dead_members(host: &Host) {
    for node in ["mbx1", "mbx2"] {
        host.lab(&["fault", "kill", node]).ok();
    }
    let journey = trace(
        host,
        "roaming",
        "curl -sS -o /dev/null https://mail.contoso.com/",
    );
    host.lab(&["heal"]).ok();
    let to_access = deeds(flow(&journey), "onward")[0].1;
    let asked = deeds(to_access, "onward");
    assert!(!asked.is_empty(), "its mailboxes: {to_access:#}");
    for (deed, flow) in asked {
        assert_eq!(nodes(flow), ["core"]);
        // Core may still know the hardware address that is gone.
        let end = &flow["end"];
        let silent = [&end["no-neighbour"]["segment"], &end["lost"]["segment"]];
        assert!(silent.contains(&&"database".into()), "{deed} {end}");
    }
    assert_eq!(deeds(flow(&journey), "served")[0].0["answer"], "503");
}

fn link_down(host: &Host) {
    host.lab(&["fault", "link", "dc1", "infra"]).ok();
    let journey = trace(host, "pc1", "dig +tries=1 +time=1 intranet.contoso.com");
    host.lab(&["heal"]).ok();
    let all = journey["flows"].as_array().expect("flows");
    let asked = all.first().unwrap_or_else(|| panic!("{journey:#}"));
    assert_eq!(nodes(asked), ["core"], "{asked:#}");
    assert_ne!(asked["end"], "answered");
}

/// Many nodes ask after the health of others: that is the engine's doing, not theirs.
fn no_probes(host: &Host) {
    // 12 s: each process of contoso is asked twice in that time.
    let journey = trace(host, "core", "timeout 12 tail -f /dev/null");
    assert!(flows(&journey).is_empty(), "{journey:#}");
}

/// Who asks for keys gets those of every TLS connection that services made: Wireshark's own
/// dissector reads the request behind the proxy with them.
fn keys(host: &Host) {
    let mut capture = host
        .command(&["capture", "core", "-w", "core.pcapng"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary under test runs");
    let file = host.folder.0.join("core.pcapng");
    let begun = || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    support::until("the capture", std::time::Duration::from_secs(10), begun);
    let url = "https://intranet.contoso.com/secret-page";
    let line = ["--", "curl", "-sS", "-o", "/dev/null", url];
    let arguments = [&["trace", "--from", "pc1", "--key-log", "keys"][..], &line].concat();
    host.lab(&arguments).ok();
    interrupt(&mut capture);
    let tshark = "tshark -r core.pcapng -Y http.request -T fields -e http.request.uri";
    let blind = host.shell(tshark).ok();
    assert!(!blind.stdout.contains("secret-page"), "{blind}");
    host.shell(&format!("{tshark} -o tls.keylog_file:keys"))
        .ok()
        .says("/secret-page");
    let mode = host.shell("stat -c %a keys").ok();
    assert_eq!(mode.stdout.trim(), "600");
    // Nobody asked for them here.
    let journey = trace(
        host,
        "pc1",
        "curl -sS -o /dev/null https://intranet.contoso.com/",
    );
    assert_eq!(flow(&journey)["end"], "answered");
}

fn interrupt(child: &mut std::process::Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it runs");
    child.wait().expect("its end");
}

fn built_in(host: &Host) {
    let ask = |from: &str, to: &str, status: i32| -> Value {
        let arguments = ["trace", "--from", from, "--to", to, "--json"];
        let outcome = host.lab(&arguments).fails_with(status);
        serde_json::from_str(&outcome.stdout).expect("a journey")
    };
    let journey = ask("spammer", "203.0.113.70:25", 1);
    assert_eq!(flow(&journey)["end"], "dropped");
    one_verdict(flow(&journey), "gateway", "drop", "P12");
    let journey = ask("roaming", "mail.contoso.com:443", 0);
    assert_eq!(nodes(flow(&journey)).last(), Some(&"lb"));
    let journey = ask("roaming", "https://mail.contoso.com/", 0);
    assert_eq!(deeds(flow(&journey), "served")[0].0["answer"], "200");
}

fn follow(host: &Host) {
    use std::io::BufReader;
    let mut command = host.command(&["trace", "--follow", "--json"]);
    let mut following = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let marked = || {
        let tables = host.exec("gateway", &["nft", "list", "tables"]);
        tables.stdout.contains("tierlab-watch")
    };
    let limit = std::time::Duration::from_secs(10);
    support::until("the gateway is watched", limit, marked);
    host.sh(
        "partner-pc",
        "curl -sS -o /dev/null https://partnerweb.contoso.com/",
    )
    .ok();
    let out = BufReader::new(following.stdout.take().expect("its output"));
    let mut journeys = serde_json::Deserializer::from_reader(out).into_iter::<Value>();
    // The question after the name and the request come in this order; the NAT of somebody else and
    // health checks are nobody's requests.
    let mut seen = Vec::new();
    while !seen.iter().any(|to: &String| to == "203.0.113.71:443") {
        let journey = journeys.next().expect("another journey").expect("JSON");
        let from = journey["from"].as_str().unwrap_or_default();
        assert!(
            !["isp", "gateway", "core", "home-router"].contains(&from),
            "{journey:#}"
        );
        // Servers fetch revocation lists and crawl on their own account.
        if from != "partner-pc" {
            continue;
        }
        seen.push(journey["asked"].as_str().unwrap_or_default().to_owned());
    }
    interrupt(&mut following);
}

fn ping(host: &Host) {
    let line = "/usr/bin/python3 -c '\
import socket,struct
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM,socket.IPPROTO_ICMP)
s.settimeout(2); s.sendto(struct.pack(\"!BBHHH\",8,0,0,0,1)+b\"x\"*8,(\"192.168.1.1\",0)); s.recv(99)'";
    host.sh("roaming", "echo 0 0 > /proc/sys/net/ipv4/ping_group_range")
        .ok();
    let journey = trace(host, "roaming", line);
    assert_eq!(journey["status"], 0, "{journey:#}");
    let flow = flow(&journey);
    assert_eq!(
        (nodes(flow), &flow["end"]),
        (vec!["home-router"], &"answered".into())
    );
}

fn passed_on(host: &Host) {
    let line = [
        "trace",
        "--from",
        "pc1",
        "--",
        "sh",
        "-c",
        "echo s'ai'd; echo warned >&2; exit 7",
    ];
    let outcome = host
        .lab(&line)
        .fails_with(7)
        .complains("said")
        .complains("warned");
    assert!(outcome.stdout.contains("no packet left it"), "{outcome}");
    assert!(!outcome.stdout.contains("said"), "{outcome}");
}

fn nothing_stays(host: &Host) {
    trace(host, "pc1", "true");
    support::until(
        "the rules that watch are gone",
        std::time::Duration::from_secs(5),
        || {
            ["gateway", "core", "lb", "home-router"].iter().all(|node| {
                let tables = host.exec(node, &["nft", "list", "tables"]).ok();
                assert!(tables.stdout.contains("table inet tierlab\n"), "{tables}");
                !tables.stdout.contains("tierlab-watch")
            })
        },
    );
}

fn unknown_node(host: &Host) {
    host.lab(&["trace", "--from", "romaing", "--", "true"])
        .fails_with(2)
        .complains("there is no node `romaing`")
        .complains("did you mean `roaming`?");
}
