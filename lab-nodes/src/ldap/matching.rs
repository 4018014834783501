//! Whether an entry is what a filter looks for ([MS-ADTS] §3.1.1.3.1.3).

use std::borrow::Cow;
use std::cmp::Ordering;

use super::name::Name;
use super::schema::{self, Attribute, Syntax};
use super::time;
use super::tree::{Contents, Entry};
use super::wire::{Filter, Rule};
use crate::directory::Sid;
use crate::domain_controller::Accounts;
use crate::domain_controller::accounts::Lately;

/// LDAP_MATCHING_RULE_BIT_AND, _BIT_OR and _IN_CHAIN ([MS-ADTS] §3.1.1.3.4.4).
const BITS_ALL: &str = "1.2.840.113556.1.4.803";
const BITS_ANY: &str = "1.2.840.113556.1.4.804";
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// Attributes that ambiguous name resolution looks at ([MS-ADTS] §3.1.1.3.1.3.3).
const AMBIGUOUS: [&str; 8] = [
    "displayName",
    "givenName",
    "legacyExchangeDN",
    "name",
    "proxyAddresses",
    "sAMAccountName",
    "sn",
    "mail",
];
/// UF_LOCKOUT.
const LOCKED_OUT: u64 = 0x10;

/// An entry as it is now: with the state of its account.
pub struct Shown<'a> {
    /// The entry.
    pub entry: &'a Entry,
    state: Option<Lately>,
}

impl<'a> Shown<'a> {
    /// The entry with what is known of its account.
    pub fn new(entry: &'a Entry, accounts: &Accounts) -> Self {
        let account = entry.account.as_deref();
        Self {
            entry,
            state: account.and_then(|account| Some(accounts.find(account)?.lately())),
        }
    }

    /// Values of an attribute, named as the schema names it.
    pub fn values(&self, name: &str) -> Cow<'a, [Vec<u8>]> {
        let Some(state) = &self.state else {
            return Cow::Borrowed(self.entry.get(name));
        };
        let number = match name {
            "badPwdCount" => state.wrong.into(),
            "badPasswordTime" => time::file_time(state.last_wrong),
            "lockoutTime" => time::file_time(state.locked_since),
            "msDS-User-Account-Control-Computed" if state.locked_since.is_some() => LOCKED_OUT,
            "msDS-User-Account-Control-Computed" => 0,
            _ => return Cow::Borrowed(self.entry.get(name)),
        };
        Cow::Owned(vec![number.to_string().into_bytes()])
    }

    /// Names of the attributes it has.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let live = [
            "badPwdCount",
            "badPasswordTime",
            "lockoutTime",
            "msDS-User-Account-Control-Computed",
        ];
        let live = live.into_iter().filter(|_| self.state.is_some());
        self.entry.attributes().map(|(name, _)| name).chain(live)
    }
}

/// A filter made ready: its attributes found, its values read by their syntax.
#[derive(Debug)]
pub enum Test {
    /// All hold.
    And(Vec<Test>),
    /// One holds.
    Or(Vec<Test>),
    /// It does not.
    Not(Box<Test>),
    /// It was decided without looking at entries; none: undefined.
    Known(Option<bool>),
    /// The attribute is there.
    Present(&'static Attribute),
    /// A value compares so.
    Compared(&'static Attribute, Key, Comparison),
    /// A value is made of these pieces.
    Pieces(&'static Attribute, Pieces),
    /// A number has these bits.
    Bits {
        /// The attribute.
        of: &'static Attribute,
        /// The bits.
        bits: i64,
        /// All of them; else one of them.
        all: bool,
    },
}

/// How values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is this.
    Equal,
    /// It is this or more.
    AtLeast,
    /// It is this or less.
    AtMost,
}

/// A value, ready to be compared.
#[derive(Debug, PartialEq, Eq)]
pub enum Key {
    /// Text, in small letters where these do not count.
    Text(String),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A name.
    Name(Name),
}

/// Pieces of a value, ready to be compared.
#[derive(Debug)]
pub struct Pieces {
    initial: Vec<u8>,
    any: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl Test {
    /// Makes a filter ready for a tree of these contents.
    pub fn new(filter: &Filter, contents: &Contents) -> Self {
        let list = |filters: &[Filter]| {
            let tests = filters.iter().map(|filter| Self::new(filter, contents));
            tests.collect()
        };
        match filter {
            Filter::And(filters) => Self::And(list(filters)),
            Filter::Or(filters) => Self::Or(list(filters)),
            Filter::Not(filter) => Self::Not(Box::new(Self::new(filter, contents))),
            Filter::Present(name) if name.eq_ignore_ascii_case("objectClass") => {
                Self::Known(Some(true))
            }
            Filter::Present(name) => match schema::attribute(name) {
                Some(attribute) => Self::Present(attribute),
                None => Self::Known(None),
            },
            Filter::Equal(name, value) | Filter::About(name, value)
                if name.eq_ignore_ascii_case("anr") =>
            {
                Self::ambiguous(value)
            }
            Filter::Equal(name, value) | Filter::About(name, value) => {
                Self::compared(name, value, Comparison::Equal, contents)
            }
            Filter::AtLeast(name, value) => {
                Self::compared(name, value, Comparison::AtLeast, contents)
            }
            Filter::AtMost(name, value) => {
                Self::compared(name, value, Comparison::AtMost, contents)
            }
            Filter::Pieces(name, pieces) => {
                let pieces = |attribute: &Attribute| Pieces {
                    initial: folded(attribute, pieces.initial.as_deref().unwrap_or_default()),
                    any: pieces
                        .any
                        .iter()
                        .map(|any| folded(attribute, any))
                        .collect(),
                    last: folded(attribute, pieces.last.as_deref().unwrap_or_default()),
                };
                match schema::attribute(name) {
                    Some(attribute) => Self::Pieces(attribute, pieces(attribute)),
                    None => Self::Known(None),
                }
            }
            Filter::ByRule(rule) => Self::by_rule(rule, contents),
        }
    }

    fn compared(name: &str, value: &[u8], how: Comparison, contents: &Contents) -> Self {
        let Some(attribute) = schema::attribute(name) else {
            return Self::Known(None);
        };
        match Key::asserted(attribute, value, contents) {
            Some(key) => Self::Compared(attribute, key, how),
            None => Self::Known(None),
        }
    }

    fn by_rule(rule: &Rule, contents: &Contents) -> Self {
        let Some(name) = &rule.attribute else {
            return Self::Known(None);
        };
        let Some(attribute) = schema::attribute(name) else {
            return Self::Known(None);
        };
        match rule.rule.as_deref() {
            // Groups do not stand in groups here, so that every chain has one link.
            None | Some(IN_CHAIN) => Self::compared(name, &rule.value, Comparison::Equal, contents),
            Some(which @ (BITS_ALL | BITS_ANY)) => {
                let number = std::str::from_utf8(&rule.value).ok();
                match number.and_then(|number| number.trim().parse().ok()) {
                    Some(bits) => Self::Bits {
                        of: attribute,
                        bits,
                        all: which == BITS_ALL,
                    },
                    None => Self::Known(None),
                }
            }
            Some(_) => Self::Known(None),
        }
    }

    fn ambiguous(value: &[u8]) -> Self {
        // A value that begins with = is looked for as a whole.
        let (value, whole) = match value.strip_prefix(b"=") {
            Some(value) => (value, true),
            None => (value, false),
        };
        let attributes = AMBIGUOUS.iter().filter_map(|name| schema::attribute(name));
        let test = |attribute: &'static Attribute| {
            let value = folded(attribute, value);
            if whole {
                let text = String::from_utf8_lossy(&value).into_owned();
                Self::Compared(attribute, Key::Text(text), Comparison::Equal)
            } else {
                let pieces = Pieces {
                    initial: value,
                    any: Vec::new(),
                    last: Vec::new(),
                };
                Self::Pieces(attribute, pieces)
            }
        };
        Self::Or(attributes.map(test).collect())
    }

    /// Whether an entry passes; none: undefined (RFC 4511 §4.5.1.7).
    pub fn holds(&self, shown: &Shown<'_>) -> Option<bool> {
        match self {
            Self::And(tests) => {
                let mut all = Some(true);
                for test in tests {
                    match test.holds(shown) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Self::Or(tests) => {
                let mut any = Some(false);
                for test in tests {
                    match test.holds(shown) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => any = None,
                    }
                }
                any
            }
            Self::Not(test) => test.holds(shown).map(|held| !held),
            Self::Known(known) => *known,
            Self::Present(attribute) => Some(!shown.values(attribute.name).is_empty()),
            Self::Compared(attribute, key, how) => {
                let values = shown.values(attribute.name);
                let mut keys = values.iter().filter_map(|value| Key::of(attribute, value));
                Some(keys.any(|value| match how {
                    Comparison::Equal => value == *key,
                    Comparison::AtLeast => value.cmp(key).is_some_and(Ordering::is_ge),
                    Comparison::AtMost => value.cmp(key).is_some_and(Ordering::is_le),
                }))
            }
            Self::Pieces(attribute, pieces) => {
                let values = shown.values(attribute.name);
                let mut values = values.iter();
                Some(values.any(|value| pieces.are_in(&folded(attribute, value))))
            }
            Self::Bits { of, bits, all } => {
                let values = shown.values(of.name);
                let mut numbers = values.iter().filter_map(|value| match Key::of(of, value) {
                    Some(Key::Number(number)) => Some(number),
                    _ => None,
                });
                Some(numbers.any(|number| {
                    let both = number & bits;
                    if *all { both == *bits } else { both != 0 }
                }))
            }
        }
    }
}

impl Key {
    /// Of a value that is stored.
    pub fn of(attribute: &Attribute, value: &[u8]) -> Option<Self> {
        let text = || std::str::from_utf8(value).ok();
        Some(match attribute.syntax {
            Syntax::Text => Self::Text(text()?.to_lowercase()),
            Syntax::Exact | Syntax::Time => Self::Text(text()?.to_owned()),
            Syntax::Truth => Self::Text(text()?.to_uppercase()),
            Syntax::Oid => {
                let text = text()?;
                let class = schema::class(text).map(|class| class.name);
                Self::Text(class.unwrap_or(text).to_lowercase())
            }
            Syntax::Number | Syntax::Large => Self::Number(text()?.trim().parse().ok()?),
            Syntax::Name => Self::Name(Name::parse(text()?).ok()?),
            Syntax::Bytes | Syntax::Sid => Self::Bytes(value.to_vec()),
        })
    }

    /// Of a value that a client asks for, which has short forms.
    fn asserted(attribute: &Attribute, value: &[u8], contents: &Contents) -> Option<Self> {
        let text = std::str::from_utf8(value);
        match (attribute.syntax, text) {
            (Syntax::Sid, Ok(text)) if text.starts_with("S-1-") => {
                Some(Self::Bytes(text.parse::<Sid>().ok()?.to_bytes()))
            }
            (Syntax::Name, Ok(text))
                if attribute.name == "objectCategory" && !text.contains('=') =>
            {
                let class = schema::class(text)?;
                Some(Self::Name(contents.schema().child("CN", class.category)))
            }
            _ => Self::of(attribute, value),
        }
    }

    /// How it stands to another one, where that is known.
    pub fn cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Number(one), Self::Number(other)) => Some(one.cmp(other)),
            (Self::Bytes(one), Self::Bytes(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

/// A value as its pieces are compared.
fn folded(attribute: &Attribute, value: &[u8]) -> Vec<u8> {
    match (attribute.syntax, std::str::from_utf8(value)) {
        (Syntax::Bytes | Syntax::Sid | Syntax::Exact, _) | (_, Err(_)) => value.to_vec(),
        (_, Ok(text)) => text.to_lowercase().into_bytes(),
    }
}

impl Pieces {
    fn are_in(&self, value: &[u8]) -> bool {
        let Some(mut rest) = value.strip_prefix(self.initial.as_slice()) else {
            return false;
        };
        for piece in &self.any {
            if piece.is_empty() {
                continue;
            }
            let mut windows = rest.windows(piece.len());
            let Some(at) = windows.position(|window| window == piece) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(&self.last)
    }
}
