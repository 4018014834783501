//! The command's side of the control socket.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::control::{
    Exec, ExecControl, Hello, LogLine, PROTOCOL, Progress, Refusal, Request, Response, Status,
    Tried, Tries,
};
use super::folders::Folders;
use super::launcher::wait_dead;
use super::wire::{Inbox, Outbox};
use crate::kernel::link_news::LinkNews;
use crate::kernel::packet::PacketSocket;
use crate::kernel::process;
use crate::plan::{Fault, Plan};

/// How long `down` waits for the first process of a lab that is just coming up.
const BEING_BORN: Duration = Duration::from_secs(10);

/// A lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningLab {
    /// Its name.
    pub name: String,
    /// Its control socket.
    pub socket: PathBuf,
}

/// The caller's running labs, by name. A lab whose lock nobody holds is dead: its socket is
/// removed on the way.
///
/// # Errors
/// When the runtime folder can't be read.
pub fn running_labs() -> Result<Vec<RunningLab>, Refusal> {
    let folders = Folders::of_caller();
    let entries = match std::fs::read_dir(&folders.runtime) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Refusal {
                message: format!("can't read {}: {error}", folders.runtime.display()),
                help: None,
                code: 3,
            });
        }
    };
    let mut labs = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        let socket = folders.socket(name);
        if is_held(&path) {
            labs.push(RunningLab {
                name: name.to_owned(),
                socket,
            });
        }
    }
    labs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(labs)
}

/// Whether somebody holds a lock. While it is free its dead lab's socket is removed.
fn is_held(lock: &Path) -> bool {
    let Ok(file) = std::fs::File::open(lock) else {
        return false;
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = std::fs::remove_file(lock.with_extension("sock"));
            false
        }
        Err(_) => true,
    }
}

/// Removes what a lab that is down left behind: its lock and its state, logs included.
///
/// # Errors
/// It is up, or a file can't be removed.
pub fn forget(lab: &str) -> Result<(), Refusal> {
    let folders = Folders::of_caller();
    let lock = folders.lock(lab);
    if is_held(&lock) {
        return Err(Refusal {
            message: format!("the lab {lab} is up"),
            help: Some(format!("`lab down {lab}` ends it")),
            code: 2,
        });
    }
    for result in [
        std::fs::remove_dir_all(folders.lab_state(lab)),
        std::fs::remove_file(lock),
    ] {
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Refusal {
                    message: format!("can't remove what the lab {lab} left: {error}"),
                    help: None,
                    code: 3,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Sockets to watch links with. They hold a network namespace of the lab: who has them lets go
/// when `alive` says so.
#[derive(Debug)]
pub struct Tap {
    /// Hears nothing yet.
    pub packets: PacketSocket,
    /// Hears of interfaces that come; first of those that are there.
    pub news: LinkNews,
    /// Readable when what is watched is no more: the lab went down, or the node.
    pub alive: UnixStream,
}

pub(super) struct Connection {
    pub socket: UnixStream,
    pub inbox: Inbox,
    lab: String,
}

impl Connection {
    pub fn lost(&self, error: &dyn std::fmt::Display) -> Refusal {
        Refusal {
            message: format!("lost the connection to the lab {}: {error}", self.lab),
            help: Some(format!(
                "`lab status -l {}` tells whether it is still up",
                self.lab
            )),
            code: 1,
        }
    }

    pub fn send<T: serde::Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Refusal> {
        let mut outbox = Outbox::new(message, descriptors).map_err(|error| self.lost(&error))?;
        while !outbox
            .drain(self.socket.as_raw_fd())
            .map_err(|error| self.lost(&error))?
        {}
        Ok(())
    }

    pub fn receive(&mut self) -> Result<Response, Refusal> {
        loop {
            if let Some(response) = self.inbox.take().map_err(|error| self.lost(&error))? {
                return match response {
                    Response::Error(refusal) => Err(refusal),
                    response => Ok(response),
                };
            }
            let socket = self.socket.as_raw_fd();
            if !self.inbox.fill(socket).map_err(|error| self.lost(&error))? {
                return Err(self.lost(&"it ended"));
            }
        }
    }

    pub fn unexpected<T>(&self) -> Result<T, Refusal> {
        Err(self.lost(&"it answered something else than was asked"))
    }
}

impl RunningLab {
    pub(super) fn request(
        &self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Connection, Refusal> {
        let socket = UnixStream::connect(&self.socket).map_err(|error| Refusal {
            message: format!("can't reach the lab {}: {error}", self.name),
            help: Some("it may be coming up or going down just now".into()),
            code: 1,
        })?;
        let connection = Connection {
            socket,
            inbox: Inbox::default(),
            lab: self.name.clone(),
        };
        let hello = Hello {
            protocol: PROTOCOL,
            program: env!("CARGO_PKG_VERSION").into(),
            request,
        };
        connection.send(&hello, descriptors)?;
        Ok(connection)
    }

    /// State of the lab.
    ///
    /// # Errors
    /// What the keeper refuses, or that it can't be reached.
    pub fn status(&self) -> Result<Status, Refusal> {
        let mut connection = self.request(Request::Status, &[])?;
        match connection.receive()? {
            Response::Status(status) => Ok(*status),
            _ => connection.unexpected(),
        }
    }

    /// The plan in force.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn plan(&self) -> Result<Plan, Refusal> {
        let mut connection = self.request(Request::Plan, &[])?;
        match connection.receive()? {
            Response::Plan(plan) => Ok(*plan),
            _ => connection.unexpected(),
        }
    }

    /// Runs a program in a node and returns its exit status. `stdio` are the caller's standard
    /// descriptors; with `exec.terminal` they are copied to and from a terminal of the node (the
    /// caller puts its own into raw mode). `control` yields what to pass on while it runs.
    ///
    /// # Errors
    /// As [`Self::status`]; an unknown node is refused with the nearest name.
    pub fn exec(
        &self,
        exec: Exec,
        stdio: Vec<OwnedFd>,
        control: std::sync::mpsc::Receiver<ExecControl>,
    ) -> Result<i32, Refusal> {
        let terminal = exec.terminal.is_some();
        let passed: Vec<BorrowedFd<'_>> = if terminal {
            Vec::new()
        } else {
            stdio.iter().map(AsFd::as_fd).collect()
        };
        let mut connection = self.request(Request::Exec(exec), &passed)?;
        drop(passed);
        let mut copier = None;
        if terminal {
            copier = Some(self.attach(&mut connection, stdio)?);
        } else {
            drop(stdio);
        }
        let writer = connection
            .socket
            .try_clone()
            .map_err(|error| connection.lost(&error))?;
        std::thread::spawn(move || {
            for message in control {
                let Ok(mut outbox) = Outbox::new(&message, &[]) else {
                    return;
                };
                while let Ok(false) = outbox.drain(writer.as_raw_fd()) {}
            }
        });
        match connection.receive()? {
            Response::Exited { status } => {
                if let Some(copier) = copier {
                    // The terminal's last words: it ends when the node closed its side.
                    let _: std::thread::Result<()> = copier.join();
                }
                Ok(status)
            }
            _ => connection.unexpected(),
        }
    }

    /// Receives the terminal and copies both ways.
    fn attach(
        &self,
        connection: &mut Connection,
        stdio: Vec<OwnedFd>,
    ) -> Result<std::thread::JoinHandle<()>, Refusal> {
        let Response::Terminal = connection.receive()? else {
            return connection.unexpected();
        };
        let master = connection.inbox.descriptors.pop_front();
        let mut stdio = stdio.into_iter();
        let (Some(master), Some(input), Some(output)) = (master, stdio.next(), stdio.next()) else {
            return connection.unexpected();
        };
        let inward = master
            .try_clone()
            .map_err(|error| connection.lost(&error))?;
        std::thread::spawn(move || copy(input.into(), inward.into()));
        Ok(std::thread::spawn(move || {
            copy(master.into(), output.into())
        }))
    }

    /// Makes the lab like this plan.
    ///
    /// # Errors
    /// As [`Self::status`]; after a refusal the lab is as it was.
    pub fn apply(&self, plan: Plan, progress: &mut dyn FnMut(Progress)) -> Result<(), Refusal> {
        let mut connection = self.request(
            Request::Apply {
                plan: Box::new(plan),
            },
            &[],
        )?;
        loop {
            match connection.receive()? {
                Response::Progress(step) => progress(step),
                Response::Done => return Ok(()),
                _ => return connection.unexpected(),
            }
        }
    }

    /// Tries connections from a node; what came of each, in order.
    ///
    /// # Errors
    /// As [`Self::status`]; an unknown node is refused with the nearest name.
    pub fn tries(&self, tries: Tries) -> Result<Vec<Tried>, Refusal> {
        let mut connection = self.request(Request::Try(tries), &[])?;
        match connection.receive()? {
            Response::Tried(tried) => Ok(tried),
            _ => connection.unexpected(),
        }
    }

    /// Breaks something.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn fault(&self, fault: Fault) -> Result<(), Refusal> {
        self.until_done(Request::Fault(fault))
    }

    /// Mends one fault, or all.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn heal(&self, fault: Option<Fault>) -> Result<(), Refusal> {
        self.until_done(Request::Heal(fault))
    }

    fn until_done(&self, request: Request) -> Result<(), Refusal> {
        let mut connection = self.request(request, &[])?;
        match connection.receive()? {
            Response::Done => Ok(()),
            _ => connection.unexpected(),
        }
    }

    /// Log lines; ends by itself unless it follows.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn logs(
        &self,
        node: Option<&str>,
        follow: bool,
        line: &mut dyn FnMut(LogLine),
    ) -> Result<(), Refusal> {
        let request = Request::Logs {
            node: node.map(str::to_owned),
            follow,
        };
        let mut connection = self.request(request, &[])?;
        loop {
            match connection.receive()? {
                Response::Log(text) => line(text),
                Response::Done => return Ok(()),
                _ => return connection.unexpected(),
            }
        }
    }

    /// Sockets to watch all links with, or a node's loopback.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn tap(&self, node: Option<&str>) -> Result<Tap, Refusal> {
        let request = Request::Tap {
            node: node.map(str::to_owned),
        };
        let mut connection = self.request(request, &[])?;
        let Response::Tap = connection.receive()? else {
            return connection.unexpected();
        };
        let mut descriptors = connection.inbox.descriptors.drain(..);
        let (packets, news) = (descriptors.next(), descriptors.next());
        drop(descriptors);
        let (Some(packets), Some(news)) = (packets, news) else {
            return connection.unexpected();
        };
        Ok(Tap {
            packets: PacketSocket::from_fd(packets),
            news: LinkNews::from_fd(news),
            alive: connection.socket,
        })
    }

    /// Ends the lab and waits until nothing of it is left: its first process is killed, and the
    /// kernel ends the rest. There is no other way down, so this one is always tested.
    ///
    /// # Errors
    /// The lab belongs to somebody else.
    pub fn down(&self) -> Result<(), Refusal> {
        let lock = Folders::of_caller().lock(&self.name);
        let Some(pid) = self.first_process(&lock)? else {
            return Ok(());
        };
        if let Ok(pidfd) = process::pidfd(pid) {
            // While the lock is held, its text is about a living process. If the lab died between
            // our looks, the number may be another process's by now: leave that alone.
            if is_held(&lock) && recorded(&lock) == Some(pid) {
                process::pidfd_signal(&pidfd, nix::libc::SIGKILL).map_err(|error| Refusal {
                    message: format!("can't end the lab {}: {error}", self.name),
                    help: None,
                    code: 3,
                })?;
                wait_dead(&pidfd);
            }
        }
        // Removes the socket if nobody holds the lock any more.
        is_held(&lock);
        Ok(())
    }

    /// The number of the lab's first process. A lab that is just coming up has none for a moment;
    /// none where it died meanwhile.
    fn first_process(&self, lock: &Path) -> Result<Option<i32>, Refusal> {
        let end = Instant::now() + BEING_BORN;
        loop {
            if let Some(pid) = recorded(lock) {
                return Ok(Some(pid));
            }
            if !is_held(lock) {
                return Ok(None);
            }
            if Instant::now() > end {
                return Err(Refusal {
                    message: format!("the lab {} is just coming up", self.name),
                    help: Some("interrupt its `lab up`, or wait until it is up".into()),
                    code: 1,
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The first process's number in a lock; none before it is born.
fn recorded(lock: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(lock).ok()?;
    text.strip_suffix('\n')?.parse().ok()
}

fn copy(mut from: std::fs::File, mut to: std::fs::File) {
    let mut buffer = [0; 16 * 1024];
    // A terminal whose other side was closed gives EIO: the end.
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
