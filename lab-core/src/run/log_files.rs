//! Log files of nodes as they lie in a lab's state folder: a line is the time in milliseconds
//! since the epoch, the process and the text.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::control::LogLine;

/// The current file of a node.
pub(super) fn path(folder: &Path, node: &str) -> PathBuf {
    folder.join(format!("{node}.log"))
}

/// The one before.
pub(super) fn older(folder: &Path, node: &str) -> PathBuf {
    folder.join(format!("{node}.log.1"))
}

/// A line as it is written.
pub(super) fn format(line: &LogLine) -> String {
    // What a program prints must not forge further lines or move the reader's cursor.
    let text: String = line
        .text
        .chars()
        .map(|c| {
            if c.is_control() && c != '\t' && c != '\u{1b}' {
                ' '
            } else {
                c
            }
        })
        .collect();
    format!("{} {} {}\n", line.time, line.process, text)
}

fn parse(node: &str, text: &str) -> Option<LogLine> {
    let (time, rest) = text.split_once(' ')?;
    let (process, text) = rest.split_once(' ')?;
    Some(LogLine {
        time: time.parse().ok()?,
        node: node.into(),
        process: process.into(),
        text: text.into(),
    })
}

/// All lines of one node, or of all, oldest first.
///
/// # Errors
/// The folder can't be read.
pub(super) fn read(folder: &Path, node: Option<&str>) -> io::Result<Vec<LogLine>> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let Some((of, _)) = name.split_once(".log") else {
            continue;
        };
        if node.is_some_and(|node| node != of) {
            continue;
        }
        let mut reader = BufReader::new(std::fs::File::open(&path)?);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            lines.extend(parse(of, text.trim_end_matches('\n')));
            bytes.clear();
        }
    }
    lines.sort_by_key(|line| line.time);
    Ok(lines)
}
