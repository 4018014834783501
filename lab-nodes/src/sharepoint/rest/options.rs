//! What of an answer is wanted: `$select`, `$filter`, `$orderby`, `$top`, `$skip`, `$expand`.

use std::cmp::Ordering;

use serde_json::Value;

use super::address;
use super::entity::Entity;
use crate::http::form::Form;

/// Wishes about an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    pub select: Vec<String>,
    pub expand: Vec<String>,
    pub filter: Option<Filter>,
    /// Property, descending.
    pub order: Vec<(String, bool)>,
    pub top: Option<usize>,
    pub skip: usize,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare(String, Compare, String),
    /// `startswith(Property,'x')`.
    Starts(String, String),
    /// `substringof('x',Property)`.
    Contains(String, String),
}

/// How a property compares with a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Deepest nesting of a condition.
const DEEPEST: usize = 16;

impl Options {
    /// From a query; none: one of them is malformed.
    pub fn read(query: &str) -> Option<Self> {
        let form = Form::read(query.as_bytes()).ok()?;
        let list = |name: &str| -> Vec<String> {
            let value = form.get(name).unwrap_or_default();
            let names = value.split(',').map(str::trim);
            names
                .filter(|name| !name.is_empty() && *name != "*")
                .map(str::to_owned)
                .collect()
        };
        let number = |name: &str| match form.get(name) {
            None => Some(None),
            Some(text) => text.trim().parse::<usize>().ok().map(Some),
        };
        let order = list("$orderby")
            .into_iter()
            .map(|property| match property.rsplit_once(' ') {
                Some((name, way)) => (name.trim().to_owned(), way.eq_ignore_ascii_case("desc")),
                None => (property, false),
            });
        Some(Self {
            select: list("$select"),
            expand: list("$expand"),
            filter: match form.get("$filter") {
                None | Some("") => None,
                Some(text) => Some(Filter::parse(text)?),
            },
            order: order.collect(),
            top: number("$top")?,
            skip: number("$skip")?.unwrap_or(0),
        })
    }

    /// Those that are wanted, in the order that is wanted.
    pub fn apply(&self, mut entities: Vec<Entity>) -> Vec<Entity> {
        if let Some(filter) = &self.filter {
            entities.retain(|entity| filter.holds(entity));
        }
        for (name, descending) in self.order.iter().rev() {
            entities.sort_by(|one, other| {
                let order = compare(&one.value(name), &other.value(name));
                if *descending { order.reverse() } else { order }
            });
        }
        let wanted = entities.into_iter().skip(self.skip);
        wanted.take(self.top.unwrap_or(usize::MAX)).collect()
    }

    /// Whether a property is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.select.is_empty()
            || self
                .select
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
    }

    /// Whether something linked is wanted within the answer.
    pub fn expands(&self, name: &str) -> bool {
        self.expand.iter().any(|wanted| {
            let first = wanted.split('/').next().unwrap_or_default();
            first.eq_ignore_ascii_case(name)
        })
    }
}

impl Filter {
    /// Reads one; none: it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let (filter, rest) = either(text, 0)?;
        rest.trim().is_empty().then_some(filter)
    }

    fn holds(&self, entity: &Entity) -> bool {
        match self {
            Self::And(one, other) => one.holds(entity) && other.holds(entity),
            Self::Or(one, other) => one.holds(entity) || other.holds(entity),
            Self::Not(filter) => !filter.holds(entity),
            Self::Starts(name, text) => words(&entity.value(name))
                .to_lowercase()
                .starts_with(&text.to_lowercase()),
            Self::Contains(name, text) => words(&entity.value(name))
                .to_lowercase()
                .contains(&text.to_lowercase()),
            Self::Compare(name, how, literal) => {
                let order = compare_literal(&entity.value(name), literal);
                match how {
                    Compare::Eq => order.is_eq(),
                    Compare::Ne => order.is_ne(),
                    Compare::Lt => order.is_lt(),
                    Compare::Le => order.is_le(),
                    Compare::Gt => order.is_gt(),
                    Compare::Ge => order.is_ge(),
                }
            }
        }
    }
}

fn either(text: &str, depth: usize) -> Option<(Filter, &str)> {
    let (mut filter, mut rest) = both(text, depth)?;
    while let Some(after) = word(rest, "or") {
        let (other, after) = both(after, depth)?;
        filter = Filter::Or(Box::new(filter), Box::new(other));
        rest = after;
    }
    Some((filter, rest))
}

fn both(text: &str, depth: usize) -> Option<(Filter, &str)> {
    let (mut filter, mut rest) = one(text, depth)?;
    while let Some(after) = word(rest, "and") {
        let (other, after) = one(after, depth)?;
        filter = Filter::And(Box::new(filter), Box::new(other));
        rest = after;
    }
    Some((filter, rest))
}

fn one(text: &str, depth: usize) -> Option<(Filter, &str)> {
    if depth > DEEPEST {
        return None;
    }
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('(') {
        let (filter, rest) = either(inside, depth + 1)?;
        return Some((filter, rest.trim_start().strip_prefix(')')?));
    }
    if let Some(after) = word(text, "not") {
        let (filter, rest) = one(after, depth + 1)?;
        return Some((Filter::Not(Box::new(filter)), rest));
    }
    for (name, starts) in [("startswith(", true), ("substringof(", false)] {
        let head = text.get(..name.len());
        if !head.is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            continue;
        }
        let inside = &text[name.len()..];
        let (first, rest) = match starts {
            true => property(inside)?,
            false => address::value(inside.trim_start(), &|_| None)?,
        };
        let rest = rest.trim_start().strip_prefix(',')?.trim_start();
        let (second, rest) = match starts {
            true => address::value(rest, &|_| None)?,
            false => property(rest)?,
        };
        let rest = rest.trim_start().strip_prefix(')')?;
        let filter = match starts {
            true => Filter::Starts(first, second),
            false => Filter::Contains(second, first),
        };
        return Some((filter, rest));
    }
    let (name, rest) = property(text)?;
    let (how, rest) = [
        ("eq", Compare::Eq),
        ("ne", Compare::Ne),
        ("lt", Compare::Lt),
        ("le", Compare::Le),
        ("gt", Compare::Gt),
        ("ge", Compare::Ge),
    ]
    .into_iter()
    .find_map(|(name, how)| Some((how, word(rest, name)?)))?;
    let (literal, rest) = address::value(rest.trim_start(), &|_| None)?;
    Some((Filter::Compare(name, how, literal), rest))
}

fn property(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || "_/.".contains(c)))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty()).then(|| (name.to_owned(), rest))
}

/// What follows a word.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let text = text.trim_start();
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    let ends = rest.starts_with([' ', '(', '\t']);
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => words(one).to_lowercase().cmp(&words(other).to_lowercase()),
    }
}

fn compare_literal(value: &Value, literal: &str) -> Ordering {
    match (value, literal.parse::<f64>()) {
        (Value::Number(number), Ok(literal)) => {
            number.as_f64().unwrap_or_default().total_cmp(&literal)
        }
        (Value::Null, _) if literal.eq_ignore_ascii_case("null") => Ordering::Equal,
        _ => words(value).to_lowercase().cmp(&literal.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entities() -> Vec<Entity> {
        [(1, "Plan"), (2, "Offer"), (3, "plot's")]
            .map(|(id, title)| {
                let mut entity = Entity::new("SP.ListItem", "x");
                entity.put("Id", json!(id)).put("Title", json!(title));
                entity
            })
            .into()
    }

    fn ids(query: &str) -> Vec<i64> {
        let options = Options::read(query).expect("well-formed");
        let found = options.apply(entities()).into_iter();
        found
            .filter_map(|entity| entity.value("Id").as_i64())
            .collect()
    }

    #[test]
    fn conditions_choose_and_orders_sort() {
        assert_eq!(ids("$filter=Id%20gt%201"), [2, 3]);
        assert_eq!(ids("$filter=Title+eq+'plan'"), [1]);
        assert_eq!(
            ids("$filter=startswith(Title,'pl')&$orderby=Id desc"),
            [3, 1]
        );
        assert_eq!(ids("$filter=substringof('''',Title)"), [3]);
        assert_eq!(
            ids("$filter=(Id eq 1 or Id eq 2) and not (Title eq 'Plan')"),
            [2]
        );
        assert_eq!(ids("$orderby=Title&$top=2&$skip=1"), [1, 3]);
        assert_eq!(ids("$top=0"), [0; 0]);
    }

    #[test]
    fn what_is_malformed_is_none() {
        let deep = format!("$filter={}", "(".repeat(100));
        for query in [
            "$top=x",
            "$skip=-1",
            "$filter=Id",
            "$filter=Id eq",
            "$filter=Id xx 1",
            "$filter=(Id eq 1",
            "$filter=Id eq 'a",
            "$filter=startswith(Title)",
            "$filter=Id eq 1 junk",
            deep.as_str(),
        ] {
            assert_eq!(Options::read(query), None, "{query}");
        }
    }
}
