//! Watching a lab from outside: a thread reads the sockets that the keeper hands out and collects
//! what is seen; journeys are put together of it on demand.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::client::{Connection, RunningLab};
use super::control::{Port, Refusal, Request, Response, Seen, Tracking, WatchControl};
use crate::kernel::heads::{Frame, Heads};
use crate::kernel::nft::watch::{self, Decisions};
use crate::kernel::nft::{id_of, place_of};
use crate::observe::headers::{self, in_frame};
use crate::observe::{
    self, Deed, Journey, KnownAs, Names, Observations, Probe, SeenDecision, SeenNeighbour,
    SeenPacket, SeenSpan, Tuple, now,
};
use crate::plan::Plan;

/// Most packets remembered; the older half is forgotten when there are more.
const MOST_PACKETS: usize = 1 << 20;
/// Most decisions remembered for a node.
const MOST_DECISIONS: usize = 1 << 17;
/// Most questions after health remembered, and after neighbours.
const MOST_PROBES: usize = 1 << 16;
/// Most spans remembered.
const MOST_SPANS: usize = 1 << 17;
/// How long the keeper may take to say what is tracked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Watches a lab for as long as it lives.
pub struct Watch {
    lab: String,
    shared: Arc<Shared>,
    /// Closing this ends the thread: the keeper hangs up.
    control: std::os::unix::net::UnixStream,
    /// How often the keeper was asked what is tracked.
    asked: Mutex<u64>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
struct State {
    seen: Observations,
    links: Links,
    /// Where secrets of TLS connections are written.
    keys: Option<std::fs::File>,
    /// What the lab file notes on rules, by their place.
    notes: BTreeMap<String, String>,
    /// How often the keeper said what is tracked.
    told: u64,
    /// Why watching ended.
    ended: Option<String>,
}

/// Whose the fabric's interfaces are.
#[derive(Default)]
struct Links {
    ports: BTreeMap<u32, (String, String)>,
    /// Hardware addresses by node and segment.
    hardware: BTreeMap<(String, String), [u8; 6]>,
}

impl Watch {
    /// Begins to watch; what happens from now on is seen.
    ///
    /// # Errors
    /// The lab can't be reached, or its kernel does not let it be watched.
    pub fn begin(lab: &RunningLab) -> Result<Self, Refusal> {
        Self::begin_with(lab, None)
    }

    /// The same; the secrets of all TLS connections that services of the lab make meanwhile are
    /// written to a file, in the form of an SSLKEYLOGFILE (RFC 9850).
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_with_keys(lab: &RunningLab, file: std::fs::File) -> Result<Self, Refusal> {
        Self::begin_with(lab, Some(file))
    }

    fn begin_with(lab: &RunningLab, keys: Option<std::fs::File>) -> Result<Self, Refusal> {
        let plan = lab.plan()?;
        let request = Request::Watch {
            keys: keys.is_some(),
        };
        let mut connection = lab.request(request, &[])?;
        let Response::Watching { ports } = connection.receive()? else {
            return connection.unexpected();
        };
        let Some(socket) = connection.inbox.descriptors.pop_front() else {
            return connection.unexpected();
        };
        let packets = Heads::from_fd(socket);
        let shared = Arc::new(Shared::default());
        {
            let mut state = shared.lock();
            state.keys = keys;
            state.know(&plan);
            state.links.now(ports);
        }
        let control = connection
            .socket
            .try_clone()
            .map_err(|error| connection.lost(&error))?;
        let mut reader = Reader {
            connection,
            packets,
            decisions: Vec::new(),
            shared: Arc::clone(&shared),
        };
        // Until all is in place, here; then in a thread of its own.
        while !reader.take_message()? {}
        let reader = std::thread::spawn(move || reader.read());
        Ok(Self {
            lab: lab.name.clone(),
            shared,
            control,
            asked: Mutex::new(0),
            reader: Some(reader),
        })
    }

    /// Now, in microseconds since the Unix epoch, as packets are stamped.
    pub fn mark(&self) -> u64 {
        now()
    }

    /// What a node began since a moment, and what came of it. It waits until services have told all
    /// that they did so far; what begins while it waits is nothing of it, since it may be a question
    /// after health that nobody has told yet.
    pub fn journey(&self, from: &str, since: u64, asked: &str) -> Journey {
        let until = now();
        self.catch_up();
        let state = self.shared.lock();
        let mut journey = observe::journey(&state.seen, &self.lab, from, since..until, asked);
        journey.gaps.extend(state.ended.clone());
        journey
    }

    /// What each node began from one moment until another, in the order it began: a journey a
    /// conversation. Questions after health are left out. It waits as [`Self::journey`] does.
    pub fn journeys(&self, since: u64, until: u64) -> Vec<Journey> {
        self.catch_up();
        let state = self.shared.lock();
        let mut all = Vec::new();
        for node in state.seen.nodes.keys() {
            let mut journey = observe::journey(&state.seen, &self.lab, node, since..until, "");
            journey.unreached.clear();
            let flows = std::mem::take(&mut journey.flows);
            all.extend(flows.into_iter().map(|flow| Journey {
                asked: flow.tuple.destination.to_string(),
                began: flow.began,
                micros: flow.micros,
                flows: vec![flow],
                ..journey.clone()
            }));
        }
        all.sort_by_key(|journey| journey.began);
        all
    }

    /// What services told since a moment that they did, but for health; in the order it was told.
    pub fn deeds(&self, since: u64) -> Vec<SeenSpan> {
        self.catch_up();
        self.shared.lock().seen.deeds(since).cloned().collect()
    }

    /// Whether the lab is gone.
    pub fn ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// Forgets what was seen before a moment.
    pub fn forget(&self, before: u64) {
        let mut state = self.shared.lock();
        state.seen.packets.retain(|packet| packet.at >= before);
        state.seen.spans.retain(|span| span.span.at >= before);
        state.seen.neighbours.retain(|one| one.at >= before);
        for decisions in state.seen.decisions.values_mut() {
            decisions.retain(|one| one.at >= before);
        }
    }

    /// Waits until all that was done up to now is seen.
    fn catch_up(&self) {
        let Ok(mut outbox) = super::wire::Outbox::new(&WatchControl::Tracking, &[]) else {
            return;
        };
        // Several threads may ask. Answers come in the order of the questions: what answers an earlier
        // one may be older than what this thread wants to see.
        let question = {
            use std::os::fd::AsRawFd;
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            while let Ok(false) = outbox.drain(self.control.as_raw_fd()) {}
            *asked += 1;
            *asked
        };
        let waits = |state: &mut State| state.told < question && state.ended.is_none();
        let state = self.shared.lock();
        let (mut state, waited) = self
            .shared
            .told
            .wait_timeout_while(state, PATIENCE, waits)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            state.gap("the keeper did not say in time what connections are tracked");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _: std::thread::Result<()> = reader.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    connection: Connection,
    packets: Heads,
    /// By node.
    decisions: Vec<(String, Decisions)>,
    shared: Arc<Shared>,
}

impl Reader {
    fn read(&mut self) {
        let ended = loop {
            let waited = {
                let control = self.connection.socket.as_fd();
                let sockets = std::iter::once(control)
                    .chain([self.packets.as_fd()])
                    .chain(self.decisions.iter().map(|(_, socket)| socket.as_fd()));
                let mut sockets: Vec<PollFd<'_>> = sockets
                    .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
                    .collect();
                poll(&mut sockets, PollTimeout::NONE)
                    .map(|_| sockets.first().and_then(PollFd::any).unwrap_or_default())
            };
            match waited {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => break error.to_string(),
                Ok(spoke) => {
                    self.drain();
                    if spoke && let Err(refusal) = self.take_messages() {
                        break refusal.message;
                    }
                }
            }
        };
        self.shared.lock().ended = Some(format!("watching ended: {ended}"));
        self.shared.told.notify_all();
    }

    /// Reads all packets and decisions that wait.
    fn drain(&mut self) {
        let mut state = self.shared.lock();
        loop {
            match self.packets.read() {
                Ok(Some(frame)) => state.frame(&frame),
                Ok(None) => break,
                Err(error) => {
                    state.gap(&format!("packets were not seen: {error}"));
                    break;
                }
            }
        }
        match self.packets.take_lost() {
            Ok(0) => {}
            Ok(lost) => state.gap(&format!(
                "{lost} packets came faster than they could be read"
            )),
            Err(error) => state.gap(&format!("it is unknown whether packets were lost: {error}")),
        }
        for (node, socket) in &self.decisions {
            loop {
                match socket.read() {
                    Ok(heard) if heard.is_empty() => break,
                    Ok(heard) => state.decisions(node, heard),
                    Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                        state.gap(&format!(
                            "decisions of rules of {node} came faster than they could be read"
                        ));
                    }
                    Err(error) => {
                        state.gap(&format!("rules of {node} were not heard: {error}"));
                        break;
                    }
                }
            }
        }
    }

    /// Takes what the keeper has sent.
    fn take_messages(&mut self) -> Result<(), Refusal> {
        use std::os::fd::AsRawFd;
        let socket = self.connection.socket.as_raw_fd();
        match self.connection.inbox.fill(socket) {
            Ok(true) => {}
            Ok(false) => return Err(self.connection.lost(&"it ended")),
            Err(error) => return Err(self.connection.lost(&error)),
        }
        loop {
            let message = self.connection.inbox.take::<Response>();
            match message.map_err(|error| self.connection.lost(&error))? {
                Some(message) => drop(self.take(message)?),
                None => return Ok(()),
            }
        }
    }

    /// Waits for a message; true when all is in place.
    fn take_message(&mut self) -> Result<bool, Refusal> {
        let message = self.connection.receive()?;
        self.take(message)
    }

    fn take(&mut self, message: Response) -> Result<bool, Refusal> {
        match message {
            Response::Deciding { node } => {
                let Some(socket) = self.connection.inbox.descriptors.pop_front() else {
                    return self.connection.unexpected();
                };
                self.decisions.retain(|(known, _)| *known != node);
                self.decisions.push((node, Decisions::from_fd(socket)));
            }
            Response::Seen(seen) => self.shared.lock().seen(seen),
            Response::Tracking { nodes, pools } => {
                // What led to this has been sent before: it waits to be read.
                self.drain();
                let mut state = self.shared.lock();
                state.tracking(nodes);
                state.seen.pools = pools;
                state.told += 1;
                self.shared.told.notify_all();
            }
            Response::Done => return Ok(true),
            Response::Error(refusal) => return Err(refusal),
            _ => return self.connection.unexpected(),
        }
        Ok(false)
    }
}

impl Links {
    fn now(&mut self, ports: Vec<Port>) {
        for port in ports {
            self.ports.insert(port.index, (port.node, port.segment));
        }
    }
}

impl State {
    fn know(&mut self, plan: &Plan) {
        self.notes.clone_from(&plan.notes);
        self.seen.spread_by_chance = plan.vips_spread_by_chance();
        for node in plan.nodes.values() {
            let mut names = Names::default();
            for link in &node.links {
                names
                    .addresses
                    .extend(link.addresses.iter().map(ipnet::IpNet::addr));
                if let Some(hardware) = hardware(&link.mac) {
                    let leg = (node.name.clone(), link.segment.clone());
                    self.links.hardware.insert(leg, hardware);
                }
            }
            self.seen.nodes.insert(node.name.clone(), names);
        }
    }

    fn gap(&mut self, text: &str) {
        if !self.seen.gaps.iter().any(|known| known == text) {
            self.seen.gaps.push(text.to_owned());
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let Some((node, segment)) = self.links.ports.get(&frame.interface) else {
            return;
        };
        if let Some(neighbour) = headers::neighbour_in_frame(&frame.bytes) {
            // Questions of a node leave it, answers come to it; the rest is the others'.
            if neighbour.answers == frame.outgoing {
                if self.seen.neighbours.len() >= MOST_PROBES {
                    self.seen.neighbours.drain(..MOST_PROBES / 2);
                }
                self.seen.neighbours.push(SeenNeighbour {
                    at: frame.at,
                    node: node.clone(),
                    segment: segment.clone(),
                    address: neighbour.address,
                    answered: neighbour.answers,
                });
            }
            return;
        }
        let Some((to, packet)) = in_frame(&frame.bytes) else {
            return;
        };
        // A bridge floods what it does not know: that is not for this node.
        let theirs = self.links.hardware.get(&(node.clone(), segment.clone()));
        let to_all = to[0] & 1 == 1;
        if frame.outgoing && !to_all && theirs.is_some_and(|own| *own != to) {
            return;
        }
        let packet = SeenPacket {
            at: frame.at,
            node: node.clone(),
            segment: segment.clone(),
            leaves: !frame.outgoing,
            packet,
        };
        if self.seen.packets.len() >= MOST_PACKETS {
            self.seen.packets.drain(..MOST_PACKETS / 2);
            self.gap("so many packets were seen that the first ones are forgotten");
        }
        self.seen.packets.push(packet);
    }

    fn decisions(&mut self, node: &str, heard: Vec<crate::kernel::nft::watch::Decision>) {
        let at = now();
        let known = self.seen.decisions.entry(node.to_owned()).or_default();
        for one in heard {
            known.push(SeenDecision {
                at,
                packet: one.packet,
                tuple: headers::in_headers(&one.headers).map(|packet| packet.tuple),
                table: one.table,
                chain: one.chain,
                handle: one.handle,
                verdict: one.verdict,
            });
            if let Some(connection) = translated(known) {
                remember(
                    self.seen.tracked.entry(node.to_owned()).or_default(),
                    connection,
                );
            }
        }
        if known.len() > MOST_DECISIONS {
            known.drain(..MOST_DECISIONS / 2);
            self.gap("rules decided so often that the first decisions are forgotten");
        }
    }

    fn seen(&mut self, seen: Seen) {
        match seen {
            Seen::Span {
                node,
                process,
                span,
            } => {
                if let Deed::Check { .. } = span.deed {
                    let Tuple {
                        protocol,
                        source,
                        destination,
                    } = span.tuple;
                    self.probe(Probe {
                        at: span.at,
                        node,
                        protocol,
                        port: source.port(),
                        to: destination,
                    });
                    return;
                }
                if self.seen.spans.len() >= MOST_SPANS {
                    self.seen.spans.drain(..MOST_SPANS / 2);
                    self.gap("services did so much that the first of it is forgotten");
                }
                self.seen.spans.push(SeenSpan {
                    node,
                    process,
                    span: *span,
                });
            }
            Seen::Probe(probe) => self.probe(probe),
            Seen::Key(line) => self.key(&line),
            Seen::SpansLost { from, count } => {
                self.gap(&format!("{from} lost {count} spans"));
            }
            Seen::Silent { who } => {
                self.gap(&format!("{who} does not tell what it does"));
            }
            Seen::Ports(ports) => self.links.now(ports),
        }
    }

    fn key(&mut self, line: &str) {
        use std::io::Write;
        let Some(file) = &mut self.keys else { return };
        if let Err(error) = writeln!(file, "{line}") {
            self.keys = None;
            self.gap(&format!(
                "keys of TLS connections are not written any more: {error}"
            ));
        }
    }

    fn probe(&mut self, probe: Probe) {
        if self.seen.probes.len() >= MOST_PROBES {
            self.seen.probes.drain(..MOST_PROBES / 2);
        }
        self.seen.probes.push(probe);
    }

    fn tracking(&mut self, tracking: BTreeMap<String, Tracking>) {
        for (node, now) in tracking {
            let rules = self.seen.rules.entry(node.clone()).or_default();
            for rule in now.rules {
                let known = match &rule.comment {
                    Some(comment) if rule.table == "tierlab" => KnownAs {
                        id: id_of(comment).to_owned(),
                        place: place_of(comment).map(str::to_owned),
                        note: place_of(comment).and_then(|place| self.notes.get(place).cloned()),
                    },
                    _ => KnownAs {
                        id: format!(
                            "rule {} of chain {} in table {}, which the lab did not write",
                            rule.handle, rule.chain, rule.table
                        ),
                        place: None,
                        note: None,
                    },
                };
                rules.insert((rule.table, rule.handle), known);
            }
            let connections = now.connections.into_iter().map(|one| {
                let tuple = |(source, destination)| Tuple::new(one.protocol, source, destination);
                observe::Connection {
                    original: tuple(one.original),
                    onward: tuple(one.reply).reversed(),
                }
            });
            // Those that ended since the last time are remembered.
            let known = self.seen.tracked.entry(node).or_default();
            for connection in connections {
                remember(known, connection);
            }
        }
    }
}

/// Puts a connection in the place of those that had its addresses and ports before.
fn remember(known: &mut Vec<observe::Connection>, connection: observe::Connection) {
    known.retain(|old| old.original != connection.original && old.onward != connection.onward);
    known.push(connection);
}

/// If the last decision is that a packet leaves: the connection that it began, where it left as another
/// than it came.
fn translated(decisions: &[SeenDecision]) -> Option<observe::Connection> {
    let (left, before) = decisions.split_last()?;
    if left.table != watch::TABLE || left.chain != watch::LEAVING {
        return None;
    }
    let onward = left.tuple?;
    // Headers are told once a chain.
    let original = before
        .iter()
        .rev()
        .filter(|one| one.packet == left.packet && one.table == watch::TABLE)
        .find_map(|one| one.tuple)?;
    (original != onward).then_some(observe::Connection { original, onward })
}

/// `02:00:…` as bytes.
fn hardware(text: &str) -> Option<[u8; 6]> {
    let bytes: Result<Vec<u8>, _> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16))
        .collect();
    bytes.ok()?.try_into().ok()
}
