//! A capture from its beginning to its end.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab_core::observe::capture::{Capture, Read, Seen, Watcher};
use lab_core::observe::links::Link;
use lab_core::plan::Plan;
use lab_core::run::client::RunningLab;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;

use super::outlet::Stuck;
use super::{KeyLog, Lines, Outlet, Pcapng};
use crate::output::Failure;

/// So many bytes are put together before they go out.
const ENOUGH: usize = 256 * 1024;
/// Between two looks at a key log while no packets come.
const KEY_LOG_PAUSE: Duration = Duration::from_millis(250);
/// When all ends, the kernel hands over the last block within this time (twice its patience).
const LAST_BLOCK: Duration = Duration::from_millis(40);

/// What is made of packets.
pub enum Writer {
    /// A pcapng file.
    Pcapng(Box<Pcapng>),
    /// A line each.
    Lines(Lines),
}

/// When a capture ends by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After so many packets.
    pub count: Option<u64>,
    /// At this time.
    pub until: Option<Instant>,
}

/// What a capture came to.
#[derive(Clone, Copy, Debug)]
pub struct Summed {
    /// Packets written.
    pub packets: u64,
    /// Packets lost because the ring was full.
    pub dropped: u64,
    /// What was watched is no more.
    pub gone: bool,
    /// The reader of a pipe took nothing more at the end.
    pub abandoned: bool,
}

/// Why reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A limit was reached, or somebody interrupted.
    Asked,
    /// What was watched is no more.
    Gone,
    /// Nobody reads any more.
    Closed,
    /// The reader takes nothing more.
    Abandoned,
}

/// What stops the writing.
enum Stop {
    End(End),
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Failed(Failure::host(
            format!("the capture broke off: {error}"),
            None,
        ))
    }
}

impl From<Stuck> for Stop {
    fn from(stuck: Stuck) -> Self {
        match stuck {
            Stuck::Closed => Stop::End(End::Closed),
            Stuck::Abandoned => Stop::End(End::Abandoned),
            Stuck::Failed(error, _) => {
                let help = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        "what was written before can be read; --filter, --snaplen and --count \
                         make a capture smaller"
                    }
                    _ => "what was written before can be read",
                };
                Stop::Failed(Failure::host(
                    format!("can't write what was captured: {error}"),
                    Some(help.into()),
                ))
            }
        }
    }
}

/// A capture and where it goes.
pub struct Session<'a> {
    capture: Capture,
    sink: Sink<'a>,
    limits: Limits,
}

struct Sink<'a> {
    lab: &'a RunningLab,
    writer: Writer,
    outlet: Outlet,
    buffer: Vec<u8>,
    packets: u64,
    count: Option<u64>,
    /// Readable when it must end.
    signals: &'a SignalFd,
    alive: UnixStream,
}

impl Watcher for Sink<'_> {
    type Error = Stop;

    fn plan(&mut self) -> Result<Plan, Stop> {
        let plan = match self.lab.plan() {
            Ok(plan) => plan,
            Err(refusal) => return Err(Stop::Failed(refusal.into())),
        };
        if let Writer::Pcapng(pcapng) = &mut self.writer {
            pcapng.replan(&mut self.buffer, plan.clone());
        }
        Ok(plan)
    }

    fn seen(&mut self, seen: &Seen<'_>) -> Result<ControlFlow<()>, Stop> {
        match &mut self.writer {
            Writer::Pcapng(pcapng) => pcapng.packet(&mut self.buffer, seen),
            Writer::Lines(lines) => lines.packet(&mut self.buffer, seen),
        }
        self.packets += 1;
        if self.buffer.len() >= ENOUGH {
            self.flush()?;
        }
        Ok(if self.count == Some(self.packets) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

impl Sink<'_> {
    fn flush(&mut self) -> Result<(), Stop> {
        let ends = [self.signals.as_fd(), self.alive.as_fd()];
        let result = self.outlet.write(&self.buffer, &ends);
        if let Err(Stuck::Failed(_, sent)) = &result
            && matches!(self.writer, Writer::Pcapng(_))
        {
            let whole = lab_core::observe::pcapng::whole_blocks(&self.buffer, *sent);
            self.outlet.take_back(sent - whole);
        }
        self.buffer.clear();
        Ok(result?)
    }
}

impl<'a> Session<'a> {
    /// Puts together a capture that has begun and what is to become of it. `alive` tells when the
    /// lab is no more, `signals` when the user has seen enough.
    pub fn new(
        lab: &'a RunningLab,
        capture: Capture,
        (writer, outlet): (Writer, Outlet),
        signals: &'a SignalFd,
        alive: UnixStream,
        limits: Limits,
    ) -> Self {
        let sink = Sink {
            lab,
            writer,
            outlet,
            buffer: Vec::new(),
            packets: 0,
            count: limits.count,
            signals,
            alive,
        };
        Self {
            capture,
            sink,
            limits,
        }
    }

    /// Captures until something ends it.
    ///
    /// # Errors
    /// It can't be written, or the kernel gives up.
    pub fn run(mut self, what: &str, mut keys: Option<KeyLog>) -> Result<Summed, Failure> {
        let start = now();
        let links: Vec<Link> = self.capture.links();
        if let Writer::Pcapng(pcapng) = &mut self.sink.writer {
            pcapng.begin(&mut self.sink.buffer, what, &links);
        }
        let end = match self.until_end(keys.as_mut()) {
            Ok(end) | Err(Stop::End(end)) => end,
            Err(Stop::Failed(failure)) => return Err(failure),
        };
        let dropped = self.capture.statistics().map_or(0, |counted| counted.drops);
        let Session {
            capture, mut sink, ..
        } = self;
        // The sockets hold a namespace of the lab: they go before a slow reader is waited for.
        drop(capture);
        let mut abandoned = end == End::Abandoned;
        if matches!(end, End::Asked | End::Gone) {
            if let Writer::Pcapng(pcapng) = &mut sink.writer {
                pcapng.end(&mut sink.buffer, start, now(), dropped);
            }
            match sink.flush() {
                Err(Stop::Failed(failure)) => return Err(failure),
                Err(Stop::End(End::Abandoned)) => abandoned = true,
                Ok(()) | Err(Stop::End(_)) => {}
            }
        }
        Ok(Summed {
            packets: sink.packets,
            dropped,
            gone: end == End::Gone,
            abandoned,
        })
    }

    fn until_end(&mut self, mut keys: Option<&mut KeyLog>) -> Result<End, Stop> {
        self.sink.flush()?;
        loop {
            if self.read_all(keys.as_deref_mut())? == Read::Enough {
                return Ok(End::Asked);
            }
            let timeout = self.timeout(keys.is_some());
            let came = self.wait(timeout)?;
            if came.closed {
                return Ok(End::Closed);
            }
            let over = self
                .limits
                .until
                .is_some_and(|until| Instant::now() >= until);
            if came.interrupted || came.gone || over {
                // Where what was watched is no more, nothing comes that would have to be kept out.
                if !came.gone {
                    self.capture.close()?;
                }
                // An end of its own, if nothing is left to come.
                let last = Instant::now() + 10 * LAST_BLOCK;
                while self.read_all(keys.as_deref_mut())? == Read::Nothing
                    && Instant::now() < last
                    && self.until_packets(LAST_BLOCK)?
                {}
                return Ok(if came.gone { End::Gone } else { End::Asked });
            }
            if came.news {
                self.capture.learn(&mut self.sink)?;
            }
        }
    }

    /// Reads and writes what is there; keys before the packets that they are for.
    fn read_all(&mut self, mut keys: Option<&mut KeyLog>) -> Result<Read, Stop> {
        loop {
            if let (Some(keys), Writer::Pcapng(_)) = (&mut keys, &self.sink.writer) {
                Pcapng::keys(&mut self.sink.buffer, &keys.fresh());
            }
            let read = self.capture.read(&mut self.sink)?;
            if read != Read::Some {
                self.sink.flush()?;
                return Ok(read);
            }
        }
    }

    fn timeout(&self, keys: bool) -> PollTimeout {
        let left = self
            .limits
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        let pause = keys.then_some(KEY_LOG_PAUSE);
        match left.into_iter().chain(pause).min() {
            None => PollTimeout::NONE,
            // Rounded up, or it would wake too early and at once again.
            Some(time) => {
                PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
        }
    }

    fn until_packets(&self, limit: Duration) -> Result<bool, Stop> {
        let mut sources = [PollFd::new(self.capture.packets(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        loop {
            match poll(&mut sources, timeout) {
                Ok(ready) => return Ok(ready > 0),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    fn wait(&self, timeout: PollTimeout) -> Result<Came, Stop> {
        let source = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let sink = &self.sink;
        let mut sources = vec![
            source(self.capture.packets()),
            source(self.capture.news()),
            source(sink.alive.as_fd()),
            source(sink.signals.as_fd()),
        ];
        // Asked for nothing, poll(2) tells of an error all the same: the reader is gone.
        let reader: Option<BorrowedFd<'_>> = sink.outlet.reader();
        sources.extend(reader.map(|reader| PollFd::new(reader, PollFlags::empty())));
        match poll(&mut sources, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let ready = |place: usize| {
            let source = sources.get(place);
            source.is_some_and(|source| source.any().unwrap_or(true))
        };
        Ok(Came {
            news: ready(1),
            gone: ready(2),
            interrupted: ready(3),
            closed: ready(4),
        })
    }
}

/// What a wait came to.
#[derive(Clone, Copy, Debug)]
struct Came {
    news: bool,
    gone: bool,
    interrupted: bool,
    closed: bool,
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
