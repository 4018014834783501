//! Files put into nodes.

use std::collections::BTreeMap;

use super::lab::FileUse;
use super::seats::Seat;
use crate::model::{Diagnostic, Spanned};

/// Folders of a node that can be written to; HOME is /run/home.
const ALLOWED: &[&str] = &["/etc/", "/run/", "/tmp/", "/var/tmp/", "/srv/"];
/// Places within them that are the engine's.
const RESERVED: &[&str] = &["/etc/tierlab", "/run/tierlab"];

/// Contents of the files that `from:` names, by the path as written; `None` if it could
/// not be read, which was reported.
pub(super) type Contents = BTreeMap<String, Option<Vec<u8>>>;

/// The files of a seat.
pub(super) fn files(
    seat: &Seat<'_>,
    contents: &Contents,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<FileUse> {
    let mut files = Vec::new();
    for (path, source) in seat.entry.files.iter() {
        let Some(path) = check_place(path, diagnostics) else {
            continue;
        };
        let content = match (&source.text, &source.from) {
            (Some(text), _) => text.value.clone().into_bytes(),
            (None, Some(from)) => match contents.get(&from.value) {
                Some(Some(content)) => content.clone(),
                _ => continue,
            },
            (None, None) => continue,
        };
        let mode = source.mode.map_or(0o644, |mode| mode.0);
        files.push(FileUse {
            path,
            content,
            mode,
            place: source.place.clone(),
        });
    }
    files
}

fn check_place(path: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let absolute = match path.strip_prefix("~/") {
        Some(rest) => format!("/run/home/{rest}"),
        None => path.value.clone(),
    };
    let below = |folder: &&str| {
        absolute
            .strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (reason, help) = if !absolute.starts_with('/') {
        (
            "is not absolute",
            "write the whole path, like `/etc/nginx/nginx.conf`",
        )
    } else if absolute
        .split('/')
        .skip(1)
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        (
            "has an empty part, `.` or `..` in it",
            "write the path without detours",
        )
    } else if absolute.contains('\0') {
        ("has a NUL in it", "write a path")
    } else if RESERVED.iter().any(below) {
        ("is the engine's own place", "take another one")
    } else if !ALLOWED.iter().any(|folder| absolute.starts_with(folder)) {
        (
            "can't be written in a node",
            "files go below /etc, /run, /tmp, /var/tmp, /srv or `~/`",
        )
    } else {
        return Some(absolute);
    };
    diagnostics.push(
        Diagnostic::error(
            "lab::bad-file-path",
            format!("The path `{}` {reason}.", path.escape_debug()),
            &path.place,
            "this path",
        )
        .help(help),
    );
    None
}
