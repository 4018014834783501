//! Several files → one tree: `include:` adds, an overlay replaces.

use super::{Diagnostic, Spanned, Tree, Value};

/// Maps whose entries may come from several files; everything else is one thing, and
/// defined once.
const JOINED: &[&str] = &[
    "",
    "segments",
    "pools",
    "nodes",
    "acls",
    "balancers",
    "dns",
    "dns.views",
    "directory",
    "directory.users",
    "directory.services",
];
/// Lists that grow file by file.
const APPENDED: &[&str] = &["try", "dns.zones"];

/// Adds an included file. What is defined twice is reported with both places; the
/// first stays.
pub fn include(into: &mut Tree, from: Tree, diagnostics: &mut Vec<Diagnostic>) {
    join("", into, from, diagnostics);
}

fn join(path: &str, into: &mut Tree, from: Tree, diagnostics: &mut Vec<Diagnostic>) {
    if matches!(into.value, Value::Null) {
        *into = from;
        return;
    }
    match (&mut into.value, from.value) {
        (_, Value::Null) => {}
        (Value::List(items), Value::List(more)) => items.extend(more),
        (Value::Map(entries), Value::Map(more)) => {
            for (key, tree) in more {
                let inner = match path {
                    "" => key.value.clone(),
                    path => format!("{path}.{}", key.value),
                };
                match entries.iter_mut().find(|(name, _)| name.value == key.value) {
                    None => entries.push((key, tree)),
                    Some((_, first)) if may_join(&inner, first, &tree) => {
                        join(&inner, first, tree, diagnostics);
                    }
                    Some((first, _)) => diagnostics.push(twice(&key, first)),
                }
            }
        }
        // A wrong type is the decoder's to report, once the rest is known.
        _ => {}
    }
}

fn may_join(path: &str, first: &Tree, second: &Tree) -> bool {
    let same_kind = match (&first.value, &second.value) {
        (Value::Map(_), Value::Map(_)) => JOINED.contains(&path),
        (Value::List(_), Value::List(_)) => APPENDED.contains(&path),
        (Value::Null, _) | (_, Value::Null) => true,
        _ => false,
    };
    same_kind && (JOINED.contains(&path) || APPENDED.contains(&path))
}

fn twice(again: &Spanned<String>, first: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        "lab::duplicate-key",
        format!("`{}` is defined in two files.", again.value),
        &again.place,
        "again here",
    )
    .also(&first.place, "first here")
    .help("remove one of the two; a file that shall replace parts of another is an `--overlay`")
}

/// Lays an overlay over a tree: later wins key by key, null removes, lists are replaced.
pub fn overlay(under: &mut Tree, over: Tree) {
    match (&mut under.value, over.value) {
        (Value::Map(entries), Value::Map(changes)) => {
            for (key, change) in changes {
                let found = entries.iter().position(|(name, _)| name.value == key.value);
                match (found, &change.value) {
                    (Some(at), Value::Null) => {
                        entries.remove(at);
                    }
                    (None, Value::Null) => {}
                    (Some(at), _) => {
                        if let Some((_, tree)) = entries.get_mut(at) {
                            overlay(tree, change);
                        }
                    }
                    (None, _) => entries.push((key, change)),
                }
            }
        }
        (_, value) => {
            *under = Tree {
                place: over.place,
                value,
            }
        }
    }
}
