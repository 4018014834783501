//! A back end that authenticates connections, behind a layer-7 balancer: curl's own NTLM logs in
//! through it, and nobody ever meets the connection of somebody else.

mod support;

use support::{Host, source};

const LAB: &str = "\
lab: ntlm
domain: example
resolvers: [client]
segments:
  front: { prefix: 10.0.1.0/24 }
  back: { prefix: 10.0.2.0/24 }
nodes:
  client: { on: { front: .60 }, service: dns }
  lb: { on: { front: .10, back: .10 }, service: balancer }
  web:
    count: 2
    on: { back: .21 }
    run: { name: ntlm, argv: [/usr/bin/python3, /etc/ntlm_server.py], health: { tcp: 443 } }
    files: { /etc/ntlm_server.py: { from: ntlm_server.py } }
balancers:
  site:
    on: lb
    vip: 10.0.1.107
    layer: 7
    sites: [{ hosts: [site.example], members: web }]
dns:
  views: { all: { server: client, clients: any } }
  zones: [{ zone: example, view: all, records: { site: site } }]
";

fn up() -> Host {
    let host = Host::new();
    let server = std::fs::read_to_string(source().join("tests/files/ntlm_server.py"))
        .expect("the server's file");
    host.folder.write("ntlm_server.py", &server);
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    host
}

#[test]
fn curl_logs_in_through_the_balancer() {
    let host = up();
    let ask = |who: &str, urls: &str| {
        let line = format!("curl -sS --max-time 10 --ntlm -u '{who}' -w '%{{http_code}} ' {urls}");
        host.sh("client", &line).ok().stdout
    };
    let url = "https://site.example/";
    let answer = ask("CONTOSO\\alice:Passw0rd!", url);
    assert!(
        answer.starts_with("alice at web") && answer.ends_with("200 "),
        "{answer}"
    );
    let refused = ask("CONTOSO\\alice:wrong", url);
    assert!(refused.ends_with("401 "), "{refused}");
    let refused = ask("CONTOSO\\mallory:Passw0rd!", url);
    assert!(refused.ends_with("401 "), "{refused}");
    // A login holds for its connection, and so for one member.
    let answers = ask("CONTOSO\\bob:Wint3r!", &format!("{url}[1-6]"));
    let members: std::collections::BTreeSet<&str> = answers
        .lines()
        .filter(|line| line.contains("bob at"))
        .filter_map(|line| line.split_once("bob at ").map(|(_, member)| member))
        .collect();
    assert_eq!(members.len(), 1, "{answers}");
    assert_eq!(answers.matches("bob at web").count(), 6, "{answers}");
}

#[test]
fn nobody_meets_the_connection_of_somebody_else() {
    let host = up();
    let line = "\
for i in $(seq 10); do
  curl -sS --max-time 10 --ntlm -u 'CONTOSO\\alice:Passw0rd!' https://site.example/a https://site.example/b >>/tmp/alice &
  curl -sS --max-time 10 --ntlm -u 'CONTOSO\\bob:Wint3r!' https://site.example/a https://site.example/b >>/tmp/bob &
  curl -sS --max-time 10 https://site.example/a https://site.example/b >>/tmp/nobody &
  wait
done
cat /tmp/alice /tmp/bob /tmp/nobody | cut -d' ' -f1 | sort | uniq -c
cut -d' ' -f1 /tmp/alice | sort -u; cut -d' ' -f1 /tmp/bob | sort -u; cut -d' ' -f1 /tmp/nobody | sort -u";
    let said = host.sh("client", line).ok().stdout;
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        ["20 alice", "20 bob", "20 who", "alice", "bob", "who"],
        "{said}"
    );
}
