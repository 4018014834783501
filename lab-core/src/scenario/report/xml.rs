//! Text within XML and HTML.

/// With `<`, `>`, `&` and quotes escaped, and without what XML 1.0 has no way to say (§2.2).
pub fn escaped(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => done.push_str("&lt;"),
            '>' => done.push_str("&gt;"),
            '&' => done.push_str("&amp;"),
            '"' => done.push_str("&quot;"),
            '\t' | '\n' => done.push(c),
            '\r' => done.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => done.push('\u{fffd}'),
            c => done.push(c),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_text_breaks_out() {
        assert_eq!(
            super::escaped("<a href=\"x\">&\u{1b}[0m\u{0}\n"),
            "&lt;a href=&quot;x&quot;&gt;&amp;\u{fffd}[0m\u{fffd}\n"
        );
    }
}
