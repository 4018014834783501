//! Kerberos through a lab, with MIT's programs: what the scenarios of contoso do not break.

mod support;

use std::time::Duration;

use support::{Host, until};

const REALM: &str = r#"
lab: realm
resolvers: [dc]
domain: example.com
segments:
  s: { prefix: 10.0.0.0/24 }
nodes:
  dc: { on: { s: .10 }, services: [dns, { domain-controller: { lockout: { after: 2, within: 1m, for: 2s } } }] }
  a:  { on: { s: .20 } }
directory:
  domain: EXAMPLE
  realm: EXAMPLE.COM
  users:
    ann: { password: secret }
  services:
    svc-web: { principals: HTTP/web.example.com, on: a }
dns:
  views:
    all: { server: dc, clients: any }
  zones:
    - zone: example.com
      view: all
      nodes: true
      records:
        _kerberos._udp: { srv: [0, 0, 88, dc.example.com] }
        _kerberos._tcp: { srv: [0, 0, 88, dc.example.com] }
"#;

fn up() -> Host {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", REALM);
    host.up(&file);
    host
}

fn controller(host: &Host) -> serde_json::Value {
    host.status()["nodes"]["dc"]["processes"]["domain-controller"].clone()
}

#[test]
fn a_ticket_outlives_the_domain_controller_that_gave_it() {
    let host = up();
    host.sh("a", "echo secret | kinit ann").ok();
    host.lab(&["fault", "kill", "dc"]).ok();
    host.lab(&["heal"]).ok();
    host.sh("a", "kvno HTTP/web.example.com")
        .ok()
        .says("kvno = 1");
}

#[test]
fn without_a_domain_controller_nobody_gets_a_ticket() {
    let host = up();
    host.lab(&["fault", "stop", "dc", "domain-controller"]).ok();
    host.sh("a", "echo secret | kinit ann")
        .fails_with(1)
        .complains("Cannot contact any KDC for realm 'EXAMPLE.COM'");
    host.lab(&["heal"]).ok();
    host.sh("a", "echo secret | kinit ann").ok();
}

#[test]
fn people_come_while_it_runs_and_a_lock_ends() {
    let host = up();
    host.sh("a", "echo secret | kinit bea").fails_with(1);
    let more = REALM.replace("    ann:", "    bea: { password: other }\n    ann:");
    let file = host.folder.write("lab.yaml", &more);
    host.lab(&["apply", &file.to_string_lossy()]).ok();
    host.sh("a", "echo other | kinit bea").ok();
    assert_eq!(controller(&host)["restarts"], 0);
    // MIT's kinit asks once, so two wrong passwords are two.
    for _ in 0..2 {
        host.sh("a", "echo wrong | kinit bea")
            .fails_with(1)
            .complains("Password incorrect");
    }
    host.sh("a", "echo other | kinit bea")
        .fails_with(1)
        .complains("Client's credentials have been revoked");
    until("the lock ends", Duration::from_secs(20), || {
        host.exec("a", &["sh", "-c", "echo other | kinit bea"])
            .status
            == 0
    });
}

#[test]
fn garbage_does_not_stop_it() {
    let host = up();
    let python = "import socket\n\
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        junk = (b'', b'x', b'\\x6a' * 900, b'\\x6a\\x84\\xff\\xff\\xff\\xff', b'\\x6c\\x80' + b'\\x30\\x80' * 700, bytes(range(256)) * 8)\n\
        for one in junk * 50:\n\
        \x20   u.sendto(one, ('10.0.0.10', 88))\n\
        held = [socket.create_connection(('10.0.0.10', 88)) for _ in range(400)]\n\
        for one, t in zip(junk * 50, held):\n\
        \x20   try: t.sendall(b'\\x00\\x00\\x10\\x00' + one)\n\
        \x20   except OSError: pass\n\
        for t in held: t.close()\n";
    let script = host.folder.write("junk.py", python);
    host.lab(&["cp", &script.to_string_lossy(), "a:/tmp/junk.py"])
        .ok();
    host.exec("a", &["/usr/bin/python3", "/tmp/junk.py"]).ok();
    host.sh("a", "echo secret | kinit ann").ok();
    host.sh(
        "a",
        "sed 's/^.libdefaults./&\\n udp_preference_limit = 1/' /etc/krb5.conf > /tmp/tcp.conf",
    )
    .ok();
    host.sh("a", "echo secret | KRB5_CONFIG=/tmp/tcp.conf kinit ann")
        .ok();
    assert_eq!(controller(&host)["restarts"], 0);
    host.lab(&["logs", "dc"]).ok().says("is refused: malformed");
}
