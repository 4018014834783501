//! A node that is killed on the host: it comes back by its rule, and nobody else notices.

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use support::processes::all;
use support::{Host, until};

const LAB: &str = "\
lab: death
segments:
  left: { prefix: 10.1.0.0/24 }
  right: { prefix: 10.2.0.0/24 }
nodes:
  router: { router: true, on: { left: .1, right: .1 }, acl: forward }
  client: { on: { left: .20 } }
  server:
    on: { right: .10 }
    run:
      name: files
      argv: [/usr/bin/python3, -m, http.server, --directory, /tmp, '80']
      health: { tcp: 80 }
  neighbour:
    on: { left: .30 }
    run: { name: listener, argv: [nc, -lk, '7'], health: { tcp: 7 } }
  once: { on: { left: .40 }, run: { name: once, argv: [sleep, '100000'], restart: never } }
acls:
  forward:
    - { id: A1, permit: tcp/80, to: right }
    - { id: A9, drop: any }
";

/// Bytes of the download, and so many a second: it takes four seconds.
const SIZE: u64 = 32 << 20;
const RATE: u64 = 8 << 20;

/// The first process of a node, as the host sees it: a child of the lab's first process.
fn first_process(host: &Host, node: &str) -> Option<i32> {
    let lock = host.folder.0.join("run/tierlab/death.lock");
    let lab: i32 = std::fs::read_to_string(lock).ok()?.trim().parse().ok()?;
    let found = all()
        .into_iter()
        .find(|one| one.parent == lab && one.name == node);
    found.map(|one| one.pid)
}

fn kill(pid: i32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

fn is_healthy(host: &Host, node: &str, process: &str, restarts: u64) -> bool {
    let node = &host.status()["nodes"][node];
    node["running"] == true
        && node["restarts"] == restarts
        && node["processes"][process]["state"] == "healthy"
}

#[test]
fn a_killed_node_comes_back_while_its_neighbours_connections_go_on() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    host.sh("server", &format!("head -c {SIZE} /dev/urandom > /tmp/big"))
        .ok();
    let right = host.sh("server", "sha256sum < /tmp/big").ok().stdout;
    let line = format!("curl -sS --limit-rate {RATE} http://10.2.0.10/big | sha256sum");
    let mut download = host
        .command(&["exec", "client", "--", "sh", "-c", &line])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let flows = || {
        host.sh("client", "ss -Htn state established dport = 80")
            .stdout
    };
    until("the download runs", Duration::from_secs(10), || {
        !flows().is_empty()
    });
    let flow = flows();
    for restarts in 1..=2 {
        let pid = first_process(&host, "neighbour").expect("it lives");
        kill(pid);
        until("it is healthy again", Duration::from_secs(20), || {
            is_healthy(&host, "neighbour", "listener", restarts)
        });
        assert_ne!(first_process(&host, "neighbour"), Some(pid));
        host.sh("client", "nc -z -w 2 10.1.0.30 7").ok();
    }
    assert!(
        download.try_wait().expect("wait").is_none(),
        "the download was over before the neighbour was back"
    );
    // The same connection still, by its ports.
    let ports = |flow: &str| {
        flow.split_whitespace()
            .skip(2)
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(ports(&flows()), ports(&flow));
    let outcome = support::finish("the download", download).ok();
    assert_eq!(outcome.stdout, right, "{outcome}");
}

/// As a reboot of a router that answers for what it has let through before.
#[test]
fn a_connection_outlives_the_death_of_the_router_that_it_passes() {
    let host = Host::new();
    let text = LAB.replace(", acl: forward }", " }");
    let text = &text[..text.find("acls:").expect("acls")];
    let file = host.folder.write("lab.yaml", text);
    host.up(&file);
    host.sh("server", &format!("head -c {SIZE} /dev/urandom > /tmp/big"))
        .ok();
    let right = host.sh("server", "sha256sum < /tmp/big").ok().stdout;
    let line = format!("curl -sS --limit-rate {RATE} http://10.2.0.10/big | sha256sum");
    let mut download = host
        .command(&["exec", "client", "--", "sh", "-c", &line])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    until("the download runs", Duration::from_secs(10), || {
        !host
            .sh("client", "ss -Htn state established dport = 80")
            .stdout
            .is_empty()
    });
    kill(first_process(&host, "router").expect("it lives"));
    until("it is back", Duration::from_secs(20), || {
        host.status()["nodes"]["router"]["restarts"] == 1
            && host.status()["nodes"]["router"]["running"] == true
    });
    assert!(download.try_wait().expect("wait").is_none());
    let outcome = support::finish("the download", download).ok();
    assert_eq!(outcome.stdout, right, "{outcome}");
}

#[test]
fn a_killed_node_that_shall_never_start_again_stays_off() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    kill(first_process(&host, "once").expect("it lives"));
    until("it is off", Duration::from_secs(10), || {
        host.status()["nodes"]["once"]["running"] == false
    });
    // Whoever shall come back does, and is not kept from it by the one that shall not.
    kill(first_process(&host, "neighbour").expect("it lives"));
    until("the neighbour is back", Duration::from_secs(20), || {
        is_healthy(&host, "neighbour", "listener", 1)
    });
    assert_eq!(host.status()["nodes"]["once"]["running"], false);
    assert_eq!(first_process(&host, "once"), None);
}

/// A layer-7 VIP whose members keep a request for ever while there is /tmp/hold, and say so by
/// /tmp/held.
const FARM: &str = "\
lab: death
domain: example
resolvers: [names]
segments:
  net: { prefix: 10.1.0.0/24 }
nodes:
  names: { on: { net: .2 }, service: dns }
  client: { on: { net: .3 } }
  lb: { on: { net: .5 }, service: balancer }
  web:
    count: 2
    on: { net: .10 }
    files:
      /srv/holder.py:
        text: |
          import http.server, os, pathlib, threading
          class Holder(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  if self.path != '/health' and os.path.exists('/tmp/hold'):
                      pathlib.Path('/tmp/held').touch()
                      threading.Event().wait()
                  self.send_response(200)
                  self.end_headers()
          http.server.ThreadingHTTPServer(('', 80), Holder).serve_forever()
    run: { name: holder, argv: [/usr/bin/python3, /srv/holder.py], health: { tcp: 80 } }
balancers:
  site:
    on: lb
    vip: 10.1.0.100
    layer: 7
    sites: [{ hosts: [site.example], members: web, member-port: 80, health: { path: /health } }]
dns:
  views: { all: { server: names, clients: any } }
  zones: [{ zone: example, view: all, records: { site: site } }]
";

/// The member had taken the request, and died before it could answer; what is started in its place
/// knows nothing of it, so nobody says that it is lost.
#[test]
fn a_request_in_the_hands_of_a_member_that_dies_and_comes_back_is_answered() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", FARM);
    host.up(&file);
    let webs = ["web1", "web2"];
    for _ in 0..4 {
        for web in webs {
            host.sh(web, "touch /tmp/hold").ok();
        }
        let line = "curl -sS --max-time 30 -o /dev/null -w '%{http_code}' https://site.example/";
        let asks = host
            .command(&["exec", "client", "--", "sh", "-c", line])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test runs");
        let mut holder = None;
        until("a member has the request", Duration::from_secs(10), || {
            holder = webs
                .into_iter()
                .find(|web| host.sh(web, "test -e /tmp/held").status == 0);
            holder.is_some()
        });
        let holder = holder.expect("one of them");
        for web in webs {
            host.sh(web, "rm /tmp/hold").ok();
        }
        kill(first_process(&host, holder).expect("it lives"));
        let outcome = support::finish("the request", asks).ok();
        assert_eq!(outcome.stdout, "200", "{holder} died: {outcome}");
        until("it is healthy again", Duration::from_secs(20), || {
            let status = host.status();
            let pools = status["pools"].as_object().expect("pools");
            status["nodes"][holder]["processes"]["holder"]["state"] == "healthy"
                && pools.values().all(|pool| pool[holder] == "healthy")
        });
    }
}
