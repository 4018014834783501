//! What the walls must leave to stock programs.

use super::host::{Check, Stage};
use super::support::until;

pub const TESTS: &[Check] = &[
    ("x11_ip_nft_and_tcpdump_work_in_a_node", network_tools_work),
    ("x11_strace_works_in_a_node", strace_works),
    ("x11_nested_user_namespaces_work", nested_namespaces_work),
    ("x11_threads_and_processes_start", threads_start),
];

fn network_tools_work(stage: &Stage) {
    stage
        .exec("b", &["ip", "link", "add", "extra", "type", "veth"])
        .ok();
    stage
        .exec("b", &["nft", "add", "table", "inet", "mine"])
        .ok();
    // -Z: without other ids in the lab it can't change to a user of its own. Its end ends the wait.
    let line = "timeout 10 tcpdump -Z root -i left -c 1 -w /tmp/seen -U udp port 53 2>/tmp/log & \
        while kill -0 $! && ! grep -q listening /tmp/log; do sleep 0.05; done; \
        dig +tries=1 +time=2 @10.1.0.10 www.example >/dev/null; wait; cat /tmp/log; test -s /tmp/seen";
    stage.exec("b", &["sh", "-c", line]).ok();
}

fn strace_works(stage: &Stage) {
    let said = stage
        .exec(
            "b",
            &["strace", "-f", "-e", "trace=openat", "cat", "/etc/hostname"],
        )
        .ok();
    assert!(said.stderr.contains("openat"), "{said}");
    // A service, too, is open to its node's root.
    let line = "timeout -s INT 2 strace -p $(pgrep -x dns) -o /tmp/trace & \
        sleep 0.5; dig +tries=1 +time=2 @10.1.0.10 www.example >/dev/null; wait; cat /tmp/trace";
    stage.exec("a", &["sh", "-c", line]).says("epoll");
}

fn nested_namespaces_work(stage: &Stage) {
    for user in ["root", "nobody"] {
        let arguments = [
            "-l",
            "isolated",
            "exec",
            "b",
            "--user",
            user,
            "--",
            "unshare",
            "-Urmpfn",
            "--mount-proc",
            "sh",
            "-c",
            "ip link add d type veth; echo $$",
        ];
        let said = stage.host.lab(&arguments).ok().stdout;
        assert_eq!(said.trim(), "1", "as {user}");
    }
}

fn threads_start(stage: &Stage) {
    let line = "import threading, subprocess; t = threading.Thread(target=lambda: print('thread')); \
        t.start(); t.join(); subprocess.run(['echo', 'process'], check=True)";
    stage
        .exec("b", &["/usr/bin/python3", "-c", line])
        .ok()
        .says("thread")
        .says("process");
    until(
        "the service answers",
        std::time::Duration::from_secs(5),
        || {
            stage
                .exec(
                    "b",
                    &["dig", "+short", "+tries=1", "@10.1.0.10", "www.example"],
                )
                .stdout
                .contains("10.1.0.20")
        },
    );
}
