//! What all pages have in common.

use std::fmt::Write;

/// The whole of a page's style.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#222;--soft:#667;--line:#dde;--paper:#fff;--wash:#f4f6fa;--accent:#0b62a8}\
@media(prefers-color-scheme:dark){:root{--ink:#e8e8ee;--soft:#99a;--line:#334;--paper:#181a20;--wash:#20242c;--accent:#6ab4f0}}\
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}\
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}\
header{display:flex;gap:1.5rem;align-items:center;padding:.7rem 1.5rem;background:var(--accent);color:#fff}\
@media(prefers-color-scheme:dark){header{background:#123a5c}}\
header a{color:#fff;font-weight:600}header form{margin:0}header .who{margin-left:auto}\
main{max-width:60rem;margin:0 auto;padding:1.5rem}h1{font-weight:300;font-size:2rem;margin:.2rem 0 1rem}\
nav{color:var(--soft);margin-bottom:.5rem}table{width:100%;border-collapse:collapse}\
th{text-align:left;color:var(--soft);font-weight:500}th,td{padding:.45rem .6rem;border-bottom:1px solid var(--line)}\
tbody tr:hover{background:var(--wash)}.card{background:var(--wash);border:1px solid var(--line);border-radius:8px;padding:1rem 1.2rem;margin:1rem 0}\
.soft{color:var(--soft)}.sorry{border-left:4px solid #c33;padding-left:.8rem}form.inline{display:inline}\
input,button,textarea{font:inherit;padding:.35rem .7rem;border:1px solid var(--line);border-radius:5px;background:var(--paper);color:inherit}\
label{display:block;margin:.6rem 0}label input{width:100%}button{background:var(--accent);color:#fff;border-color:transparent;cursor:pointer}\
@media(prefers-color-scheme:dark){button{color:#111}}header button{background:transparent;border:1px solid #fff8;color:#fff}\
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}";

/// A page in the making: text goes in escaped, markup as it is.
pub(super) struct Page(String);

impl Page {
    /// With its head; `site` is what the page's head says, and the address that it leads to.
    pub fn new(title: &str, site: (&str, &str), who: Option<&str>) -> Self {
        let mut page = Self(String::with_capacity(4096));
        page.markup("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .markup("<meta name=\"viewport\" content=\"width=device-width\"><title>")
            .text(title)
            .markup("</title><style>")
            .markup(STYLE)
            .markup("</style></head>\n<body><header><a href=\"")
            .text(site.1)
            .markup("\">")
            .text(site.0)
            .markup("</a>");
        if let Some(who) = who {
            page.markup("<form action=\"/_layouts/15/osssearchresults.aspx\">")
                .markup("<input type=\"search\" name=\"k\" placeholder=\"Search\" aria-label=\"Search\"></form>")
                .markup("<span class=\"who\">")
                .text(who)
                .markup("</span><form method=\"post\" action=\"/_layouts/15/SignOut.aspx\">")
                .markup("<button>Sign out</button></form>");
        }
        page.markup("</header>\n<main><h1>")
            .text(title)
            .markup("</h1>\n");
        page
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: impl std::fmt::Display) -> &mut Self {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{number}");
        self
    }

    /// Adds markup.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds a link.
    pub fn link(&mut self, to: &str, text: &str) -> &mut Self {
        self.markup("<a href=\"")
            .text(to)
            .markup("\">")
            .text(text)
            .markup("</a>")
    }

    /// Adds a hidden field.
    pub fn hidden(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.markup("<input type=\"hidden\" name=\"")
            .markup(name)
            .markup("\" value=\"")
            .text(value)
            .markup("\">")
    }

    /// The whole.
    pub fn end(mut self) -> String {
        self.markup("</main></body></html>\n");
        self.0
    }
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

/// A size for people.
pub(super) fn size(bytes: i64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KB", (bytes + 512) / 1024),
        _ => format!("{} MB", (bytes + 524_288) / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays_text() {
        let mut page = Page::new("<b>\"x'", ("&", "/"), None);
        page.link("javascript:\"><script>", "<script>");
        let page = page.end();
        assert!(
            !page.contains("<script>") && !page.contains("<b>"),
            "{page}"
        );
        assert!(page.contains("&lt;b&gt;&quot;x&#39;"));
    }
}
