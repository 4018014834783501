//! curl, as it is installed.

use std::net::SocketAddr;

use tokio::process::Command;

use crate::authority::Authority;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// `Tierlab-Path`, hop by hop.
    pub fn path(&self) -> Vec<&str> {
        self.header("tierlab-path")
            .map(|path| path.split(", ").collect())
            .unwrap_or_default()
    }
}

/// `GET https://host/path` at this address, the certificate verified against the authority.
/// The error is curl's exit code.
pub async fn get(
    authority: &Authority,
    at: SocketAddr,
    host: &str,
    path: &str,
    more: &[&str],
) -> Result<Answer, i32> {
    let root = authority.root_file().display().to_string();
    let mut arguments = vec!["--cacert", &root];
    arguments.extend(more);
    run(
        &format!("https://{host}:{}{path}", at.port()),
        at,
        host,
        &arguments,
    )
    .await
}

/// The same without TLS.
pub async fn get_plain(at: SocketAddr, host: &str, path: &str) -> Result<Answer, i32> {
    run(&format!("http://{host}:{}{path}", at.port()), at, host, &[]).await
}

async fn run(url: &str, at: SocketAddr, host: &str, more: &[&str]) -> Result<Answer, i32> {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--include",
            "--path-as-is",
            "--http1.1",
            "--max-time",
            "20",
        ])
        .args(["--noproxy", "*"])
        .args(["--resolve", &format!("{host}:{}:{}", at.port(), at.ip())])
        .args(more)
        .arg(url)
        .output()
        .await
        .expect("curl is installed");
    if !output.status.success() {
        return Err(output.status.code().unwrap_or(-1));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .expect("a status line");
    Ok(Answer {
        status: status.parse().expect("a status"),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}
