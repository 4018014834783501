//! The If header (RFC 4918 §10.4).

/// Conditions of which one list must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The URL that it is about; none: the one of the request.
    pub resource: Option<String>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// It must not be so.
    pub not: bool,
    /// What.
    pub state: State,
}

/// What a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is held by this lock.
    Token(String),
    /// It has this entity tag, quotes included.
    Tag(String),
}

/// Most conditions of a header.
const MOST: usize = 100;

/// Reads it; none: it is malformed.
pub fn parse(header: &str) -> Option<Vec<List>> {
    let mut rest = header.trim_start();
    let mut resource = None;
    let mut lists = Vec::new();
    let mut count = 0;
    // The production mixes no lists with and without a resource.
    let mut fresh = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('<') {
            if fresh || (resource.is_none() && !lists.is_empty()) {
                return None;
            }
            let (url, after) = after.split_once('>')?;
            resource = Some(url.to_owned());
            fresh = true;
            rest = after.trim_start();
            continue;
        }
        let mut inside = rest.strip_prefix('(')?.trim_start();
        let mut conditions = Vec::new();
        rest = loop {
            if let Some(after) = inside.strip_prefix(')') {
                break after.trim_start();
            }
            let (not, after) = match inside.get(..3) {
                Some(word) if word.eq_ignore_ascii_case("not") => (true, inside[3..].trim_start()),
                _ => (false, inside),
            };
            let (state, after) = if let Some(after) = after.strip_prefix('<') {
                let (token, after) = after.split_once('>')?;
                (State::Token(token.to_owned()), after)
            } else {
                let (tag, after) = after.strip_prefix('[')?.split_once(']')?;
                (State::Tag(tag.to_owned()), after)
            };
            count += 1;
            if count > MOST {
                return None;
            }
            conditions.push(Condition { not, state });
            inside = after.trim_start();
        };
        if conditions.is_empty() {
            return None;
        }
        fresh = false;
        lists.push(List {
            resource: resource.clone(),
            conditions,
        });
    }
    (!lists.is_empty() && !fresh).then_some(lists)
}

impl List {
    /// Whether all of it holds where these locks are and this tag is.
    pub fn holds(&self, tokens: &[String], tag: Option<&str>) -> bool {
        self.conditions.iter().all(|condition| {
            let so = match &condition.state {
                State::Token(token) => tokens.contains(token),
                State::Tag(wanted) => {
                    tag.is_some_and(|tag| wanted.trim_start_matches("W/").eq_ignore_ascii_case(tag))
                }
            };
            so != condition.not
        })
    }
}

/// The locks that a header names: who names one knows it.
pub fn tokens(lists: &[List]) -> Vec<String> {
    let conditions = lists.iter().flat_map(|list| &list.conditions);
    conditions
        .filter(|condition| !condition.not)
        .filter_map(|condition| match &condition.state {
            State::Token(token) => Some(token.clone()),
            State::Tag(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4918_are_read() {
        // §10.4.6
        let lists = parse(
            "(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2> [\"I am an ETag\"]) ([\"I am another ETag\"])",
        )
        .expect("well-formed");
        assert_eq!(lists.len(), 2);
        let token = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2".to_owned();
        assert_eq!(tokens(&lists), std::slice::from_ref(&token));
        assert!(lists[0].holds(std::slice::from_ref(&token), Some("\"I am an ETag\"")));
        assert!(!lists[0].holds(&[], Some("\"I am an ETag\"")));
        // §10.4.7
        let not = parse("(Not <urn:uuid:1> <urn:uuid:2>)").expect("well-formed");
        assert!(not[0].holds(&["urn:uuid:2".to_owned()], None));
        assert!(!not[0].holds(&["urn:uuid:1".to_owned(), "urn:uuid:2".to_owned()], None));
        assert_eq!(tokens(&not), ["urn:uuid:2"]);
        // §10.4.9
        let tagged = parse("</resource1> (<urn:uuid:1> [W/\"A weak ETag\"]) ([\"strong ETag\"])");
        let tagged = tagged.expect("well-formed");
        assert!(
            tagged
                .iter()
                .all(|list| list.resource.as_deref() == Some("/resource1"))
        );
    }

    #[test]
    fn what_is_malformed_is_none() {
        for header in [
            "",
            "()",
            "(",
            "(<a)",
            "(<a>",
            "<a>",
            "<a> <b> (<c>)",
            "(<c>) <a> (<c>)",
            "x",
            "(Not)",
            "([a)",
            "(\"a\")",
            "(<a>) x",
            "(ä",
        ] {
            assert_eq!(parse(header), None, "{header}");
        }
    }
}
