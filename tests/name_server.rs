//! The name server, asked with dig from inside a node: what the labs of the project do not need.

mod support;

use support::Host;

const NAMES: &str = r#"
lab: names
resolvers: [ns]
domain: example
segments:
  s: { prefix: 10.0.0.0/24 }
nodes:
  ns: { on: { s: .53 }, service: dns }
  other: { on: { s: .54 }, service: dns }
  a: { on: { s: .10 } }
  b: { on: { s: .20 } }
dns:
  views:
    all: { server: ns, clients: any, forward: other }
    for-b: { server: ns, clients: 10.0.0.20/32 }
    elsewhere: { server: other, clients: any }
  zones:
    - zone: example
      view: all
      nodes: true
      records:
        "*.wild": 10.9.9.9
        wild: { txt: here }
        deep.empty.sub: 10.9.9.8
        alias: { cname: chain.example }
        chain: { cname: a.example }
        out: { cname: far.elsewhere }
        many: [10.1.0.1, 10.1.0.2, 10.1.0.3]
        long: { txt: LONG }
        mail: { mx: [[10, a.example]] }
    - zone: example
      view: for-b
      records: { secret: 10.8.8.8 }
    - zone: elsewhere
      view: elsewhere
      records: { far: 10.7.7.7 }
"#;

fn up() -> Host {
    let host = Host::new();
    let file = host
        .folder
        .write("lab.yaml", &NAMES.replace("LONG", &"x".repeat(3000)));
    host.up(&file);
    host
}

#[test]
fn answers_are_those_of_the_standards() {
    let host = up();
    // RFC 4592: a wildcard answers for what is not there, at any depth, and for nothing that is.
    assert_eq!(host.dig("a", "x.wild.example"), ["10.9.9.9"]);
    assert_eq!(host.dig("a", "x.y.wild.example"), ["10.9.9.9"]);
    assert!(host.dig("a", "wild.example A").is_empty());
    // RFC 8020: a name with names below it exists.
    host.sh("a", "dig +noall +comments empty.sub.example")
        .ok()
        .says("NOERROR");
    host.sh("a", "dig +noall +comments nobody.example")
        .ok()
        .says("NXDOMAIN");
    host.sh("a", "dig +noall +authority nobody.example")
        .ok()
        .says("SOA");
    // Aliases are followed, into zones of others, too.
    assert_eq!(
        host.dig("a", "alias.example"),
        ["10.0.0.10", "a.example.", "chain.example."]
    );
    assert_eq!(host.dig("a", "out.example"), ["10.7.7.7", "far.elsewhere."]);
    assert_eq!(host.dig("a", "many.example").len(), 3);
    host.sh("a", "dig +noall +additional mail.example MX")
        .ok()
        .says("10.0.0.10");
    // RFC 1035 §3.3: a long text is several strings; it does not fit a packet, and TCP carries it.
    host.sh("a", "dig +ignore +noall +comments long.example TXT")
        .ok()
        .says(" tc ");
    let long = host.dig("a", "long.example TXT").concat();
    assert_eq!(long.matches('x').count(), 3000);
    assert!(
        long.matches('"').count() >= 24,
        "strings of 255 bytes at most"
    );
    // No zone is given away.
    host.sh("a", "dig +noall +answer example AXFR").ok();
    assert!(
        !host
            .sh("a", "dig example AXFR")
            .stdout
            .contains("many.example")
    );
    // The final word on what nobody knows.
    host.sh("a", "dig +noall +comments nobody.nowhere")
        .ok()
        .says("NXDOMAIN");
    // A view for one client.
    assert_eq!(host.dig("b", "secret.example"), ["10.8.8.8"]);
    assert!(host.dig("a", "secret.example").is_empty());
    assert!(host.dig("b", "a.example").is_empty());
}

#[test]
fn garbage_does_not_stop_it() {
    let host = up();
    let python = "import socket\n\
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        for junk in (b'', b'x', b'\\xff' * 11, b'\\x00\\x01\\x01\\x00' + b'\\xff' * 60, b'\\x12\\x34\\x01\\x00\\x00\\x01' + b'\\x00' * 6 + b'\\xc0\\x0c' * 20, bytes(range(256)) * 8):\n\
        \x20   u.sendto(junk, ('10.0.0.53', 53))\n\
        t = socket.create_connection(('10.0.0.53', 53))\n\
        t.sendall(b'\\xff\\xffshort')\n\
        t.close()\n";
    let script = host.folder.write("junk.py", python);
    host.lab(&["cp", &script.to_string_lossy(), "a:/tmp/junk.py"])
        .ok();
    host.exec("a", &["/usr/bin/python3", "/tmp/junk.py"]).ok();
    assert_eq!(host.dig("a", "b.example"), ["10.0.0.20"]);
    assert_eq!(host.dig("a", "+tcp b.example"), ["10.0.0.20"]);
    assert_eq!(
        host.status()["nodes"]["ns"]["processes"]["dns"]["restarts"],
        0
    );
}

#[test]
fn zones_change_while_it_runs() {
    let host = up();
    let text = NAMES
        .replace("LONG", "short")
        .replace("10.9.9.9", "10.9.9.7");
    let file = host.folder.write("lab.yaml", &text);
    let identity = "readlink /proc/self/ns/net";
    let before = host.sh("ns", identity).ok().stdout;
    host.lab(&["apply", &file.to_string_lossy()]).ok();
    support::until("the new answer", std::time::Duration::from_secs(5), || {
        host.dig("a", "x.wild.example") == ["10.9.9.7"]
    });
    assert_eq!(
        host.sh("ns", identity).ok().stdout,
        before,
        "the server was started anew"
    );
}
