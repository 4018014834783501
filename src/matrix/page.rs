//! A matrix as one page that needs nothing from elsewhere and reads in light and dark.

use std::collections::BTreeSet;
use std::fmt::Write;

use lab_core::predict::{Cell, Kind, Matrix, Outcome};

use super::Disagreement;
use super::lines::{by_client, decided, in_full, word};

/// The whole page; `seen` is what a running lab did otherwise, if one was asked.
pub fn page(matrix: &Matrix, seen: Option<&[Disagreement]>) -> String {
    let lab = escaped(&matrix.lab);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>What clients reach in {lab}</title>\n<style>{STYLE}</style>\n\
         <h1>What clients reach in {lab}</h1>\n<p>{LEGEND}</p>\n"
    );
    if let Some(seen) = seen {
        page.push_str(&compared(seen));
    }
    let clients = by_client(matrix);
    page.push_str("<nav>");
    for (client, _) in &clients {
        let client = escaped(client);
        let _ = write!(page, "<a href=\"#{client}\">{client}</a> ");
    }
    page.push_str("</nav>\n");
    let wrong: BTreeSet<(&str, &str)> = seen
        .unwrap_or_default()
        .iter()
        .map(|one| (one.client.as_str(), one.what.as_str()))
        .collect();
    for (client, lines) in clients {
        let _ = write!(
            page,
            "<h2 id=\"{0}\">{0}</h2>\n<div class=\"wide\"><table>\n<tr><th>name<th>address",
            escaped(client)
        );
        for kind in &matrix.kinds {
            let _ = write!(page, "<th>{}", heading(*kind));
        }
        page.push('\n');
        for line in lines {
            let names: Vec<String> = line.names.iter().map(|name| escaped(name)).collect();
            let class = match line.row.by_name {
                true => "",
                false => " class=\"unknown\" title=\"the client's name server does not give it\"",
            };
            let _ = write!(
                page,
                "<tr><th{class}>{}<td>{}",
                names.join("<br>"),
                line.row.address
            );
            for cell in &line.row.cells {
                let what = format!("{} {}", line.row.address, cell.kind);
                page.push_str(&one(cell, wrong.contains(&(client, what.as_str()))));
            }
            page.push('\n');
        }
        page.push_str("</table></div>\n");
    }
    page
}

fn one(cell: &Cell, wrong: bool) -> String {
    let outcomes = &cell.outcomes;
    let class = match outcomes.first() {
        Some(only) if outcomes.len() == 1 => match only {
            Outcome::Open | Outcome::Reached => "o",
            Outcome::Refused => "r",
            Outcome::Unreachable => "u",
            Outcome::Dropped => "d",
        },
        _ => "m",
    };
    let rule = cell
        .deciders
        .iter()
        .rfind(|decider| decider.passes != outcomes.contains(&Outcome::Dropped));
    let text = rule.map_or("", |decider| decider.rule.as_str());
    let rules: Vec<String> = cell.deciders.iter().map(in_full).collect();
    let by = match rules.is_empty() {
        true => decided(cell),
        false => rules.join(", "),
    };
    format!(
        "<td class=\"{class}{}\" title=\"{} {}: {}\">{}",
        if wrong { " wrong" } else { "" },
        cell.kind,
        word(cell),
        escaped(&by),
        match text.is_empty() {
            true => "·".to_owned(),
            false => escaped(text),
        }
    )
}

fn compared(seen: &[Disagreement]) -> String {
    if seen.is_empty() {
        return "<p><strong>The running lab does what was predicted, in every cell.</strong></p>\n"
            .into();
    }
    let mut text = format!(
        "<h2>The running lab disagrees in {}</h2>\n<div class=\"wide\"><table>\n\
         <tr><th>client<th>name<th>what<th>predicted<th>seen<th>was to be decided by\n",
        match seen.len() {
            1 => "one place".to_owned(),
            count => format!("{count} places"),
        }
    );
    for one in seen {
        let cells = [
            &one.client,
            &one.name,
            &one.what,
            &one.predicted,
            &one.seen,
            &one.decided_by,
        ];
        text.push_str("<tr>");
        for cell in cells {
            let _ = write!(text, "<td>{}", escaped(cell));
        }
        text.push('\n');
    }
    text.push_str("</table></div>\n");
    text
}

fn heading(kind: Kind) -> String {
    match kind.port() {
        Some(port) => format!("{}<br>{port}", kind.protocol()),
        None => kind.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const LEGEND: &str = "A cell is <span class=\"o\">open</span>, <span class=\"r\">refused</span> \
(it arrives and nobody listens), <span class=\"u\">unreachable</span> (no route, or nobody there) or \
<span class=\"d\">dropped</span> (silence), <span class=\"m\">mixed</span> where the members of a VIP \
differ. It shows the rule that decided; hold the pointer over it for the rest. Names in italics are \
known to others only.";

const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1c2024;--bg:#fff;--line:#d5d9de;--head:#f1f3f5;\
--o:#c7ebd0;--r:#f6e7b6;--u:#e3e3ea;--d:#f6d0cd;--m:#d9d2f3;--wrong:#c00}\
@media(prefers-color-scheme:dark){:root{--fg:#e3e6e9;--bg:#16191c;--line:#383d43;--head:#23282d;\
--o:#1d4a2b;--r:#55471a;--u:#34363f;--d:#5a2a28;--m:#3d3463;--wrong:#ff6b61}}\
body{font:14px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);margin:1.5em}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:12px}\
th,td{border:1px solid var(--line);padding:2px 5px;white-space:nowrap;vertical-align:top}\
th{background:var(--head);text-align:left;font-weight:600}\
.o{background:var(--o)}.r{background:var(--r)}.u{background:var(--u)}.d{background:var(--d)}\
.m{background:var(--m)}p span{padding:0 .4em}.unknown{font-style:italic;font-weight:400}\
.wrong{outline:2px solid var(--wrong);outline-offset:-2px;font-weight:700}a{color:inherit}";
