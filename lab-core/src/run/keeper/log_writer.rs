//! The thread that writes and reads the nodes' log files. Whatever a disk does to it, the keeper goes
//! on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use crate::run::control::LogLine;
use crate::run::log_files;

/// Size at which a node's log is turned over; the one before is kept.
const TURN_OVER: u64 = 1 << 20;

/// What the keeper asks of it, done in order.
pub(super) enum Job {
    /// Write a line.
    Line {
        /// Whose.
        node: String,
        /// As it stands in the file.
        text: String,
    },
    /// Read what was written.
    Read {
        /// One node's; all where absent.
        node: Option<String>,
        /// For what was read.
        answer: oneshot::Sender<io::Result<Vec<LogLine>>>,
    },
}

impl Job {
    /// To write this line.
    pub fn line(line: &LogLine) -> Self {
        Self::Line {
            node: line.node.clone(),
            text: log_files::format(line),
        }
    }

    /// Bytes that it holds while it waits.
    pub fn size(&self) -> usize {
        match self {
            Self::Line { text, .. } => text.len(),
            Self::Read { .. } => 0,
        }
    }
}

/// Works off jobs until nobody can send any more; `waiting` counts down by their sizes.
pub(super) fn work(folder: &Path, jobs: &Receiver<Job>, waiting: &AtomicUsize) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = match is_folder {
            true => std::fs::remove_dir_all(entry.path()),
            false => std::fs::remove_file(entry.path()),
        };
        if let Err(error) = removed {
            tracing::warn!("{} stays: {error}", entry.path().display());
        }
    }
    let mut files = BTreeMap::new();
    let mut fails = false;
    while let Ok(job) = jobs.recv() {
        let size = job.size();
        match job {
            Job::Line { node, text } => {
                let done = append(&mut files, folder, &node, &text);
                // A full disk costs log lines, never the lab. Said once, or that would fill it, too.
                if let Err(error) = &done
                    && !fails
                {
                    tracing::warn!("the log of {node} is not written: {error}");
                }
                fails = done.is_err();
            }
            Job::Read { node, answer } => {
                // Who asked may be gone.
                let _ = answer.send(log_files::read(folder, node.as_deref()));
            }
        }
        waiting.fetch_sub(size, Ordering::Relaxed);
    }
}

struct Open {
    file: File,
    size: u64,
}

fn append(
    files: &mut BTreeMap<String, Open>,
    folder: &Path,
    node: &str,
    text: &str,
) -> io::Result<()> {
    let path = log_files::path(folder, node);
    if files.get(node).is_some_and(|open| open.size > TURN_OVER) {
        files.remove(node);
        std::fs::rename(&path, log_files::older(folder, node))?;
    }
    if !files.contains_key(node) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)?;
        files.insert(node.to_owned(), Open { file, size: 0 });
    }
    if let Some(open) = files.get_mut(node) {
        open.file.write_all(text.as_bytes())?;
        open.size += text.len() as u64;
    }
    Ok(())
}
