//! The attempts: what is tried, where the same succeeds, and what stops it in a node.

use serde_json::{Value, json};

use super::host::{Kind, Stage};
use super::support::is_root;

/// Where the same attempt must succeed.
pub enum Control {
    /// On the host, as the caller.
    Host,
    /// On the host, when the tests run as root.
    HostRoot,
    /// In the node itself, as its root, with these arguments.
    Own(Value),
    /// In the node itself, another probe.
    Other(&'static str, Value),
    /// In the same node of the other lab, as its root.
    Neighbour,
}

pub struct Attempt {
    pub name: &'static str,
    pub probe: &'static str,
    pub arguments: fn(&Stage) -> Vec<Value>,
    pub control: Control,
    pub stopped_by: &'static str,
    /// Kinds of processes that make it.
    pub kinds: &'static [Kind],
}

const ALL: &[Kind] = &[Kind::Root, Kind::User, Kind::Program, Kind::Service];
/// Root of a node may do more in it than others: what only it could do. A service is root without
/// capabilities.
const ROOTS: &[Kind] = &[Kind::Root, Kind::Program, Kind::Service];
/// A service executes nothing.
const WITH_PROGRAMS: &[Kind] = &[Kind::Root, Kind::User, Kind::Program];

impl Attempt {
    /// Tries it as everybody in a node, and where it must succeed.
    pub fn make(&self, stage: &Stage) {
        let sets = (self.arguments)(stage);
        assert!(!sets.is_empty(), "nothing to aim at");
        for arguments in sets {
            let request = request(self.probe, &arguments);
            for kind in self.kinds {
                let answer = stage.attempt(*kind, &request);
                assert!(
                    answer.get("stopped").is_some(),
                    "{kind:?} got through: {request}: {answer}"
                );
                println!("{} {arguments} as {kind:?}: {answer}", self.name);
            }
            let control = match &self.control {
                Control::Host => stage.on_host(&request),
                Control::HostRoot if is_root() => stage.on_host(&request),
                Control::Own(arguments) => {
                    stage.attempt(Kind::Root, &self::request(self.probe, arguments))
                }
                Control::Other(probe, arguments) => {
                    stage.attempt(Kind::Root, &self::request(probe, arguments))
                }
                Control::Neighbour => stage.in_neighbour(&request),
                // Only root could, and root runs these tests, too.
                Control::HostRoot => continue,
            };
            assert!(
                control.get("got").is_some(),
                "the attempt proves nothing, it fails where it may not: {request}: {control}"
            );
        }
    }
}

fn request(probe: &str, arguments: &Value) -> String {
    json!({ "probe": probe, "arguments": arguments }).to_string()
}

fn row(
    name: &'static str,
    probe: &'static str,
    arguments: fn(&Stage) -> Vec<Value>,
    control: Control,
    stopped_by: &'static str,
) -> Attempt {
    Attempt {
        name,
        probe,
        arguments,
        control,
        stopped_by,
        kinds: ALL,
    }
}

fn shell(
    name: &'static str,
    line: fn(&Stage) -> Vec<Value>,
    control: Control,
    stopped_by: &'static str,
) -> Attempt {
    row(name, "shell", line, control, stopped_by).only(WITH_PROGRAMS)
}

fn host_addresses() -> Vec<String> {
    let said = std::process::Command::new("hostname")
        .arg("-I")
        .output()
        .expect("hostname");
    String::from_utf8_lossy(&said.stdout)
        .split_whitespace()
        .chain(["127.0.0.1", "::1"])
        .map(str::to_owned)
        .collect()
}

fn public(stage: &Stage, name: &str) -> Vec<Value> {
    vec![json!([stage.open.join("public").join(name)])]
}

fn paths(paths: &[&str]) -> Vec<Value> {
    paths.iter().map(|path| json!([path])).collect()
}

fn there(paths: &[&str]) -> Vec<Value> {
    let there = paths
        .iter()
        .filter(|path| std::path::Path::new(path).exists());
    there.map(|path| json!([path])).collect()
}

const LOCKED: &str = "a user namespace below the node's: what is mounted above is locked";

pub fn all() -> Vec<Attempt> {
    let mut rows = network();
    rows.extend(files());
    rows.extend(processes());
    rows.extend(kernel());
    rows.push(of_services());
    rows.extend(namespaces());
    rows
}

fn network() -> Vec<Attempt> {
    vec![
        row(
            "a TCP listener of the host",
            "tcp",
            |s| host_addresses().iter().map(|a| json!([a, s.tcp])).collect(),
            Control::Host,
            "network namespace: no link leads to the host",
        ),
        row(
            "a UDP listener of the host",
            "udp",
            |s| host_addresses().iter().map(|a| json!([a, s.udp])).collect(),
            Control::Host,
            "network namespace",
        ),
        row(
            "an abstract Unix socket of the host",
            "unix",
            |s| vec![json!([format!("@{}", s.abstract_name)])],
            Control::Host,
            "network namespace: abstract names are its own",
        ),
        row(
            "a Unix socket in a folder that nodes see",
            "unix",
            |s| public(s, "socket"),
            Control::Host,
            "overlay: the path leads to another inode, at which nobody listens",
        ),
        row(
            "a named pipe in a folder that nodes see",
            "fifo",
            |s| public(s, "fifo"),
            Control::Host,
            "overlay",
        ),
        row(
            "a Unix socket in /tmp of the host",
            "unix",
            |s| vec![json!([format!("/tmp/tl-{}.socket", s.number())])],
            Control::Host,
            "mount namespace: /tmp is the node's",
        ),
        row(
            "a Unix socket in /run of the host",
            "unix",
            |s| vec![json!([format!("/run/tl-{}.socket", s.number())])],
            Control::HostRoot,
            "mount namespace: /run is the node's",
        ),
        row(
            "the control socket of the lab",
            "connects",
            |s| vec![json!([s.open.join("run/tierlab/isolated.sock")])],
            Control::Host,
            "the labs' folders are covered",
        ),
        row(
            "AF_VSOCK, which has no namespace",
            "family",
            |_| vec![json!([40])],
            // Not every kernel has it: that the probe works is seen at another one.
            Control::Own(json!([17])),
            "system call filter: socket families",
        ),
        row(
            "AF_BLUETOOTH, AF_RDS, AF_QIPCRTR",
            "family",
            |_| vec![json!([31]), json!([21]), json!([42])],
            Control::Own(json!([17])),
            "system call filter: socket families",
        ),
        Attempt {
            kinds: ROOTS,
            ..row(
                "a raw socket on a card of the host",
                "packet",
                |_| {
                    let cards = std::fs::read_dir("/sys/class/net").expect("/sys");
                    let cards = cards
                        .flatten()
                        .map(|c| c.file_name().to_string_lossy().into_owned());
                    cards
                        .chain(["eth0".into()])
                        .filter(|c| c != "lo" && c != "left")
                        .map(|c| json!([c]))
                        .collect()
                },
                Control::Own(json!(["left"])),
                "network namespace: the card is not in it",
            )
        },
        Attempt {
            kinds: ROOTS,
            ..row(
                "seeing and cutting links of the fabric by a link's other end",
                "other_end",
                |_| vec![json!([0, false]), json!([0, true])],
                Control::Other(
                    "shell",
                    json!(["unshare -Urn sh -c '\
                ip link add v0 type veth peer name v1; unshare -n sleep 5 & sleep 0.3; \
                ip link set v1 netns $!; ip link show v0 | grep -q netnsid; \
                echo \"{\\\"probe\\\": \\\"other_end\\\", \\\"arguments\\\": [0, false]}\" | \
                /usr/bin/python3 /etc/probe.py | grep got'"]),
                ),
                "user namespace of the node: no capability over the fabric's",
            )
        },
        row(
            "the abstract socket of a node of another lab",
            "unix",
            |_| vec![json!(["@tierlab-neighbour"])],
            Control::Neighbour,
            "network namespace",
        ),
        row(
            "a node of another lab by its address",
            "tcp",
            |_| vec![json!(["10.1.0.99", 80])],
            Control::Other("shell", json!(["nc -z -w 2 10.1.0.10 53"])),
            "network namespace: labs share no segment",
        ),
    ]
}

fn files() -> Vec<Attempt> {
    vec![
        row(
            "writing into folders of the host",
            "create",
            |s| {
                [
                    PathBuf::from("/usr"),
                    "/boot".into(),
                    "/home".into(),
                    "/root".into(),
                    "/var".into(),
                    "/var/lib".into(),
                    "/opt".into(),
                    "/sys".into(),
                    "/".into(),
                    s.open.join("public"),
                ]
                .iter()
                .map(|folder| json!([folder.join("tierlab-probe")]))
                .collect()
            },
            Control::Other("create", json!(["/tmp/tierlab-probe"])),
            "read-only overlays",
        ),
        row(
            "writing to a file that everybody may write",
            "opened",
            |s| public(s, "writable.txt"),
            Control::Host,
            "read-only overlays",
        ),
        row(
            "reading a private file of who started the lab",
            "read",
            |s| public(s, "secret.txt"),
            Control::Host,
            "homes are covered; where root started the lab, file permissions",
        )
        .only(&[Kind::Program, Kind::Service]),
        row(
            "reading /etc/shadow",
            "read",
            |_| paths(&["/etc/shadow"]),
            Control::HostRoot,
            "file permissions: no id of the lab is the host's root",
        ),
        row(
            "listing the labs' state, keys and logs",
            "listing",
            |s| {
                vec![
                    json!([s.open.join("state/tierlab/isolated")]),
                    json!([s.open.join("state/tierlab")]),
                    json!([s.open.join("run/tierlab")]),
                ]
            },
            Control::Host,
            "the labs' folders are covered",
        ),
        row(
            "the private key of another node",
            "read",
            |_| paths(&["/etc/tierlab/a.key"]),
            Control::Own(json!(["/etc/tierlab/ca.crt"])),
            "mount namespace: /etc is the node's",
        ),
        row(
            "opening devices of the host",
            "device",
            |_| {
                paths(&[
                    "/dev/vda",
                    "/dev/sda",
                    "/dev/mem",
                    "/dev/kmsg",
                    "/dev/loop0",
                    "/dev/loop-control",
                    "/dev/kvm",
                    "/dev/fuse",
                    "/dev/vsock",
                    "/dev/userfaultfd",
                    "/dev/tty0",
                ])
            },
            Control::Own(json!(["/dev/null"])),
            "/dev is the node's and has no other devices",
        ),
        row(
            "making a block device",
            "mknod",
            |_| vec![json!(["/tmp", 254, 0]), json!(["/dev/shm", 7, 0])],
            Control::HostRoot,
            "no CAP_MKNOD over the host",
        ),
        row(
            "reading the host's memory through /proc",
            "device",
            |_| there(&["/proc/kcore", "/proc/kmsg", "/proc/kpagecount"]),
            Control::HostRoot,
            "file permissions",
        ),
        row(
            "settings of the whole kernel",
            "opened",
            |_| {
                there(&[
                    "/proc/sys/kernel/core_pattern",
                    "/proc/sys/kernel/modprobe",
                    "/proc/sys/kernel/hotplug",
                    "/proc/sys/vm/drop_caches",
                    "/proc/sys/fs/file-max",
                    "/proc/sys/kernel/randomize_va_space",
                    "/proc/sysrq-trigger",
                    "/proc/sys/kernel/panic",
                    "/sys/kernel/uevent_helper",
                    "/sys/power/state",
                    "/sys/kernel/mm/ksm/run",
                ])
            },
            Control::HostRoot,
            "owned by the host's root; /sys is read-only",
        ),
        row(
            "the host's control groups",
            "create",
            |_| vec![json!(["/sys/fs/cgroup/tierlab-probe"])],
            Control::Own(json!(["/tmp/tierlab-probe-group"])),
            "/sys is a new, read-only one without them",
        ),
        row(
            "homes, as a host program or a service",
            "listing",
            |s| {
                vec![
                    json!(["/home"]),
                    json!(["/root"]),
                    json!(["/mnt"]),
                    json!([if is_root() {
                        "/home".into()
                    } else {
                        s.open.clone()
                    }]),
                ]
            },
            Control::Other("listing", json!(["/usr"])),
            "covered for services and host programs",
        )
        .only(&[Kind::Program, Kind::Service]),
    ]
}

fn processes() -> Vec<Attempt> {
    vec![
        row(
            "finding a process of the host",
            "process",
            |s| vec![json!([s.marker])],
            Control::Host,
            "process namespace",
        ),
        row(
            "finding a process of another node",
            "process",
            |s| vec![json!([s.marker_of("isolated")])],
            Control::Host,
            "process namespace",
        ),
        row(
            "finding a process of another lab",
            "process",
            |s| vec![json!([s.marker_of("neighbour")])],
            Control::Host,
            "process namespace",
        ),
        row(
            "signalling a process of the host",
            "signal",
            |s| vec![json!([s.process.id()])],
            Control::Host,
            "process namespace",
        ),
        row(
            "tracing a process of the host",
            "ptrace",
            |s| vec![json!([s.process.id()])],
            Control::Own(json!([0])),
            "process namespace",
        ),
        row(
            "tracing the node's first process",
            "ptrace",
            |_| vec![json!([1])],
            Control::Own(json!([0])),
            "it is not dumpable: only the host's root may",
        ),
        row(
            "taking descriptors of the node's first process",
            "descriptor_of",
            |_| vec![json!([1])],
            Control::Own(json!([0])),
            "it is not dumpable",
        ),
        row(
            "memory and environment of the node's first process",
            "memory",
            |_| vec![json!([1])],
            Control::Own(json!([0])),
            "it is not dumpable",
        ),
        row(
            "the root folder of the node's first process",
            "root_of",
            |_| vec![json!([1, "/"])],
            Control::Own(json!([0, "/"])),
            "it is not dumpable",
        ),
        row(
            "the caller's environment",
            "environment",
            |s| vec![json!([s.secret])],
            Control::Host,
            "first processes wipe theirs; exec passes on a list of names",
        ),
        row(
            "inherited descriptors",
            "descriptors",
            |_| vec![json!([])],
            Control::Other(
                "shell",
                json!(["exec 9</etc/passwd; echo '{\"probe\": \"descriptors\", \
                \"arguments\": []}' | /usr/bin/python3 /etc/probe.py | grep got"]),
            ),
            "all but the standard ones are closed",
        )
        .only(WITH_PROGRAMS),
        row(
            "shared memory of the host",
            "shared_memory",
            |s| vec![json!([s.shared_memory])],
            Control::Host,
            "IPC namespace",
        ),
    ]
}

fn kernel() -> Vec<Attempt> {
    let calls = |_: &Stage| -> Vec<Value> {
        [
            "reboot",
            "acct",
            "swapon",
            "clock_settime",
            "settimeofday",
            "syslog",
            "open_by_handle_at",
            "bpf",
            "perf_event_open",
            "unshare a cgroup namespace",
        ]
        .iter()
        .map(|name| json!([name]))
        .collect()
    };
    let user_calls = |_: &Stage| {
        vec![
            json!(["io_uring_setup"]),
            json!(["keyctl"]),
            json!(["add_key"]),
            json!(["request_key"]),
        ]
    };
    let optional = |_: &Stage| {
        vec![
            json!(["kexec_load"]),
            json!(["init_module"]),
            json!(["finit_module"]),
            json!(["delete_module"]),
            json!(["userfaultfd"]),
        ]
    };
    vec![
        row(
            "calls that ask for the whole host",
            "syscall",
            calls,
            Control::HostRoot,
            "system call filter, and no capability over the host",
        ),
        row(
            "keys, and io_uring",
            "syscall",
            user_calls,
            Control::Host,
            "system call filter (ENOSYS)",
        ),
        row(
            "modules, kexec, userfaultfd",
            "syscall",
            optional,
            // Not every kernel has them: the same probe reaches the kernel with another number.
            Control::Own(json!(["getpid"])),
            "system call filter, and no capability over the host",
        ),
    ]
}

/// What a service is refused beyond what programs are.
fn of_services() -> Attempt {
    let calls = |_: &Stage| -> Vec<Value> {
        [
            "execve",
            "a new process",
            "unshare a user namespace",
            "unshare a mount namespace",
            "setns",
            "mount",
            "umount",
            "pivot_root",
            "chroot",
            "open_tree",
            "fsopen",
            "mount_setattr",
            "ptrace",
            "process_vm_readv",
            "fanotify_init",
            "personality",
        ]
        .iter()
        .map(|name| json!([name]))
        .collect()
    };
    row(
        "programs, processes, namespaces, mounts and tracing, as a service",
        "syscall",
        calls,
        // Root of the node runs programs and has namespaces of its own below the node's.
        Control::Other("shell", json!(["unshare -Urm mount -t tmpfs none /tmp"])),
        "system call filter of services",
    )
    .only(&[Kind::Service])
}

fn namespaces() -> Vec<Attempt> {
    vec![
        shell(
            "mounting without a user namespace",
            |_| {
                vec![
                    json!(["mount -t tmpfs none /tmp"]),
                    json!(["umount /tmp"]),
                    json!(["mount -o remount,rw /usr"]),
                    json!(["mount --bind / /mnt"]),
                ]
            },
            Control::Own(json!(["unshare -Urm mount -t tmpfs none /tmp"])),
            "no CAP_SYS_ADMIN",
        ),
        shell(
            "remounting read-write in a nested user namespace",
            |_| {
                vec![
                    json!([
                        "unshare -Urm sh -c 'mount -o remount,bind,rw /usr && touch /usr/tierlab-probe'"
                    ]),
                    json!([
                        "unshare -Urm sh -c 'mount -o remount,rw /usr && touch /usr/tierlab-probe'"
                    ]),
                    json!([
                        "unshare -Urm sh -c 'mount -o remount,bind,rw / && touch /tierlab-probe'"
                    ]),
                ]
            },
            Control::Own(json!([
                "unshare -Urm sh -c 'mount -t tmpfs none /tmp && mount -o remount,bind,ro /tmp && \
                mount -o remount,bind,rw /tmp && touch /tmp/x'"
            ])),
            LOCKED,
        ),
        shell(
            "uncovering what is below a mount",
            |s| {
                vec![
                    json!(["unshare -Urm umount /etc"]),
                    json!(["unshare -Urm umount -l /tmp"]),
                    json!(["unshare -Urm umount -l /run"]),
                    json!(["unshare -Urm umount -l /proc"]),
                    json!([format!(
                        "unshare -Urm umount -l {}",
                        s.open.join("state/tierlab").display()
                    )]),
                ]
            },
            Control::Own(json!([
                "unshare -Urm sh -c 'mount -t tmpfs none /tmp && umount /tmp'"
            ])),
            LOCKED,
        ),
        shell(
            "a copy of the tree without what is mounted on it",
            |_| {
                vec![
                    json!(["unshare -Urm mount --bind / /mnt"]),
                    json!(["unshare -Urm mount --bind / /tmp"]),
                ]
            },
            Control::Own(json!(["unshare -Urm mount --rbind / /tmp"])),
            LOCKED,
        ),
        shell(
            "mounting the host's disk",
            |_| {
                vec![
                    json!(["unshare -Urm sh -c 'mknod /tmp/d b 254 0; mount -t ext4 /tmp/d /tmp'"]),
                    json!(["unshare -Urm mount -t ext4 /dev/vda /tmp"]),
                ]
            },
            Control::Own(json!([
                "unshare -Urm sh -c 'rm -f /tmp/p; mknod /tmp/p p && mount -t tmpfs none /tmp'"
            ])),
            "no device; disks are mounted by the host's root alone",
        ),
        shell(
            "mounting control groups, debugfs, tracefs, bpf",
            |_| {
                [
                    "cgroup2",
                    "cgroup",
                    "debugfs",
                    "tracefs",
                    "securityfs",
                    "configfs",
                    "devtmpfs",
                ]
                .iter()
                .map(|kind| json!([format!("unshare -Urm mount -t {kind} none /tmp")]))
                .collect()
            },
            Control::Own(json!(["unshare -Urm mount -t tmpfs none /tmp"])),
            "these are mounted by the host's root alone; no cgroup namespace",
        ),
        shell(
            "control groups by a namespace of their own",
            |_| {
                vec![
                    json!(["unshare -UrCm mount -t cgroup2 none /tmp"]),
                    json!(["unshare -UrCm mount -t cgroup -o memory none /tmp"]),
                ]
            },
            Control::Own(json!(["unshare -Urm true"])),
            "system call filter: CLONE_NEWCGROUP",
        ),
        shell(
            "release_agent",
            |_| {
                vec![
                    json!(["echo x > /sys/fs/cgroup/release_agent"]),
                    json!(["echo x > /sys/fs/cgroup/memory/release_agent"]),
                ]
            },
            Control::Own(json!(["echo x > /tmp/release_agent"])),
            "no control groups in a node",
        ),
        shell(
            "out of a chroot",
            |s| {
                vec![json!([format!(
                    "unshare -Ur /usr/bin/python3 -c 'import os; os.mkdir(\"/tmp/j\"); d = os.open(\"/\", 0); \
                os.chroot(\"/tmp/j\"); os.fchdir(d); [os.chdir(\"..\") for _ in range(64)]; os.chroot(\".\"); \
                os.stat(\"/tmp/tl-{}.socket\")'",
                    s.number()
                )])]
            },
            Control::Own(json!([
                "unshare -Ur /usr/bin/python3 -c 'import os; os.mkdir(\"/tmp/k\"); \
                d = os.open(\"/\", 0); os.chroot(\"/tmp/k\"); os.fchdir(d); os.chroot(\".\"); os.stat(\"/usr\")'"
            ])),
            "the node's root is the root of its mount namespace",
        ),
        shell(
            "out by a second pivot_root",
            |s| {
                vec![json!([format!(
                    "unshare -Urm sh -c 'mount -t tmpfs none /tmp && mkdir /tmp/old && cd /tmp && \
                pivot_root . old && test -e old/tmp/tl-{0}.socket'",
                    s.number()
                )])]
            },
            Control::Own(json!([
                "unshare -Urm sh -c 'mount -t tmpfs none /tmp && mkdir /tmp/old && cd /tmp && \
                pivot_root . old && test -e old/usr'"
            ])),
            "the host's root was let go of: the old root is the node's",
        ),
        shell(
            "entering namespaces of the first process",
            |_| {
                ["net", "mnt", "pid", "user", "ipc", "uts"]
                    .iter()
                    .map(|kind| {
                        json!([format!(
                            "/usr/bin/python3 -c 'import os, ctypes; \
                fd = os.open(\"/proc/1/ns/{kind}\", 0); exit(ctypes.CDLL(None).setns(fd, 0))'"
                        )])
                    })
                    .collect()
            },
            Control::Own(json!([
                "unshare -Urn /usr/bin/python3 -c 'import os, ctypes; \
                fd = os.open(\"/proc/self/ns/net\", 0); exit(ctypes.CDLL(None).setns(fd, 0) != 0)'"
            ])),
            "it is not dumpable; no CAP_SYS_ADMIN",
        ),
        shell(
            "changing the host name",
            |_| vec![json!(["hostname tierlab-probe"])],
            Control::Own(json!(["unshare -Uru hostname tierlab-probe"])),
            "no CAP_SYS_ADMIN; own UTS namespace",
        ),
        shell(
            "gaining privileges by set-user-id",
            |_| {
                vec![
                    json!([
                        "cp /bin/true /tmp/su; chmod 4755 /tmp/su; grep -q 'NoNewPrivs:.*0' /proc/self/status"
                    ]),
                    json!([
                        "grep -q 'nodev' /proc/mounts && grep ' / ' /proc/mounts | grep -vq nosuid"
                    ]),
                ]
            },
            Control::Own(json!(["grep -q 'NoNewPrivs:.*1' /proc/self/status"])),
            "no_new_privs, nosuid",
        ),
    ]
}

use std::path::PathBuf;

impl Attempt {
    fn only(self, kinds: &'static [Kind]) -> Self {
        Self { kinds, ..self }
    }
}
