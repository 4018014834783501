//! Small pages for people.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::{Body, full};

/// A page: a title, and rows of a name and a value. Everything is escaped.
pub fn page(status: StatusCode, title: &str, rows: &[(&str, &str)]) -> Response<Body> {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{0}</title></head>\n\
         <body>\n<h1>{0}</h1>\n<dl>\n",
        escape(title)
    );
    for (name, value) in rows {
        html.push_str(&format!(
            "<dt>{}</dt><dd>{}</dd>\n",
            escape(name),
            escape(value)
        ));
    }
    html.push_str("</dl>\n</body>\n</html>\n");
    let mut response = Response::new(full(html));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

/// A page with a title and links, each a name and where it leads. Everything is escaped.
pub fn links(status: StatusCode, title: &str, links: &[(&str, &str)]) -> Response<Body> {
    let title = escape(title);
    let links: String = links
        .iter()
        .map(|(name, to)| format!("<li><a href=\"{}\">{}</a></li>\n", escape(to), escape(name)))
        .collect();
    let mut response = Response::new(full(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<ul>\n{links}</ul>\n</body>\n</html>\n"
    )));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

/// A line of text.
pub fn line(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Text as it stands in HTML, in an attribute's quotes, too.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn markup_in_a_value_stays_text() {
        assert_eq!(
            escape("<a href='x'>&\""),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"
        );
    }
}
