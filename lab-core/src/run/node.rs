//! A node's first process: prepares the node's root folder, then starts, signals and reaps what
//! runs in the node, on the keeper's word. Single-threaded; when it dies, the kernel ends the node.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::control::{Exec, Refusal};
use super::messages::{FromNode, Slice, ToNode};
use super::program::{self, Command, Stdio};
use super::{root, service, stores};
use crate::kernel::channel::Channel;
use crate::kernel::process::{self, Fork};
use crate::kernel::sysctl;
use crate::plan::{ProcessKind, ProcessPlan, before_links};
use crate::service::Catalogue;

/// What was started, by the process that stands for it.
struct Started {
    id: u64,
    /// Stop means: `SIGTERM` to this process, which ends its tree.
    pid: Pid,
}

/// What a node has from the zygote.
pub(super) struct Inheritance {
    /// Services.
    pub catalogue: Catalogue,
    /// Folders that services and host programs do not see.
    pub homes: Vec<PathBuf>,
}

struct Node {
    channel: Channel,
    inheritance: Inheritance,
    slice: Slice,
    started: BTreeMap<i32, Started>,
}

/// Lives as a node's first process.
pub(super) fn run(channel: Channel, inheritance: Inheritance) -> ! {
    // Services are forked from here and show what we show. TIERLAB_LOG is for them.
    process::forget_environment(&["TIERLAB_LOG"]);
    if process::set_undumpable().is_err() {
        process::exit_now(3)
    }
    let Ok(Some((ToNode::Slice(slice), doors))) = channel.receive::<ToNode>() else {
        process::exit_now(3)
    };
    let prepared = doors
        .into_iter()
        .try_for_each(|door| io::Write::write_all(&mut std::fs::File::from(door), b"0"))
        .and_then(|()| prepare(&slice));
    let answer = match &prepared {
        Ok(()) => FromNode::Prepared,
        Err(error) => FromNode::Failed(error.to_string()),
    };
    if channel.send(&answer, &[]).is_err() || prepared.is_err() {
        process::exit_now(3);
    }
    let mut node = Node {
        channel,
        inheritance,
        slice: *slice,
        started: BTreeMap::new(),
    };
    let _ = node.serve();
    process::exit_now(0)
}

fn prepare(slice: &Slice) -> io::Result<()> {
    nix::unistd::sethostname(&slice.plan.name)?;
    let store = (slice.plan.store > 0).then(|| stores::of(&slice.plan.name));
    root::enter(slice.other_users, store.as_deref())?;
    sysctl::write_own(&before_links(&slice.plan.sysctls))?;
    for file in &slice.plan.files {
        root::write_file(file)?;
    }
    install_trust(slice)?;
    for (id, credential) in &slice.credentials {
        let folder = Path::new("/etc/tierlab");
        root::write(
            &folder.join(format!("{id}.crt")),
            0o644,
            credential.chain.as_bytes(),
        )?;
        root::write(
            &folder.join(format!("{id}.key")),
            0o600,
            credential.key.as_bytes(),
        )?;
    }
    Ok(())
}

/// Puts the lab's root certificate where Debian's tools look: the bundle, the hashed folder, and
/// the source of update-ca-certificates.
fn install_trust(slice: &Slice) -> io::Result<()> {
    let pem = slice.trust.as_bytes();
    for path in [
        "/etc/ssl/certs/ca-certificates.crt".to_owned(),
        format!("/etc/ssl/certs/{}.0", slice.trust_hash),
        "/etc/tierlab/ca.crt".to_owned(),
    ] {
        root::write(Path::new(&path), 0o644, pem)?;
    }
    Ok(())
}

impl Node {
    /// Works until the keeper is gone.
    fn serve(&mut self) -> io::Result<()> {
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        children.thread_block()?;
        let signals =
            SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        loop {
            let mut set = [
                PollFd::new(self.channel.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut set, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                result => result?,
            };
            let [request, child] =
                set.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
            if child {
                while let Ok(Some(_)) = signals.read_signal() {}
                self.reap()?;
            }
            if request {
                match self.channel.receive::<ToNode>()? {
                    Some((message, descriptors)) => self.handle(message, descriptors)?,
                    None => return Ok(()),
                }
            }
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => (pid, status),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
                Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::ECHILD) => return Ok(()),
                Ok(_) => continue,
                Err(error) => return Err(error.into()),
            };
            // Others are orphans that came to us.
            let started = self.started.remove(&pid.as_raw());
            self.end_orphans();
            if let Some(started) = started {
                self.channel.send(
                    &FromNode::Exited {
                        id: started.id,
                        status,
                    },
                    &[],
                )?;
            }
        }
    }

    /// Ends what came to us because the supervisor above it died before it could end it: it would
    /// go on beside what is started in its place. Those below an orphan come here next.
    fn end_orphans(&self) {
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let is_ours = process::parent_of(pid) == Some(std::process::id() as i32);
            if is_ours && !self.started.contains_key(&pid) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    fn handle(&mut self, message: ToNode, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        match message {
            ToNode::Slice(_) => Ok(()),
            ToNode::Start { id, process } => {
                let started = match process.kind {
                    ProcessKind::Service { .. } => self.start_service(&process, descriptors),
                    ProcessKind::Program { .. } => self.start_program(&process, descriptors),
                };
                self.note(id, started)
            }
            ToNode::Exec { id, exec } => {
                let started = self.exec(id, &exec, descriptors);
                self.note(id, started)
            }
            ToNode::Signal { id, signal } => {
                if let Some(started) = self.find(id) {
                    let _ = process::queue_signal(started.pid, Signal::SIGUSR1 as i32, signal);
                }
                Ok(())
            }
            ToNode::Stop { id } => {
                if let Some(started) = self.find(id) {
                    let _ = kill(started.pid, Signal::SIGTERM);
                }
                Ok(())
            }
            ToNode::Sysctls { id, settings } => match sysctl::write_own(&settings) {
                Ok(()) => self.channel.send(&FromNode::Done { id }, &[]),
                Err(error) => {
                    let refusal = Refusal {
                        message: format!("setting up {}: {error}", self.slice.plan.name),
                        help: Some("`lab doctor` tries what a lab needs of this host".into()),
                        code: 3,
                    };
                    self.channel.send(&FromNode::Refused { id, refusal }, &[])
                }
            },
            ToNode::Files { files, remove } => {
                for path in &remove {
                    let _ = std::fs::remove_file(path);
                }
                for file in &files {
                    if let Err(error) = root::write_file(file) {
                        self.channel
                            .send(&FromNode::Failed(error.to_string()), &[])?;
                    }
                }
                Ok(())
            }
        }
    }

    fn find(&self, id: u64) -> Option<&Started> {
        self.started.values().find(|started| started.id == id)
    }

    fn note(&mut self, id: u64, started: Result<Pid, Refusal>) -> io::Result<()> {
        match started {
            Ok(pid) => {
                self.started.insert(pid.as_raw(), Started { id, pid });
                self.channel.send(&FromNode::Started { id }, &[])
            }
            Err(refusal) => self.channel.send(&FromNode::Refused { id, refusal }, &[]),
        }
    }

    fn start_service(&self, plan: &ProcessPlan, descriptors: Vec<OwnedFd>) -> Result<Pid, Refusal> {
        let [log, channel] =
            <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| lost_descriptors())?;
        match process::fork(CloneFlags::empty()).map_err(cannot_fork)? {
            Fork::Parent(pid) => Ok(pid),
            Fork::Child => {
                process::set_title(&plan.name);
                let channel = Channel::from_fd(channel);
                process::close_other_descriptors(&[log.as_raw_fd(), channel.as_raw_fd()]);
                service::run(&self.inheritance, &self.slice, plan, &log, channel)
            }
        }
    }

    fn start_program(&self, plan: &ProcessPlan, descriptors: Vec<OwnedFd>) -> Result<Pid, Refusal> {
        let ProcessKind::Program {
            argv, env, user, ..
        } = &plan.kind
        else {
            return Err(lost_descriptors());
        };
        let [log] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| lost_descriptors())?;
        let mut environment = self.environment(user.as_deref());
        environment.extend(env.clone());
        let command = Command {
            argv: argv.clone(),
            env: environment,
            cwd: "/".into(),
            user: user.clone(),
            other_users: self.slice.other_users,
            limits: self.slice.plan.limits.clone(),
            // A server starts with what a container would leave it, and may set its network up.
            hidden: self.inheritance.homes.clone(),
            own: false,
        };
        program::start(&command, Stdio::Log(log))
    }

    fn exec(&self, id: u64, exec: &Exec, descriptors: Vec<OwnedFd>) -> Result<Pid, Refusal> {
        let stdio = match exec.terminal {
            Some(size) => {
                let (master, slave) = program::open_terminal(size).map_err(|error| Refusal {
                    message: format!("can't open a terminal in {}: {error}", self.slice.plan.name),
                    help: None,
                    code: 3,
                })?;
                self.channel
                    .send(&FromNode::Terminal { id }, &[master.as_fd()])
                    .map_err(|error| Refusal {
                        message: error.to_string(),
                        help: None,
                        code: 3,
                    })?;
                Stdio::Terminal(slave)
            }
            None => {
                let passed =
                    <[OwnedFd; 3]>::try_from(descriptors).map_err(|_| lost_descriptors())?;
                if passed.iter().any(is_folder) {
                    return Err(folder_passed());
                }
                Stdio::Passed(passed)
            }
        };
        let mut env = exec.env.clone();
        env.extend(self.environment(exec.user.as_deref()));
        let argv = if exec.argv.is_empty() {
            program::shell()
        } else {
            exec.argv.clone()
        };
        let command = Command {
            argv,
            env,
            cwd: exec.cwd.clone(),
            user: exec.user.clone(),
            other_users: self.slice.other_users,
            limits: self.slice.plan.limits.clone(),
            hidden: Vec::new(),
            own: exec.own,
        };
        program::start(&command, stdio)
    }

    /// The environment that makes stock programs at home in a node.
    fn environment(&self, user: Option<&str>) -> BTreeMap<String, String> {
        let bundle = "/etc/ssl/certs/ca-certificates.crt";
        let mut env: BTreeMap<String, String> = [
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            (
                "HOME",
                if user.is_none_or(|name| name == "root") {
                    root::HOME
                } else {
                    "/tmp"
                },
            ),
            ("USER", user.unwrap_or("root")),
            ("LOGNAME", user.unwrap_or("root")),
            ("TMPDIR", "/tmp"),
            ("SSL_CERT_FILE", bundle),
            ("CURL_CA_BUNDLE", bundle),
            ("REQUESTS_CA_BUNDLE", bundle),
            ("NODE_EXTRA_CA_CERTS", bundle),
            ("TIERLAB_LAB", self.slice.lab.as_str()),
            ("TIERLAB_NODE", self.slice.plan.name.as_str()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        env.extend(self.slice.plan.env.clone());
        env
    }
}

/// From a folder of the host the way leads up to the root of it.
fn is_folder(descriptor: &OwnedFd) -> bool {
    nix::sys::stat::fstat(descriptor)
        .is_ok_and(|stat| stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR)
}

fn folder_passed() -> Refusal {
    Refusal {
        message: "a folder of the host can't be a node's standard input or output".into(),
        help: Some("`lab cp` copies folders into a node".into()),
        code: 2,
    }
}

fn lost_descriptors() -> Refusal {
    Refusal {
        message: "descriptors were lost on the way into the node".into(),
        help: None,
        code: 3,
    }
}

fn cannot_fork(error: io::Error) -> Refusal {
    Refusal {
        message: format!("no further process can be started: {error}"),
        help: Some("look at `ulimit -u` and at the host's memory".into()),
        code: 3,
    }
}
