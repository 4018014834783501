//! Text to tokens.

use super::syntax;
use crate::tds::token::Notice;

/// A token and the line that it stands in, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Token {
    pub word: Word,
    pub line: u32,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Word {
    /// A keyword or a name.
    Name(String),
    /// A name in brackets or double quotes.
    Quoted(String),
    /// `@name`, in small letters.
    Variable(String),
    /// `@@NAME`, in capitals, without the `@@`.
    System(String),
    /// A text.
    Text(String),
    /// A number.
    Number(String),
    /// Bytes, hexadecimal.
    Bytes(String),
    /// Anything else.
    Symbol(&'static str),
}

const SYMBOLS: [&str; 25] = [
    "<>", "<=", ">=", "!=", "+=", "-=", "*=", "(", ")", ",", ".", ";", "=", "<", ">", "+", "-",
    "*", "/", "%", "&", "|", "^", "~", ":",
];

impl Token {
    /// Whether it is this keyword, given in capitals.
    pub fn is(&self, keyword: &str) -> bool {
        matches!(&self.word, Word::Name(name) if name.eq_ignore_ascii_case(keyword))
    }

    /// Whether it is this symbol.
    pub fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.word, Word::Symbol(own) if own == symbol)
    }

    /// The keyword, in capitals.
    pub fn keyword(&self) -> Option<String> {
        match &self.word {
            Word::Name(name) => Some(name.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// The name, if it can be one.
    pub fn name(&self) -> Option<&str> {
        match &self.word {
            Word::Name(name) | Word::Quoted(name) => Some(name),
            _ => None,
        }
    }

    /// As it is quoted in messages.
    pub fn shown(&self) -> &str {
        match &self.word {
            Word::Name(text)
            | Word::Quoted(text)
            | Word::Variable(text)
            | Word::System(text)
            | Word::Text(text)
            | Word::Number(text)
            | Word::Bytes(text) => text,
            Word::Symbol(symbol) => symbol,
        }
    }
}

/// The tokens of a batch.
///
/// # Errors
/// A character that nothing begins with, a text or comment without an end.
pub(in super::super) fn lex(text: &str) -> Result<Vec<Token>, Notice> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before = rest;
        let at = line;
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = comment(rest).ok_or_else(|| {
                let text = "Missing end comment mark '*/'.".to_owned();
                super::error(113, 15, text, at)
            })?;
        } else {
            let (word, length) = word(rest, at)?;
            rest = &rest[length..];
            tokens.push(Token { word, line: at });
        }
        let passed = &before[..before.len() - rest.len()];
        line += u32::try_from(passed.matches('\n').count()).unwrap_or(0);
    }
    Ok(tokens)
}

/// What follows a comment; comments lie in one another.
fn comment(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(two) = bytes.get(at..at + 2) {
        match two {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return text.get(at..);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// The token that a text begins with, and its length.
fn word(text: &str, line: u32) -> Result<(Word, usize), Notice> {
    let mut characters = text.chars();
    let first = characters.next().unwrap_or(' ');
    let second = characters.next();
    if first == '\'' || (matches!(first, 'N' | 'n') && second == Some('\'')) {
        let skipped = usize::from(first != '\'');
        let (inside, length) = quoted(&text[skipped..], '\'').ok_or_else(|| open(text, line))?;
        return Ok((Word::Text(inside), skipped + length));
    }
    if first == '"' || first == '[' {
        let end = if first == '[' { ']' } else { '"' };
        let (inside, length) = quoted(text, end).ok_or_else(|| open(text, line))?;
        return Ok((Word::Quoted(inside), length));
    }
    let run = |text: &str| {
        let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '#' | '$' | '@')));
        end.unwrap_or(text.len())
    };
    if let Some(name) = text.strip_prefix("@@") {
        let length = run(name);
        return Ok((
            Word::System(name[..length].to_ascii_uppercase()),
            2 + length,
        ));
    }
    if first == '@' || first == '#' || first == '_' || first.is_alphabetic() {
        let length = first.len_utf8() + run(&text[first.len_utf8()..]);
        let name = &text[..length];
        return Ok(match first {
            '@' => (Word::Variable(name.to_lowercase()), length),
            '#' => (Word::Quoted(name.to_owned()), length),
            _ => (Word::Name(name.to_owned()), length),
        });
    }
    if text.starts_with("0x") || text.starts_with("0X") {
        let end = text[2..].find(|c: char| !c.is_ascii_hexdigit());
        let length = end.map_or(text.len(), |end| 2 + end);
        return Ok((Word::Bytes(text[2..length].to_owned()), length));
    }
    if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
        let length = number(text);
        return Ok((Word::Number(text[..length].to_owned()), length));
    }
    let symbol = SYMBOLS.into_iter().find(|symbol| text.starts_with(symbol));
    let symbol = symbol.ok_or_else(|| syntax(&first.to_string(), line))?;
    Ok((Word::Symbol(symbol), symbol.len()))
}

/// What stands between quotes, in which the closing one is doubled, and the length with them.
fn quoted(text: &str, end: char) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != end {
            inside.push(character);
        } else if characters.next_if(|(_, next)| *next == end).is_some() {
            inside.push(end);
        } else {
            return Some((inside, at + 1));
        }
    }
    None
}

fn open(text: &str, line: u32) -> Notice {
    let shown: String = text.chars().skip(1).take(20).collect();
    let text = format!("Unclosed quotation mark after the character string '{shown}'.");
    super::error(105, 15, text, line)
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = digits(0);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let signed = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(signed).is_some_and(u8::is_ascii_digit) {
            at = digits(signed);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_know_their_lines() {
        let tokens = lex("SELECT N'it''s', [a]]b], @P1 -- no\n/* /* */ */ , 0xFF, 1.5e3, @@spid");
        let words: Vec<String> = (tokens.expect("tokens").iter())
            .map(|token| format!("{}:{}", token.line, token.shown()))
            .collect();
        let wanted = "1:SELECT 1:it's 1:, 1:a]b 1:, 1:@p1 2:, 2:FF 2:, 2:1.5e3 2:, 2:SPID";
        assert_eq!(words.join(" "), wanted);
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        let number = |text| lex(text).expect_err("an error").number;
        assert_eq!(number("'abc"), 105);
        assert_eq!(number("/* abc"), 113);
        assert_eq!(number("SELECT ?"), 102);
    }
}
