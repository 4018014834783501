//! The control socket: one request a connection (see [`crate::run::control`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc};

use super::Keeper;
use super::attempts;
use super::node::{Event, Node};
use crate::kernel::process;
use crate::plan::{Fault, Plan};
use crate::run::control::{Exec, ExecControl, Hello, PROTOCOL, Refusal, Request, Response, Tries};
use crate::run::messages::ToNode;
use crate::run::wire::{Inbox, Outbox};

/// How long a caller may take to say what it wants.
const HELLO: Duration = Duration::from_secs(5);

/// Serves callers for as long as the lab lives.
pub(super) async fn serve(keeper: Rc<Keeper>, listener: UnixListener) -> io::Result<()> {
    // On a listening socket these are the credentials of who bound it: the lab's owner. Where that
    // is root, it has no id in here, like all who have none: then the socket's mode (0600) is what
    // keeps others out.
    let owner = getsockopt(&listener, sockopt::PeerCredentials)?.uid();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: others must end first.
                tracing::warn!("a caller was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match getsockopt(&stream, sockopt::PeerCredentials) {
            Ok(caller) if caller.uid() == owner => {}
            _ => continue,
        }
        let keeper = Rc::clone(&keeper);
        tokio::task::spawn_local(async move {
            let mut connection = Connection {
                stream,
                inbox: Inbox::default(),
            };
            if let Err(error) = keeper.answer(&mut connection).await {
                tracing::info!("a caller went away: {error}");
            }
        });
    }
}

pub(super) struct Connection {
    pub stream: UnixStream,
    inbox: Inbox,
}

impl Connection {
    /// The next message; none at the end.
    pub(super) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.inbox.take()? {
                return Ok(Some(message));
            }
            self.stream.readable().await?;
            let socket = self.stream.as_raw_fd();
            let inbox = &mut self.inbox;
            match self
                .stream
                .try_io(Interest::READABLE, || inbox.fill(socket))
            {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut outbox = Outbox::new(message, descriptors)?;
        let socket = self.stream.as_raw_fd();
        loop {
            self.stream.writable().await?;
            match self
                .stream
                .try_io(Interest::WRITABLE, || outbox.drain(socket))
            {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn finish(&self, outcome: Result<(), Refusal>) -> io::Result<()> {
        let response = outcome.map_or_else(Response::Error, |()| Response::Done);
        self.send(&response, &[]).await
    }
}

impl Keeper {
    async fn answer(self: &Rc<Self>, connection: &mut Connection) -> io::Result<()> {
        let hello = match tokio::time::timeout(HELLO, connection.receive::<Hello>()).await {
            Ok(Ok(Some(hello))) => hello,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => {
                let refusal = Refusal {
                    message: format!("the lab's keeper does not understand this `lab`: {error}"),
                    help: Some(
                        "they are of different versions: use the one that brought the lab up"
                            .into(),
                    ),
                    code: 2,
                };
                return connection.send(&Response::Error(refusal), &[]).await;
            }
        };
        if hello.protocol != PROTOCOL {
            let refusal = Refusal {
                message: format!(
                    "this lab was brought up by version {} (protocol {PROTOCOL}); you are using version {} (protocol {})",
                    env!("CARGO_PKG_VERSION"),
                    hello.program,
                    hello.protocol
                ),
                help: Some("`lab down` works with any version; then bring it up again".into()),
                code: 2,
            };
            return connection.send(&Response::Error(refusal), &[]).await;
        }
        if self.coming_up.get() {
            let refusal = Refusal {
                message: format!("the lab {} is just coming up", self.lab),
                help: Some("wait until its `lab up` has ended".into()),
                code: 1,
            };
            return connection.send(&Response::Error(refusal), &[]).await;
        }
        match hello.request {
            Request::Status => {
                let status = self.status().await;
                connection
                    .send(&Response::Status(Box::new(status)), &[])
                    .await
            }
            Request::Plan => {
                let plan = self.current.borrow().clone();
                connection.send(&Response::Plan(Box::new(plan)), &[]).await
            }
            Request::Exec(exec) => self.serve_exec(connection, exec).await,
            Request::Apply { plan } => self.serve_apply(connection, *plan).await,
            Request::Fault(fault) => {
                let known = self.check_fault(&fault);
                let outcome = match known {
                    Ok(()) => {
                        self.change_faults(|faults| {
                            faults.insert(fault);
                            Ok(())
                        })
                        .await
                    }
                    Err(refusal) => Err(refusal),
                };
                connection.finish(outcome).await
            }
            Request::Heal(fault) => {
                let outcome = self.change_faults(|faults| heal(faults, fault)).await;
                connection.finish(outcome).await
            }
            Request::Watch { keys } => self.serve_watch(connection, keys).await,
            Request::Try(tries) => self.serve_tries(connection, tries).await,
            Request::Logs { node, follow } => {
                self.serve_logs(connection, node.as_deref(), follow).await
            }
            Request::Tap { node } => self.serve_tap(connection, node.as_deref()).await,
        }
    }

    async fn serve_apply(self: &Rc<Self>, connection: &Connection, plan: Plan) -> io::Result<()> {
        if plan.lab != self.lab {
            let refusal = Refusal {
                message: format!(
                    "this is the lab {}, the file describes {}",
                    self.lab, plan.lab
                ),
                help: Some("`lab up` brings the other one up beside it".into()),
                code: 2,
            };
            return connection.send(&Response::Error(refusal), &[]).await;
        }
        let (sender, mut steps) = mpsc::unbounded_channel();
        let keeper = Rc::clone(self);
        // In a task of its own: the change is finished, or rolled back, even if the caller dies.
        let change = tokio::task::spawn_local(async move { keeper.change_to(plan, sender).await });
        while let Some(step) = steps.recv().await {
            if connection
                .send(&Response::Progress(step), &[])
                .await
                .is_err()
            {
                break;
            }
        }
        let outcome = change.await.unwrap_or_else(|error| {
            Err(Refusal {
                message: format!("the keeper failed: {error}"),
                help: None,
                code: 1,
            })
        });
        connection.finish(outcome).await
    }

    fn check_fault(&self, fault: &Fault) -> Result<(), Refusal> {
        let (Fault::Link { node, .. }
        | Fault::Kill { node }
        | Fault::Stop { node, .. }
        | Fault::Revoke { node }
        | Fault::Drain { node }) = fault;
        let plan = self.base.borrow();
        let Some(known) = plan.nodes.get(node) else {
            drop(plan);
            return self.find_node(node).map(drop);
        };
        let (what, wanted, have): (_, _, Vec<&str>) = match fault {
            Fault::Link { segment, .. } => (
                "leg on",
                segment,
                known
                    .links
                    .iter()
                    .map(|link| link.segment.as_str())
                    .collect(),
            ),
            Fault::Stop {
                process: Some(process),
                ..
            } => (
                "process",
                process,
                known
                    .processes
                    .iter()
                    .map(|known| known.name.as_str())
                    .collect(),
            ),
            Fault::Drain { .. } => {
                let pools = self.pools.borrow();
                let members: BTreeSet<&String> = pools.values().flat_map(BTreeMap::keys).collect();
                if members.contains(node) {
                    return Ok(());
                }
                return Err(Refusal {
                    message: format!("{node} is no member of any balancer"),
                    help: Some(if members.is_empty() {
                        "this lab has no balancer with members".into()
                    } else {
                        let members: Vec<&str> = members.into_iter().map(String::as_str).collect();
                        format!("members are: {}", members.join(", "))
                    }),
                    code: 2,
                });
            }
            _ => return Ok(()),
        };
        if have.contains(&wanted.as_str()) {
            return Ok(());
        }
        Err(Refusal {
            message: format!("{node} has no {what} `{wanted}`"),
            help: Some(if have.is_empty() {
                "it has none".into()
            } else {
                format!("it has: {}", have.join(", "))
            }),
            code: 2,
        })
    }

    async fn serve_logs(
        &self,
        connection: &Connection,
        node: Option<&str>,
        follow: bool,
    ) -> io::Result<()> {
        if let Some(name) = node
            && !self.base.borrow().nodes.contains_key(name)
            && let Err(refusal) = self.find_node(name)
        {
            return connection.send(&Response::Error(refusal), &[]).await;
        }
        let (past, mut feed) = self.logs.follow(node);
        let past = match past.await {
            Ok(past) => past,
            Err(error) => {
                let refusal = Refusal {
                    message: format!("the logs of {} can't be read: {error}", self.lab),
                    help: Some("they are in the lab's state folder".into()),
                    code: 3,
                };
                return connection.send(&Response::Error(refusal), &[]).await;
            }
        };
        for line in past {
            connection.send(&Response::Log(line), &[]).await?;
        }
        if !follow {
            return connection.send(&Response::Done, &[]).await;
        }
        loop {
            tokio::select! {
                line = feed.recv() => match line {
                    Ok(line) if node.is_none_or(|node| node == line.node) => {
                        connection.send(&Response::Log(line), &[]).await?;
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(count)) => {
                        let line = self.logs.missed(node.unwrap_or(&self.lab), count);
                        connection.send(&Response::Log(line), &[]).await?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                gone = hung_up(&connection.stream) => return gone,
            }
        }
    }

    async fn serve_tries(&self, connection: &Connection, tries: Tries) -> io::Result<()> {
        let node = match self.find_node(&tries.node) {
            Ok(node) => node,
            Err(refusal) => return connection.send(&Response::Error(refusal), &[]).await,
        };
        tokio::select! {
            tried = attempts::all(node.network.namespace(), tries) => {
                let answer = tried.map_or_else(Response::Error, Response::Tried);
                connection.send(&answer, &[]).await
            }
            gone = hung_up(&connection.stream) => gone,
        }
    }

    async fn serve_exec(
        self: &Rc<Self>,
        connection: &mut Connection,
        exec: Exec,
    ) -> io::Result<()> {
        let node = match self.find_node(&exec.node) {
            Ok(node) => node,
            Err(refusal) => return connection.send(&Response::Error(refusal), &[]).await,
        };
        let stdio: Vec<OwnedFd> = connection.inbox.descriptors.drain(..).collect();
        let wanted = if exec.terminal.is_some() { 0 } else { 3 };
        if stdio.len() != wanted {
            let refusal = Refusal {
                message: format!(
                    "a program gets {wanted} descriptors from its caller here, not {}",
                    stdio.len()
                ),
                help: Some("stdin, stdout and stderr, or none with a terminal".into()),
                code: 2,
            };
            return connection.send(&Response::Error(refusal), &[]).await;
        }
        let id = self.next_id();
        let mut events = node.events_of(id);
        let descriptors: Vec<BorrowedFd<'_>> = stdio.iter().map(AsFd::as_fd).collect();
        if let Err(refusal) = node.send(&ToNode::Exec { id, exec }, &descriptors).await {
            return connection.send(&Response::Error(refusal), &[]).await;
        }
        drop(descriptors);
        drop(stdio);
        let result = attend(connection, &node, id, &mut events).await;
        if !matches!(result, Ok(true)) {
            // The caller is gone: so is what it started.
            let _ = node.send(&ToNode::Stop { id }, &[]).await;
        }
        result.map(drop)
    }
}

/// Passes on what caller and program say to each other; true when the program has ended.
async fn attend(
    connection: &mut Connection,
    node: &Node,
    id: u64,
    events: &mut mpsc::UnboundedReceiver<Event>,
) -> io::Result<bool> {
    let mut terminal = None;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Terminal(master)) => {
                    connection.send(&Response::Terminal, &[master.as_fd()]).await?;
                    terminal = Some(master);
                }
                Some(Event::Started | Event::Done) => {}
                Some(Event::Exited(status)) => {
                    connection.send(&Response::Exited { status }, &[]).await?;
                    return Ok(true);
                }
                Some(Event::Refused(refusal)) => {
                    connection.send(&Response::Error(refusal), &[]).await?;
                    return Ok(true);
                }
                None => {
                    let refusal = Refusal {
                        message: format!("the node {} ended, and what ran in it", node.plan.name),
                        help: Some("it is started again, unless it was switched off; `lab status` tells".into()),
                        code: 1,
                    };
                    connection.send(&Response::Error(refusal), &[]).await?;
                    return Ok(true);
                }
            },
            message = connection.receive::<ExecControl>() => match message? {
                Some(ExecControl::Resize { rows, columns }) => {
                    if let Some(master) = &terminal {
                        let _ = process::set_terminal_size(master, rows, columns);
                    }
                }
                Some(ExecControl::Signal(signal)) => {
                    let _ = node.send(&ToNode::Signal { id, signal }, &[]).await;
                }
                None => return Ok(false),
            },
        }
    }
}

/// Returns when the caller has closed its end.
pub(super) async fn hung_up(stream: &UnixStream) -> io::Result<()> {
    let mut byte = [0; 1];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn heal(
    faults: &mut std::collections::BTreeSet<Fault>,
    fault: Option<Fault>,
) -> Result<(), Refusal> {
    let Some(fault) = fault else {
        faults.clear();
        return Ok(());
    };
    if faults.remove(&fault) {
        return Ok(());
    }
    Err(Refusal {
        message: "this fault is not in force".into(),
        help: Some("`lab status` lists what is broken; `lab heal` alone mends all of it".into()),
        code: 2,
    })
}
