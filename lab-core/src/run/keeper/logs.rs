//! Logs of the nodes: what comes in by pipes goes to followers at once, and by a queue to the thread
//! that writes files. The disk may be as slow as it likes: lines for which the queue has no room
//! are dropped, counted, and the count is said in the log.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{broadcast, oneshot};

use super::log_writer::{Job, work};
use super::now;
use crate::run::control::LogLine;
use crate::run::log_files;

/// Longest line, in bytes; the rest of a longer one becomes further lines.
const LONGEST_LINE: usize = 8 * 1024;
/// Lines that a slow follower may lag behind.
const FEED: usize = 1024;
/// Bytes that may wait to be written.
const QUEUE: usize = 512 << 10;

/// The logs of a lab.
pub(super) struct Logs {
    writer: mpsc::Sender<Job>,
    /// Bytes that wait.
    queued: Arc<AtomicUsize>,
    /// Lines of each node for which there was no room.
    dropped: RefCell<BTreeMap<String, u64>>,
    /// Time of the last line. The clock may be set back; lines stay in their order.
    last: Cell<u64>,
    feed: broadcast::Sender<LogLine>,
}

impl Logs {
    /// Logs in this folder; those of an earlier life are removed.
    ///
    /// # Errors
    /// There can't be one more thread.
    pub fn new(folder: PathBuf) -> io::Result<Self> {
        let (writer, jobs) = mpsc::channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&queued);
        std::thread::Builder::new()
            .name("lab-logs".into())
            .spawn(move || work(&folder, &jobs, &waiting))
            .map_err(|error| {
                let text = format!(
                    "a thread for the logs: {error} (`ulimit -u` and pids.max limit processes)"
                );
                io::Error::new(error.kind(), text)
            })?;
        Ok(Self {
            writer,
            queued,
            dropped: RefCell::default(),
            last: Cell::new(0),
            feed: broadcast::channel(FEED).0,
        })
    }

    /// All lines until now, of one node or of all, oldest first, and those from now on.
    pub fn follow(
        &self,
        node: Option<&str>,
    ) -> (
        impl Future<Output = io::Result<Vec<LogLine>>> + use<>,
        broadcast::Receiver<LogLine>,
    ) {
        let dropped = std::mem::take(&mut *self.dropped.borrow_mut());
        for (node, count) in dropped {
            self.push(&self.lack(&node, count));
        }
        let (answer, lines) = oneshot::channel();
        let node = node.map(str::to_owned);
        // The thread ends with the keeper alone; without it the answer is an error.
        let _ = self.writer.send(Job::Read { node, answer });
        let past = async { lines.await.map_err(io::Error::other)? };
        (past, self.feed.subscribe())
    }

    /// What the engine says about a node.
    pub fn note(&self, node: &str, text: &str) {
        self.write(node, "lab", text);
    }

    /// Writes a line.
    pub fn write(&self, node: &str, process: &str, text: &str) {
        let line = self.line(node, process, text);
        if self.queued.load(Ordering::Relaxed) + text.len() > QUEUE {
            *self.dropped.borrow_mut().entry(node.into()).or_default() += 1;
        } else {
            let dropped = self.dropped.borrow_mut().remove(node);
            if let Some(count) = dropped {
                self.push(&self.lack(node, count));
            }
            self.push(&line);
        }
        // An error means that nobody follows.
        let _ = self.feed.send(line);
    }

    fn line(&self, node: &str, process: &str, text: &str) -> LogLine {
        self.last.set(self.last.get().max(now()));
        LogLine {
            time: self.last.get(),
            node: node.into(),
            process: process.into(),
            text: log_files::clean(text),
        }
    }

    fn lack(&self, node: &str, count: u64) -> LogLine {
        let text = format!("{count} lines are missing here: the disk did not keep up with them");
        self.line(node, "lab", &text)
    }

    /// What a follower is told who did not keep up.
    pub fn missed(&self, node: &str, count: u64) -> LogLine {
        let text = format!("{count} lines came faster than they were read, and are left out here");
        self.line(node, "lab", &text)
    }

    fn push(&self, line: &LogLine) {
        let job = Job::line(line);
        self.queued.fetch_add(job.size(), Ordering::Relaxed);
        let _ = self.writer.send(job);
    }

    /// A descriptor whose lines go into the log, until all copies of it are closed.
    pub fn pipe(self: &Rc<Self>, node: &str, process: &str) -> io::Result<OwnedFd> {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let reader = pipe::Receiver::from_owned_fd(read)?;
        let (logs, node, process) = (Rc::clone(self), node.to_owned(), process.to_owned());
        tokio::task::spawn_local(async move { logs.copy(reader, &node, &process).await });
        Ok(write)
    }

    async fn copy(&self, pipe: pipe::Receiver, node: &str, process: &str) {
        let mut reader = BufReader::with_capacity(LONGEST_LINE, pipe);
        let mut line = Vec::new();
        loop {
            let Ok(chunk) = reader.fill_buf().await else {
                return;
            };
            if chunk.is_empty() {
                break;
            }
            let room = LONGEST_LINE - line.len();
            let part = &chunk[..chunk.len().min(room)];
            let end = part.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(part.len(), |at| at + 1);
            line.extend_from_slice(&part[..end.unwrap_or(used)]);
            reader.consume(used);
            if end.is_some() || line.len() == LONGEST_LINE {
                self.write(node, process, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
        if !line.is_empty() {
            self.write(node, process, &String::from_utf8_lossy(&line));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_costs_lines_which_are_counted_and_holds_nobody_up() {
        let folder = std::env::temp_dir().join(format!("tierlab-logs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let logs = Logs::new(folder.clone()).unwrap();
        // The thread is at work when it has answered.
        assert!(logs.follow(None).0.await.unwrap().is_empty());
        // Opening a pipe that nobody reads takes as long as a disk that does not answer.
        let disk = folder.join("web.log");
        nix::unistd::mkfifo(&disk, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut feed = logs.feed.subscribe();
        let long = "x".repeat(LONGEST_LINE);
        let lines = 4 * QUEUE / LONGEST_LINE;
        for _ in 0..lines {
            logs.write("web", "talker", &long);
        }
        assert!(logs.queued.load(Ordering::Relaxed) <= QUEUE + LONGEST_LINE);
        // Followers need no disk.
        assert_eq!(feed.recv().await.unwrap().text, long);
        let dropped = logs.dropped.borrow()["web"];
        // The disk answers again.
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            let mut disk = std::fs::File::open(disk).unwrap();
            let mut part = [0; 1 << 16];
            while !text.contains("the last line") {
                let count = disk.read(&mut part).unwrap();
                text += std::str::from_utf8(&part[..count]).unwrap();
            }
            text
        });
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while logs.queued.load(Ordering::Relaxed) > 0 {
            assert!(std::time::Instant::now() < limit, "it is not written");
            tokio::task::yield_now().await;
        }
        logs.write("web", "lab", "the last line");
        let text = reader.join().unwrap();
        let written = text.lines().filter(|line| line.contains("talker")).count();
        assert_eq!(written as u64 + dropped, lines as u64);
        assert!(text.contains(&format!("{dropped} lines are missing here")));
        drop(logs);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_not_change_the_order() {
        let folder = std::env::temp_dir().join(format!("tierlab-clock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let logs = Logs::new(folder.clone()).unwrap();
        logs.last.set(now() + 3_600_000);
        logs.note("a", "first");
        logs.note("b", "second");
        let lines = logs.follow(None).0.await.unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].time, lines[1].time, "the second is no earlier");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
