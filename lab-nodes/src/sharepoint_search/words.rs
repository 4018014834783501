//! A question as people write it, as one for the index (the MATCH syntax of FTS5).

/// Most words of a question; more are left out.
const MOST: usize = 32;

/// The words of a question for the index; none: there is no word in it.
pub(super) fn matching(text: &str) -> Option<String> {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for word in split(text).into_iter().take(MOST) {
        let (list, word) = match word.strip_prefix('-') {
            Some(rest) => (&mut unwanted, rest),
            None => (&mut wanted, word.as_str()),
        };
        let (column, word) = match word.split_once(':') {
            Some((column, rest))
                if ["title", "author"].contains(&column.to_lowercase().as_str()) =>
            {
                (format!("{} : ", column.to_lowercase()), rest)
            }
            _ => (String::new(), word),
        };
        let (word, begin) = match word.strip_suffix('*') {
            Some(word) => (word, "*"),
            None => (word, ""),
        };
        let word = word.replace('"', "");
        // FTS5 finds no phrase without a letter or digit in it.
        if word.chars().any(char::is_alphanumeric) {
            list.push(format!("{column}\"{word}\"{begin}"));
        }
    }
    if wanted.is_empty() {
        return None;
    }
    let mut matching = format!("({})", wanted.join(" AND "));
    for word in unwanted {
        matching.push_str(&format!(" NOT {word}"));
    }
    Some(matching)
}

/// At white space, but for what stands in quotes.
fn split(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        if character == '"' {
            quoted = !quoted;
        }
        if character.is_whitespace() && !quoted {
            words.push(String::new());
        } else if let Some(last) = words.last_mut() {
            last.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::matching;

    #[test]
    fn words_are_never_syntax() {
        assert_eq!(
            matching("annual report").as_deref(),
            Some(r#"("annual" AND "report")"#)
        );
        assert_eq!(
            matching(r#""annual report" -draft title:plan bud*"#).as_deref(),
            Some(r#"("annual report" AND title : "plan" AND "bud"*) NOT "draft""#)
        );
        assert_eq!(
            matching(r#"a" OR readers:x"#).as_deref(),
            Some(r#"("a OR readers:x")"#)
        );
        for text in ["", "  ", "-x", "\"", "*", "()", "-"] {
            assert_eq!(matching(text), None, "{text}");
        }
    }
}
