//! Logs of the nodes: a bounded file each in the lab's state folder, and a feed for followers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::broadcast;

use super::now;
use crate::run::control::LogLine;
use crate::run::log_files;

/// Size at which a node's log is turned over; the one before is kept.
const TURN_OVER: u64 = 1 << 20;
/// Longest line, in bytes; the rest of a longer one becomes further lines.
const LONGEST_LINE: usize = 8 * 1024;
/// Lines that a slow follower may lag behind.
const FEED: usize = 1024;

/// The logs of a lab.
pub(super) struct Logs {
    folder: PathBuf,
    files: RefCell<BTreeMap<String, Open>>,
    feed: broadcast::Sender<LogLine>,
}

struct Open {
    file: File,
    size: u64,
}

impl Logs {
    /// Logs in this folder; those of an earlier life are removed.
    pub fn new(folder: PathBuf) -> Self {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        Self {
            folder,
            files: RefCell::default(),
            feed: broadcast::channel(FEED).0,
        }
    }

    /// Where they are.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Lines from now on.
    pub fn follow(&self) -> broadcast::Receiver<LogLine> {
        self.feed.subscribe()
    }

    /// What the engine says about a node.
    pub fn note(&self, node: &str, text: &str) {
        self.write(node, "lab", text);
    }

    /// Writes a line.
    pub fn write(&self, node: &str, process: &str, text: &str) {
        let line = LogLine {
            time: now(),
            node: node.into(),
            process: process.into(),
            text: text.into(),
        };
        // A full disk costs log lines, never the lab.
        if let Err(error) = self.append(&line) {
            tracing::warn!("the log of {node} is not written: {error}");
        }
        let _ = self.feed.send(line);
    }

    fn append(&self, line: &LogLine) -> io::Result<()> {
        let text = log_files::format(line);
        let mut files = self.files.borrow_mut();
        let path = log_files::path(&self.folder, &line.node);
        if files
            .get(&line.node)
            .is_some_and(|open| open.size > TURN_OVER)
        {
            files.remove(&line.node);
            std::fs::rename(&path, log_files::older(&self.folder, &line.node))?;
        }
        if !files.contains_key(&line.node) {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)?;
            files.insert(line.node.clone(), Open { file, size: 0 });
        }
        if let Some(open) = files.get_mut(&line.node) {
            open.file.write_all(text.as_bytes())?;
            open.size += text.len() as u64;
        }
        Ok(())
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
