//! What every end-to-end test uses: the real binary, in folders of its own, looked at from outside.
#![allow(dead_code)]

pub mod processes;
pub mod terminal;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The binary under test. `TIERLAB_BIN` names a copy that an ordinary user can read.
pub fn binary() -> PathBuf {
    std::env::var_os("TIERLAB_BIN").map_or_else(|| env!("CARGO_BIN_EXE_lab").into(), PathBuf::from)
}

/// The project's folder.
pub fn source() -> PathBuf {
    std::env::var_os("TIERLAB_SOURCE")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tl-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
        std::fs::write(&path, text).expect("the temporary folder can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a command did.
pub struct Outcome {
    pub command: String,
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(command: String, output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output
            .status
            .code()
            .or_else(|| output.status.signal().map(|s| 128 + s));
        Self {
            command,
            status: status.unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status == 0, "should have succeeded: {self}");
        self
    }

    /// Fails the test unless the command ended with this status.
    #[track_caller]
    pub fn fails_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "wrong status: {self}");
        self
    }

    /// Fails the test unless stdout has this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "`{text}` is missing in stdout: {self}"
        );
        self
    }

    /// Fails the test unless stderr has this text.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "`{text}` is missing in stderr: {self}"
        );
        self
    }

    /// Stdout's lines, sorted.
    pub fn lines(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.stdout.lines().collect();
        lines.sort_unstable();
        lines
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nstatus {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.status, self.stdout, self.stderr
        )
    }
}

/// A place for labs: runtime and state folders of its own. What is up in it goes down with it.
pub struct Host {
    pub folder: Folder,
}

impl Host {
    pub fn new() -> Self {
        Self {
            folder: Folder::new(),
        }
    }

    /// A command of the binary under test.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(&self.folder.0)
            .env("XDG_RUNTIME_DIR", self.folder.0.join("run"))
            .env("XDG_STATE_HOME", self.folder.0.join("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        std::fs::create_dir_all(self.folder.0.join("run")).expect("folder");
        command
    }

    /// Runs `lab …` to its end.
    pub fn lab(&self, arguments: &[&str]) -> Outcome {
        let output = self
            .command(arguments)
            .output()
            .expect("the binary under test runs");
        Outcome::of(format!("lab {}", arguments.join(" ")), output)
    }

    /// Runs a shell line with the folders of this place, on the host.
    pub fn shell(&self, line: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(&self.folder.0);
        for (key, value) in self.command(&[]).get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        let output = command.stdin(Stdio::null()).output().expect("sh runs");
        Outcome::of(line.to_owned(), output)
    }

    /// Brings a lab up.
    #[track_caller]
    pub fn up(&self, file: &Path) {
        self.lab(&["up", &file.to_string_lossy()]).ok();
    }

    /// Runs a program in a node.
    pub fn exec(&self, node: &str, program: &[&str]) -> Outcome {
        let mut arguments = vec!["exec", node, "--"];
        arguments.extend(program);
        self.lab(&arguments)
    }

    /// Runs a shell line in a node.
    pub fn sh(&self, node: &str, line: &str) -> Outcome {
        self.exec(node, &["sh", "-c", line])
    }

    /// Starts a program in a node; the caller ends it.
    pub fn spawn(&self, node: &str, program: &[&str]) -> std::process::Child {
        let mut arguments = vec!["exec", node, "--"];
        arguments.extend(program);
        self.command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary under test runs")
    }

    /// `lab status --json`.
    pub fn status(&self) -> serde_json::Value {
        let outcome = self.lab(&["status", "--json"]).ok();
        serde_json::from_str(&outcome.stdout).expect("status --json prints JSON")
    }

    /// A response's header, asked for with curl in a node; verification is on.
    #[track_caller]
    pub fn header(&self, node: &str, url: &str, name: &str) -> String {
        let format = format!("%header{{{name}}}");
        let arguments = [
            "curl",
            "-sS",
            "--max-time",
            "10",
            "-o",
            "/dev/null",
            "-w",
            &format,
            url,
        ];
        self.exec(node, &arguments).ok().stdout
    }

    /// The status that curl gets, `000` where there is no answer.
    pub fn http_status(&self, node: &str, url: &str) -> String {
        let line = format!("curl -s --max-time 3 -o /dev/null -w '%{{http_code}}' '{url}' || true");
        self.sh(node, &line).stdout
    }

    /// The same where people log in by NTLM.
    pub fn http_status_as(&self, user: &str, node: &str, url: &str) -> String {
        let login = format!("--ntlm -u '{user}:Passw0rd!'");
        let ask = "curl -s --max-time 3 -o /dev/null -w '%{http_code}'";
        self.sh(node, &format!("{ask} {login} '{url}' || true"))
            .stdout
    }

    /// `dig +short`, lines sorted.
    #[track_caller]
    pub fn dig(&self, node: &str, arguments: &str) -> Vec<String> {
        let outcome = self
            .sh(node, &format!("dig +short +tries=1 +time=3 {arguments}"))
            .ok();
        outcome.lines().into_iter().map(str::to_owned).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.lab(&["down", "--all"]);
    }
}

/// Waits for a condition, for so long at most.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a command ends, for a minute at most; its pipes must take what it says.
#[track_caller]
pub fn finish(what: &str, mut child: std::process::Child) -> Outcome {
    until(what, Duration::from_secs(60), || {
        child.try_wait().expect("wait").is_some()
    });
    Outcome::of(what.to_owned(), child.wait_with_output().expect("wait"))
}

/// A lab of the project.
pub fn scenario(name: &str) -> PathBuf {
    source().join("scenarios").join(name).join("lab.yaml")
}

/// Links and mounts of the test's own namespaces: what a lab could leave behind there.
pub fn links_and_mounts() -> String {
    let links = std::fs::read_to_string("/proc/net/dev").expect("links");
    let links: Vec<&str> = links
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    format!("{links:?} {}", mounts.lines().count())
}

/// Whether the test runs as root.
pub fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}
