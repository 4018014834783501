//! What a request below `_api` names: segments, some with arguments (OData's URI conventions §2).

use percent_encoding::percent_decode_str;

/// A segment of the path: `lists`, `getbytitle('Documents')`, `items(3)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// In small letters: SharePoint does not mind case.
    pub name: String,
    /// What stands in its parentheses.
    pub arguments: Vec<Argument>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name, in small letters; empty: it has none.
    pub name: String,
    /// Its value, without quotes.
    pub value: String,
}

/// Most segments.
const MOST: usize = 32;

impl Segment {
    /// The argument of that name, or the one of that place which has no name.
    pub fn argument(&self, name: &str, place: usize) -> Option<&str> {
        let named = self.arguments.iter().find(|argument| argument.name == name);
        let placed = || {
            self.arguments
                .get(place)
                .filter(|argument| argument.name.is_empty())
        };
        named
            .or_else(placed)
            .map(|argument| argument.value.as_str())
    }
}

/// Reads what follows `_api/`; `alias` knows the values of `@name` arguments. None: malformed.
pub fn parse(path: &str, alias: impl Fn(&str) -> Option<String>) -> Option<Vec<Segment>> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let mut rest: &str = path.trim_matches('/');
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if segments.len() >= MOST {
            return None;
        }
        let end = rest.find(['/', '(']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let name = name.to_ascii_lowercase();
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_alphanumeric() || "_$.-".contains(c))
        {
            return None;
        }
        let (arguments, after) = match after.strip_prefix('(') {
            Some(inside) => arguments(inside, &alias)?,
            None => (Vec::new(), after),
        };
        segments.push(Segment { name, arguments });
        rest = match after.strip_prefix('/') {
            Some(rest) => rest,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(segments)
}

fn arguments<'t>(
    mut rest: &'t str,
    alias: &impl Fn(&str) -> Option<String>,
) -> Option<(Vec<Argument>, &'t str)> {
    let mut arguments = Vec::new();
    rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix(')') {
        return Some((arguments, after));
    }
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
        let (word, after) = rest.split_at(end);
        let name = match after.trim_start().strip_prefix('=') {
            Some(value) if !word.is_empty() => {
                rest = value.trim_start();
                word.to_ascii_lowercase()
            }
            _ => String::new(),
        };
        let (value, after) = value(rest, alias)?;
        arguments.push(Argument { name, value });
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(more) if arguments.len() < MOST => rest = more,
            _ => return Some((arguments, after.strip_prefix(')')?)),
        }
    }
}

/// A literal and what follows it.
pub fn value<'t>(
    text: &'t str,
    alias: &impl Fn(&str) -> Option<String>,
) -> Option<(String, &'t str)> {
    let kinds = ["guid'", "datetime'", "'"];
    let quoted = kinds.iter().find_map(|kind| {
        let head = text.get(..kind.len())?;
        head.eq_ignore_ascii_case(kind).then(|| &text[kind.len()..])
    });
    if let Some(mut rest) = quoted {
        let mut value = String::new();
        loop {
            let (piece, after) = rest.split_once('\'')?;
            value.push_str(piece);
            match after.strip_prefix('\'') {
                // Two quotes are one.
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => return Some((value, after)),
            }
        }
    }
    let is_part = |c: char| c.is_alphanumeric() || "-+._@".contains(c);
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    match word.starts_with('@') {
        true => Some((alias(word)?, after)),
        false if word.is_empty() => None,
        false => Some((word.to_owned(), after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn addresses_of_clients_are_read() {
        let path = "Web/Lists/GetByTitle('It''s%20here')/Items(3)/File/$value";
        let segments = parse(path, none).expect("well-formed");
        let names: Vec<&str> = segments
            .iter()
            .map(|segment| segment.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["web", "lists", "getbytitle", "items", "file", "$value"]
        );
        assert_eq!(segments[2].argument("title", 0), Some("It's here"));
        assert_eq!(segments[3].argument("", 0), Some("3"));
        let add = "web/getfolderbyserverrelativeurl('/Shared Documents/a/b')/files/add(url='x y.txt',overwrite=true)";
        let segments = parse(add, none).expect("well-formed");
        assert_eq!(segments[1].argument("", 0), Some("/Shared Documents/a/b"));
        assert_eq!(segments[3].argument("overwrite", 1), Some("true"));
        let guid = parse("web/lists(guid'ABC')", none).expect("well-formed");
        assert_eq!(guid[1].argument("", 0), Some("ABC"));
        let alias = |name: &str| (name == "@f").then(|| "/a".to_owned());
        let aliased = parse("web/getfilebyserverrelativeurl(@f)", alias).expect("well-formed");
        assert_eq!(aliased[1].argument("", 0), Some("/a"));
    }

    #[test]
    fn what_is_malformed_is_none() {
        for path in [
            "web/lists(",
            "web/lists('",
            "web/lists('a",
            "web/lists('a'",
            "web/lists('a')x",
            "web//lists",
            "(a)",
            "web/x(@y)",
            "web/x(,)",
            "web/x(a=)",
            "we b",
            "%ff",
            "web/x('a',)",
        ] {
            assert_eq!(parse(path, none), None, "{path}");
        }
    }
}
