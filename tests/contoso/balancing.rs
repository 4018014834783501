//! B1 to B5: balancing, affinity, health, draining.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Looks;
use crate::support::{Host, until};

pub const LOOKS: &[Looks] = &[
    ("b1_sharepoint_spreads_without_affinity", b1),
    ("b2_exchange_is_spread_in_the_kernel", b2),
    ("b3_the_pool_name_has_all_front_ends", b3),
    ("b4_lync_web_keeps_to_a_member_by_cookie", b4),
];

pub const BREAKS: &[Looks] = &[
    ("b5_a_killed_member_leaves_and_comes_back", b5_killed),
    ("b5_a_hung_member_leaves_and_comes_back", b5_hung),
    ("b5_under_load_no_request_fails_once_a_member_left", b5_load),
    ("b5_a_drained_member_gets_nothing_new", b5_drained),
    ("a_request_names_the_tier_that_is_missing", missing_tier),
];

/// A page of SharePoint for which nobody logs in: a login keeps its connection to one front end.
const HEALTH: &str = "https://intranet.contoso.com/health";

/// Which node of a group answered each of so many requests, each on a connection of its own.
fn members(host: &Host, node: &str, url: &str, group: &str, count: usize) -> Vec<String> {
    let line = format!(
        "for i in $(seq {count}); do curl -sS --max-time 5 -o /dev/null -w '%header{{tierlab-path}}\\n' '{url}'; done"
    );
    let output = host.sh(node, &line).ok().stdout;
    output
        .lines()
        .map(|path| {
            let hop = path
                .split(',')
                .map(str::trim)
                .find(|hop| hop.starts_with(group));
            hop.unwrap_or_else(|| panic!("no {group} in `{path}`"))
                .to_owned()
        })
        .collect()
}

fn distinct(members: &[String]) -> BTreeSet<&str> {
    members.iter().map(String::as_str).collect()
}

fn b1(host: &Host) {
    let seen = members(host, "pc1", HEALTH, "sp-fe", 9);
    assert_eq!(distinct(&seen).len(), 3, "{seen:?}");
    // One client on one connection is spread, too: no affinity.
    let line = "curl -sS -o /dev/null -o /dev/null -o /dev/null -w '%header{tierlab-path}\\n' \
                https://intranet.contoso.com/health https://intranet.contoso.com/health \
                https://intranet.contoso.com/health";
    let output = host.sh("pc1", line).ok().stdout;
    let seen: BTreeSet<&str> = output.lines().collect();
    assert!(seen.len() >= 2, "{output}");
}

fn b2(host: &Host) {
    let seen = members(host, "pc1", "https://mail.contoso.com/", "cas", 8);
    assert_eq!(distinct(&seen).len(), 2, "{seen:?}");
    // TLS ends at the member, not at the balancer.
    let ask = "openssl s_client -connect mail.contoso.com:443 -servername mail.contoso.com </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName";
    let subject = host.sh("pc1", ask).ok().stdout;
    assert!(subject.contains("cas"), "{subject}");
}

fn b3(host: &Host) {
    let srv = host.dig("pc1", "_sipinternaltls._tcp.contoso.com SRV");
    let pool = srv[0]
        .split_whitespace()
        .nth(3)
        .expect("a target")
        .to_owned();
    let addresses = host.dig("pc1", &pool);
    assert_eq!(addresses.len(), 2, "{pool}: {addresses:?}");
}

fn b4(host: &Host) {
    let spread = members(host, "pc1", "https://meet.contoso.com/", "lync-fe", 8);
    assert_eq!(distinct(&spread).len(), 2, "without the cookie: {spread:?}");
    let line = "for i in $(seq 6); do curl -sS -b /tmp/jar -c /tmp/jar -o /dev/null \
                -w '%header{tierlab-path}\\n' https://meet.contoso.com/; done; rm -f /tmp/jar";
    for node in ["individual", "pc1"] {
        let output = host.sh(node, line).ok().stdout;
        let seen: BTreeSet<&str> = output
            .lines()
            .filter_map(|path| {
                path.split(',')
                    .map(str::trim)
                    .find(|hop| hop.starts_with("lync-fe"))
            })
            .collect();
        assert_eq!(seen.len(), 1, "with the cookie, from {node}: {output}");
    }
}

fn pool_state(host: &Host, member: &str) -> BTreeSet<String> {
    let status = host.status();
    let pools = status["pools"].as_object().cloned().unwrap_or_default();
    pools
        .values()
        .filter_map(|pool| pool[member].as_str().map(str::to_owned))
        .collect()
}

fn b5_killed(host: &Host) {
    for (url, victim, group) in [
        ("https://intranet.contoso.com/", "sp-fe2", "sp-fe"),
        ("https://mail.contoso.com/", "cas1", "cas"),
    ] {
        let started = Instant::now();
        host.lab(&["fault", "kill", victim]).ok();
        until(&format!("{victim} leaves"), Duration::from_secs(5), || {
            pool_state(host, victim) == BTreeSet::from(["down".to_owned()])
        });
        // A generous bound for a busy machine; the balancer's own test holds it to a second.
        assert!(started.elapsed() < Duration::from_secs(5));
        let seen = members(host, "pc1", url, group, 12);
        assert!(!distinct(&seen).contains(victim), "{seen:?}");
        host.lab(&["heal", "kill", victim]).ok();
        until(
            &format!("{victim} comes back"),
            Duration::from_secs(20),
            || pool_state(host, victim) == BTreeSet::from(["healthy".to_owned()]),
        );
        let seen = members(host, "pc1", url, group, 12);
        assert!(distinct(&seen).contains(victim), "{seen:?}");
    }
}

fn b5_hung(host: &Host) {
    for victim in ["sp-fe2", "cas1"] {
        let signal = |name: &str| {
            let line = format!("kill -{name} $(pgrep -x 'tier-web|sharepoint-fron')");
            host.sh(victim, &line).ok();
        };
        // Its connections stay open, its kernel goes on to accept new ones: only silence tells.
        signal("STOP");
        until(&format!("{victim} leaves"), Duration::from_secs(5), || {
            pool_state(host, victim).contains("down")
        });
        signal("CONT");
        until(
            &format!("{victim} comes back"),
            Duration::from_secs(5),
            || pool_state(host, victim) == BTreeSet::from(["healthy".to_owned()]),
        );
    }
}

/// Four clients in a node that ask without a pause until /tmp/stop is there, 2,000 times at most. A
/// line a request: when it began, in seconds since the epoch, and its status.
const LOAD: &str = "\
for client in 1 2 3 4; do
  for i in $(seq 500); do
    [ -e /tmp/stop ] && break
    began=$(date +%s.%N)
    echo \"$began $(curl -sS --max-time 10 -o /dev/null -w '%{http_code}' \"$0\" 2>/dev/null)\"
    echo >> /tmp/asked
  done &
done
wait
rm -f /tmp/stop /tmp/asked";

/// How many requests of the load have been answered.
fn asked(host: &Host) -> usize {
    let count = host.sh("pc1", "cat /tmp/asked 2>/dev/null | wc -l").ok();
    count.stdout.trim().parse().expect("a number")
}

fn b5_load(host: &Host) {
    for (url, victim) in [(HEALTH, "sp-fe2"), ("https://mail.contoso.com/", "cas1")] {
        let load = host.spawn("pc1", &["sh", "-c", LOAD, url]);
        host.lab(&["fault", "kill", victim]).ok();
        until(&format!("{victim} leaves"), Duration::from_secs(5), || {
            pool_state(host, victim) == BTreeSet::from(["down".to_owned()])
        });
        let left = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock")
            .as_secs_f64();
        let asked_before = asked(host);
        members(host, "pc1", url, "", 12);
        host.lab(&["heal", "kill", victim]).ok();
        until(
            &format!("{victim} comes back"),
            Duration::from_secs(20),
            || pool_state(host, victim) == BTreeSet::from(["healthy".to_owned()]),
        );
        members(host, "pc1", url, "", 12);
        until("the load that shows it", Duration::from_secs(60), || {
            asked(host) >= asked_before + 24
        });
        host.sh("pc1", "touch /tmp/stop").ok();
        let output = load.wait_with_output().expect("the load ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let after: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(began, _)| began.parse::<f64>().expect("a time") > left)
            .map(|(_, status)| status)
            .collect();
        assert!(after.len() >= 20, "hardly a load: {text}");
        assert!(
            after.iter().all(|status| *status == "200"),
            "{victim} left at {left}: {text}"
        );
    }
}

fn b5_drained(host: &Host) {
    host.lab(&["fault", "drain", "sp-fe1"]).ok();
    until("sp-fe1 is drained", Duration::from_secs(5), || {
        pool_state(host, "sp-fe1").contains("drained")
    });
    let seen = members(host, "pc1", HEALTH, "sp-fe", 9);
    assert!(!distinct(&seen).contains("sp-fe1"), "{seen:?}");
    host.lab(&["heal"]).ok();
    until("sp-fe1 is back", Duration::from_secs(5), || {
        pool_state(host, "sp-fe1").contains("healthy")
    });
    let seen = members(host, "pc1", HEALTH, "sp-fe", 9);
    assert!(distinct(&seen).contains("sp-fe1"), "{seen:?}");
}

fn missing_tier(host: &Host) {
    for node in ["sp-sql1", "sp-sql2", "sp-sql3"] {
        host.lab(&["fault", "stop", node]).ok();
    }
    let outcome = host
        .sh(
            "pc1",
            "curl -sS --max-time 10 --ntlm -u alice:Passw0rd! -w '\\n%{http_code}' https://intranet.contoso.com/",
        )
        .ok();
    assert!(outcome.stdout.ends_with("503"), "{outcome}");
    assert!(
        outcome.stdout.contains("content database") && outcome.stdout.contains("sp-sql1"),
        "the tier is not named: {outcome}"
    );
    host.lab(&["heal"]).ok();
    until("the databases are back", Duration::from_secs(10), || {
        host.http_status_as("alice", "pc1", "https://intranet.contoso.com/") == "200"
    });
}
