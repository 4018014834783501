//! FreeTDS' tsql, which knows nothing of this project.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::server::{Folder, Running, start};

/// What tsql says to these lines.
async fn tsql(
    server: &Running,
    version: &str,
    login: [&str; 2],
    database: &str,
    lines: &str,
) -> String {
    let folder = Folder::new();
    let authority = server.authority.root_file();
    let config = folder.0.join("freetds.conf");
    let text = format!(
        "[global]\nca file = {}\ncheck certificate hostname = no\nencryption = require\n\
         text size = 4194304\n[it]\nhost = 127.0.0.1\nport = {}\ntds version = {version}\n\
         client charset = UTF-8\n",
        authority.display(),
        server.at.port()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new("tsql")
        .env("FREETDSCONF", &config)
        .args([
            "-S", "it", "-U", login[0], "-P", login[1], "-D", database, "-o", "q",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // It may have ended already.
    let _ = input.write_all(lines.as_bytes()).await;
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const SA: [&str; 2] = ["sa", "Passw0rd!"];

#[tokio::test]
async fn it_logs_in_in_every_version_and_finishes_a_session() {
    let server = start();
    for version in ["7.1", "7.2", "7.3", "7.4"] {
        let table = format!("t{}", version.replace('.', ""));
        let lines = format!(
            "create table {table} (id int, name nvarchar(50), body nvarchar(max), d datetime)\ngo\n\
             insert into {table} values (1, N'Zoë', N'{}', '2013-10-09 12:30:00')\n\
             insert into {table} values (2, null, null, null)\ngo\n\
             begin tran\ndelete from {table}\nrollback\ngo\n\
             select id, name, len(body) as l, d from {table} order by id\ngo\n\
             select body from {table} where id = 1\ngo\nexit\n",
            "x".repeat(3000)
        );
        let said = tsql(&server, version, SA, "content", &lines).await;
        assert!(
            said.contains("1\tZoë\t3000\tOct  9 2013 12:30PM"),
            "{version}: {said}"
        );
        assert!(said.contains("2\tNULL\tNULL\tNULL"), "{version}: {said}");
        assert!(said.contains(&"x".repeat(3000)), "{version}: {said}");
    }
    let said = tsql(
        &server,
        "7.4",
        SA,
        "other",
        "select db_name()\nuse content\nselect db_name()\ngo\nexit\n",
    )
    .await;
    assert!(said.contains("other") && said.contains("content"), "{said}");
}

#[tokio::test]
async fn it_is_told_what_is_wrong() {
    let server = start();
    let said = tsql(&server, "7.4", ["sa", "wrong"], "content", "exit\n").await;
    assert!(
        said.contains("Msg 18456") && said.contains("Login failed for user 'sa'"),
        "{said}"
    );
    let said = tsql(&server, "7.4", SA, "nosuch", "exit\n").await;
    assert!(said.contains("Msg 4060"), "{said}");
    let said = tsql(
        &server,
        "7.4",
        SA,
        "content",
        "select 1\nselect * from nosuch\ngo\nexit\n",
    )
    .await;
    assert!(
        said.contains("Msg 208") && said.contains("Line 2"),
        "{said}"
    );
}
