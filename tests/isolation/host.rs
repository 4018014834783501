//! The host side: what is there to be reached, and two labs that must not reach it.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::support::{Folder, Host, is_root};

const PROBE: &str = include_str!("probe.py");
const INJECT: &str = include_str!("inject.py");
const LABS: &str = "\
lab: NAME
domain: example
segments:
  left: { prefix: 10.1.0.0/24 }
nodes:
  a: { on: { left: .10 }, service: dns }
  b: { on: { left: .20 }, run: [sleep, MARKER] }
  p:
    on: { left: .30 }
    files: { /etc/probe.py: { from: probe.py }, /etc/inject.py: { from: inject.py } }
    service: { tier-web: {} }
    run: [/usr/bin/python3, /etc/probe.py, agent, tierlab-NAME]
dns:
  views:
    all: { server: a, clients: any }
  zones:
    - { zone: example, view: all, records: { www: b } }
";

/// A test by its name.
pub type Check = (&'static str, fn(&Stage));

/// Everything that the attempts aim at.
pub struct Stage {
    /// The labs `isolated` and `neighbour`.
    pub host: Host,
    /// A folder of the caller that nodes see, world-readable; labs' state and sockets are in it.
    pub open: PathBuf,
    pub tcp: u16,
    pub udp: u16,
    pub abstract_name: String,
    pub secret: String,
    /// A process of the host and what its command line says.
    pub process: Child,
    pub marker: String,
    pub shared_memory: i32,
    _fifo: std::fs::File,
}

/// As whom an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Root,
    User,
    Program,
    Service,
}

impl Kind {
    /// As the documentation calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "another user",
            Self::Program => "`run:`",
            Self::Service => "service",
        }
    }
}

impl Stage {
    pub fn new() -> Self {
        let number = std::process::id();
        // Not below /tmp: a node has its own, and what is there would be out of reach anyway.
        let open = if is_root() {
            PathBuf::from("/var/lib")
        } else {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| {
                let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective());
                user.ok().flatten().expect("a user").dir.into()
            }))
        };
        let open = open.join(format!("tl-{number}"));
        std::fs::create_dir_all(&open).expect("the folder can be made");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let host = Host {
            folder: Folder(open.clone()),
        };
        host.folder.write("probe.py", PROBE);
        host.folder.write("inject.py", INJECT);
        let marker = format!("9{number}.5");
        let neighbour = format!("8{number}.5");
        for (name, marker) in [("isolated", &marker), ("neighbour", &neighbour)] {
            let text = LABS.replace("NAME", name).replace("MARKER", marker);
            let file = host.folder.write(&format!("{name}.yaml"), &text);
            let secret = format!("secret-{number}");
            let up = host
                .command(&["up", &file.to_string_lossy()])
                .env("TL_SECRET", secret)
                .output()
                .expect("the binary runs");
            assert!(
                up.status.success(),
                "{}",
                String::from_utf8_lossy(&up.stderr)
            );
        }
        let public = open.join("public");
        std::fs::create_dir(&public).expect("folder");
        host.folder.write("public/secret.txt", "for the host alone");
        std::fs::set_permissions(
            public.join("secret.txt"),
            std::fs::Permissions::from_mode(0o600),
        )
        .expect("chmod");
        host.folder.write("public/writable.txt", "as it was");
        let fifo = public.join("fifo");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
        nix::unistd::mkfifo(&fifo, mode).expect("a pipe");
        let reader = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&fifo)
            .expect("a pipe's end");
        for path in [
            public.join("socket"),
            PathBuf::from(format!("/tmp/tl-{number}.socket")),
        ] {
            greet(UnixListener::bind(&path).expect("a socket"));
            everybody(&path);
        }
        for path in [&fifo, &public.join("writable.txt")] {
            everybody(path);
        }
        if is_root() {
            let path = format!("/run/tl-{number}.socket");
            greet(UnixListener::bind(&path).expect("a socket"));
            everybody(&PathBuf::from(path));
        }
        let abstract_name = format!("tl-{number}");
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        greet(UnixListener::bind_addr(&address).expect("an abstract socket"));
        let tcp = TcpListener::bind("[::]:0").expect("a port");
        let tcp_port = tcp.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let _ = (&stream).write_all(b"host");
            }
        });
        let udp = UdpSocket::bind("[::]:0").expect("a port");
        let udp_port = udp.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            while let Ok((_, from)) = udp.recv_from(&mut [0; 16]) {
                let _ = udp.send_to(b"host", from);
            }
        });
        let process = Command::new("sleep")
            .arg(format!("7{number}.5"))
            .spawn()
            .expect("sleep");
        let shared_memory = i32::try_from(number).expect("a small number") | 0x4000_0000;
        let made = Command::new("/usr/bin/python3")
            .arg("-c")
            .arg(format!(
                "import ctypes; exit(ctypes.CDLL(None).shmget({shared_memory}, 4096, 0o1666) < 0)"
            ))
            .status()
            .expect("python3");
        assert!(made.success());
        Self {
            host,
            tcp: tcp_port,
            udp: udp_port,
            abstract_name,
            secret: format!("secret-{number}"),
            process,
            marker: format!("7{number}.5"),
            shared_memory,
            open,
            _fifo: reader,
        }
    }

    /// The number that is in all names of this run.
    pub fn number(&self) -> u32 {
        std::process::id()
    }

    /// The argument of a process that only this node of that lab runs.
    pub fn marker_of(&self, lab: &str) -> String {
        let digit = if lab == "isolated" { 9 } else { 8 };
        format!("{digit}{}.5", self.number())
    }

    /// Makes an attempt in node p of the first lab; what it says.
    pub fn attempt(&self, kind: Kind, request: &str) -> serde_json::Value {
        let mut arguments = vec!["-l", "isolated", "exec", "p"];
        if kind == Kind::User {
            arguments.extend(["--user", "nobody"]);
        }
        let program = match kind {
            Kind::Service => "/etc/inject.py",
            _ => "/etc/probe.py",
        };
        arguments.extend(["--", "/usr/bin/python3", program]);
        if kind == Kind::Program {
            arguments.push("ask");
        }
        let mut command = self.host.command(&arguments);
        command.env("TL_SECRET", &self.secret);
        answer(command, request)
    }

    /// Makes it in node p of the other lab.
    pub fn in_neighbour(&self, request: &str) -> serde_json::Value {
        let arguments = ["-l", "neighbour", "exec", "p", "--"];
        let program = ["/usr/bin/python3", "/etc/probe.py"];
        answer(
            self.host.command(&[&arguments[..], &program[..]].concat()),
            request,
        )
    }

    /// Makes it on the host.
    pub fn on_host(&self, request: &str) -> serde_json::Value {
        let mut command = Command::new("/usr/bin/python3");
        command
            .arg(self.open.join("probe.py"))
            .env("TL_SECRET", &self.secret);
        answer(command, request)
    }

    /// Runs a program in a node of the first lab.
    pub fn exec(&self, node: &str, program: &[&str]) -> super::support::Outcome {
        let mut arguments = vec!["-l", "isolated", "exec", node, "--"];
        arguments.extend(program);
        self.host.lab(&arguments)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("ipcrm")
            .args(["-M", &self.shared_memory.to_string()])
            .status();
        for folder in ["/tmp", "/run"] {
            let _ = std::fs::remove_file(format!("{folder}/tl-{}.socket", self.number()));
        }
    }
}

fn everybody(path: &std::path::Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("chmod");
}

fn greet(listener: UnixListener) {
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"host");
        }
    });
}

fn answer(mut command: Command, request: &str) -> serde_json::Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child
        .stdin
        .take()
        .expect("its input")
        .write_all(request.as_bytes())
        .expect("it reads");
    let mut text = String::new();
    let mut output = child.stdout.take().expect("its output");
    output.read_to_string(&mut text).expect("text");
    let ended = child.wait_with_output().expect("it ends");
    serde_json::from_str(&text).unwrap_or_else(|_| {
        panic!(
            "no answer to {request}: {text} {}",
            String::from_utf8_lossy(&ended.stderr)
        )
    })
}
