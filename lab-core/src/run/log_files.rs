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
    format!("{} {} {}\n", line.time, line.process, line.text)
}

/// What a program printed, as it is kept: it must not forge further lines, move the cursor of who
/// reads it, set titles or make terminals answer. Colours (ECMA-48 §8.3.117, SGR) stay.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '\u{1b}' => colour(rest).unwrap_or_default(),
            '\t' => 1,
            control if control.is_control() => 0,
            other => other.len_utf8(),
        };
        match length {
            0 => {
                clean.push(' ');
                rest = &rest[next.len_utf8()..];
            }
            length => {
                clean.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    clean
}

/// The length of the colour that the text begins with.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

/// The text without its colours.
pub fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + colour(&rest[at..]).unwrap_or(1)..];
    }
    plain + rest
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
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let path = entry.path();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_everything_else_that_a_terminal_obeys_goes() {
        for (printed, kept, plain) in [
            (
                "a\u{1b}[1;31mred\u{1b}[0m",
                "a\u{1b}[1;31mred\u{1b}[0m",
                "ared",
            ),
            ("\u{1b}[2Jgone", " [2Jgone", " [2Jgone"),
            ("\u{1b}]0;title\u{7}x", " ]0;title x", " ]0;title x"),
            ("\u{1b}", " ", " "),
            ("\u{1b}[31", " [31", " [31"),
            ("\u{9b}31mä\r\u{8}\tb", " 31mä  \tb", " 31mä  \tb"),
        ] {
            assert_eq!(clean(printed), kept);
            assert_eq!(without_colours(kept), plain);
        }
    }
}
