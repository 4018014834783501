//! Limits of a node as a whole: in a cgroup that was delegated to the lab, and nowhere else.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Host, binary};

const LAB: &str = "\
lab: limited
segments:
  s: { prefix: 10.1.0.0/24 }
nodes:
  a: { on: s, limits: { memory: 200MB, processes: 30 } }
  b: { on: s }
";

/// Where version 2 is mounted.
fn mounted() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let point = fields.next()?;
        (fields.next() == Some("cgroup2")).then(|| point.into())
    })
}

fn own_cgroup() -> String {
    std::fs::read_to_string("/proc/self/cgroup").expect("/proc")
}

/// A cgroup delegated as systemd does it; this test removes it as systemd does.
struct Scope(PathBuf);

impl Scope {
    fn new(below: &Path) -> Self {
        let path = below.join(format!("tierlab-test-{}", std::process::id()));
        std::fs::create_dir(&path).expect("root makes a cgroup");
        let mark = "import os, sys; os.setxattr(sys.argv[1], 'user.delegate', b'1')";
        let marked = Command::new("/usr/bin/python3")
            .args(["-c", mark])
            .arg(&path)
            .status()
            .expect("python3 runs");
        assert!(marked.success());
        Self(path)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
        let gone = std::fs::remove_dir(&self.0);
        assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
    }
}

fn up_in(host: &Host, scope: &Scope) {
    let file = host.folder.write("lab.yaml", LAB);
    let own = host.command(&[]);
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "echo $$ >\"$0/cgroup.procs\" && exec \"$1\" up \"$2\"",
        ])
        .args([&scope.0, &binary(), &file])
        .current_dir(&host.folder.0);
    command.envs(
        own.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = command.output().expect("sh runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn without_delegation_no_cgroup_is_made() {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    assert_eq!(
        host.sh("a", "cat /proc/self/cgroup").ok().stdout,
        own_cgroup()
    );
    host.sh("a", "grep processes /proc/self/limits")
        .ok()
        .says(" 30 ");
}

/// As root alone: others can't make a cgroup to delegate.
#[test]
fn a_delegated_cgroup_limits_the_node_as_a_whole() {
    let Some(below) = mounted().filter(|_| support::is_root()) else {
        return without_delegation_no_cgroup_is_made();
    };
    let has_controllers =
        std::fs::write(below.join("cgroup.subtree_control"), "+memory +pids").is_ok();
    let host = Host::new();
    let scope = Scope::new(&below);
    up_in(&host, &scope);
    if !has_controllers {
        // Version 1 has them here: the limits of each process are what there is.
        assert!(!scope.0.join("limited.a").exists());
        host.sh("a", "grep processes /proc/self/limits")
            .ok()
            .says(" 30 ");
        host.lab(&["down"]).ok();
        return;
    }
    assert_eq!(scope.read("limited.a/pids.max").trim(), "30");
    assert!(!scope.0.join("limited.b").exists(), "b has no limits");
    // Two users: each is within the limit, which is one of users, both together are not.
    let fork = "for i in $(seq 20); do sleep 300 & done; wait";
    let mut first = host.spawn("a", &["sh", "-c", fork]);
    support::until("twenty run", std::time::Duration::from_secs(60), || {
        scope
            .read("limited.a/pids.current")
            .trim()
            .parse()
            .unwrap_or(0)
            > 20
    });
    let again = fork.replace("wait", "kill $(jobs -p)");
    host.lab(&["exec", "a", "--user", "nobody", "--", "sh", "-c", &again]);
    first.kill().expect("kill");
    let _ = first.wait();
    let refused = scope.read("limited.a/pids.events");
    assert!(!refused.contains("max 0"), "{refused}");
    // Each of them is within the limit, all together are not.
    let eat = "for i in 1 2 3; do python3 -c 'b = bytearray(b\"x\") * (90 << 20); input()' & done <&0; wait";
    let mut eaters = host.spawn("a", &["sh", "-c", eat]);
    support::until("one is killed", std::time::Duration::from_secs(60), || {
        !scope.read("limited.a/memory.events").contains("oom_kill 0")
    });
    eaters.kill().expect("kill");
    let _ = eaters.wait();
    host.lab(&["down"]).ok();
}
