//! The words of a filter.

/// A word or sign of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, keyword, address or number.
    Word(String),
    /// `(`, `)`, `[`, `]`, `:`, `,`, an operator or a comparison; `and`, `or`, `not` as signs, too.
    Sign(&'static str),
}

impl Token {
    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::Sign(sign) => sign,
        }
    }
}

/// The longest first.
const SIGNS: [&str; 25] = [
    "&&", "||", "!=", "==", "<=", ">=", "<<", ">>", "(", ")", "[", "]", ":", "!", "=", "<", ">",
    "+", "-", "*", "/", "%", "&", "|", "^",
];

/// Splits a filter into its words; the first character that belongs to none is the error.
pub(super) fn split(text: &str) -> Result<Vec<Token>, char> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut brackets = 0usize;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        // A name between backslash and blank is no keyword: `proto \tcp`.
        let escaped = rest.strip_prefix('\\');
        let word = escaped.unwrap_or(rest);
        let length = word_length(word, brackets > 0);
        if length > 0 {
            tokens.push(Token::Word(word[..length].to_owned()));
            rest = &word[length..];
            continue;
        }
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let sign = sign.ok_or(first)?;
        match sign {
            "[" => brackets += 1,
            "]" => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token::Sign(match sign {
            "=" => "==",
            sign => sign,
        }));
        rest = &rest[sign.len()..];
    }
    for token in &mut tokens {
        let Token::Word(word) = token else { continue };
        match word.as_str() {
            "and" => *token = Token::Sign("&&"),
            "or" => *token = Token::Sign("||"),
            "not" => *token = Token::Sign("!"),
            _ => {}
        }
    }
    Ok(tokens)
}

/// How long the word is that a text begins with. Within brackets a colon parts offset and size;
/// outside it is part of an address. A number ends where its digits do within brackets.
fn word_length(text: &str, bracketed: bool) -> usize {
    let number = text.starts_with(|c: char| c.is_ascii_digit());
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        || (!bracketed && text.starts_with("::"));
    if !starts {
        return 0;
    }
    let belongs = |c: char| {
        c.is_ascii_alphanumeric()
            || c == '_'
            || c == '.'
            || (c == '-' && !(bracketed && number))
            || (c == ':' && !bracketed)
    };
    let length = text.find(|c| !belongs(c)).unwrap_or(text.len());
    // A word does not end with a hyphen or a dot: that is an operator, or a mistake.
    let word = text[..length].trim_end_matches(['-', '.']);
    word.len()
}
