//! Watching: who asks gets sockets that hear what happens (packets of the fabric, decisions of
//! rules), and what services tell. The keeper hands them out and reads none of them: nothing that
//! the lab carries passes through it. While nobody watches, nothing is marked and nobody tells.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};

use super::Keeper;
use super::connection::Connection;
use super::node::Node;
use super::supervisor::Command;
use crate::kernel::connect::NodeSockets;
use crate::kernel::heads::Heads;
use crate::kernel::netns::NetNs;
use crate::kernel::nft::watch::{self, Decisions};
use crate::kernel::{conntrack, network};
use crate::observe::{Probe, Span, now};
use crate::run::control::{Port, Refusal, Response, Seen, Tracking, WatchControl};
use crate::service::Watched;

/// Spans that a slow watcher may be behind; more are lost to it, and it is told.
const BEHIND: usize = 16 << 10;
/// How long a service may take to say that it tells now.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who watches.
pub(super) struct Watchers {
    count: Cell<usize>,
    /// Of these, those that want the secrets of TLS connections.
    want_keys: Cell<usize>,
    seen: broadcast::Sender<Seen>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            count: Cell::new(0),
            want_keys: Cell::new(0),
            seen: broadcast::channel(BEHIND).0,
        }
    }
}

impl Watchers {
    /// Whether somebody watches.
    pub fn any(&self) -> bool {
        self.count.get() > 0
    }

    /// How much they want to know.
    pub fn wanted(&self) -> Watched {
        match (self.count.get(), self.want_keys.get()) {
            (0, _) => Watched::No,
            (_, 0) => Watched::Deeds,
            _ => Watched::Keys,
        }
    }

    /// A service told a secret of a TLS connection.
    pub fn key(&self, line: String) {
        self.tell(|| Seen::Key(line));
    }

    /// A service told something.
    pub fn span(&self, node: &str, process: &str, span: Box<Span>) {
        self.tell(|| Seen::Span {
            node: node.to_owned(),
            process: process.to_owned(),
            span,
        });
    }

    /// A service could not tell all.
    pub fn lost(&self, node: &str, process: &str, count: u64) {
        self.tell(|| Seen::SpansLost {
            from: format!("{process} of {node}"),
            count,
        });
    }

    /// Sockets of a node for the keeper's own questions after health, which those who watch are
    /// told of: they are nothing that the node did.
    pub fn sockets_of(&self, node: &str, namespace: NetNs) -> NodeSockets {
        let sockets = NodeSockets::new(namespace);
        if !self.any() {
            return sockets;
        }
        let (node, seen) = (node.to_owned(), self.seen.clone());
        sockets.announcing(Box::new(move |protocol, port, to| {
            // The last watcher may be leaving.
            let _ = seen.send(Seen::Probe(Probe {
                at: now(),
                node: node.clone(),
                protocol,
                port,
                to,
            }));
        }))
    }

    fn tell(&self, seen: impl FnOnce() -> Seen) {
        if self.any() {
            // The last watcher may be leaving.
            let _ = self.seen.send(seen());
        }
    }
}

/// Somebody watches for as long as this lives.
struct Watching {
    keeper: Rc<Keeper>,
    wants_keys: bool,
}

impl Watching {
    fn new(keeper: &Rc<Keeper>, wants_keys: bool) -> Self {
        let watchers = &keeper.watchers;
        watchers.count.set(watchers.count.get() + 1);
        let more = usize::from(wants_keys);
        watchers.want_keys.set(watchers.want_keys.get() + more);
        Self {
            keeper: Rc::clone(keeper),
            wants_keys,
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let watchers = &self.keeper.watchers;
        let before = watchers.wanted();
        watchers.count.set(watchers.count.get() - 1);
        let less = usize::from(self.wants_keys);
        watchers.want_keys.set(watchers.want_keys.get() - less);
        if watchers.wanted() == before {
            return;
        }
        let keeper = Rc::clone(&self.keeper);
        tokio::task::spawn_local(async move {
            let nodes: Vec<Rc<Node>> = keeper.nodes.borrow().values().cloned().collect();
            for node in nodes {
                node.tell_services(keeper.watchers.wanted());
                // Somebody goes on, or has begun meanwhile.
                if keeper.watchers.any() {
                    continue;
                }
                if node.watched.replace(false)
                    && let Err(error) = watch::end(node.network.namespace()).await
                {
                    tracing::warn!("{}: watching does not end: {error}", node.plan.name);
                }
            }
        });
    }
}

impl Node {
    /// Tells all its services whether somebody watches; gives what tells that they heard it.
    fn tell_services(&self, watched: Watched) -> Vec<(String, oneshot::Receiver<()>)> {
        let processes = self.processes.borrow();
        processes
            .values()
            .filter(|process| process.tells())
            .map(|process| {
                let (sender, heard) = oneshot::channel();
                process.command(Command::Watch(watched, sender));
                (process.name.clone(), heard)
            })
            .collect()
    }
}

impl Keeper {
    /// Serves one that watches, until it hangs up.
    pub(super) async fn serve_watch(
        self: &Rc<Self>,
        connection: &mut Connection,
        wants_keys: bool,
    ) -> io::Result<()> {
        let _watching = Watching::new(self, wants_keys);
        let mut seen = self.watchers.seen.subscribe();
        let mut births = self.births.subscribe();
        // Births are heard in turn: a node that comes while this is sent is found in the next turn.
        births.mark_unchanged();
        let packets = match Heads::open(self.fabric.namespace()) {
            Ok(socket) => socket,
            Err(error) => {
                return connection
                    .finish(Err(cannot("packets can't be seen", &error)))
                    .await;
            }
        };
        let ports = self.ports();
        connection
            .send(&Response::Watching { ports }, &[packets.as_fd()])
            .await?;
        drop(packets);
        let mut known: BTreeMap<String, Rc<Node>> = BTreeMap::new();
        if let Err(refusal) = self.watch_nodes(connection, &mut known).await? {
            return connection.finish(Err(refusal)).await;
        }
        connection.send(&Response::Done, &[]).await?;
        loop {
            tokio::select! {
                message = connection.receive::<WatchControl>() => match message? {
                    Some(WatchControl::Tracking) => {
                        for silent in self.until_told(&known).await {
                            connection.send(&Response::Seen(silent), &[]).await?;
                        }
                        while let Ok(seen) = seen.try_recv() {
                            pass_on(connection, seen, wants_keys).await?;
                        }
                        let nodes = self.tracking(&known).await;
                        let pools = self.pools.borrow().clone();
                        let tracking = Response::Tracking { nodes, pools };
                        connection.send(&tracking, &[]).await?;
                    }
                    None => return Ok(()),
                },
                seen = seen.recv() => {
                    let seen = match seen {
                        Ok(seen) => seen,
                        Err(broadcast::error::RecvError::Lagged(count)) => {
                            Seen::SpansLost { from: "the keeper".into(), count }
                        }
                        Err(broadcast::error::RecvError::Closed) => return Ok(()),
                    };
                    pass_on(connection, seen, wants_keys).await?;
                }
                changed = births.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let ports = self.ports();
                    connection.send(&Response::Seen(Seen::Ports(ports)), &[]).await?;
                    if let Err(refusal) = self.watch_nodes(connection, &mut known).await? {
                        return connection.finish(Err(refusal)).await;
                    }
                }
            }
        }
    }

    /// Every link's end in the fabric.
    fn ports(&self) -> Vec<Port> {
        let plan = self.current.borrow();
        let mut ports = Vec::new();
        for node in plan.nodes.values() {
            for link in &node.links {
                if let Ok(index) = network::index_here(&link.port) {
                    ports.push(Port {
                        index,
                        node: node.name.clone(),
                        segment: link.segment.clone(),
                    });
                }
            }
        }
        ports
    }

    /// Marks packets in the nodes that have rules, has their services tell, and sends the sockets
    /// that hear it. Nodes in `known` are left as they are.
    async fn watch_nodes(
        &self,
        connection: &Connection,
        known: &mut BTreeMap<String, Rc<Node>>,
    ) -> io::Result<Result<(), Refusal>> {
        let nodes: Vec<Rc<Node>> = self.nodes.borrow().values().cloned().collect();
        let mut waiting = Vec::new();
        for node in nodes {
            let name = node.plan.name.clone();
            if known.get(&name).is_some_and(|old| Rc::ptr_eq(old, &node)) {
                continue;
            }
            waiting.extend(
                node.tell_services(self.watchers.wanted())
                    .into_iter()
                    .map(|(process, heard)| (format!("{process} of {name}"), heard)),
            );
            match self.mark(&node).await {
                Ok(None) => {}
                Ok(Some(decisions)) => {
                    let message = Response::Deciding { node: name.clone() };
                    connection.send(&message, &[decisions.as_fd()]).await?;
                }
                // It may just have died; if it comes back it is a birth.
                Err(_) if node.dies_within(PATIENCE).await => {}
                Err(error) => {
                    let what = format!("rules of {name} can't be watched");
                    return Ok(Err(cannot(&what, &error)));
                }
            }
            known.insert(name, node);
        }
        for silent in heard_by(waiting).await {
            connection.send(&Response::Seen(silent), &[]).await?;
        }
        Ok(Ok(()))
    }

    /// Waits until services have told all that they did up to now; gives those that did not.
    async fn until_told(&self, nodes: &BTreeMap<String, Rc<Node>>) -> Vec<Seen> {
        let mut waiting = Vec::new();
        for (name, node) in nodes {
            let told = node.tell_services(self.watchers.wanted()).into_iter();
            waiting.extend(told.map(|(process, heard)| (format!("{process} of {name}"), heard)));
        }
        heard_by(waiting).await
    }

    /// Marks packets of a node that has rules.
    async fn mark(&self, node: &Node) -> io::Result<Option<Decisions>> {
        let namespace = node.network.namespace();
        if watch::rules(namespace).await?.is_empty() {
            return Ok(None);
        }
        let decisions = Decisions::open(namespace)?;
        watch::begin(namespace).await?;
        node.watched.set(true);
        Ok(Some(decisions))
    }

    /// What connection tracking and rules are in the nodes now.
    async fn tracking(&self, nodes: &BTreeMap<String, Rc<Node>>) -> BTreeMap<String, Tracking> {
        let mut all = BTreeMap::new();
        for (name, node) in nodes.iter().filter(|(_, node)| node.watched.get()) {
            let namespace = node.network.namespace();
            let rules = watch::rules(namespace).await;
            let connections = conntrack::connections(namespace).await;
            if let (Ok(rules), Ok(connections)) = (rules, connections) {
                all.insert(name.clone(), Tracking { rules, connections });
            }
        }
        all
    }
}

/// Tells a watcher what was seen; secrets only if it asked for them.
async fn pass_on(connection: &Connection, seen: Seen, wants_keys: bool) -> io::Result<()> {
    match seen {
        Seen::Key(_) if !wants_keys => Ok(()),
        seen => connection.send(&Response::Seen(seen), &[]).await,
    }
}

/// Waits until all have heard; gives those that have not within the limit.
async fn heard_by(waiting: Vec<(String, oneshot::Receiver<()>)>) -> Vec<Seen> {
    let heard = waiting.into_iter().map(|(who, heard)| async {
        // Its end is an answer, too: there is nothing more that it could tell.
        let silent = tokio::time::timeout(PATIENCE, heard).await.is_err();
        silent.then_some(Seen::Silent { who })
    });
    futures::future::join_all(heard)
        .await
        .into_iter()
        .flatten()
        .collect()
}

fn cannot(what: &str, error: &io::Error) -> Refusal {
    Refusal {
        message: format!("{what}: {error}"),
        help: Some("`lab doctor` tries what a lab needs of this host".into()),
        code: 3,
    }
}
