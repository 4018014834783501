//! What people see. All that comes from a document or a host is escaped; nothing runs in the
//! browser, and nothing is fetched from anywhere else.

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use super::document::{Block, Kind, Page, Run};
use super::session::Info;
use crate::http::body::{Body, full};
use crate::http::page::escape;

const STYLE: &str = "\
:root{--ink:#222;--soft:#666;--line:#d8d8d8;--app:#444}\
*{box-sizing:border-box}body{margin:0;background:#eee;color:var(--ink);font:16px/1.5 'Segoe UI',system-ui,sans-serif}\
header{background:var(--app);color:#fff;padding:.6rem 1.2rem;display:flex;gap:1rem;align-items:center;position:sticky;top:0}\
header b{font-weight:600}header span{opacity:.85}header form,header a{margin:0}header .end{margin-left:auto;display:flex;gap:.6rem;align-items:center}\
button,a.button{font:inherit;border:1px solid #fff8;border-radius:3px;background:#fff2;color:#fff;padding:.25rem .9rem;cursor:pointer;text-decoration:none}\
button:hover,a.button:hover{background:#fff4}\
main{max-width:56rem;margin:1.5rem auto;padding:0 1rem}\
article{background:#fff;box-shadow:0 1px 4px #0003;padding:3rem 4rem;margin:0 0 1.5rem;overflow-wrap:anywhere}\
article.slide{aspect-ratio:16/9;padding:2.5rem 3.5rem;font-size:1.15em;overflow:auto}\
article.sheet{padding:0;overflow:auto;max-height:75vh}main.wide{max-width:96rem}\
h1,h2,h3,h4,h5,h6{line-height:1.25;margin:1.2em 0 .4em;font-weight:600;color:var(--app)}\
h1:first-child,h2:first-child{margin-top:0}p{margin:.5em 0}ul{margin:.4em 0;padding-left:1.6em}\
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid var(--line);padding:.3rem .7rem;text-align:left;vertical-align:top;white-space:pre-wrap}\
.sheet table{margin:0;font-size:.9em}.sheet th{background:#f3f3f3;color:var(--soft);font-weight:400;text-align:center;position:sticky;top:0}\
.sheet td.n{text-align:right}.name{color:var(--soft);margin:.2rem 0 .4rem}\
pre{white-space:pre-wrap;margin:0;font:15px/1.5 ui-monospace,Consolas,monospace}\
textarea{width:100%;min-height:70vh;border:0;outline:0;resize:vertical;font:15px/1.5 ui-monospace,Consolas,monospace}\
.note{background:#fff;border-left:4px solid var(--app);padding:1.2rem 1.6rem;box-shadow:0 1px 4px #0003}.note h1{margin-top:0}";

/// What goes from one form to the next.
pub(super) struct Carried<'c> {
    pub source: String,
    pub token: &'c str,
}

/// A document, to read.
pub(super) fn view(
    info: &Info,
    kind: Kind,
    pages: &[Page],
    carried: &Carried<'_>,
    saved: Option<&str>,
) -> Response<Body> {
    let mut tools = String::new();
    if let Some(version) = saved {
        tools.push_str(&format!(
            "<span>Saved as version {}</span>",
            escape(version)
        ));
    }
    if kind.editable() && info.user_can_write && info.supports_update && info.supports_locks {
        tools.push_str(&form("/we/edit", "Edit", carried));
    }
    let mut main = String::new();
    for (at, page) in pages.iter().enumerate() {
        match (kind, &page.title) {
            (Kind::Sheet, title) => {
                let title = title.as_deref().unwrap_or_default();
                main.push_str(&format!(
                    "<h2 class=\"name\">{}</h2><article class=\"sheet\">",
                    escape(title)
                ));
            }
            (Kind::Slides, title) => {
                main.push_str(&format!(
                    "<div class=\"name\">Slide {}</div><article class=\"slide\">",
                    at + 1
                ));
                if let Some(title) = title {
                    main.push_str(&format!("<h2>{}</h2>", escape(title)));
                }
            }
            _ => main.push_str("<article>"),
        }
        blocks(&page.blocks, &mut main);
        main.push_str("</article>");
    }
    let wide = if kind == Kind::Sheet {
        " class=\"wide\""
    } else {
        ""
    };
    let main = format!("<main{wide}>{main}</main>");
    frame(
        StatusCode::OK,
        &info.base_file_name,
        Some(kind),
        info_of(info),
        &tools,
        &main,
    )
}

/// A text, to edit.
pub(super) fn edit(info: &Info, kind: Kind, text: &str, carried: &Carried<'_>) -> Response<Body> {
    let tools = format!(
        "<button form=\"text\">Save</button>{}",
        form("/we/close", "Cancel", carried)
    );
    // A line break right after the tag is dropped by browsers; the text's own stays.
    let main = format!(
        "<main><article><form id=\"text\" method=\"post\" action=\"/we/save\">{}\
         <textarea name=\"text\" aria-label=\"Text\" spellcheck=\"false\">\n{}</textarea></form></article></main>",
        hidden(carried),
        escape(text)
    );
    frame(
        StatusCode::OK,
        &info.base_file_name,
        Some(kind),
        info_of(info),
        &tools,
        &main,
    )
}

/// A refusal, and what to do.
pub(super) fn refusal(status: StatusCode, title: &str, sentence: &str) -> Response<Body> {
    note(status, title, sentence, "")
}

/// A refusal after which the document can still be read.
pub(super) fn conflict(
    title: &str,
    sentence: &str,
    carried: &Carried<'_>,
    text: Option<&str>,
) -> Response<Body> {
    let kept = text.map_or(String::new(), |text| {
        format!(
            "<p>Your text, to copy:</p><article><pre>{}</pre></article>",
            escape(text)
        )
    });
    let more = format!(
        "{kept}<style>.note button{{color:inherit;border-color:var(--line)}}</style>{}",
        form("/wv/view", "Read the document", carried)
    );
    note(StatusCode::CONFLICT, title, sentence, &more)
}

/// The farm's own page.
pub(super) fn welcome(name: &str, node: &str) -> Response<Body> {
    let sentence = format!(
        "{node} shows documents of Word, Excel and PowerPoint, and texts, that stand in the libraries of {name}'s hosts."
    );
    refusal(StatusCode::OK, "Office Web Apps", &sentence)
}

fn note(status: StatusCode, title: &str, sentence: &str, more: &str) -> Response<Body> {
    let main = format!(
        "<main><div class=\"note\"><h1>{}</h1><p>{}</p>{more}</div></main>",
        escape(title),
        escape(sentence)
    );
    frame(status, title, None, String::new(), "", &main)
}

fn info_of(info: &Info) -> String {
    let mut told = format!("<span>{}</span>", escape(&info.user_friendly_name));
    // A host may name any page; a script's address is none.
    if let Some(close) = info
        .close_url
        .as_deref()
        .filter(|url| url.starts_with("https://"))
    {
        told.push_str(&format!(
            "<a class=\"button\" href=\"{}\">Close</a>",
            escape(close)
        ));
    }
    told
}

fn frame(
    status: StatusCode,
    title: &str,
    kind: Option<Kind>,
    end: String,
    tools: &str,
    main: &str,
) -> Response<Body> {
    let (app, colour) = match kind {
        Some(Kind::Word) => ("Word Web App", "#2b579a"),
        Some(Kind::Sheet) => ("Excel Web App", "#217346"),
        Some(Kind::Slides) => ("PowerPoint Web App", "#b7472a"),
        Some(Kind::Text) => ("Text", "#505a64"),
        None => ("Office Web Apps", "#d83b01"),
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\
         <style>{STYLE}:root{{--app:{colour}}}</style></head>\n<body>\n\
         <header><b>{app}</b><span>{0}</span><div class=\"end\">{tools}{end}</div></header>\n{main}\n</body>\n</html>\n",
        escape(title)
    );
    let mut response = Response::new(full(html));
    *response.status_mut() = status;
    let fixed = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The token stands in the address where a host's page put it there.
        (REFERRER_POLICY, "no-referrer"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
        ),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn form(action: &str, word: &str, carried: &Carried<'_>) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">{}<button>{word}</button></form>",
        hidden(carried)
    )
}

fn hidden(carried: &Carried<'_>) -> String {
    format!(
        "<input type=\"hidden\" name=\"WOPISrc\" value=\"{}\"><input type=\"hidden\" name=\"access_token\" value=\"{}\">",
        escape(&carried.source),
        escape(carried.token)
    )
}

fn blocks(blocks: &[Block], html: &mut String) {
    let mut depth = 0;
    for block in blocks {
        let wanted = match block {
            Block::Item(level, _) => usize::from(*level) + 1,
            _ => 0,
        };
        while depth < wanted {
            html.push_str("<ul>");
            depth += 1;
        }
        while depth > wanted {
            html.push_str("</ul>");
            depth -= 1;
        }
        match block {
            Block::Heading(level, text) => {
                let level = (*level).clamp(1, 6);
                html.push_str(&format!("<h{level}>{}</h{level}>", escape(text)));
            }
            Block::Paragraph(runs) => html.push_str(&format!("<p>{}</p>", styled(runs))),
            Block::Item(_, runs) => html.push_str(&format!("<li>{}</li>", styled(runs))),
            Block::Table(rows) => table(rows, html),
            Block::Grid(rows) => grid(rows, html),
            Block::Plain(text) => html.push_str(&format!("<pre>{}</pre>", escape(text))),
        }
    }
    for _ in 0..depth {
        html.push_str("</ul>");
    }
}

fn styled(runs: &[Run]) -> String {
    let mut html = String::new();
    for run in runs {
        let text = escape(&run.text).replace('\n', "<br>");
        let text = if run.italic {
            format!("<em>{text}</em>")
        } else {
            text
        };
        html.push_str(&if run.bold {
            format!("<strong>{text}</strong>")
        } else {
            text
        });
    }
    html
}

fn table(rows: &[Vec<String>], html: &mut String) {
    html.push_str("<table>");
    for row in rows {
        html.push_str("<tr>");
        for cell in row {
            html.push_str(&format!("<td>{}</td>", escape(cell)));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table>");
}

fn grid(rows: &[(u32, Vec<String>)], html: &mut String) {
    let columns = rows.iter().map(|(_, row)| row.len()).max().unwrap_or(0);
    html.push_str("<table><tr><th></th>");
    for at in 0..columns {
        html.push_str(&format!("<th>{}</th>", letters(at)));
    }
    html.push_str("</tr>");
    for (number, row) in rows {
        html.push_str(&format!("<tr><th>{number}</th>"));
        for at in 0..columns {
            let cell = row.get(at).map_or("", String::as_str);
            let class = if cell.parse::<f64>().is_ok() {
                " class=\"n\""
            } else {
                ""
            };
            html.push_str(&format!("<td{class}>{}</td>", escape(cell)));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table>");
}

/// The name of a column, from 0.
fn letters(mut column: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + (column % 26) as u8);
        match column / 26 {
            0 => break,
            more => column = more - 1,
        }
    }
    name.iter()
        .rev()
        .map(|letter| char::from(*letter))
        .collect()
}
