//! What a service stores: it outlives the service and its node, and goes with the lab.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use support::{Host, until};

const LAB: &str = "\
lab: stored
segments:
  s: { prefix: 10.1.0.0/24 }
nodes:
  db:
    on: { s: .10 }
    service:
      sql-server: { databases: [content], megabytes: 8, logins: { sa: { password: secret } } }
  other:
    on: { s: .11 }
    service:
      sql-server: { databases: [content], megabytes: 8, logins: { sa: { password: secret } } }
  client: { on: { s: .20 } }
";

/// FreeTDS' client, asking a node.
fn tsql(node: &str) -> String {
    let host = if node == "db" {
        "10.1.0.10"
    } else {
        "10.1.0.11"
    };
    format!(
        "printf '[global]\\nca file = /etc/ssl/certs/ca-certificates.crt\\nencryption = require\\n\
         [it]\\nhost = {host}\\nport = 1433\\ntds version = 7.4\\n' > /tmp/{node}.conf; \
         FREETDSCONF=/tmp/{node}.conf exec tsql -S it -U sa -P secret -o q"
    )
}

/// What it says to these lines.
fn ask(host: &Host, node: &str, lines: &str) -> String {
    let mut child = host
        .command(&["exec", "client", "--", "sh", "-c", &tsql(node)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let mut input = child.stdin.take().expect("a pipe");
    // It may have ended already.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn up() -> (Host, std::path::PathBuf) {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    (host, file)
}

fn is_healthy(host: &Host, node: &str) -> bool {
    host.status()["nodes"][node]["processes"]["sql-server"]["state"] == "healthy"
}

#[test]
fn it_outlives_the_node_and_goes_with_the_lab() {
    let (host, file) = up();
    let said = ask(
        &host,
        "db",
        "create table t (a int)\ninsert t values (4711)\ngo\n",
    );
    assert!(!said.contains("Msg"), "{said}");
    host.lab(&["fault", "kill", "db"]).ok();
    host.lab(&["heal"]).ok();
    until("the database is back", Duration::from_secs(10), || {
        is_healthy(&host, "db")
    });
    let said = ask(&host, "db", "select a from t\ngo\n");
    assert!(said.contains("4711"), "{said}");
    // A node of another name has its own.
    let said = ask(&host, "other", "select a from t\ngo\n");
    assert!(said.contains("Msg 208"), "{said}");
    // A node that leaves the lab takes its own along.
    let without = LAB.replace("  db:\n    on: { s: .10 }", "  dc:\n    on: { s: .12 }");
    assert_ne!(without, LAB);
    let without = host.folder.write("without.yaml", &without);
    host.lab(&["apply", &without.display().to_string()]).ok();
    host.lab(&["apply", &file.display().to_string()]).ok();
    let said = ask(&host, "db", "select a from t\ngo\n");
    assert!(said.contains("Msg 208"), "{said}");
    let said = ask(
        &host,
        "db",
        "create table t (a int)\ninsert t values (4712)\ngo\n",
    );
    assert!(!said.contains("Msg"), "{said}");
    host.lab(&["down"]).ok();
    host.up(&file);
    let said = ask(&host, "db", "select a from t\ngo\n");
    assert!(said.contains("Msg 208"), "{said}");
}

#[test]
fn a_full_store_is_told_and_hurts_nobody_else() {
    let (host, _) = up();
    let fill = "create table t (a nvarchar(max))\ngo\n".to_owned()
        + &format!("insert t values ('{}')\ngo\n", "x".repeat(900_000)).repeat(12);
    let said = ask(&host, "db", &fill);
    assert!(
        said.contains("Msg 1105"),
        "{}",
        &said[..said.len().min(2000)]
    );
    // It serves on: what is removed makes room.
    let said = ask(
        &host,
        "db",
        "truncate table t\ngo\ninsert t values ('y')\nselect a from t\ngo\n",
    );
    assert!(said.contains('y') && !said.contains("Msg"), "{said}");
    let said = ask(
        &host,
        "other",
        "create table t (a int)\ninsert t values (1)\nselect a from t\ngo\n",
    );
    assert!(!said.contains("Msg"), "{said}");
    assert!(is_healthy(&host, "db") && is_healthy(&host, "other"));
}

/// Rows are inserted one after the other while the server is killed. What was acknowledged is there.
#[test]
fn a_commit_that_was_acknowledged_outlives_the_server() {
    let (host, _) = up();
    let said = ask(&host, "db", "create table t (a int primary key)\ngo\n");
    assert!(!said.contains("Msg"), "{said}");
    let mut next = 0_u32;
    for round in 0_u64..8 {
        let mut child = host
            .command(&["exec", "client", "--", "sh", "-c", &tsql("db")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test runs");
        let mut input = child.stdin.take().expect("a pipe");
        let first = next;
        let writer = std::thread::spawn(move || {
            for number in first..first + 2000 {
                let line = format!("insert t values ({number})\nselect {number} as done\ngo\n");
                if input.write_all(line.as_bytes()).is_err() {
                    break;
                }
            }
        });
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut acknowledged = None;
        let mut killed = false;
        for line in said.lines().map_while(Result::ok) {
            if let Ok(number) = line.trim().parse::<u32>() {
                acknowledged = Some(number);
            }
            // At another place in each round, in the middle of the stream. What is still on its way
            // to us counts for nothing.
            let here = acknowledged.is_some_and(|n| u64::from(n - first) >= 7 + round * 13);
            if here {
                killed = true;
                host.sh("db", "kill -9 $(pgrep -x sql-server)").ok();
                break;
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        writer.join().expect("it wrote");
        let last = acknowledged.expect("something was acknowledged");
        assert!(killed, "it was killed in its work");
        let mut said = String::new();
        until("the database is back", Duration::from_secs(20), || {
            said = ask(
                &host,
                "db",
                "select count(*) as n, max(a) as m from t\ngo\n",
            );
            said.contains("n\tm")
        });
        let line = said
            .lines()
            .find(|line| line.contains('\t') && !line.contains('n'));
        let numbers: Vec<u32> = line
            .unwrap_or_else(|| panic!("{said}"))
            .split('\t')
            .filter_map(|number| number.trim().parse().ok())
            .collect();
        let [count, highest] = numbers[..] else {
            panic!("{said}");
        };
        assert!(
            highest >= last,
            "round {round}: {last} was acknowledged, {highest} is there"
        );
        assert_eq!(count, highest + 1, "round {round}: none between is missing");
        next = highest + 1;
    }
}
