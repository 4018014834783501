//! DNS views.

use std::collections::BTreeMap;

use super::lab::View;
use super::labels::check_label;
use super::names::Names;
use crate::model::file::File;
use crate::model::{Diagnostic, Spanned, nearest};

/// Reads all views.
pub(super) fn views(
    file: &File,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, View> {
    let mut views: BTreeMap<String, View> = BTreeMap::new();
    let Some(dns) = &file.dns else { return views };
    for (name, written) in dns.views.iter() {
        check_label("view", name, 32, diagnostics);
        let server = names.node(&written.server, diagnostics);
        let clients = names.prefixes(&written.clients, diagnostics);
        let forward = names.hosts(&written.forward, diagnostics);
        let (Some(server), Some(clients)) = (server, clients) else {
            continue;
        };
        if let Some(other) = views
            .values()
            .find(|v| v.server == server.name && v.clients == clients)
        {
            diagnostics.push(
                Diagnostic::error(
                    "lab::duplicate-view",
                    format!(
                        "The views `{}` and `{}` are for the same clients of `{}`.",
                        other.name, name.value, server.name
                    ),
                    &name.place,
                    "again here",
                )
                .also(&other.place, "first here")
                .help("give one of them other `clients`"),
            );
        }
        views.insert(
            name.value.clone(),
            View {
                name: name.value.clone(),
                server: server.name.clone(),
                clients,
                forward,
                place: name.place.clone(),
            },
        );
    }
    views
}

/// A view by name.
pub(super) fn view<'a>(
    word: &Spanned<String>,
    views: &'a BTreeMap<String, View>,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'a View> {
    let found = views.get(&word.value);
    if found.is_none() && !names.declared.views.contains(&word.value) {
        let all: Vec<_> = names.declared.views.iter().map(String::as_str).collect();
        diagnostics.push(
            Diagnostic::error(
                "lab::unknown-view",
                format!("No view is called `{}`.", word.value),
                &word.place,
                "unknown view",
            )
            .help(match nearest(word, all.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if all.is_empty() => "define it under `dns: views:`".into(),
                None => format!("the lab's views are {}", all.join(", ")),
            }),
        );
    }
    found
}
